"""Cases from the field of what is handed out: ways out that work and lose nothing, and advice that fits."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from field import folder
from remedy_trials import altered, copied, differences, original, planted, run_script, same_values, state_of

from bench.analyse.conclude import conclude
from bench.analyse.grouping import told_once
from bench.analyse.remedies.choice import for_lock, for_rewrite, for_scan, for_stopped
from bench.errors import UsageError
from bench.model.finding import Finding
from bench.model.run import Run
from bench.pg.server import Server
from bench.report.markdown import render_markdown
from bench.run.template.prepare import apply_file

Case = Callable[..., Run]
_MANY = re.compile(r"generate_series\(1, ?(\d{5,})\)")


def smaller(text: str, rows: int = 2000) -> str:
    """A base with fewer rows: what is proved does not hang on their number."""
    return _MANY.sub(f"generate_series(1, {rows})", text)


def read(case: str, name: str) -> str:
    return (folder(case) / name).read_text(encoding="utf-8")


def rehearse_small(rehearse_files: Case, case: str, file: str, **options: object) -> Run:
    name = Path(file).name
    return rehearse_files({name: read(case, file)}, smaller(read(case, "base.sql")), **options)


def only(run: Run, code: str) -> Finding:
    (finding,) = [each for each in run.findings if each.code == code]
    return finding


def test_reports_05_attach_partition_scans_default(server: Server) -> None:
    """Neither table is read under the lock, as the server's own message of a proof says."""
    case = "reports/05-attach-partition-scans-default"
    attach = read(case, "mig/001_attach.sql").split(";")[1].strip()
    with planted(server, smaller(read(case, "base.sql"))) as base:
        known = original(server, base, attach)
        script = for_scan(attach, "public.event_2026_02", known.around).sql
        assert script == for_scan(attach, "public.event_default", known.around).sql, "one script for both"
        assert script is not None
        assert "event_default ADD CONSTRAINT event_default_bounds CHECK (NOT (" in script
        with copied(server, base) as conn:
            heard: list[str] = []
            conn.add_notice_handler(lambda notice: heard.append(str(notice.message_primary)))
            conn.execute("SET client_min_messages = debug1")
            assert run_script(conn, script) == []
            conn.execute("RESET client_min_messages")
            assert differences(known.state, state_of(conn)) == []
        assert [each for each in heard if "implied by existing constraints" in each] != []
        assert any('default partition "event_default" is implied' in each for each in heard), heard


def test_reports_16_exclusion_constraint(rehearse_files: Case) -> None:
    """It cannot be built beside writes, and that is what is said."""
    base = "CREATE TABLE booking (id int PRIMARY KEY, during int4range);"
    base += "INSERT INTO booking SELECT i, int4range(i, i + 1) FROM generate_series(1, 500) AS i;"
    text = "ALTER TABLE booking ADD CONSTRAINT no_overlap EXCLUDE USING gist (during WITH &&);"
    finding = only(rehearse_files({"1.sql": text}, base), "index-built-under-lock")
    assert "has no safe form: EXCLUDE USING INDEX does not exist" in (finding.fix or "")
    assert finding.sql is None


def test_reports_22_stored_generated_column(rehearse_files: Case) -> None:
    run = rehearse_small(rehearse_files, "reports/22-stored-generated-column", "mig/001_gen.sql")
    finding = only(run, "rewrite")
    assert "stored generated column has no safe form" in (finding.fix or "")
    assert "swap" not in (finding.fix or "")
    assert finding.sql is None


def test_reports_23_add_column_of_a_constrained_domain(rehearse_files: Case) -> None:
    case = "reports/23-add-column-of-a-constrained-domain"
    run = rehearse_small(rehearse_files, case, "mig/001_dom.sql")
    rewrites = [each for each in run.findings if each.code == "rewrite"]
    assert len(rewrites) == 2
    for finding in rewrites:
        assert "domain with a constraint has no safe form" in (finding.fix or "")
        assert finding.sql is None


def test_reports_31_varchar_narrowed(server: Server) -> None:
    base = smaller(read("reports/31-varchar-narrowed", "base.sql"))
    change = "ALTER TABLE contact ALTER COLUMN phone TYPE varchar(15)"
    longer = "UPDATE contact SET phone = repeat('9', 30) WHERE id = 7"
    assert_refuses_what_the_statement_refuses(base, change, longer, server)


