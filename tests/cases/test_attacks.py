"""Small deploys that look harmless, or are: what each is told as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.model.run import Run
from tests.cases.test_traffic import traffic

Case = Callable[..., Run]

TRIGGERED = (
    "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 0); CREATE FUNCTION f() "
    "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
    "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();"
)


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("BEGIN; ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET a = 1; COMMIT;", "error"),
        ("BEGIN; ALTER TABLE t DISABLE TRIGGER g; COMMIT; UPDATE t SET a = 1; "
         "BEGIN; ALTER TABLE t ENABLE TRIGGER g; COMMIT;", "warning"),
    ],
)  # fmt: skip
def test_a_trigger_that_a_transaction_leaves_off_is_told(
    text: str, severity: str, rehearse_files: Case
) -> None:
    run = rehearse_files({"1.sql": text}, TRIGGERED)
    assert [each.severity for each in run.findings if each.code == "trigger-off"] == [severity]


def test_a_trigger_that_a_later_migration_turns_on_is_off_until_then(rehearse_files: Case) -> None:
    files = {"1.sql": "ALTER TABLE t DISABLE TRIGGER ALL;", "2.sql": "ALTER TABLE t ENABLE TRIGGER ALL;"}
    (finding,) = (f for f in rehearse_files(files, TRIGGERED).findings if f.code == "trigger-off")
    assert finding.severity == "warning"
    assert "is off for all sessions until 2.sql has run" in finding.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ALTER TABLE t SET UNLOGGED;", ["warning"]),
        ("ALTER TABLE t SET UNLOGGED; UPDATE t SET a = 2; ALTER TABLE t SET LOGGED;", []),
        ("CREATE UNLOGGED TABLE u (id int); ALTER TABLE u SET LOGGED; ALTER TABLE u SET UNLOGGED;", []),
    ],
)
def test_a_table_that_a_crash_would_empty_is_told(
    text: str, expected: list[str], rehearse_files: Case
) -> None:
    run = rehearse_files({"1.sql": f"SET lock_timeout = '2s'; {text}"}, TRIGGERED)
    assert [each.severity for each in run.findings if each.code == "unlogged"] == expected
    assert run.verdict is not None
    assert run.verdict.status == ("conditional" if expected else "ready")


def test_rows_that_a_migration_prints_keep_nothing_from_going_on(rehearse_files: Case) -> None:
    text = "COPY (SELECT id FROM t) TO STDOUT;\nBEGIN;\ncopy t to\nstdout;\nALTER TABLE t ADD b int;\nCOMMIT;"
    run = rehearse_files({"1.sql": text}, TRIGGERED)
    (migration,) = run.passes[0].repeats[0].migrations
    assert [each.outcome for each in migration.statements] == ["applied"] * 5


def test_a_partition_that_takes_todays_rows_is_detached(rehearse_files: Case, tmp_path: Path) -> None:
    base = (
        "CREATE SEQUENCE s; CREATE TABLE p (id int, day date DEFAULT CURRENT_DATE) PARTITION BY RANGE (day); "
        "CREATE TABLE p_today PARTITION OF p FOR VALUES FROM ('2020-01-01') TO ('2200-01-01');"
    )
    workload = tmp_path / "workload"
    workload.mkdir()
    (workload / "workload.toml").write_text(
        "[[class]]\nname = 'note'\ntables = ['public.p']\naccess = 'write'\nweight = 1\n"
        "sql = \"INSERT INTO p (id) VALUES (nextval('s'))\"\n"
    )
    text = "SET lock_timeout = '2s'; ALTER TABLE p DETACH PARTITION p_today;"
    run = rehearse_files({"1.sql": text}, base, load=traffic(workload))
    (broken,) = (each for each in run.findings if each.code == "broken-query")
    assert broken.severity == "error"
    assert "create the one that takes its place" in (broken.fix or "")
