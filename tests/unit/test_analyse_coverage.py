"""A table that the deploy locks and that no request touches is told; it is a condition where it is felt."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_class, a_lock, a_migration, a_run, a_statement, a_workload, loaded_run

from bench.analyse.conclude import conclude
from bench.analyse.coverage import find_uncovered
from bench.analyse.summary import summarise
from bench.model.load import Taken
from bench.model.lock import Lock, LockMode
from bench.model.run import Dataset, Run, TableKey, TableSize, UncoveredTable

INVOICES = "public.invoices"
DATASET = Dataset(
    None, None, None, None, from_template=False,
    tables=(
        TableSize("public.deals", 900, 8192),
        TableSize(INVOICES, 900, 8192),
        TableSize("public.empty", 0, 8192),
    ),
    keys=(TableKey("public.deals", ("id",), partitions=(INVOICES,)),),
)  # fmt: skip
UNKEYED = replace(DATASET, keys=())


def run_with(
    *locks: Lock, tables: tuple[str, ...] = ("public.deals",), dataset: Dataset | None = UNKEYED
) -> Run:
    """A run whose deploy takes these locks, under requests on these tables."""
    solo = a_run([a_migration([a_statement(locks=locks)])])
    workload = a_workload(a_class(table=tables[0], tables=tables))
    return replace(solo, passes=(*solo.passes, loaded_run(workload).passes[1]), dataset=dataset)


def uncovered(run: Run) -> list[str] | None:
    tables = find_uncovered(run, summarise(run))
    return None if tables is None else [table.relation for table in tables]


def test_a_locked_table_that_no_request_touches_is_told_and_is_a_condition() -> None:
    """Of its locks the one that is held longest."""
    locks = (
        a_lock(INVOICES, LockMode.SHARE, 0.2),
        a_lock(INVOICES, LockMode.ACCESS_EXCLUSIVE, 0.4),
        a_lock("public.deals", held_s=0.4),
    )
    concluded = conclude(run_with(*locks))
    (table,) = concluded.run.uncovered or ()
    assert table == UncoveredTable(INVOICES, "ACCESS EXCLUSIVE", 0.405, "001_first.sql:1")
    said = (
        "not covered: public.invoices is locked for up to 405 ms (ACCESS EXCLUSIVE, 001_first.sql:1) "
        "and no request touches it"
    )
    assert said in concluded.verdict.conditions
    (line,) = [line for line in concluded.card.lines if line.topic == "coverage"]
    assert (line.text, line.tone) == (f"N{said[1:]}.", "warn")


def test_a_lock_that_nobody_would_notice_is_told_and_no_condition() -> None:
    concluded = conclude(run_with(a_lock(INVOICES, held_s=0.02)))
    assert [line.tone for line in concluded.card.lines if line.topic == "coverage"] == ["unknown"]
    assert not any("not covered" in reason for reason in concluded.verdict.conditions)


@pytest.mark.parametrize(
    ("lock", "tables", "dataset", "expected"),
    [
        (a_lock(INVOICES), ("public.deals",), UNKEYED, [INVOICES]),
        (a_lock(INVOICES), ("public.deals", INVOICES), UNKEYED, []),
        (a_lock(INVOICES), ("invoices",), UNKEYED, []),
        (a_lock("public.invoices_idx", target="index", table=INVOICES), ("x.y",), UNKEYED, [INVOICES]),
        (a_lock(INVOICES), ("public.deals",), DATASET, []),
        (a_lock(INVOICES), ("deals",), DATASET, []),
        (a_lock(INVOICES, LockMode.ROW_EXCLUSIVE), ("public.deals",), UNKEYED, []),
        (a_lock(INVOICES, new=True), ("public.deals",), UNKEYED, []),
        (a_lock("public.empty"), ("public.deals",), UNKEYED, []),
        (a_lock(INVOICES, held_s=None), ("public.deals",), UNKEYED, []),
        (a_lock(INVOICES), ("public.deals",), None, None),
    ],
    ids=[
        "untouched", "touched", "touched without schema", "by its index", "partition of a touched table",
        "of one without schema", "nobody waits", "new", "empty", "hold unknown", "rows unknown",
    ],
)  # fmt: skip
def test_which_tables_are_not_covered(
    lock: Lock, tables: tuple[str, ...], dataset: Dataset | None, expected: list[str] | None
) -> None:
    assert uncovered(run_with(lock, tables=tables, dataset=dataset)) == expected


def test_a_table_that_requests_are_seen_to_lock_is_covered() -> None:
    run = run_with(a_lock(INVOICES))
    load = a_class(table="public.titles", takes=(Taken(INVOICES, LockMode.ACCESS_SHARE),))
    covered = loaded_run(a_workload(load)).passes[1]
    assert uncovered(replace(run, passes=(run.passes[0], covered))) == []


def test_without_traffic_nothing_is_said_of_it() -> None:
    assert uncovered(replace(a_run([a_migration([a_statement()])]), dataset=UNKEYED)) is None
