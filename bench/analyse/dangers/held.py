"""Locks that others meet: kept too long, felt on other relations, taken with no bound on the wait."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from bench.analyse.asked import asks_for
from bench.analyse.dangers.evidence import (
    Rehearsed,
    finding,
    lock_during,
    ran_under,
    severity_of,
    severity_of_lock,
    statement_of_lock,
    who_waits,
)
from bench.analyse.locks import LockSummary, longest_first
from bench.analyse.names import quoted
from bench.analyse.quantity import seconds
from bench.analyse.remedies.choice import for_lock
from bench.analyse.remedies.script import LOCK_TIMEOUT, Remedy
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding
from bench.model.statement import Block

BLOCKING_CODES = frozenset(
    {"rewrite", "scan-under-lock", "index-built-under-lock", "held-across", "blocks-reads", "blocks-writes"}
)
"""Findings that say why a lock on an existing relation was held for as long as it was."""
_LISTED = 6
_MOST = 0.5
"""Of the time that a lock is held."""


def held_across(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """For each relation, the lock that blocked it longest while later statements of its transaction ran."""
    worst: dict[str, tuple[float, LockSummary, list[StatementSummary]]] = {}
    for lock in migration.locks:
        if not (lock.blocks_reads or lock.blocks_writes):
            continue
        later = [each for each in ran_under(lock, migration) if not _takes_it_too(each, lock)]
        kept_s = sum(each.duration_s.median for each in later if each.duration_s)
        noticeable = kept_s >= rehearsed.limits.noticeable_s
        if noticeable and kept_s > worst.get(lock.subject, (0.0,))[0]:
            worst[lock.subject] = (kept_s, lock, later)
    for subject, (kept_s, lock, later) in worst.items():
        slowest = max(later, key=lambda each: each.duration_s.median if each.duration_s else 0.0)
        yield finding(
            "held-across",
            severity_of_lock(lock, rehearsed.limits),
            statement_of_lock(lock, migration),
            f"{lock.mode.sql_name} on {subject} is kept for {seconds(kept_s)} after its own statement, most "
            f"of it while {slowest.where} ({slowest.kind}) runs: {who_waits(lock.mode)} wait",
            relation=subject,
            evidence={
                "mode": lock.mode.value,
                "kept_s": kept_s,
                "held_s": lock.longest_s,
                "later_statements": len(later),
                "slowest_line": slowest.line,
            },
            remedy=Remedy(_kept_shorter(lock, slowest, rehearsed)),
        )


def _takes_it_too(statement: StatementSummary, lock: LockSummary) -> bool:
    """Whether a later statement needs as strong a lock on the same relation itself, so that a commit before
    it would spare nobody."""
    asked = asks_for(statement.text, lock.subject)
    own = max((each.mode.strength for each in statement.locks if each.subject == lock.subject), default=0)
    written = any(each.relation == lock.subject for each in statement.rewrites)
    return written or max(own, asked.strength if asked else 0) >= lock.mode.strength


def _kept_shorter(lock: LockSummary, slowest: StatementSummary, rehearsed: Rehearsed) -> str:
    """What can be done: a statement that touches the relation itself may need what was done to it before."""
    apart = all(each.subject != lock.subject for each in slowest.locks) and not re.search(
        rf"\b{re.escape(lock.subject.rpartition('.')[2])}\b", slowest.text
    )
    order = f", or lock {quoted(lock.subject)} (line {lock.line}) after it" if apart else ""
    if _tool_commits(rehearsed):
        return (
            f"Have line {slowest.line} in a migration of its own, deployed after this one{order}: the tool "
            "commits at the end of a file, or of all files."
        )
    return f"Commit before line {slowest.line}{order}."


def _tool_commits(rehearsed: Rehearsed) -> bool:
    """Whether the transaction is the migration tool's, so that a file cannot end it."""
    return any(
        execution.by_tool
        for statement in rehearsed.summary.statements
        for execution in rehearsed.executions(statement)
    )


def long_blocks(
    migration: MigrationSummary, rehearsed: Rehearsed, explained: Iterable[Finding]
) -> Iterator[Finding]:
    """Of each relation the longest block that asks for somebody's consent and that nothing else explains."""
    known = {
        (each.statement, relation)
        for each in explained
        if each.code in BLOCKING_CODES
        for relation in (each.relation, *each.evidence.get("read_as_well", ()))
    }
    blocking = [lock for lock in migration.locks if lock.blocks_reads or lock.blocks_writes]
    worst: dict[str, LockSummary] = {}
    for lock in sorted(blocking, key=longest_first):
        if lock.longest_s is None or lock.longest_s > rehearsed.limits.conditional_s:
            worst.setdefault(lock.subject, lock)
    for subject, lock in worst.items():
        if (lock.statement, subject) in known:
            continue
        statement = statement_of_lock(lock, migration)
        yield finding(
            "blocks-reads" if lock.blocks_reads else "blocks-writes",
            severity_of_lock(lock, rehearsed.limits),
            statement,
            f"{statement.kind} holds {lock.mode.sql_name} on {subject} for up to {seconds(lock.longest_s)}: "
            f"{who_waits(lock.mode)} wait",
            relation=subject,
            evidence={"mode": lock.mode.value, "held_s": lock.longest_s},
            remedy=_kept_for(lock, migration) or for_lock(statement.kind, statement.text, rehearsed.around),
        )


