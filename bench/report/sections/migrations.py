"""The migrations: all in one table, and each with its failure, statements, locks and work on tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.analyse.conclude import Conclusion
from bench.analyse.locks import LockSummary, is_toast, longest_first, without_block
from bench.analyse.stats import Spread
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.load import Access
from bench.model.lock import WEAKEST_SHOWN
from bench.model.statement import Counters, Rewrite, StatementError, StatementRun
from bench.model.texts import cut
from bench.report import format as fmt
from bench.report.document import (
    Block,
    Bullets,
    Code,
    Facts,
    Mark,
    Paragraph,
    Section,
    Table,
    Tone,
    Words,
    code,
    columns,
    detail,
    number,
    status,
    strong,
)
from bench.report.nestedview import hot_lines
from bench.report.sections.answer import INTERRUPTED, OUTCOMES, anchor, blocks, nobody_text, outcome

HOW_TO_READ = (
    "Times are medians over the repeats with the smallest and the largest. A hold is the time from grant to "
    "release of a lock, given as the bounds that agree with what was seen: another session would have waited "
    "that long at most for it, on an idle server. Waits for rows that the migration changes, and queueing "
    "behind long transactions, are no part of these figures. Locks on relations that the same "
    "migration created are left out: nobody else can know them yet."
)
SHORT = {"locked rows": "rows", "traffic": "under traffic", "hazard": "beside a hazard"}
"""Where a wait comes from that is no table lock."""
UNKNOWN_HOLD = 1e300
"""Sorts a hold that nobody knows above all that are known."""
_SQL_WIDTH = 72
_HOT = 5
_SAID = 20


_OVERVIEW = columns(
    ">#",
    "…Migration",
    "Outcome",
    ">Median",
    ">Reads wait ≤",
    ">Writes wait ≤",
    ">WAL",
    ">~Disk",
    ">~Findings",
)


def overview(conclusion: Conclusion) -> Table:
    """A line for each migration."""
    migrations = enumerate(conclusion.summary.migrations, start=1)
    return Table(_OVERVIEW, tuple(_line(at, migration, conclusion) for at, migration in migrations))


def _line(at: int, migration: MigrationSummary, conclusion: Conclusion) -> tuple[Words, ...]:
    open_ones = [
        finding
        for finding in conclusion.findings
        if finding.migration == migration.id and finding.accepted is None
    ]
    error = migration.error.message if migration.error else ""
    said = error or f"{len(migration.statements)} statements"
    took = migration.duration_s
    extremes = f"{fmt.seconds(took.low)}–{fmt.seconds(took.high)}" if took and not took.equal else ""
    return (
        number(str(at), at),
        (code(migration.file, f"#m{at}"), detail(said)),
        outcome(migration),
        (_median(took, fmt.seconds), detail(extremes)),
        _wait(migration, conclusion, "read"),
        _wait(migration, conclusion, "write"),
        _median(migration.wal_bytes, fmt.size),
        _median(migration.size_delta_bytes, fmt.size),
        number(str(len(open_ones)) if open_ones else "none", len(open_ones)),
    )


def _median(spread: Spread | None, write: Callable[[float | None], str]) -> Mark:
    return number(write(spread.median if spread else None), spread.median if spread else -1.0)


def _wait(migration: MigrationSummary, conclusion: Conclusion, access: Access) -> Words:
    wait = conclusion.longest(access, migration.id)
    if wait is not None:
        line = next((other.line for other in migration.statements if other.index == wait.statement), None)
        at = "" if line is None else f" :{line}"
        beside = "" if wait.source == "table lock" else f", {SHORT[wait.source]}"
        href = anchor(conclusion.summary, migration.id, wait.statement)
        figure = number(fmt.seconds(wait.seconds), wait.seconds, "" if wait.statement is None else href)
        return figure, detail(f"{wait.relation}{at}{beside}")
    if any(blocks(lock, access) for lock in migration.locks):
        return number(fmt.UNKNOWN, UNKNOWN_HOLD), detail("hold not known")
    if migration.outcome == "failed":
        return number(fmt.UNKNOWN, 0.0), detail("none until it failed")
    return number(nobody_text(migration, access), 0.0 if migration.outcome == "applied" else -1.0)


def failure(migration: MigrationSummary) -> Section | None:
    """Where and why it failed; None where it did not."""
    if migration.outcome != "failed" or migration.interrupted:
        return None
    statement, error, line = migration.failed_statement, migration.error, migration.failure_line
    if error is None:
        said = "It was not applied to its end; the server reported no error."
        return Section("Failure", (Paragraph((code(migration.file), ": ", said)),))
    where = migration.file if line is None else f"{migration.failure_file}:{line}"
    rows = (*error_facts(error, where), ("Repeats", f"{migration.failures} of {migration.n}"))
    text = (Code(cut(statement.text)),) if statement else ()
    return Section("Failure", (Facts(rows), *text))


def error_facts(error: StatementError, where: str) -> tuple[tuple[str, Words], ...]:
    """What the server said of an error."""
    facts: tuple[tuple[str, Words], ...] = (
        ("Where", code(where if error.column is None else f"{where}:{error.column}")),
        ("SQLSTATE", code(error.sqlstate) if error.sqlstate else ""),
        ("Message", error.message),
        ("Detail", error.detail or ""),
        ("Hint", error.hint or ""),
        ("Context", error.context or ""),
    )
    return tuple((name, value) for name, value in facts if value)


def migrations(conclusion: Conclusion) -> Section:
    """Every migration in the suite's order."""
    summary = conclusion.summary
    sections = (_migration(at, migration) for at, migration in enumerate(summary.migrations, start=1))
    return Section("Migration by migration", (Paragraph(HOW_TO_READ, "lead"), *sections))


