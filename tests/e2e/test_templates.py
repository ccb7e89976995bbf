"""Runs that share a template, and ``bench templates``, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from command_line import bench

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def dataset(tmp_path: Path, *options: str) -> Any:
    done = bench(
        *("run", str(MIGRATIONS / "crm"), "--scale", "0.005", "--repeats", "1", "--no-explain", "--no-probe"),
        *("--no-load", "--server", "embedded", "--json", "-", "--quiet", *options),
        cwd=tmp_path,
        env={"BENCH_CACHE_DIR": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    noted = any(note["subject"] == "template" for note in run["notes"])
    assert noted == run["dataset"]["from_template"]
    return run["dataset"]


def templates(tmp_path: Path, *arguments: str) -> Any:
    done = bench("templates", *arguments, cwd=tmp_path, env={"BENCH_CACHE_DIR": str(tmp_path / "cache")})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "--json" in arguments else done.stdout


def test_the_second_run_takes_the_template_of_the_first(tmp_path: Path) -> None:
    first, second = dataset(tmp_path), dataset(tmp_path)
    assert not first["from_template"]
    assert second["from_template"]
    assert second == first | {"from_template": True}
    assert not dataset(tmp_path, "--no-cache")["from_template"]
    (kept,) = templates(tmp_path, "list", "--json", "-")["templates"]
    assert kept["about"]["suite"] == "crm"
    assert kept["about"]["rows"] == str(sum(table["rows"] for table in first["tables"]))
    assert kept["name"] in templates(tmp_path, "list")
    assert templates(tmp_path, "prune", "--keep", "10G", "--json", "-")["templates"] == []
    assert "1 removed" in templates(tmp_path, "prune", "--keep", "0")
    assert templates(tmp_path, "list", "--json", "-")["templates"] == []


def test_prune_wants_to_be_told_what(tmp_path: Path) -> None:
    done = bench("templates", "prune", cwd=tmp_path)
    assert done.returncode == 2
    assert "--keep" in done.stderr