def test_newcomer_01_fix_truncates_data(server: Server) -> None:
    base = (
        "CREATE TABLE orders (id bigserial PRIMARY KEY, note varchar(200) NOT NULL); "
        "INSERT INTO orders (note) SELECT 'n' || i FROM generate_series(1, 500) AS i;"
    )
    change = "ALTER TABLE orders ALTER COLUMN note TYPE varchar(100)"
    longer = "UPDATE orders SET note = repeat('n', 150) WHERE id = 7"
    assert_refuses_what_the_statement_refuses(base, change, longer, server)


def assert_refuses_what_the_statement_refuses(base: str, change: str, longer: str, server: Server) -> None:
    """No explicit cast cuts a value off; NOT NULL stays."""
    _, _, table, _, _, column, *_ = change.split()
    with planted(server, base) as name:
        known = original(server, name, change)
        remedy = for_rewrite("ALTER TABLE", change, f"public.{table}", known.around, known.hanging)
        assert remedy.sql is not None
        assert f"{column}::" not in remedy.sql
        with copied(server, name) as conn:
            assert run_script(conn, remedy.sql) == []
            assert differences(known.state, state_of(conn)) == [], "NOT NULL and all else went along"
        with altered(server, name, longer) as production:
            assert original(server, production, change).sqlstate == "22001"
            for goes_on in (False, True):
                with copied(server, production) as conn:
                    before = state_of(conn)[1][f"public.{table}"]
                    assert run_script(conn, remedy.sql, goes_on=goes_on)[0] == "22001"
                    assert same_values(before, state_of(conn)[1][f"public.{table}"], "id", column)


def test_newcomer_02_wrong_advice_fails_under_traffic() -> None:
    """Rows that the server refuses are refused again; only what waited for others can pass by."""
    for state in ("22001", "23502", "23503", "23505", "23514", "23P01", "0A000", "42P01", None):
        assert "Trying again does not help" in for_stopped(state, None).say, state
    for state in ("55P03", "40P01", "57014"):
        assert "try again" in for_stopped(state, None).say, state
    assert "SET statement_timeout = 0" in for_stopped("57014", None).say
    build = "CREATE UNIQUE INDEX CONCURRENTLY i ON app.t (a)"
    assert for_stopped("23505", build).sql == "DROP INDEX CONCURRENTLY IF EXISTS app.i;"


def test_reports_06_detach_concurrently_cut_off_advice(server: Server) -> None:
    """FINALIZE ends what the second DETACH cannot; until then rows are missing from the parent."""
    case = "reports/06-detach-concurrently-cut-off"
    detach = "ALTER TABLE task_run DETACH PARTITION task_run_0301 CONCURRENTLY"
    remedy = for_stopped("55P03", detach)
    assert "its rows are missing from the parent" in remedy.say
    assert remedy.sql == "ALTER TABLE task_run DETACH PARTITION task_run_0301 FINALIZE;"
    with planted(server, smaller(read(case, "base.sql"))) as name, copied(server, name) as conn:
        with server.connect(conn.info.dbname) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM task_run")
            conn.execute("SET lock_timeout = '200ms'")
            assert run_script(conn, f"{detach};") == ["55P03"]
            assert run_script(conn, f"{detach};") == ["55000"], "as it stays pending"
            reader.execute("COMMIT")
        assert run_script(conn, remedy.sql) == []
        assert conn.execute("SELECT count(*) FROM task_run_0301").fetchone() == (1000,)


def test_reports_42_new_partition_behind_analytics_advice(server: Server) -> None:
    """A table of its own that is attached takes no lock on the parent for which a reader waits."""
    case = "reports/42-new-partition-behind-analytics"
    create = read(case, "mig/001_next.sql").strip().rstrip(";")
    with planted(server, smaller(read(case, "base.sql"))) as name:
        known = original(server, name, create)
        script = for_lock("CREATE TABLE", create, known.around).sql
        assert script is not None
        assert script == for_scan(create, "public.reading_default", known.around).sql
        with copied(server, name) as conn, server.connect(conn.info.dbname) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM reading_01")
            reader.execute("LOCK TABLE ONLY reading IN ACCESS SHARE MODE")
            conn.execute("SET lock_timeout = '2s'")
            assert run_script(conn, script) == []
            reader.execute("COMMIT")
            assert differences(known.state, state_of(conn)) == []


