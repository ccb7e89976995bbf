"""``bench run --since``: what is pending, on top of what is deployed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from command_line import bench

SCHEMA = "CREATE TABLE orders (id int PRIMARY KEY, total int);\n"
FIRST = "INSERT INTO orders SELECT n, n FROM generate_series(1, 3000) AS n;\n"
SECOND = "ALTER TABLE orders ADD COLUMN state text;\nUPDATE orders SET state = 'open';\n"


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One migration is deployed and was edited afterwards; one is new."""
    top = tmp_path_factory.mktemp("repository")
    (top / "db").mkdir()
    (top / "schema.sql").write_text(SCHEMA)
    (top / "db" / "001_rows.sql").write_text(FIRST)
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "deployed")
    (top / "db" / "001_rows.sql").write_text(FIRST.replace("3000", "9000"))
    (top / "db" / "002_state.sql").write_text(SECOND)
    return top


def test_only_what_is_pending_is_rehearsed_on_what_is_deployed(repository: Path) -> None:
    options = ("--base", "schema.sql", "--server", "embedded", "--repeats", "1", "--no-load", "--quiet")
    done = bench("run", "db", *options, "--since", "HEAD", "--json", "run.json", cwd=repository)
    assert done.returncode == 0, done.stderr
    run = json.loads((repository / "run.json").read_text())
    assert [each["file"] for each in run["suite"]["migrations"]] == ["002_state.sql"]
    assert [each["file"] for each in run["suite"]["deployed"]] == ["001_rows.sql"]
    assert [(each["name"], each["rows"]) for each in run["dataset"]["tables"]] == [("public.orders", 3000)]
    update = run["passes"][0]["repeats"][0]["migrations"][0]["statements"][1]
    assert update["rows"] == 3000
    notes = [each["text"] for each in run["notes"] if each["subject"] == "migrations"]
    assert [note.split(":")[0] for note in notes] == [
        "1 migration is part of the state before, applied unwatched",
        "Edited after they were deployed, and applied as they were then",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--since", "nowhere"), "nowhere"),
        (("--since", "HEAD", "--against", "HEAD"), "--against excludes --since"),
    ],
)
def test_what_cannot_be_is_refused(repository: Path, arguments: tuple[str, ...], said: str) -> None:
    done = bench("run", "db", "--base", "schema.sql", *arguments, cwd=repository)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_nothing_pending_is_said(repository: Path) -> None:
    git(repository, "stash", "-q", "-u")
    done = bench("run", "db", "--base", "schema.sql", "--since", "HEAD", cwd=repository)
    git(repository, "stash", "pop", "-q")
    assert (done.returncode, "no migration that HEAD does not have" in done.stderr) == (2, True), done.stderr


def test_a_deployed_migration_that_fails_is_named(repository: Path) -> None:
    (repository / "empty.sql").write_text("CREATE TABLE others (id int);\n")
    done = bench(
        "run", "db", "--base", "empty.sql", "--server", "embedded", "--since", "HEAD", cwd=repository
    )
    assert done.returncode == 2
    assert "deployed before: 001_rows.sql:1:" in done.stderr
