"""E0 of the access matrix and S: what may never be, whatever the base's side did."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from bench.analyse.budgets import describe_check
from bench.analyse.compare.result import Gate
from bench.model.budget import BudgetCheck
from bench.model.record import AccessRecord, Record


def access_gates(base: Record, head: Record) -> Iterator[Gate]:
    """Cells of the access matrix that opened: rows reached now that were not, here or before the suite.

    Yields one warning where the base's side was tried and the head's was not.
    """
    if base.access and not head.access:
        yield Gate("E0", "access", "warn", "access matrix", f"{len(base.access)} tried", None,
                   note="not tried on the head's side: bench prove")  # fmt: skip
        return
    for name, now in head.access.items():
        was = base.access.get(name)
        if _opened(was, now):
            yield Gate("E0", "access", "fail", name, _reach(was), _reach(now), note=now.opened)
        elif was is not None and _opened(now, was):
            yield Gate("E0", "access", "improved", name, _reach(was), _reach(now))


def _opened(was: AccessRecord | None, now: AccessRecord) -> bool:
    if not now.rows:
        return False
    if was is None:
        return now.opened is not None
    return not was.rows or (now.opened is not None and was.opened is None)


def _reach(cell: AccessRecord | None) -> str:
    if cell is None:
        return "not there"
    return "refused" if cell.rows is None else "no rows" if cell.rows == 0 else f"{cell.rows} rows"


def budget_gates(base: Record, head: Record) -> Iterator[Gate]:
    """Every budget that the head breaks, and those that it keeps again."""
    before = {_about(each): each for each in base.budgets}
    for check in head.budgets:
        was = before.get(_about(check))
        old = was.measured if was else None
        unit: Literal["s", ""] = "" if check.key == "error_share" else "s"
        if check.broken:
            yield Gate("S", "budget", "fail", check.key, old, check.measured, unit, describe_check(check))
        elif old is not None and check.measured is None:
            yield Gate("S", "budget", "warn", check.key, old, None, unit, "not measured on the head's side")
        elif was is not None and was.broken and check.measured is not None:
            yield Gate("S", "budget", "improved", check.key, old, check.measured, unit)


def _about(check: BudgetCheck) -> tuple[str, str | None, str | None]:
    return check.key, check.hazard, check.relation
