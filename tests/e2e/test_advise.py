"""``bench advise`` through the command line: what it prints to be pasted, and where that is nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import bench

BASE = """
CREATE TABLE orders (id bigint PRIMARY KEY, state text, amount int);
INSERT INTO orders SELECT n, 'new', n FROM generate_series(1, 500) n;
"""
ONLINE = """\
CREATE INDEX CONCURRENTLY orders_state ON orders (state);
ALTER TABLE orders ADD note text;
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "base.sql").write_text(BASE)
    (tmp_path / "m").mkdir()
    return tmp_path


def test_what_to_paste_is_that_of_the_suites_tool_and_the_rest_is_asked_for(project: Path) -> None:
    (project / "m/V1__note.sql").write_text(
        "ALTER TABLE orders ADD note text;\nALTER TABLE orders ADD b int;\n"
    )
    asked = ("advise", "m", "--base", "base.sql", "--reader-s", "1", "--rate", "50", "--no-pictures")
    done = bench(*asked, "--json", "advise.json", cwd=project)
    assert done.returncode == 0, done.stderr
    said = json.loads((project / "advise.json").read_text())
    assert said["tries"] > 1
    assert [one["reader_s"] for one in said["migrations"][0]["behind"]] == [1.0, 10.0, 30.0, 120.0]
    waiting, timed = said["run"]["ways"]
    assert (waiting["lock_timeout_s"], timed["lock_timeout_s"]) == (None, said["lock_timeout_s"])
    assert timed["through"]
    assert "initSql = \"SET lock_timeout = '50ms'\"" in done.stdout
    assert "SET LOCAL lock_timeout = '50ms';" in done.stdout
    assert "flyway migrate && exit 0" in done.stdout
    assert "ALTER ROLE" not in done.stdout
    assert "PgBouncer" in done.stdout
    (proposal,) = project.glob("results/runs/*/advise.md")
    folded = proposal.read_text().partition("<details>")[2]
    for form in ("alembic", "django", "drizzle", "pgoptions", "role", "url", "jdbc"):
        assert said["paste"][form] in folded
    compile(said["paste"]["django"], "settings.py", "exec")
    compile(said["paste"]["alembic"], "env.py", "exec")


def test_without_traffic_it_is_computed_and_what_waits_in_nobodys_way_is_named(project: Path) -> None:
    (project / "m/001_note.sql").write_text(ONLINE)
    done = bench(
        "advise", "m", "--base", "base.sql", "--no-load", "--form", "role", "--no-pictures", cwd=project
    )
    assert done.returncode == 0, done.stderr
    assert "not run" in done.stdout
    assert "001_note.sql:1 CREATE INDEX CONCURRENTLY" in done.stdout
    assert "Give these a file of their own" in done.stdout
    assert "ALTER ROLE deployer SET lock_timeout = '50ms';" in done.stdout
    assert "PGOPTIONS" not in done.stdout.partition("Through a pooler")[0]


def test_a_form_that_there_is_not_is_refused(project: Path) -> None:
    (project / "m/001_note.sql").write_text(ONLINE)
    done = bench("advise", "m", "--base", "base.sql", "--form", "rail", cwd=project)
    assert done.returncode == 2
    assert "one of file, pgoptions" in done.stderr


@pytest.mark.parametrize(
    ("sql", "said", "code"),
    [
        ("CREATE TABLE notes (id int);", "Nothing to set", 0),
        ("ALTER TABLE absent ADD note text;", "The deploy fails by itself", 4),
    ],
)
def test_where_there_is_nothing_to_set_it_says_so(project: Path, sql: str, said: str, code: int) -> None:
    (project / "m/001_note.sql").write_text(sql)
    done = bench("advise", "m", "--base", "base.sql", "--no-load", "--no-pictures", cwd=project)
    assert done.returncode == code, done.stderr
    assert said in done.stdout


def test_a_hazard_of_ones_own_is_refused(project: Path) -> None:
    (project / "m/001_note.sql").write_text(ONLINE)
    done = bench("advise", "m", "--base", "base.sql", "--lock-timeout", "2s", cwd=project)
    assert done.returncode == 2
    assert "finds the timeout" in done.stderr