def _migration(at: int, migration: MigrationSummary) -> Section:
    return Section(f"{at} · {migration.id}", tuple(_blocks(migration)))


def _blocks(migration: MigrationSummary) -> Iterator[Block]:
    rollback = code(migration.rollback_file) if migration.rollback_file else "none found"
    yield Facts(
        (
            ("File", (code(migration.file), "; ", strong("rollback file"), ": ", rollback)),
            ("Status", outcome(migration)),
            ("Duration", fmt.spread_seconds(migration.duration_s)),
            ("WAL", fmt.spread_size(migration.wal_bytes)),
            ("Growth on disk", fmt.spread_size(migration.size_delta_bytes)),
        )
    )
    if (failed := failure(migration)) is not None:
        yield failed
    ran = [statement for statement in migration.statements if statement.outcome != "skipped"]
    if ran:
        yield _statements(ran)
    said = [(f"line {statement.line}: {line}") for statement in ran for line in notice_lines(statement)]
    if said:
        more = (f"and {len(said) - _SAID} more, all in the page and in run.json",) * (len(said) > _SAID)
        yield Section("What the server said", (Bullets((*said[:_SAID], *more)),))
    yield from _inside(ran)
    left = len(migration.statements) - len(ran)
    if left:
        yield Paragraph(f"Not reached: {left} more {'statement' if left == 1 else 'statements'}.")
    felt = [lock for lock in migration.locks if lock.blocks]
    if felt:
        yield _locks(felt)
    elif migration.outcome == "applied" and without_block(migration.locks, reads=False) == "rows only":
        yield Paragraph(
            "Rows only: no table lock makes reads or writes wait, but writers of the same rows do."
        )
    work = tuple(_work(ran))
    if work:
        yield Section("Rewritten and read in full", (Bullets(work),))


def _statements(statements: Sequence[StatementSummary]) -> Table:
    medians = [statement.duration_s.median if statement.duration_s else None for statement in statements]
    time_unit, times = fmt.seconds_column(medians)
    wal_unit, wal = fmt.size_column([statement.counters.wal_bytes for statement in statements])
    disk_unit, disk = fmt.size_column([statement.counters.size_delta_bytes for statement in statements])
    head = columns(
        ">Line", "Statement", f">Median, {time_unit}", "Transaction", "Strongest lock", "Longest hold",
        f">WAL, {wal_unit}", f">Disk, {disk_unit}",
    )  # fmt: skip
    rows = (
        (
            str(statement.line), (code(fmt.excerpt(statement.text, _SQL_WIDTH)), _mark(statement)), time,
            statement.transaction, *_strongest(statement), written, grown,
        )
        for statement, time, written, grown in zip(statements, times, wal, disk, strict=True)
    )  # fmt: skip
    return Table(head, tuple(rows), "Statements")


def _mark(statement: StatementSummary) -> Words:
    if statement.error is not None and statement.error.interrupted:
        return " ", INTERRUPTED
    return (" ", OUTCOMES["failed"]) if statement.outcome == "failed" else ""


