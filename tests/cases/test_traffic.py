"""The application's traffic: what it meets after the deploy, in the small inputs from the field."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from field import folder
from fix_db import Connect
from load_trials import traffic
from psycopg import sql

from bench.analyse.conclude import conclude
from bench.migrate.suite import find_suite
from bench.model.finding import Finding
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.explain.indexes import read_indexes
from bench.run.explain.session import ExplainOptions, explain_suite
from bench.run.explain.trial import try_table
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.run.traffic.passes import HazardOptions
from bench.workload.config import given_mix
from bench.workload.defaults import derive
from bench.workload.draw import draw_parameters

Case = Callable[..., Run]


def found(run: Run, code: str) -> list[Finding]:
    return [finding for finding in run.findings if finding.code == code]


def assert_not_ready(run: Run) -> None:
    assert run.verdict is not None
    assert run.verdict.status == "not_ready"


def test_reports_08_primary_key_of_a_published_table_dropped(rehearse_case: Case) -> None:
    case = "reports/08-primary-key-of-a-published-table-dropped"
    run = rehearse_case(case, load=traffic(folder(case) / "mig"))
    broken = {finding.evidence["class"]: finding for finding in found(run, "broken-query")}
    assert set(broken) == {"update public.account", "delete public.account"}
    for finding in broken.values():
        assert (finding.severity, finding.evidence["sqlstate"]) == ("error", "55000")
        assert "REPLICA IDENTITY" in (finding.fix or "")
    assert_not_ready(run)


def test_reports_30_serial_to_identity_without_restart(rehearse_case: Case) -> None:
    case = "reports/30-serial-to-identity-without-restart"
    run = rehearse_case(case, load=traffic(folder(case) / "mig"))
    (broken,) = found(run, "broken-query")
    assert (broken.severity, broken.evidence["sqlstate"]) == ("error", "23505")
    assert broken.message.startswith('"open ticket" works before the migrations and fails after them, ')
    assert "RESTART WITH" in (broken.fix or "")
    assert_not_ready(run)


def test_reports_35_new_foreign_key_and_orphans_of_the_application(rehearse_case: Case) -> None:
    case = "reports/35-new-foreign-key-and-orphans-of-the-application"
    run = rehearse_case(case, load=traffic(folder(case) / "mig"))
    (broken,) = found(run, "broken-query")
    assert (broken.severity, broken.evidence["sqlstate"]) == ("error", "23503")
    assert "valid references first" in (broken.fix or "")
    assert_not_ready(run)


def test_reports_37_row_security_without_policy(rehearse_case: Case) -> None:
    case = "reports/37-row-security-without-policy"
    run = rehearse_case(case, load=traffic(folder(case) / "mig"))
    (fewer,) = found(run, "fewer-rows")
    assert fewer.severity == "error"
    assert '"read article" returns no row after the migrations: 0 where there were ' in fewer.message
    assert fewer.message.endswith("as app_user")
    assert found(run, "broken-query") == [], "no request fails"
    assert_not_ready(run)


def test_reports_37_row_security_without_policy_without_a_workload(rehearse_case: Case) -> None:
    """The traffic that is derived runs as the role that the schema grants its tables to."""
    case = "reports/37-row-security-without-policy"
    run = rehearse_case(case, load=traffic(folder(case)))
    assert {finding.evidence["class"] for finding in found(run, "fewer-rows")} >= {
        "point read public.article",
        "update public.article",
    }
    assert_not_ready(run)


def test_reports_38_cached_plan_must_not_change_result_type(rehearse_case: Case) -> None:
    """Sessions outlive a deploy; whether they keep prepared statements, workload.toml does not say here."""
    case = "reports/38-cached-plan-must-not-change-result-type"
    run = rehearse_case(case, load=traffic(folder(case) / "mig"))
    (cached,) = found(run, "cached-plan")
    assert (cached.severity, cached.evidence["sqlstate"]) == ("warning", "0A000")
    assert "where a session has prepared it before: cached plan must not change" in cached.message
    assert run.verdict is not None
    assert run.verdict.status == "conditional"


def test_reports_38_cached_plan_must_not_change_result_type_where_it_is_prepared(
    server: Server, tmp_path: Path
) -> None:
    suite = tmp_path / "suite"
    shutil.copytree(folder("reports/38-cached-plan-must-not-change-result-type"), suite)
    text = (suite / "mig" / "workload.toml").read_text()
    (suite / "mig" / "workload.toml").write_text(f"{text}\nprepared = true\n")
    run = rehearsed(server, suite)
    (broken,) = found(run, "broken-query")
    assert (broken.severity, broken.evidence["sqlstate"]) == ("error", "0A000")
    assert found(run, "cached-plan") == []
    (suite / "mig" / "workload.toml").write_text(f"{text}\nprepared = false\n")
    run = rehearsed(server, suite)
    assert found(run, "broken-query") == found(run, "cached-plan") == []


def test_reports_38_cached_plan_must_not_change_result_type_without_a_workload(rehearse_case: Case) -> None:
    case = "reports/38-cached-plan-must-not-change-result-type"
    run = rehearse_case(case, load=traffic(folder(case)))
    (cached,) = found(run, "cached-plan")
    assert "point read public.deployed_model" in cached.evidence["classes"]
    assert cached.severity == "info", "it is no statement of the application"


def test_reports_83_index_of_a_hot_query_dropped(rehearse_case: Case) -> None:
    case = "reports/83-index-of-a-hot-query-dropped"
    run = rehearse_case(case, load=traffic(folder(case) / "mig"))
    (slower,) = found(run, "slower-query")
    assert slower.evidence["factor"] >= 3
    assert slower.evidence["n"] >= 5
    assert len(slower.evidence["before_spread_s"]) == len(slower.evidence["after_spread_s"]) == 2
    assert slower.message.startswith('"log of device" takes ')
    assert run.verdict is not None
    assert run.verdict.status != "ready"


def test_reports_83_index_of_a_hot_query_dropped_explained(server: Server) -> None:
    """A column named ``at`` ended ``bench explain``: no name of a table may meet one of the trial's own."""
    case = folder("reports/83-index-of-a-hot-query-dropped")
    options = ExplainOptions(mix=given_mix(case / "mig", ()), cold=False, load=False)
    suite = find_suite(str(case / "mig"), base=case / "base.sql")
    run = explain_suite(server, suite, options, run_id="case", save=lambda _: None, progress=silent)
    audits = {audit.name: audit for audit in run.indexes}
    assert audits["public.log_at_device"].insert is not None
    (query,) = [query for query in run.queries if query.name == "log of device"]
    assert query.before is not None
    assert query.after is not None
    assert query.after.blocks > 20 * query.before.blocks  # type: ignore[operator]


