"""Suites of another revision: what is deployed already, and no more of the repository than that."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analyse.conclude import conclude
from bench.cli.options import Pending, SuiteChoice
from bench.cli.pending import chosen_suite
from bench.errors import UsageError
from bench.migrate.revision import suite_at
from bench.migrate.script import read_statements
from bench.migrate.suite import Suite, find_suite
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.run.template.options import DataOptions

CASE = Path(__file__).parent / "inputs" / "directories" / "31-since-on-a-schema-dump"


def git(directory: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=directory, check=True, capture_output=True, text=True
    ).stdout


def commit(directory: Path, *, first: bool = False) -> None:
    if first:
        git(directory, "init", "-q", ".")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "one")


def rehearsed(server: Server, suite: Suite, data: DataOptions) -> Run:
    options = RunOptions(repeats=1, explain=False, data=data)
    return conclude(rehearse(server, suite, options, run_id="t", save=lambda _: None, progress=silent)).run


@pytest.mark.parametrize("fill", [False, True])
def test_directories_31_since_on_a_schema_dump(server: Server, tmp_path: Path, fill: bool) -> None:
    top = tmp_path / "top"
    shutil.copytree(CASE, top)
    commit(top, first=True)
    (top / "later" / "002_index.sql").rename(top / "migrations" / "002_index.sql")
    commit(top)
    with chosen_suite(
        SuiteChoice(str(top / "migrations"), top / "dump.sql"), None, Pending(since="HEAD~1")
    ) as suite:
        run = rehearsed(server, suite, DataOptions(fill=fill, rows={"parcels": 50} if fill else {}))
    assert [each.id for each in run.suite.migrations] == ["002_index"]
    assert run.passes[0].repeats[0].migrations[0].outcome == "applied"
    assert "holds what they do already" in " ".join(note.text for note in run.notes)
    if fill:
        assert run.dataset is not None
        assert run.dataset.tables[0].rows == 50


def test_a_base_that_lacks_what_was_deployed_still_gets_it(server: Server, tmp_path: Path) -> None:
    top = tmp_path / "top"
    shutil.copytree(CASE, top)
    (top / "dump.sql").write_text("CREATE TABLE parcels (id bigint PRIMARY KEY);\n")
    (top / "migrations" / "000_wrong.sql").write_text("ALTER TABLE nowhere ADD COLUMN a int;\n")
    commit(top, first=True)
    (top / "later" / "002_index.sql").rename(top / "migrations" / "002_index.sql")
    with (
        chosen_suite(
            SuiteChoice(str(top / "migrations"), top / "dump.sql"), None, Pending(since="HEAD")
        ) as suite,
        pytest.raises(UsageError, match="nowhere"),
    ):
        rehearsed(server, suite, DataOptions())
    with chosen_suite(
        SuiteChoice(str(top / "migrations"), top / "dump.sql"), None, Pending(since="HEAD")
    ) as suite:
        run = rehearsed(server, replace(suite, deployed=suite.deployed[1:]), DataOptions())
    assert run.passes[0].repeats[0].migrations[0].outcome == "applied"


def test_directories_40_only_the_suite_is_asked_of_git(tmp_path: Path) -> None:
    """A blob elsewhere that cannot be read, as in a partial clone without a way to its origin."""
    suite = tmp_path / "db" / "migrations"
    suite.mkdir(parents=True)
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "common.sql").write_text("\\ir deeper.sql\n")
    (tmp_path / "lib" / "deeper.sql").write_text("SELECT 1;\n")
    (suite / "001_a.sql").write_text("\\ir ../../lib/common.sql\nSELECT 2;\n")
    (tmp_path / "big.go").write_text("package main // unreadable\n")
    commit(tmp_path, first=True)
    blob = git(tmp_path, "rev-parse", "HEAD:big.go").strip()
    (tmp_path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with suite_at(find_suite(str(suite)), "HEAD") as before:
        assert [each.id for each in before.migrations] == ["001_a"]
        texts = [statement.text for statement in read_statements(before.migrations[0].path)]
        assert [text.strip() for text in texts] == ["SELECT 1", "SELECT 2"]
        assert not (before.path.parents[1] / "big.go").exists()