def _strongest(statement: StatementSummary) -> tuple[Words, Words]:
    lock = statement.strongest_lock
    if lock is None:
        return "none", fmt.UNKNOWN
    others = len({other.subject for other in statement.locks if other.felt}) - 1
    more = f" and {others} more" if others else ""
    return (f"{lock.mode.sql_name} on ", code(lock.subject), more), _held(lock)


def _inside(statements: Sequence[StatementSummary]) -> Iterator[Block]:
    """The hot SQL inside statements, and the plan of the hottest."""
    hot = hot_lines(statements)
    if not hot:
        return
    time_unit, times = fmt.seconds_column([line.duration_s for line in hot[:_HOT]])
    head = columns("SQL", ">Line", f">Time, {time_unit}", ">Share", ">Calls", ">Rows", ">Growth", "Most work")
    rows = (
        (
            code(fmt.excerpt(line.view.text, _SQL_WIDTH)), str(line.line), time,
            line.view.share or fmt.UNKNOWN, line.view.calls, line.view.rows, line.view.growth or fmt.UNKNOWN,
            line.view.node,
        )
        for line, time in zip(hot[:_HOT], times, strict=True)
    )  # fmt: skip
    yield Table(head, tuple(rows), "Hot statements inside")
    if len(hot[0].plan) > 1:
        yield Paragraph(f"Plan of the one in line {hot[0].line}:")
        yield Code("\n".join(hot[0].plan), language="")


def _locks(locks: Sequence[LockSummary]) -> Table:
    rows = (
        (
            (code(lock.relation), (" of ", code(lock.table)) if lock.table else ""),
            lock.mode.sql_name,
            _held(lock),
            ", ".join(lock.mode.blocks),
            str(lock.line),
        )
        for lock in sorted(locks, key=longest_first)
    )
    head = columns("Relation", "Mode", "Longest hold", "Commands that wait", ">Taken in line")
    return Table(head, tuple(rows), "Who waits")


def _held(lock: LockSummary) -> str:
    if lock.longest_s is None:
        return "not known"
    sampled = ", sampled" if lock.source == "sampled" else ""
    held = fmt.bounds_seconds(lock.held_s_bounds) if lock.held_s_bounds else fmt.seconds(lock.longest_s)
    return held + sampled


def _work(statements: Sequence[StatementSummary]) -> Iterator[Words]:
    for statement in statements:
        at = f"line {statement.line}: "
        for rewrite in statement.rewrites:
            toast = is_toast(rewrite.relation) and rewrite.table
            what = ("TOAST of ", code(toast)) if toast else (f"{rewrite.target} ", code(rewrite.relation))
            yield at, what, f" rewritten, {fmt.size(rewrite.bytes)}"
        for scan in statement.validations:
            passes = f" ({scan.passes:g} passes)" if scan.passes is not None and scan.passes > 1 else ""
            yield at, code(scan.relation), f" read in full, {fmt.count(scan.rows)} rows{passes}"


_SAID_WIDTH = 400
"""Characters of a message and of its detail that are shown."""


def notice_lines(statement: StatementRun | StatementSummary) -> tuple[str, ...]:
    """A line for each message, equal ones once, and one for those that were not kept."""
    return (*dict.fromkeys(_lines(statement)),)


def _lines(statement: StatementRun | StatementSummary) -> Iterator[str]:
    for notice in statement.notices:
        place = f" (line {notice.line})" if notice.line is not None else ""
        detail = f": {fmt.shortened(notice.detail, _SAID_WIDTH)}" if notice.detail else ""
        yield f"{notice.severity}: {fmt.shortened(notice.message, _SAID_WIDTH)}{detail}{place}"
    if statement.notices_left_out:
        yield f"and {statement.notices_left_out:,} more messages"


NAMED = 8
"""So many relations are named of those that a statement locked in one weak mode."""
LABELS: Sequence[tuple[str, str]] = (
    ("wal_bytes", "WAL"),
    ("wal_records", "WAL records"),
    ("wal_fpi", "full-page images"),
    ("blocks_hit", "blocks hit"),
    ("blocks_read", "blocks read"),
    ("blocks_dirtied", "blocks dirtied"),
    ("temp_bytes", "temporary files"),
    ("size_delta_bytes", "growth on disk"),
)
TRANSACTIONS = {
    "file": "in the file's own transaction",
    "own": "in a transaction of its own",
    "none": "outside a transaction",
}


