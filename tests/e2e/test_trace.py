"""``bench trace`` as a user runs it."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import Running, bench

SCHEMA = """
CREATE TABLE parent (id int PRIMARY KEY, name text);
CREATE TABLE child (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent);
CREATE INDEX child_parent ON child (parent_id);
CREATE PROCEDURE in_batches() LANGUAGE plpgsql AS $$
BEGIN FOR i IN 0..2 LOOP UPDATE child SET parent_id = parent_id WHERE id % 3 = i; COMMIT; END LOOP; END $$;
"""
DATA = """
INSERT INTO parent SELECT g, 'p' || g FROM generate_series(1, 5) g;
INSERT INTO child SELECT g, 1 + g % 5 FROM generate_series(1, 30) g;
"""
KEYS = {"locks", "rewrites", "full_scans", "indexes_rebuilt", "truncated", "blocks", "error"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "schema.sql").write_text(SCHEMA)
    (tmp_path / "rows.sql").write_text(DATA)
    return tmp_path


def trace(directory: Path, script: str, *options: str, code: int = 0) -> dict[str, Any]:
    (directory / "script.sql").write_text(script)
    files = ("--base", "schema.sql", "--data", "rows.sql", "--json", "-")
    done = bench("trace", "script.sql", *files, *options, cwd=directory)
    assert done.returncode == code, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_the_document(directory: Path) -> None:
    document = trace(directory, "ALTER TABLE parent ALTER COLUMN id TYPE bigint;\nTRUNCATE child;\n")
    first, second = document["statements"]
    assert KEYS | {"index", "text", "transaction"} <= first.keys()
    assert document["summary"].keys() >= KEYS
    assert (first["index"], first["text"], first["transaction"], first["error"]) == (
        0,
        "ALTER TABLE parent ALTER COLUMN id TYPE bigint",
        "own",
        None,
    )
    assert {
        "relation": "public.parent",
        "mode": "AccessExclusiveLock",
        "relkind": "r",
        "new": False,
        "source": "exact",
        "table": None,
    } in first["locks"]
    assert first["rewrites"] == ["public.parent"]
    assert set(first["full_scans"]) == {"public.parent", "public.child"}
    assert first["indexes_rebuilt"] == ["public.parent_pkey"]
    scan = next(each for each in first["scans"] if each["relation"] == "public.parent")
    assert scan["rows"] == 5 * scan["passes"] >= 10
    assert {
        "relation": "public.child",
        "op": "INSERT",
        "waits_on": "public.child",
        "wait_kind": "relation",
        "wanted": "RowExclusiveLock",
    } in first["blocks"]
    assert second["truncated"] == ["public.child"]
    assert document["summary"]["truncated"] == ["public.child"]
    assert document["summary"]["rewrites"] == ["public.parent"]
    assert document["summary"]["error"] is None


def test_nothing_in_a_summary_is_there_twice(directory: Path) -> None:
    summary = trace(directory, "ALTER TABLE child ADD a int;\nALTER TABLE child ADD b int;\n")["summary"]
    for key in ("locks", "blocks"):
        texts = [json.dumps(each) for each in summary[key]]
        assert len(texts) == len(set(texts)) > 0


def test_commits_inside_a_procedure_are_stopped_at(directory: Path) -> None:
    """The indexes are locked after the last gate; only the commit can show them."""
    (call,) = trace(directory, "CALL in_batches();")["statements"]
    assert {(each["relation"], each["mode"], each["source"]) for each in call["locks"]} == {
        (f"public.{name}", "RowExclusiveLock", "frozen") for name in ("child", "child_parent", "child_pkey")
    }


def test_a_failure_is_told_and_is_exit_code_4(directory: Path) -> None:
    document = trace(directory, "SELECT 1;\nALTER TABLE child ADD CHECK (id < 0);\nSELECT 2;\n", code=4)
    assert [each["outcome"] for each in document["statements"]] == ["applied", "failed", "skipped"]
    assert document["summary"]["error"]["sqlstate"] == "23514"
    assert document["statements"][1]["locks"][0]["mode"] == "AccessExclusiveLock"


def test_without_probe_nothing_is_tried(directory: Path) -> None:
    assert trace(directory, "TRUNCATE child;", "--no-probe")["summary"]["blocks"] == []


def test_the_text_says_who_would_wait(directory: Path) -> None:
    (directory / "script.sql").write_text("ALTER TABLE parent ADD x int;\n")
    done = bench("trace", "script.sql", "--base", "schema.sql", "--quiet", cwd=directory)
    assert done.returncode == 0, done.stderr
    assert "ACCESS EXCLUSIVE" in done.stdout
    assert "INSERT on public.child would wait, because of public.parent" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere.sql",), "nowhere.sql: cannot be read"),
        (("script.sql", "--base", "broken.sql"), "broken.sql:1: "),
        (("script.sql", "--json", "nowhere/x.json"), "nowhere/x.json cannot be written"),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(directory: Path, arguments: tuple[str, ...], says: str) -> None:
    (directory / "script.sql").write_text("SELECT 1;")
    (directory / "broken.sql").write_text("CREATE TABLE;")
    done = bench("trace", *arguments, "--quiet", cwd=directory)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_server_that_dies_is_exit_code_5_and_leaves_nothing(directory: Path) -> None:
    (directory / "script.sql").write_text("SELECT pg_sleep(60);")
    running = Running(("trace", "script.sql", "--base", "schema.sql"), directory)
    try:
        running.wait_for("1 statement")
        servers = running.servers()
        next(each for each in servers if each.ppid() == running.process.pid).kill()
        assert running.process.wait(timeout=60) == 5
        assert "the server" in running.said
        _, alive = psutil.wait_procs(servers, timeout=20)
        assert alive == []
    finally:
        running.kill()


def test_ctrl_c_is_exit_code_130_and_leaves_nothing(directory: Path) -> None:
    (directory / "script.sql").write_text("DO $$ BEGIN PERFORM pg_sleep(60); END $$;")
    running = Running(("trace", "script.sql", "--base", "schema.sql"), directory)
    try:
        running.wait_for("1 statement")
        servers = running.servers()
        assert running.end(signal.SIGINT) == 130
        _, alive = psutil.wait_procs(servers, timeout=20)
        assert alive == []
    finally:
        running.kill()
