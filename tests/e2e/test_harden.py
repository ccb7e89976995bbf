"""``bench harden`` through the command line: what it prints, writes for a pull request, and leaves alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import bench

BASE = """
CREATE TABLE orders (id bigint PRIMARY KEY, state text, amount int);
INSERT INTO orders SELECT n, 'new', n FROM generate_series(1, 500) n;
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "base.sql").write_text(BASE)
    (tmp_path / "m").mkdir()
    return tmp_path


def test_the_same_document_on_the_terminal_in_markdown_and_as_json(project: Path) -> None:
    (project / "m/001_add.sql").write_text("ALTER TABLE orders ADD note text;\n")
    done = bench("harden", "m", "--base", "base.sql", "--no-load", "--json", "harden.json", cwd=project)
    assert done.returncode == 0, done.stderr
    (proposal,) = project.glob("results/runs/*/harden.md")
    said = proposal.read_text()
    figures = {each["name"]: each for each in json.loads((project / "harden.json").read_text())["figures"]}
    assert figures["Verdict"]["before"] == "conditional"
    assert figures["Verdict"]["after"] == "ready"
    for name, each in figures.items():
        assert f"| {name} | {each['before']} | {each['after']} |" in said
        assert name in done.stdout
    assert "SET lock_timeout = '2s';\nALTER TABLE orders ADD note text;" in said
    assert "Both versions come to the same" in done.stdout
    assert (project / "m/001_add.sql").read_text() == "ALTER TABLE orders ADD note text;\n"


def test_a_deploy_that_hurts_nobody_has_nothing_to_propose(project: Path) -> None:
    (project / "m/001_add.sql").write_text("CREATE TABLE notes (id int);\n")
    done = bench("harden", "m", "--base", "base.sql", "--no-load", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "Nothing to write otherwise" in done.stdout


def test_a_deploy_that_fails_is_not_written(project: Path) -> None:
    (project / "m/001_add.sql").write_text("ALTER TABLE absent ADD note text;\n")
    done = bench("harden", "m", "--base", "base.sql", "--no-load", cwd=project)
    assert done.returncode == 4
    assert "The original fails" in done.stdout
    assert not list(project.glob("results/runs/*/safe"))