def statement_blocks(statement: StatementSummary) -> Iterator[Block]:
    """Everything of one statement: its text, figures, locks and what the server said."""
    if statement.error is not None:
        yield Facts(error_facts(statement.error, statement.where))
    if said := notice_lines(statement):
        yield Paragraph("The server said:", "remark")
        yield Code("\n".join(said), language="")
    yield Code(cut(statement.text.strip("\n")))
    rewrites = (
        f"{_rewritten(rewrite)}{f', {fmt.size(rewrite.bytes)}' if rewrite.bytes is not None else ''}"
        for rewrite in statement.rewrites
    )
    scans = (f"{scan.relation}, {fmt.count(scan.rows)} rows" for scan in statement.validations)
    facts = (
        ("duration", fmt.spread_seconds(statement.duration_s)),
        ("transaction", TRANSACTIONS[statement.transaction]),
        *_counters(statement),
        ("rewritten", "; ".join(rewrites)),
        ("read in full", "; ".join(scans)),
    )
    yield Facts(tuple((label, value) for label, value in facts if value), shape="grid")
    yield from _locks_of(statement)


_LOCK_HEAD = columns("Relation", "Mode", "Waits behind it", ">Held", ">Waited for", "Source")


def _locks_of(statement: StatementSummary) -> Iterator[Block]:
    felt = [lock for lock in statement.locks if lock.felt]
    strong_ones = [lock for lock in felt if lock.mode.strength >= WEAKEST_SHOWN.strength]
    if strong_ones:
        title = "Locks on relations that existed before"
        yield Table(_LOCK_HEAD, tuple(map(_lock_row, strong_ones)), title)
    if weak := _weak([lock for lock in felt if lock.mode.strength < WEAKEST_SHOWN.strength]):
        yield Paragraph(f"In weaker modes, which no read or write waits for: {weak}.", "remark")
    if new := sum(lock.new for lock in statement.locks):
        locks, it = ("lock", "it") if new == 1 else ("locks", "them")
        said = f"{new} {locks} on relations that the migration created itself: nobody waits for {it}."
        yield Paragraph(said, "remark")


def _lock_row(lock: LockSummary) -> tuple[Words, ...]:
    kind = "" if lock.target == "table" else lock.target
    target = f"{kind} of {lock.table}" if kind and lock.table else kind
    waited = lock.waited_s.high if lock.waited_s else 0.0
    tone: Tone = "bad" if lock.blocks_reads else "warn" if lock.blocks_writes else ""
    return (
        (code(lock.relation), f" {target}" if target else ""),
        status(lock.mode.sql_name, tone),
        ", ".join(lock.mode.blocks) or "nothing",
        fmt.bounds_seconds(lock.held_s_bounds)
        if lock.held_s_bounds
        else fmt.seconds(lock.held_s.median if lock.held_s else None),
        fmt.seconds(waited) if waited > 0 else fmt.UNKNOWN,
        lock.source,
    )


def _rewritten(rewrite: Rewrite) -> str:
    return f"TOAST of {rewrite.table}" if is_toast(rewrite.relation) and rewrite.table else rewrite.relation


def _weak(locks: Sequence[LockSummary]) -> str:
    """``ROW EXCLUSIVE on a, b, c and 3 more; ACCESS SHARE on c``."""
    parts = []
    for mode in sorted({lock.mode for lock in locks}, key=lambda mode: -mode.strength):
        names = list(dict.fromkeys(lock.subject for lock in locks if lock.mode is mode))
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        parts.append(f"{mode.sql_name} on {', '.join(names[:NAMED])}{more}")
    return "; ".join(parts)


def _counters(statement: StatementSummary) -> tuple[tuple[str, str], ...]:
    facts = [("rows", fmt.count(statement.rows))] if statement.rows is not None else []
    for name, label in LABELS:
        value = getattr(statement.counters, name)
        write = fmt.size if name.endswith("_bytes") else fmt.count
        spread = statement.varying.get(name)
        note = f" ({write(spread.low)} to {write(spread.high)})" if spread else ""
        if value is not None:
            facts.append((label, f"{write(value)}{note}"))
    if statement.outcome == "applied" and statement.counters == Counters():
        facts.append(("counters", f"{fmt.UNKNOWN} (not read for this statement)"))
    return tuple(facts)
