"""One migration's section of the Markdown report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analyse.locks import LockSummary, is_toast, longest_first, without_block
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.texts import cut
from bench.report.excerpt import excerpt
from bench.report.format import (
    UNKNOWN,
    bounds_seconds,
    count,
    seconds,
    seconds_column,
    size,
    size_column,
    spread_seconds,
    spread_size,
)
from bench.report.markup import block, bullets, code, plain, table
from bench.report.nestedview import hot_lines
from bench.report.noticeview import notice_lines

_OUTCOME = {"applied": "✅ applied", "failed": "🔴 failed", "skipped": "⏭️ not reached", None: "⏭️ did not run"}
_SQL_WIDTH = 72
_HOT = 5
_SAID = 20


def migration_section(number: int, migration: MigrationSummary) -> Iterator[str]:
    """The parts of one migration's section: facts, failure, statements, blocking locks, work on tables."""
    yield f"### {number}. {plain(migration.id)}"
    rollback = code(migration.rollback_file) if migration.rollback_file else "none found"
    yield bullets(
        (
            f"**File**: {code(migration.file)}; **rollback file**: {rollback}",
            f"**Status**: {_outcome(migration)}",
            f"**Duration**: {spread_seconds(migration.duration_s)}",
            f"**WAL**: {spread_size(migration.wal_bytes)}; "
            f"**growth on disk**: {spread_size(migration.size_delta_bytes)}",
        )
    )
    if migration.outcome == "failed" and not migration.interrupted:
        yield from _failure(migration)
    ran = [each for each in migration.statements if each.outcome != "skipped"]
    if ran:
        yield "#### Statements"
        yield _statements(ran)
    said = [f"line {each.line}: {plain(line)}" for each in ran for line in notice_lines(each)]
    if said:
        yield "#### What the server said"
        yield bullets(said[:_SAID])
        if len(said) > _SAID:
            yield f"And {len(said) - _SAID} more, all in the page and in run.json."
    yield from _inside(ran)
    left = len(migration.statements) - len(ran)
    if left:
        yield f"Not reached: {left} more {'statement' if left == 1 else 'statements'}."
    felt = [lock for lock in migration.locks if lock.blocks_reads or lock.blocks_writes]
    if felt:
        yield "#### Who waits"
        yield _locks(felt)
    elif migration.outcome == "applied" and without_block(migration.locks, reads=False) == "rows only":
        yield "Rows only: no table lock makes reads or writes wait, but writers of the same rows do."
    work = [*_work(ran)]
    if work:
        yield "#### Rewritten and read in full"
        yield bullets(work)


def _outcome(migration: MigrationSummary) -> str:
    return "⏹️ interrupted" if migration.interrupted else _OUTCOME[migration.outcome]


def _failure(migration: MigrationSummary) -> Iterator[str]:
    statement, error, line = migration.failed_statement, migration.error, migration.failure_line
    yield "#### Failure"
    if error is None:
        yield "It was not applied to its end; the server reported no error."
        return
    where = migration.file if line is None else f"{migration.failure_file}:{line}"
    facts = [
        ("Where", code(where if error.column is None else f"{where}:{error.column}")),
        ("SQLSTATE", code(error.sqlstate or "")),
        ("Message", plain(error.message)),
        ("Detail", plain(error.detail or "")),
        ("Hint", plain(error.hint or "")),
        ("Context", plain(error.context or "")),
        ("Repeats", f"{migration.failures} of {migration.n}"),
    ]
    yield bullets(f"**{name}**: {text}" for name, text in facts if text)
    if statement:
        yield block(cut(statement.text))


def _statements(statements: Sequence[StatementSummary]) -> str:
    medians = [each.duration_s.median if each.duration_s else None for each in statements]
    time_unit, times = seconds_column(medians)
    wal_unit, wal = size_column([each.counters.wal_bytes for each in statements])
    disk_unit, disk = size_column([each.counters.size_delta_bytes for each in statements])
    return table(
        (
            ">Line", "Statement", f">Median, {time_unit}", "Transaction", "Strongest lock", "Longest hold",
            f">WAL, {wal_unit}", f">Disk, {disk_unit}",
        ),
        (
            (
                str(each.line),
                code(excerpt(each.text, _SQL_WIDTH)) + _mark(each),
                times[row], each.transaction, *_strongest(each), wal[row], disk[row],
            )
            for row, each in enumerate(statements)
        ),
    )  # fmt: skip


def _inside(statements: Sequence[StatementSummary]) -> Iterator[str]:
    """The hot SQL inside statements, and the plan of the hottest."""
    hot = hot_lines(statements)
    if not hot:
        return
    yield "#### Hot statements inside"
    time_unit, times = seconds_column([each.duration_s for each in hot[:_HOT]])
    yield table(
        ("SQL", ">Line", f">Time, {time_unit}", ">Share", ">Calls", ">Rows", ">Growth", "Most work"),
        (
            (
                code(excerpt(each.view.text, _SQL_WIDTH)), str(each.line), time, each.view.share or UNKNOWN,
                each.view.calls, each.view.rows, each.view.growth or UNKNOWN, plain(each.view.node),
            )
            for each, time in zip(hot[:_HOT], times, strict=True)
        ),
    )  # fmt: skip
    if len(hot[0].plan) > 1:
        yield f"Plan of the one in line {hot[0].line}:"
        yield block("\n".join(hot[0].plan), language="")


def _mark(statement: StatementSummary) -> str:
    if statement.error is not None and statement.error.interrupted:
        return " ⏹️ interrupted"
    return " 🔴 failed" if statement.outcome == "failed" else ""


def _strongest(statement: StatementSummary) -> tuple[str, str]:
    lock = statement.strongest_lock
    if lock is None:
        return "none", UNKNOWN
    others = len({each.subject for each in statement.locks if each.felt}) - 1
    more = f" and {others} more" if others else ""
    return f"{lock.mode.sql_name} on {code(lock.subject)}{more}", _held(lock)


def _locks(locks: Sequence[LockSummary]) -> str:
    ordered = sorted(locks, key=longest_first)
    return table(
        ("Relation", "Mode", "Longest hold", "Commands that wait", ">Taken in line"),
        (
            (
                code(lock.relation) + (f" of {code(lock.table)}" if lock.table else ""),
                lock.mode.sql_name,
                _held(lock),
                ", ".join(lock.mode.blocks),
                str(lock.line),
            )
            for lock in ordered
        ),
    )


def _held(lock: LockSummary) -> str:
    if lock.longest_s is None:
        return "not known"
    sampled = ", sampled" if lock.source == "sampled" else ""
    return (bounds_seconds(lock.held_s_bounds) if lock.held_s_bounds else seconds(lock.longest_s)) + sampled


def _work(statements: Sequence[StatementSummary]) -> Iterator[str]:
    for each in statements:
        for rewrite in each.rewrites:
            toast = is_toast(rewrite.relation) and rewrite.table
            what = f"TOAST of {code(toast)}" if toast else f"{rewrite.target} {code(rewrite.relation)}"
            yield f"line {each.line}: {what} rewritten, {size(rewrite.bytes)}"
        for scan in each.validations:
            passes = f" ({scan.passes:g} passes)" if scan.passes is not None and scan.passes > 1 else ""
            yield f"line {each.line}: {code(scan.relation)} read in full, {count(scan.rows)} rows{passes}"
