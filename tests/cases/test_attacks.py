"""Small deploys that look harmless, or are: what each is told as."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from load_trials import traffic

from bench.model.run import Run

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


USERS = """
CREATE TABLE users (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL, state text NOT NULL DEFAULT 'new'
);
INSERT INTO users (email) SELECT 'u' || g || '@x.test' FROM generate_series(1, 500) g;
"""


@pytest.mark.parametrize(
    ("text", "sqlstate"),
    [
        ("CREATE UNIQUE INDEX CONCURRENTLY e ON users (email);\n"
         "ALTER TABLE users ADD CONSTRAINT e UNIQUE USING INDEX e;", None),
        ("ALTER TABLE users ADD UNIQUE (email);", None),
        ("ALTER TABLE users ALTER COLUMN state DROP DEFAULT;", "23502"),
        ("ALTER TABLE users ALTER COLUMN id DROP IDENTITY, ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;",
         "23505"),
    ],
)  # fmt: skip
def test_inserts_that_nobody_wrote_show_what_the_deploy_breaks_and_nothing_else(
    text: str, sqlstate: str | None, rehearse_files: Case, tmp_path: Path
) -> None:
    """They copy rows, which a new unique key refuses of them alone, and leave out what has a default."""
    files = {"1.sql": f"SET lock_timeout = '2s';\n{text}\n"}
    run = rehearse_files(files, USERS, load=traffic(tmp_path, rate_per_s=60.0))
    broken = {f.evidence["sqlstate"] for f in run.findings if f.code == "broken-query"}
    assert broken == ({sqlstate} if sqlstate else set())
    assert "fails-under-traffic" not in {finding.code for finding in run.findings}


def test_a_view_that_shows_fewer_rows_since_is_told(rehearse_files: Case) -> None:
    views = "CREATE VIEW people AS TABLE users; CREATE VIEW same AS TABLE users;"
    text = (
        "CREATE OR REPLACE VIEW people AS SELECT * FROM users WHERE id > 400;\n"
        "CREATE OR REPLACE VIEW same AS SELECT * FROM users WHERE id > 0;\n"
    )
    run = rehearse_files({"1.sql": text}, USERS + views, explain=True)
    (finding,) = [finding for finding in run.findings if finding.code == "fewer-rows"]
    assert "1.sql:1: public.people shows 100 rows where it showed 500" in finding.sentence
