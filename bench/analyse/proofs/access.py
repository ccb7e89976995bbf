"""Findings of the access matrix: who reaches rows now that should be hidden."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.quantity import count, seconds
from bench.model.finding import Finding
from bench.model.proof import AccessCell
from bench.model.run import Run

COSTLY_S = 0.1
COSTLY_RATIO = 10.0


def access_findings(run: Run) -> Iterator[Finding]:
    """``access-opened`` for each relation with an opened cell, ``policy-cost`` where a policy slows reads."""
    opened = [cell for cell in run.proofs.access if cell.opened is not None]
    for relation in dict.fromkeys(cell.relation for cell in opened):
        cells = [cell for cell in opened if cell.relation == relation]
        first = max(cells, key=lambda cell: (cell.after.rows or 0) if cell.after else 0)
        others = sorted({f"{cell.actor} {cell.op}" for cell in cells})
        fix, script = _way_out(first)
        yield Finding(
            "access-opened",
            "error",
            None,
            None,
            relation,
            f"{_reached(first)}: {first.opened} (opened: {', '.join(others)})",
            {
                "cells": [
                    {"actor": cell.actor, "op": cell.op, "whose": cell.whose, "rows": cell.after.rows}
                    for cell in cells
                    if cell.after
                ]
            },
            fix,
            sql=script,
        )
    yield from _owner_rights(run)
    yield from _failing(run)
    yield from _swallowed(run)
    for cost in run.proofs.policy_costs:
        if cost.with_s > COSTLY_S and cost.with_s > COSTLY_RATIO * cost.without_s:
            yield Finding(
                "policy-cost",
                "info",
                None,
                None,
                cost.relation,
                f"counting {cost.relation} takes {seconds(cost.with_s)} under its policies as {cost.actor}, "
                f"{seconds(cost.without_s)} without them (medians, n={cost.n})",
                {"with_s": cost.with_s, "without_s": cost.without_s, "n": cost.n},
                "Write auth.uid() as (SELECT auth.uid()), so that it is computed once, and index what the "
                "policy compares.",
            )


def _reached(cell: AccessCell) -> str:
    if cell.op == "EXECUTE":
        return f"{cell.actor} may call {cell.relation}"
    if cell.of == 0:
        return f"{cell.actor} may {cell.op} {cell.relation}, which has no row yet"
    rows = (cell.after.rows or 0) if cell.after else 0
    return f"{cell.actor} reaches {count(rows)} of {count(cell.of)} rows of {cell.relation} by {cell.op}"


def _way_out(cell: AccessCell) -> tuple[str, str | None]:
    if cell.op == "EXECUTE":
        revoke = f"REVOKE EXECUTE ON FUNCTION {cell.relation} FROM PUBLIC, {cell.actor};"
        return "Take the right to call it from everybody, and grant it to the roles that need it.", revoke
    if cell.of == 0:
        enable = f"ALTER TABLE {cell.relation} ENABLE ROW LEVEL SECURITY;"
        return (
            "Enable row security in the transaction that creates the table, with policies for who may.",
            enable,
        )
    return (
        "Let the view run with the rights of who reads it (security_invoker, 15 and newer), enable row "
        "security with policies before the first grant, and grant no more than is used.",
        None,
    )


def _failing(run: Run) -> Iterator[Finding]:
    for failing in run.proofs.failing_functions:
        yield Finding(
            "function-fails",
            "warning",
            None,
            None,
            failing.function,
            f"{failing.function} fails at every call: {failing.message} ({failing.sqlstate})",
            {"calls": failing.calls, "sqlstate": failing.sqlstate},
            "Repair its body before anybody calls it, and call it once in a test.",
        )


def _owner_rights(run: Run) -> Iterator[Finding]:
    for each in run.proofs.owner_rights:
        if each.kind == "function" and not each.fixed_path:
            by = f", and {', '.join(each.reached_by)} may call it" if each.reached_by else ""
            yield Finding(
                "definer-search-path",
                "warning",
                None,
                None,
                each.name,
                f"{each.name} is SECURITY DEFINER and takes search_path from its caller{by}: whoever can "
                "create objects in a schema of that path runs code with its owner's rights",
                {"called_by": list(each.reached_by)},
                "Fix it: SET search_path = pg_catalog, pg_temp, and name schemas in its body.",
            )


def _swallowed(run: Run) -> Iterator[Finding]:
    for each in run.proofs.swallowed:
        gave = f", and gives {each.returned} back" if each.returned is not None else ""
        often = f" at {each.raised} of {each.calls} calls" if each.migration is None else ""
        yield Finding(
            "error-swallowed",
            "error" if each.raised == each.calls else "warning",
            each.migration,
            each.statement,
            None if each.migration else each.where,
            f"{each.where} hides an error by EXCEPTION WHEN OTHERS{often}{gave}: {each.message} "
            f"({each.sqlstate})",
            {"calls": each.calls, "raised": each.raised, "sqlstate": each.sqlstate},
            "Repair what fails, and catch only the conditions that are expected, by name.",
        )