def test_reports_51_trigger_disabled_during_a_backfill(rehearse_files: Case) -> None:
    case = "reports/51-trigger-disabled-during-a-backfill"
    finding = only(rehearse_small(rehearse_files, case, "mig/001_backfill.sql"), "trigger-off")
    assert finding.severity == "warning"
    assert "trigger ledger_log of ledger is off for all sessions for " in finding.message
    assert "until line 4: what the application writes meanwhile passes it by" in finding.message
    assert finding.evidence["off_s"] > 0


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("ALTER TABLE t DISABLE TRIGGER ALL; UPDATE t SET a = 1;", "error"),
        ("BEGIN; ALTER TABLE t DISABLE TRIGGER g; UPDATE t SET a = 1; "
         "ALTER TABLE t ENABLE TRIGGER g; COMMIT;", None),
    ],
)  # fmt: skip
def test_a_trigger_that_stays_off_and_one_that_nobody_misses(
    text: str, severity: str | None, rehearse_files: Case
) -> None:
    base = (
        "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1, 0); CREATE FUNCTION f() "
        "RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION f();"
    )
    run = rehearse_files({"1.sql": text}, base)
    found = [each.severity for each in run.findings if each.code == "trigger-off"]
    assert found == ([severity] if severity else [])


def test_reports_55_findings_of_many_partitions_are_one(rehearse_files: Case) -> None:
    base = "CREATE TABLE p (id int, n int) PARTITION BY RANGE (id);"
    for i in range(30):
        base += f"CREATE TABLE p_{i} PARTITION OF p FOR VALUES FROM ({i}) TO ({i + 1}); "
    base += "INSERT INTO p SELECT i, 1 FROM generate_series(0, 29) AS i;"
    text = "ALTER TABLE p ALTER COLUMN n TYPE bigint; ALTER TABLE p ADD CONSTRAINT c CHECK (n > 0);"
    run = rehearse_files({"1.sql": text}, base)
    rewrite = only(run, "rewrite")
    assert rewrite.evidence["relations"] == 30
    assert len(rewrite.evidence["examples"]) == 5
    assert "and of 29 more relations, none for longer, such as public.p_" in rewrite.message
    assert len(run.findings) < 10, [each.message for each in run.findings]
    told = render_markdown(conclude(run)).split("## Findings")[1].split("What these findings mean")[0]
    assert len(told.splitlines()) < 250


def test_findings_of_a_statement_each_are_one_for_partitions_alone() -> None:
    def finding(number: int) -> Finding:
        name = f"public.p_{number}"
        message = f"1.sql:{number}: ALTER TABLE holds a lock on {name} for up to {number} ms"
        return Finding("blocks-reads", "info", "1", number, name, message, {"held_s": number / 1000}, "Wait.")

    findings = [finding(number) for number in range(1, 9)]
    partitions = {"public.p": [f"public.p_{number}" for number in range(1, 9)]}
    (one,) = told_once(findings, partitions)
    assert one.relation == "public.p_8", "the one that was held longest"
    assert one.evidence["relations"] == 8
    assert told_once(findings, {}) == findings, "else each has its own line"
    assert told_once(findings[:3], partitions) == findings[:3]


def test_reports_64_extension_absent_in_base(server: Server, database: str) -> None:
    base = folder("reports/64-extension-absent-in-base") / "base.sql"
    with pytest.raises(UsageError) as refused:
        apply_file(server, database, base)
    hint = str(refused.value.hint)
    assert "--image postgis/postgis" in hint
    assert "--from-dump" in hint
    assert "leave it out" in hint


def test_reports_77_not_null_without_default(rehearse_case: Case) -> None:
    """An empty table lets it pass; that any row refuses it is said all the same."""
    finding = only(rehearse_case("reports/77-not-null-without-default"), "fails-on-data")
    assert finding.severity == "warning"
    assert "member is empty here; on any row that it has, tenant as NOT NULL without a default fails" in (
        finding.message
    )
    assert "--fill" in (finding.fix or "")


