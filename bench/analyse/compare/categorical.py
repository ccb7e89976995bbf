"""E0: changes of kind, for which one run is enough.

Locks that were met by chance (sampled) excuse a lock on the base's side and never accuse one on the head's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from bench.analyse.budgets import describe_check
from bench.analyse.compare.result import Gate, Outcome
from bench.model.budget import BudgetCheck
from bench.model.lock import LockMode
from bench.model.record import AccessRecord, MigrationRecord, QueryRecord, Record, StatementRecord

LARGE_PAGES = 1000
"""From this size on a new lock that blocks writes is a regression, on a smaller table a warning."""
MORE_BLOCKS = 1.10
"""A changed plan is worse where it touches more than this ratio of blocks."""


def statement_gates(
    base: StatementRecord, head: StatementRecord, pages: Mapping[str, int], *, edited: bool = False
) -> Iterator[Gate]:
    """Locks, rewrites, temporary files and row counts of a statement that both sides have.

    The row count of a statement that was ``edited`` counts as well: it is what its author sees last.
    """
    yield from lock_gates(base, head, pages)
    yield from _rewrite_gates(set(base.rewrites), head)
    yield from _spill_gates(base, head)
    yield from _row_gates(base, head)


def added_gates(before: MigrationRecord, head: StatementRecord, pages: Mapping[str, int]) -> Iterator[Gate]:
    """A statement that the base lacks, against what its migration did there as a whole."""
    merged: dict[str, str] = {}
    for statement in before.statements:
        for relation, mode in {**statement.sampled}.items():
            if strength(mode) > strength(merged.get(relation)):
                merged[relation] = mode
    yield from _locks(merged, merged, head.locks, pages)
    yield from _rewrite_gates({name for statement in before.statements for name in statement.rewrites}, head)
    if any(head.counters.get("temp_bytes", ())) and not _spilled(before.statements):
        yield Gate("E0", "temp-spill", "fail", "temporary files", 0, _largest(head), "bytes")


def lock_gates(base: StatementRecord, head: StatementRecord, pages: Mapping[str, int]) -> Iterator[Gate]:
    """Stronger modes, new locks, and what became weaker."""
    yield from _locks(base.sampled, base.locks, head.locks, pages)
    for gate in _locks(head.sampled, head.locks, base.locks, pages):
        yield Gate("E0", "lock", "improved", gate.subject, gate.new, gate.old, "mode")


def _locks(
    excused: Mapping[str, str], exact: Mapping[str, str], found: Mapping[str, str], pages: Mapping[str, int]
) -> Iterator[Gate]:
    for relation, mode in found.items():
        old = excused.get(relation) or exact.get(relation)
        if strength(mode) <= strength(old):
            continue
        if old is not None:
            yield Gate("E0", "lock", "fail", relation, old, mode, "mode")
        elif LockMode(mode).blocks_writes:
            large = pages.get(relation, 0) >= LARGE_PAGES
            outcome: Outcome = "fail" if large else "warn"
            yield Gate("E0", "lock", outcome, relation, None, mode, "mode")


def strength(mode: str | None) -> int:
    """Position in the order of lock modes; 0 for no lock."""
    return 0 if mode is None else LockMode(mode).strength


def _rewrite_gates(before: set[str], head: StatementRecord) -> Iterator[Gate]:
    for relation in head.rewrites:
        if relation not in before:
            yield Gate("E0", "rewrite", "fail", relation, "kept", "rewritten")


def _spill_gates(base: StatementRecord, head: StatementRecord) -> Iterator[Gate]:
    """A temporary file in every repeat of one side and in none of the other."""
    old, new = _known(base, "temp_bytes"), _known(head, "temp_bytes")
    if not old or not new:
        return
    if not any(old) and all(new):
        yield Gate("E0", "temp-spill", "fail", "temporary files", 0, _largest(head), "bytes")
    elif all(old) and not any(new):
        yield Gate("E0", "temp-spill", "improved", "temporary files", _largest(base), 0, "bytes")


def _row_gates(base: StatementRecord, head: StatementRecord) -> Iterator[Gate]:
    """Row counts, where each side's are the same in all its repeats."""
    old, new = set(base.rows), set(head.rows)
    if len(old) == len(new) == 1 and old != new:
        (was,), (now,) = old, new
        if was is not None and now is not None:
            yield Gate("E0", "rows", "fail", "rows", was, now, "rows")


def query_gates(base: QueryRecord, head: QueryRecord) -> Iterator[Gate]:
    """A plan of another shape that touches more blocks, a new error, a new spill, other rows."""
    if head.error != base.error and (head.error is None or base.error is None):
        failed = head.error is not None
        yield Gate("E0", "error", "fail" if failed else "improved", base.name, base.error, head.error)
        return
    if None not in (base.fingerprint, head.fingerprint) and base.fingerprint != head.fingerprint:
        yield Gate("E0", "plan", _plan_outcome(base.blocks, head.blocks), "plan blocks",
                   base.blocks, head.blocks, "blocks")  # fmt: skip
    if base.temp_bytes == 0 and head.temp_bytes:
        yield Gate("E0", "temp-spill", "fail", "temporary files", 0, head.temp_bytes, "bytes")
    elif base.temp_bytes and head.temp_bytes == 0:
        yield Gate("E0", "temp-spill", "improved", "temporary files", base.temp_bytes, 0, "bytes")
    if None not in (base.rows, head.rows) and base.rows != head.rows:
        yield Gate("E0", "rows", "warn", "rows", base.rows, head.rows, "rows",
                   note="the migrations may be meant to change what this query returns")  # fmt: skip


def _plan_outcome(old: int | None, new: int | None) -> Outcome:
    if old is None or new is None:
        return "inconclusive"
    if new > old * MORE_BLOCKS:
        return "fail"
    return "improved" if old > new * MORE_BLOCKS else "pass"


def proof_gates(base: Record, head: Record) -> Iterator[Gate]:
    """Proofs that held on the base's side and hold no more, or were not tried again."""
    for name, held in base.proofs.items():
        now = head.proofs.get(name)
        if held and now is None:
            yield Gate("E0", "proof", "warn", name, "proved", None, note="not tried on the head's side")
        elif held and now is False:
            yield Gate("E0", "proof", "fail", name, "proved", "refuted")
        elif not held and now:
            yield Gate("E0", "proof", "improved", name, "refuted", "proved")


def _spilled(statements: Sequence[StatementRecord]) -> bool:
    return any(any(statement.counters.get("temp_bytes", ())) for statement in statements)


def _largest(statement: StatementRecord) -> int:
    return max(_known(statement, "temp_bytes"), default=0)


def _known(statement: StatementRecord, name: str) -> list[int]:
    return [value for value in statement.counters.get(name, ()) if value is not None]


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
    before = {_about(budget): budget for budget in base.budgets}
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
