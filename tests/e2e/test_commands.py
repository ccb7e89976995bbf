"""Migrations in code, by their own tools: recorded, rehearsed, and equal in the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command_line import bench

PROJECTS = Path(__file__).parents[1] / "commands"
SCRIPTS = Path(sys.executable).parent
MODULES = Path(__file__).parents[1] / "real_tools" / "node_modules"
COMMANDS = {
    "django": f"{sys.executable} manage.py migrate",
    "alembic": f"{SCRIPTS / 'alembic'} upgrade head",
    "rails": "ruby migrate.rb",
    "knex": f"node {MODULES}/knex/bin/cli.js --knexfile knexfile.cjs migrate:latest",
}


def require(tool: str) -> None:
    """Rails and Knex are not of Python: where they are not installed, their tests are left out."""
    if tool == "rails":
        ruby = ["ruby", "-e", 'require "active_record"; require "pg"']
        there = shutil.which("ruby") is not None and subprocess.run(ruby, check=False).returncode == 0
    else:
        there = tool != "knex" or (MODULES / "knex").is_dir()
    if not there:
        assert os.environ.get("BENCH_TEST_TOOLS") != "all", f"{tool} is not installed"
        pytest.skip(f"{tool} is not installed: make tools")


@pytest.mark.parametrize("tool", COMMANDS)
def test_a_tool_in_code_is_recorded_and_rehearsed_to_the_same_end(tool: str, tmp_path: Path) -> None:
    require(tool)
    done = bench(
        "run", "--command", COMMANDS[tool], "--workdir", str(PROJECTS / tool), "--repeats", "2", "--no-load",
        "--no-explain", "--server", "embedded", "--out", "run", cwd=tmp_path,
        env={"NODE_PATH": str(MODULES)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run = json.loads((tmp_path / "run" / "run.json").read_bytes())
    notes = [note["text"] for note in run["notes"] if note["subject"] == "recording"]
    assert notes == ["Repeated, the statements leave the same schema and the same rows as the command."]
    migrations = run["passes"][0]["repeats"][0]["migrations"]
    assert len(migrations) >= 6
    statements = [statement for migration in migrations for statement in migration["statements"]]
    if tool == "django":  # which thinks for 0.3 s with rows locked
        assert max(wait["away_s"] for wait in run["longest_waits"]) >= 0.3
    concurrently = next(one for one in statements if "CONCURRENTLY" in one["text"])
    assert concurrently["outcome"] == "applied"
