"""A trace as text and as a document."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

from rich.console import Console

from bench.model.lock import Lock, LockMode
from bench.model.run import MigrationRun, ServerInfo
from bench.model.statement import Block, Counters, RowChanges, StatementError, StatementRun, Validation
from bench.report.tracejson import trace_document
from bench.report.tracetext import print_trace

SERVER = ServerInfo("embedded", "18.6", 180006, {}, ())
TABLE = Lock("public.deals", LockMode.ACCESS_EXCLUSIVE, "table", False, "exact", 0.0, None, None, relkind="r")
INDEX = replace(TABLE, relation="public.deals_pkey", target="index", table="public.deals", relkind="i")
STATEMENT = StatementRun(
    index=0,
    line=3,
    text="ALTER TABLE deals ADD COLUMN x int",
    kind="ALTER TABLE",
    transaction="own",
    outcome="applied",
    duration_s=0.1,
    calibration_s=None,
    rows=None,
    counters=Counters(),
    locks=(TABLE, INDEX),
)


def told(*statements: StatementRun) -> str:
    out = StringIO()
    print_trace([MigrationRun("m.sql", "applied", 0.1, None, statements)], Console(file=out, width=80))
    return out.getvalue()


def test_an_index_goes_with_its_table() -> None:
    text = told(STATEMENT)
    assert "ACCESS EXCLUSIVE         public.deals and 1 of its indexes" in text
    assert "deals_pkey" not in text


def test_an_index_locked_alone_is_named() -> None:
    assert "public.deals_pkey" in told(replace(STATEMENT, locks=(INDEX,)))


def test_how_a_lock_is_known_is_said_unless_it_is_exact() -> None:
    text = told(replace(STATEMENT, locks=(replace(TABLE, source="frozen"),)))
    assert "public.deals (frozen)" in text


def test_new_relations_and_toast_are_left_out() -> None:
    toast = replace(TABLE, relation="pg_toast.pg_toast_1", target="toast")
    text = told(replace(STATEMENT, locks=(replace(TABLE, new=True), toast)))
    assert "1 statement locks nothing more that was there before" in text


def test_who_waits_and_why() -> None:
    blocks = (
        Block("public.deals", "SELECT", "public.deals", "relation", "AccessShareLock"),
        Block("public.notes", "INSERT", "public.deals", "relation", "RowShareLock"),
        Block("public.deals", "UPDATE", "public.deals", "transactionid", "ShareLock"),
    )
    text = told(replace(STATEMENT, blocks=blocks), replace(STATEMENT, index=1, locks=(), blocks=blocks))
    assert "SELECT on public.deals would wait\n" in text
    assert "INSERT on public.notes would wait, because of public.deals" in text
    assert "UPDATE on public.deals would wait (for a row)" in text
    assert text.count("INSERT on public.notes") == 1
    assert "the same commands would wait as before" in text


def test_a_failure_scans_and_changed_rows() -> None:
    failed = replace(STATEMENT, outcome="failed", error=StatementError("23502", "no [red]nulls[/red]"))
    assert "fails: no [red]nulls[/red] (23502)" in told(failed)
    changed = replace(
        STATEMENT,
        validations=(Validation("public.deals", 20, 2.0),),
        row_changes=(RowChanges("public.deals", 5, 1, 0),),
    )
    assert "reads public.deals in full: 20 rows in 2 passes" in told(changed)
    assert "keeps 1 row of public.deals locked" in told(changed)


def test_the_summary_is_the_union() -> None:
    other = replace(STATEMENT, index=1, locks=(TABLE, replace(TABLE, relation="public.tasks")))
    document = trace_document([MigrationRun("m.sql", "applied", 0.1, None, (STATEMENT, other))], SERVER)
    names = [lock["relation"] for lock in document["summary"]["locks"]]
    assert names == ["public.deals", "public.deals_pkey", "public.tasks"]


def test_toast_is_apart_in_the_document() -> None:
    toast = replace(TABLE, relation="pg_toast.pg_toast_1", target="toast", relkind="t")
    run = MigrationRun("m.sql", "applied", 0.1, None, (replace(STATEMENT, locks=(TABLE, toast)),))
    (statement,) = trace_document([run], SERVER)["statements"]
    assert [lock["relation"] for lock in statement["locks"]] == ["public.deals"]
    assert [lock["relation"] for lock in statement["toast_locks"]] == ["pg_toast.pg_toast_1"]
