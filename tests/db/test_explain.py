"""Queries before and after a suite, in every way they are executed, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest
from explaining import MIGRATION, ROLE, small_suite

from bench.analyse.summary import summarise
from bench.errors import MigrationError, UsageError
from bench.migrate.suite import find_suite
from bench.model.plan import Query, QueryCase
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.explain.session import ExplainOptions, explain_suite
from bench.run.progress import silent
from bench.workload.config import given_mix


def explain(server: Server, suite: Path, **options: object) -> Run:
    found = find_suite(str(suite))
    chosen = ExplainOptions(mix=given_mix(suite, ()), **options)  # type: ignore[arg-type]
    return explain_suite(server, found, chosen, run_id="explained", save=lambda _: None, progress=silent)


@pytest.fixture(scope="module")
def explained(server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Query]:
    """The small suite; without a cold cache where that would restart the server of all tests."""
    suite = small_suite(tmp_path_factory.mktemp("explain"))
    run = explain(server, suite, cold=server.info.version_num >= 170000)
    return {each.name: each for each in run.queries}


def case(query: Query, state: str = "after", **wanted: object) -> QueryCase:
    (found,) = [
        each
        for each in query.cases
        if each.state == state and all(getattr(each, name) == value for name, value in wanted.items())
    ]
    return found


def test_views_functions_queries_and_requests_are_costed(explained: dict[str, Query]) -> None:
    kinds = {name: query.kind for name, query in explained.items()}
    assert kinds == {
        "public.open_orders": "view", "orders_of": "function", "by_state": "workload",
        "my orders": "workload", "note": "workload",
    }  # fmt: skip
    view = explained["public.open_orders"]
    assert view.before is None
    assert view.after is not None
    assert view.after.rows == 5
    assert view.after.n >= 1


def test_a_request_runs_as_its_role_under_its_policies(explained: dict[str, Query]) -> None:
    mine = explained["my orders"]
    assert mine.role == ROLE
    assert mine.before is not None
    assert mine.before.rows == 100
    assert case(mine, role=None, cache="warm").cost.rows == 20000


def test_a_view_is_also_asked_by_the_role_of_the_requests(explained: dict[str, Query]) -> None:
    asked = case(explained["public.open_orders"], role=ROLE)
    assert asked.cost.error is None
    assert asked.cost.rows == 5  # the view is its owner's, whom no policy holds back


def test_custom_and_generic_plans_differ_where_values_do(explained: dict[str, Query]) -> None:
    rare = explained["by_state"]
    custom = case(rare, plan_mode="custom").cost
    generic = case(rare, plan_mode="generic").cost
    assert rare.after is not None
    assert custom.fingerprint == rare.after.fingerprint
    assert custom.plan is None
    assert generic.fingerprint != custom.fingerprint
    assert generic.plan is not None
    assert custom.rows == generic.rows == 1


@pytest.mark.pg(">= 17")
def test_a_cold_cache_reads_from_disk_what_a_warm_one_has(explained: dict[str, Query]) -> None:
    view = explained["public.open_orders"]
    cold = case(view, cache="cold").cost
    assert view.after is not None
    assert view.after.blocks_read == 0
    assert cold.blocks_read
    assert cold.n == 3


def test_the_plan_inside_a_function_is_kept(explained: dict[str, Query]) -> None:
    function = explained["orders_of"].after
    assert function is not None
    (inside,) = function.nested
    assert inside.plan is not None
    assert "orders_of" in (inside.context or "")


def test_what_a_request_writes_is_rolled_back(explained: dict[str, Query]) -> None:
    note = explained["note"]
    assert note.after is not None
    assert note.after.error is None
    assert note.after.plan is not None
    assert note.after.plan["Node Type"] == "ModifyTable"


def test_estimates_name_the_node_that_is_furthest_off(server: Server, tmp_path: Path) -> None:
    """Two columns that always go together are expected a tenth as often as they do."""
    run = explain(
        server,
        small_suite(
            tmp_path,
            "CREATE TABLE pairs AS SELECT n % 50 AS a, n % 50 AS b FROM generate_series(1, 10000) AS n;"
            "CREATE VIEW twice AS SELECT * FROM pairs WHERE a = 7 AND b = 7;",
        ),
        only=("public.twice",),
        cold=False,
    )
    (query,) = summarise(run).queries
    assert query.estimate is not None
    assert query.estimate.found == 200
    assert query.estimate.factor == pytest.approx(50, rel=0.3)


def test_patterns_choose_and_an_unknown_one_is_refused(server: Server, tmp_path: Path) -> None:
    suite = small_suite(tmp_path)
    run = explain(server, suite, only=("*orders*",), cold=False)
    assert {each.name for each in run.queries} == {"public.open_orders", "orders_of", "my orders"}
    with pytest.raises(UsageError, match="nothing"):
        explain(server, suite, only=("nothing",), cold=False)


def test_a_migration_that_fails_is_named_with_its_line(server: Server, tmp_path: Path) -> None:
    suite = small_suite(tmp_path, MIGRATION + "\nSELECT 1 / 0;\n")
    with pytest.raises(MigrationError, match=r"001_orders\.sql:\d+: division by zero"):
        explain(server, suite)