@pytest.mark.parametrize(
    "column",
    ["a int NOT NULL DEFAULT 1", "a serial NOT NULL", "a int NOT NULL GENERATED ALWAYS AS IDENTITY", "a int",
     "a int NOT NULL GENERATED ALWAYS AS (1) STORED"],
)  # fmt: skip
def test_a_column_that_has_a_value_needs_no_word(column: str, rehearse_files: Case) -> None:
    run = rehearse_files({"1.sql": f"ALTER TABLE t ADD COLUMN {column};"}, "CREATE TABLE t (id int);")
    assert [each for each in run.findings if each.code == "fails-on-data"] == []


def test_real_suite_09_index_in_do_remedy(rehearse_files: Case) -> None:
    case = "real-suite/09-index-in-do-remedy"
    run = rehearse_small(rehearse_files, case, "m/001_index.sql")
    built = [each for each in run.findings if each.code == "index-built-under-lock"]
    assert built
    for finding in built:
        assert "Take it out of the DO" in (finding.fix or "")
        assert finding.sql is not None
        assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_readings_sensor ON public.readings" in finding.sql
        assert "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_readings_at ON public.readings" in finding.sql


def test_real_suite_09_many_indexes_of_one_statement_are_named(rehearse_files: Case) -> None:
    builds = " ".join(f"CREATE INDEX named_{i} ON t (a, id);" for i in range(6))
    text = f"DO $$ BEGIN {builds} END $$;"
    run = rehearse_files(
        {"1.sql": text}, "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t VALUES (1);"
    )
    told = render_markdown(conclude(run))
    assert "lines 1, 1" not in told
    assert all(f"named_{i}" in told for i in range(6))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ALTER TABLE t SET UNLOGGED;", "SET UNLOGGED has no safe form"),
        ("ALTER TABLE t ALTER COLUMN c TYPE bigint;", "it is a generated column"),
        ("ALTER DOMAIN d SET NOT NULL;", "There is no safe form: whatever checks a domain's values"),
    ],
)
def test_what_has_no_safe_form_is_said_in_a_sentence(text: str, words: str, rehearse_files: Case) -> None:
    base = (
        "CREATE DOMAIN d AS int; CREATE TABLE t (id int PRIMARY KEY, e d, c int GENERATED ALWAYS AS "
        "(id) STORED); INSERT INTO t SELECT i, i FROM generate_series(1, 100) AS i;"
    )
    run = rehearse_files({"1.sql": text}, base)
    (finding,) = [each for each in run.findings if each.code in ("rewrite", "scan-under-lock")]
    assert words in (finding.fix or "")
    assert finding.sql is None


REFUSED = {
    "57014": "SET statement_timeout = '50ms'; CREATE INDEX CONCURRENTLY i ON t (wait(id));",
    "55006": "BEGIN; INSERT INTO t VALUES (2, 2); ALTER TABLE t ADD COLUMN a int; COMMIT;",
    "55P04": "BEGIN; ALTER TYPE mood ADD VALUE 'new'; INSERT INTO u VALUES ('new'); COMMIT;",
}


@pytest.mark.parametrize("sqlstate", REFUSED)
def test_what_is_refused_without_traffic_has_its_way_out(sqlstate: str, rehearse_files: Case) -> None:
    base = (
        "CREATE TABLE t (id int PRIMARY KEY, r int REFERENCES t DEFERRABLE INITIALLY DEFERRED); "
        "INSERT INTO t VALUES (1, 1); CREATE TYPE mood AS ENUM ('old'); CREATE TABLE u (m mood); "
        "CREATE FUNCTION wait(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(1)';"
    )
    finding = only(rehearse_files({"1.sql": REFUSED[sqlstate]}, base), "refused")
    assert finding.evidence["sqlstate"] == sqlstate
    if sqlstate == "57014":
        assert "SET statement_timeout = 0" in (finding.fix or "")
        assert finding.sql == "DROP INDEX CONCURRENTLY IF EXISTS i;"


def test_an_index_that_could_not_be_built_goes_before_it_is_built_again(rehearse_files: Case) -> None:
    base = "CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1);"
    finding = only(
        rehearse_files({"1.sql": "CREATE UNIQUE INDEX CONCURRENTLY i ON t (id);"}, base), "fails-on-data"
    )
    assert "stays, INVALID" in (finding.fix or "")
    assert (finding.sql or "").endswith("DROP INDEX CONCURRENTLY IF EXISTS i;")
