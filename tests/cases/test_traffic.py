"""The application's traffic: what it meets after the deploy, in the small inputs from the field."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.migrate.suite import find_suite
from bench.model.finding import Finding
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.loaded import LoadOptions
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.workload.choose import given_mix
from tests.cases.conftest import folder

Case = Callable[..., Run]


def traffic(directory: Path, **changes: Any) -> LoadOptions:
    """Half a second of traffic before the deploy and half a second after it, by the suite's own workload."""
    quick: dict[str, Any] = {
        "mix": given_mix(directory, ()),
        "rate_per_s": 150.0,
        "arrivals": "fixed",
        "connections": 8,
        "warm_s": 0.4,
        "after_s": 0.4,
        "drain_s": 3.0,
    }
    return LoadOptions(**quick | changes)


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
    cached = {finding.evidence["class"]: finding.severity for finding in found(run, "cached-plan")}
    assert cached["point read public.deployed_model"] == "info", "it is no statement of the application"


def test_reports_83_index_of_a_hot_query_dropped(rehearse_case: Case) -> None:
    case = "reports/83-index-of-a-hot-query-dropped"
    run = rehearse_case(case, load=traffic(folder(case) / "mig"))
    (slower,) = found(run, "slower-query")
    assert slower.evidence["factor"] >= 3
    assert slower.evidence["n"] >= 5
    assert slower.evidence["before_spread_s"][1] < slower.evidence["after_spread_s"][0]
    assert slower.message.startswith('"log of device" takes ')
    assert run.verdict is not None
    assert run.verdict.status != "ready"


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


def rehearsed(server: Server, suite: Path, directory: str = "mig", **changes: Any) -> Run:
    """Rehearse a copy of a case under its own workload, and conclude."""
    from bench.analyse.conclude import conclude

    wanted = RunOptions(1, explain=False, probe=False, load=traffic(suite / directory, **changes))
    found_suite = find_suite(str(suite / directory), base=suite / "base.sql")
    run = rehearse(server, found_suite, wanted, run_id="case", save=lambda _: None, progress=silent)
    return conclude(run)
