"""What is hot inside a statement, on which line of the file, and what is said of its growth."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_migration, a_run, a_statement

from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.dangers.growth import growth
from bench.analyse.nested import dominant_node, file_line, hot_statement, hottest
from bench.analyse.summary import StatementSummary, summarise
from bench.model.finding import Finding
from bench.model.plan import AtSize, NestedPlan
from bench.model.run import MigrationRun
from bench.model.statement import StatementRun

SCAN = {
    "Node Type": "Seq Scan",
    "Relation Name": "companies",
    "Alias": "c",
    "Actual Rows": 1,
    "Actual Loops": 20_000,
    "Filter": "(c.name ~~* d.company)",
    "Rows Removed by Filter": 60_000,
}
PLAN = {
    "Node Type": "ModifyTable",
    "Operation": "Update",
    "Relation Name": "deals",
    "Actual Rows": 0,
    "Actual Loops": 1,
    "Plans": [{"Node Type": "Seq Scan", "Actual Rows": 20_000, "Actual Loops": 1, "Plans": [SCAN]}],
}
DO = "-- why: $$ is how a body begins\nDO $$\nDECLARE n int;\nBEGIN\n  UPDATE deals SET x = 1;\nEND $$"
IN_LINE_4 = "PL/pgSQL function inline_code_block line 4 at SQL statement"


def ran(text: str, duration_s: float, level: int = 1, **changes: object) -> NestedPlan:
    return replace(NestedPlan(text, duration_s, 10, None, level=level), **changes)  # type: ignore[arg-type]


def quadratic(duration_s: float = 1.6, **changes: object) -> NestedPlan:
    sizes = (AtSize(25_000, duration_s / 16, 1, 1e6), AtSize(100_000, duration_s, 1, 16e6))
    known = {"growth": 2.0, "growth_of": "work", "sizes": sizes, "plan": PLAN, "context": IN_LINE_4} | changes
    return ran(str(known.pop("text", "UPDATE deals\n  SET x = 1")), duration_s, **known)


def block(*nested: NestedPlan, **changes: object) -> StatementRun:
    known = {"kind": "DO", "line": 31, "nested": nested, "explained_s": 2.0} | changes
    return a_statement(0, DO, **known)


def found(repeat: list[MigrationRun]) -> tuple[Finding, ...]:
    return Rehearsed(a_run(repeat)).found(growth.find)


def summary(statement: StatementRun) -> StatementSummary:
    return summarise(a_run([a_migration([statement])])).statements[0]


def test_the_longest_is_hot_and_a_deeper_one_that_has_half_of_it_before_it() -> None:
    call, body, check = ran("SELECT f()", 1.0, 1), ran("UPDATE", 0.9, 2), ran("FOR KEY SHARE", 0.3, 3)
    assert hottest([check, call, body]) == body
    assert hottest([replace(check, duration_s=0.5), call, body]).text == "FOR KEY SHARE"  # type: ignore[union-attr]
    assert hottest([]) is None


def test_a_statements_own_plan_is_hot_where_nothing_inside_has_half_of_it() -> None:
    own, check = ran("UPDATE t", 1.0, 0), ran("SELECT 1 FOR KEY SHARE", 0.4)
    assert hottest([check, own]) == own
    assert hottest([replace(check, duration_s=0.6), own]).level == 1  # type: ignore[union-attr]


def test_the_line_is_the_files() -> None:
    statement = summary(block(quadratic()))
    assert file_line(statement, quadratic()) == 34, "the body opens on the block's own line, 31"
    assert file_line(statement, quadratic(context="PL/pgSQL function f() line 4 at SQL statement")) is None
    assert file_line(statement, quadratic(context=None)) is None


def test_the_node_with_most_rows_is_named_with_what_it_threw_away() -> None:
    assert dominant_node(quadratic()) == "Seq Scan on companies c, 1.2 G rows removed by Filter"
    assert dominant_node(ran("x", 1.0)) == ""


def test_the_share_is_of_the_same_pass() -> None:
    hot = hot_statement(summary(block(quadratic())))
    assert hot is not None
    assert hot.share == pytest.approx(0.8)
    assert hot.where == "001_first.sql:34"


def test_growth_names_the_hot_sql_its_share_its_node_and_both_sizes() -> None:
    (finding,) = found([a_migration([block(quadratic(), ran("INSERT", 0.2))])])
    assert (finding.code, finding.severity, finding.statement) == ("growth", "warning", 0)
    assert finding.message == (
        "in DO, UPDATE deals SET x = 1 (001_first.sql:34, 80 % of the time, 1 call, 10 "
        "rows) grows with the power 2.0 of the data: 4 times the data, 16 times the rows handled; most work: "
        "Seq Scan on companies c, 1.2 G rows removed by Filter"
    )
    assert finding.evidence["exponent"] == 2.0
    assert (finding.evidence["small_data_rows"], finding.evidence["data_rows"]) == (25_000, 100_000)
    assert (finding.evidence["small_duration_s"], finding.evidence["duration_s"]) == (0.1, 1.6)
    assert "ILIKE" in (finding.fix or "")


@pytest.mark.parametrize(
    "tame",
    [
        quadratic(growth=1.2),
        quadratic(growth=2.0, growth_of="time"),
        quadratic(growth=None),
        quadratic(duration_s=0.04),
        quadratic(sizes=(AtSize(25_000, 0.5, 1, 1e6), AtSize(100_000, 1.6, 1, 16e6))),
    ],
)
def test_what_grows_with_the_data_is_short_or_whose_time_contradicts_is_no_finding(tame: NestedPlan) -> None:
    assert found([a_migration([block(tame)])]) == ()


def test_between_linear_and_quadratic_is_information() -> None:
    (finding,) = found([a_migration([block(quadratic(growth=1.5))])])
    assert finding.severity == "info"


def test_one_finding_for_a_statement_says_how_many_more() -> None:
    (finding,) = found([a_migration([block(quadratic(), quadratic(0.6))])])
    assert finding.message.endswith("; 1 more inside does likewise")


@pytest.mark.parametrize("plan", [{"Node Type": "Seq Scan", "Actual Loops": 4000, "Actual Rows": 67}])
def test_a_small_table_that_is_read_whole_says_nothing_of_a_large_one(plan: dict[str, object]) -> None:
    assert found([a_migration([block(quadratic(plan=plan))])]) == ()
    assert found([a_migration([block(quadratic(plan=plan | {"Actual Rows": 20_000}))])])


def test_what_the_timed_repeats_find_short_is_no_danger_though_one_pass_took_long() -> None:
    assert found([a_migration([block(quadratic(), duration_s=2.0)])])
    assert found([a_migration([block(quadratic(), duration_s=0.05)])]) == ()


def test_an_unindexed_reference_is_named_with_the_index_that_is_missing() -> None:
    text = 'SELECT 1 FROM ONLY "orders" x WHERE $1 OPERATOR(pg_catalog.=) "account" FOR KEY SHARE OF x'
    (finding,) = found([a_migration([block(quadratic(text=text, calls=900))])])
    assert (finding.fix or "").startswith('Index "account" of "orders"')