def _kept_for(lock: LockSummary, migration: MigrationSummary) -> Remedy | None:
    """Where a later statement takes most of the time: to try the first one again would spare nobody."""
    later = [(each.duration_s.median, each) for each in ran_under(lock, migration) if each.duration_s]
    if lock.longest_s is None or not later:
        return None
    longest_s, slowest = max(later, key=lambda timed: timed[0])
    if longest_s < _MOST * lock.longest_s:
        return None
    return Remedy(
        f"Most of that time {slowest.where} ({slowest.kind}) runs, while the transaction keeps the lock: "
        "shorten that statement, or have it in a later transaction."
    )


def fan_out(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """For each locked relation, the commands on other ones that waited for it when they were tried."""
    worst: dict[str, tuple[float, LockSummary | None, StatementSummary, list[Block]]] = {}
    for statement in migration.statements:
        for subject, blocks in _blocks_elsewhere(statement, rehearsed).items():
            lock = lock_during(statement, migration, subject)
            held_s = lock.longest_s if lock else None
            if held_s is not None and held_s < rehearsed.noticeable_s:
                continue
            seen = worst.get(subject)
            order = float("inf") if held_s is None else held_s
            if seen is None or order > seen[0]:
                worst[subject] = (order, lock, statement, blocks)
    for subject, (_, lock, statement, blocks) in worst.items():
        held_s = lock.longest_s if lock else None
        others = list(dict.fromkeys(block.relation for block in blocks))
        yield finding(
            "fan-out",
            severity_of(held_s, rehearsed.limits),
            statement,
            f"the lock on {subject} stops more than {subject}: {_in_words(blocks)} "
            f"{'waits' if len(blocks) == 1 else 'wait'} for it too, for up to {seconds(held_s)}",
            relation=subject,
            evidence={
                "held_s": held_s,
                "mode": lock.mode.value if lock else None,
                "others": others,
                "commands": len(blocks),
            },
            remedy=Remedy(
                f"Count the users of {', '.join(map(quoted, others[:_LISTED]))} among those who wait: their "
                f"foreign keys, views or indexes lead to {quoted(subject)}. What shortens the lock helps "
                "them, too."
            ),
        )


def _blocks_elsewhere(statement: StatementSummary, rehearsed: Rehearsed) -> dict[str, list[Block]]:
    """By locked relation, what was tried on another one and waited for it, over all repeats."""
    subjects = {lock.relation: lock.subject for lock in statement.locks}
    found: dict[str, dict[tuple[str, str], Block]] = {}
    for execution in rehearsed.executions(statement):
        for block in execution.blocks or ():
            subject = subjects.get(block.waits_on, block.waits_on)
            if block.wait_kind == "relation" and subject != block.relation:
                found.setdefault(subject, {}).setdefault((block.relation, block.op), block)
    return {subject: list(blocks.values()) for subject, blocks in found.items()}


def _in_words(blocks: Sequence[Block]) -> str:
    """``SELECT on public.v; INSERT, UPDATE on public.notes``."""
    by_relation: dict[str, list[str]] = {}
    for block in blocks:
        by_relation.setdefault(block.relation, []).append(block.op)
    parts = [f"{', '.join(ops)} on {relation}" for relation, ops in by_relation.items()]
    more = f"; and on {len(parts) - _LISTED} more" if len(parts) > _LISTED else ""
    return "; ".join(parts[:_LISTED]) + more


def no_lock_timeout(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """The first statement that would have waited without end for a lock which others then queue behind.

    What is built or dropped CONCURRENTLY is left out: it waits while nobody waits behind it.
    """
    unbounded = [
        statement
        for statement in migration.statements
        if "CONCURRENTLY" not in statement.kind
        and any(each.blocks_reads or each.blocks_writes for each in statement.locks)
        and any(each.lock_timeout_s == 0.0 for each in rehearsed.executions(statement))
    ]
    if not unbounded:
        return
    statement, many = unbounded[0], len(unbounded)
    lock = next(each for each in statement.locks if each.blocks_reads or each.blocks_writes)
    execution = next(each for each in rehearsed.executions(statement) if each.lock_timeout_s == 0.0)
    others = "" if many == 1 else f", as {'does' if many == 2 else 'do'} {many - 1} more of the file"
    remedy = for_lock(statement.kind, statement.text, rehearsed.around)
    yield finding(
        "no-lock-timeout",
        "warning",
        statement,
        f"{statement.kind} asks for {lock.mode.sql_name} on {lock.subject} with no lock_timeout{others}: "
        f"behind one long query it waits without end, and all {who_waits(lock.mode)} of {lock.subject} queue "
        "behind it",
        relation=lock.subject,
        evidence={
            "lock_timeout": "0, no limit",
            "source": execution.lock_timeout_source,
            "mode": lock.mode.value,
            "statements": many,
        },
        remedy=Remedy(
            f"Begin the file with SET lock_timeout = '{LOCK_TIMEOUT}', and run what gave up again.",
            f"SET lock_timeout = '{LOCK_TIMEOUT}';\n"
            + (f"-- or, instead of line {statement.line} by itself:\n{remedy.sql}" if remedy.sql else ""),
        ),
    )