def test_the_trial_of_an_index_takes_any_names_of_columns(connect: Connect) -> None:
    conn = connect()
    conn.execute(
        'CREATE TABLE "t" (c int PRIMARY KEY, at int, bench_at int, bench_n int, t int, h int, "p%" int, '
        "place int, number int, held int, chosen int, n int)"
    )
    conn.execute('INSERT INTO "t" SELECT i, i, i, i, i, i, i, i, i, i, i, i FROM generate_series(1, 300) i')
    conn.execute('CREATE INDEX "any %" ON "t" (at, bench_at, bench_n, t, h, "p%", place, number, held)')
    indexes = [index for index in read_indexes(conn).facts if index.table == "public.t"]
    tried = try_table(conn, indexes)
    assert len(tried) == len(indexes) == 2
    assert all(each.update is not None and each.update.rows > 0 for each in tried.values())


def test_real_suite_10_broken_query_flips(server: Server, tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    shutil.copytree(folder("real-suite/10-broken-query-flips"), suite)
    (suite / "m" / "002_long.sql").write_text("SELECT pg_sleep(0.5);\n")
    run = rehearsed(server, suite, "m", rate_per_s=300.0)
    (broken,) = found(run, "broken-query")
    assert (broken.severity, broken.evidence["sqlstate"]) == ("error", "23514")
    assert "fails after them for part of the rows, " in broken.message
    assert broken.evidence["failed_after"] < 0.5 * broken.evidence["sent_after"]
    assert_not_ready(run)


def test_reports_06_detach_concurrently_cut_off(rehearse_case: Case) -> None:
    """The tables have no key; the reader stands in the way all the same, and the deploy stops at it."""
    case = "reports/06-detach-concurrently-cut-off"
    hazards = HazardOptions(("long-reader",), 1.0)
    run = rehearse_case(case, load=traffic(folder(case)), hazards=hazards)
    assert [note.text for note in run.notes if note.incomplete] == []
    beside = next(each for each in run.passes if each.hazard == "long-reader")
    (repeat,) = beside.repeats
    assert repeat.hazard is not None
    assert "public.task_run" in repeat.hazard.evidence["tables"]
    assert repeat.migrations[0].error is not None
    assert repeat.migrations[0].error.sqlstate == "55P03"
    assert run.verdict is not None
    assert run.verdict.status != "ready"


def test_reports_42_new_partition_behind_analytics(rehearse_case: Case) -> None:
    """The key has two columns: requests find rows by both, and queue behind the deploy that waits."""
    case = "reports/42-new-partition-behind-analytics"
    hazards = HazardOptions(("long-reader",), 0.8)
    run = rehearse_case(case, load=traffic(folder(case)), hazards=hazards)
    assert [note.text for note in run.notes if note.incomplete] == []
    beside = next(each for each in run.passes if each.hazard == "long-reader")
    workload = beside.repeats[0].workload
    assert workload is not None
    assert {load.name for load in workload.classes} == {
        "point read public.reading", "range read public.reading", "update public.reading",
        "delete public.reading",
    }  # fmt: skip
    assert sum(load.failed for load in workload.classes) == 0
    (queue,) = found(run, "lock-queue")
    assert queue.evidence["waits"] > 0


@pytest.mark.parametrize(
    ("table", "classes"),
    [
        ('(a int, "b%" text)', {"read", "insert"}),
        ('(a int, "b%" text); CREATE INDEX ON plain (a)', {"point read", "range read", "insert"}),
        ('(a int, "b%" text, c int, UNIQUE (a, "b%"))', {"point read", "range read", "update", "delete"}),
        (
            '(id int GENERATED ALWAYS AS IDENTITY, a int, "b%" text, c int, PRIMARY KEY (a, id))',
            {"point read", "range read", "update", "insert", "delete"},
        ),
    ],
    ids=["no index", "an index", "a unique key", "a key that is made in part"],
)
def test_traffic_is_derived_for_a_table_of_any_keys(connect: Connect, table: str, classes: set[str]) -> None:
    conn = connect()
    conn.execute(f"CREATE TABLE plain {table}".encode())
    conn.execute('INSERT INTO plain (a, "b%") SELECT i, i FROM generate_series(1, 50) AS i')
    mix = derive(conn)
    assert mix is not None
    assert {request.name.removesuffix(" public.plain") for request in mix.classes} == classes
    assert len(draw_parameters(conn, mix, 1)) == len(classes)


def test_the_tables_that_a_deploy_locks_have_traffic_before_larger_ones(connect: Connect) -> None:
    conn = connect()
    for number in range(14):
        conn.execute(f"CREATE TABLE t{number} (id int PRIMARY KEY)".encode())
        rows = sql.Literal(200 - number)
        insert = sql.SQL("INSERT INTO {} SELECT generate_series(1, {})")
        conn.execute(insert.format(sql.Identifier(f"t{number}"), rows))
    conn.execute("ANALYZE")
    largest, chosen = derive(conn), derive(conn, touched=("public.t13",))
    assert largest is not None
    assert chosen is not None
    assert "public.t13" not in {request.tables[0] for request in largest.classes}
    assert chosen.classes[0].tables == ("public.t13",)


def test_a_hazard_meets_tables_without_rows_and_none_without_a_table(server: Server, tmp_path: Path) -> None:
    (tmp_path / "base.sql").write_text("CREATE TABLE empty (a int);")
    (tmp_path / "001.sql").write_text("ALTER TABLE empty ADD COLUMN b int;")
    run = beside_reader(server, tmp_path)
    assert [each.hazard for each in run.passes if each.kind == "loaded"] == [None, "long-reader"]
    (tmp_path / "base.sql").write_text("SELECT 1;")
    (tmp_path / "001.sql").write_text("SELECT 1;")
    run = beside_reader(server, tmp_path)
    (note,) = [note for note in run.notes if note.incomplete]
    assert note.subject == "hazard long-reader"
    assert "no table" in note.text
    assert conclude(run).verdict.status == "incomplete"


def beside_reader(server: Server, suite: Path) -> Run:
    wanted = RunOptions(
        1, explain=False, probe=False, load=traffic(suite), hazards=HazardOptions(("long-reader",), 0.5)
    )
    return rehearse(
        server, find_suite(str(suite)), wanted, run_id="case", save=lambda _: None, progress=silent
    )


def rehearsed(server: Server, suite: Path, directory: str = "mig", **changes: Any) -> Run:
    """Rehearse a copy of a case under its own workload, and conclude."""
    wanted = RunOptions(1, explain=False, probe=False, load=traffic(suite / directory, **changes))
    found_suite = find_suite(str(suite / directory), base=suite / "base.sql")
    run = rehearse(server, found_suite, wanted, run_id="case", save=lambda _: None, progress=silent)
    return conclude(run).run
