"""Dangers that the figures of the solo pass prove, each with its evidence and the way out.

Nothing here is a rule about SQL text: a finding needs a lock that was held, a file that was written, rows
that were read or an error that came back. Text only chooses the wording of the fix.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.analyse.locks import LockSummary, is_toast, worst_block
from bench.analyse.names import altered_tables, is_named, quoted, referenced_tables
from bench.analyse.quantity import count, seconds, size
from bench.analyse.remedies import fix_index, fix_reindex, fix_rewrite, fix_scan, rebuilds_indexes
from bench.analyse.summary import (
    TRANSACTION_CONTROL,
    MigrationSummary,
    StatementSummary,
    summarise,
)
from bench.analyse.verdict import DEFAULT_LIMITS, Limits
from bench.model.finding import Finding, Severity
from bench.model.lock import LockMode
from bench.model.run import Run
from bench.model.statement import Validation

NOTICEABLE_S = 0.1
"""A lock kept for less than this after its statement is not worth a reader's time."""

_DATA_ERRORS = ("22", "23")
"""SQLSTATE classes data exception and integrity constraint violation."""
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


def find_dangers(run: Run, limits: Limits = DEFAULT_LIMITS) -> tuple[Finding, ...]:
    """The dangers in a run's solo pass, the severest first, then in the order of the files.

    Severity follows the measured block: ``error`` above ``limits.not_ready_s``, ``warning`` above
    ``limits.conditional_s`` or where the hold is not known, else ``info``.
    """
    found: list[Finding] = []
    for migration in summarise(run).migrations:
        for statement in migration.statements:
            found += _fails_on_data(statement, migration)
            found += _rewrites(statement, limits)
            found += _index_builds(statement, limits)
            found += _scans(statement, limits)
        found += _held_across(migration, limits)
        found += _non_transactional(migration)
    return tuple(sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity)))


def _fails_on_data(statement: StatementSummary, migration: MigrationSummary) -> Iterator[Finding]:
    error = statement.error
    if error is None or error.sqlstate is None or not error.sqlstate.startswith(_DATA_ERRORS):
        return
    evidence = {
        "sqlstate": error.sqlstate,
        "detail": error.detail,
        "failed_repeats": migration.failures,
        "repeats": migration.n,
    }
    detail = f" ({error.detail})" if error.detail else ""
    yield Finding(
        code="fails-on-data",
        severity="error",
        migration=statement.migration,
        statement=statement.index,
        relation=None,
        message=f"{statement.where}: the rows that exist are refused: {error.message}{detail}",
        evidence={key: value for key, value in evidence.items() if value is not None},
        fix=f"Repair or set aside the rows that it names before line {statement.line} runs, "
        "in a statement of its own that can be repeated.",
    )


def _rewrites(statement: StatementSummary, limits: Limits) -> Iterator[Finding]:
    """Tables written anew, their indexes counted in; and indexes written anew alone."""
    if "CONCURRENTLY" in statement.kind:
        return
    by_table: dict[str, list[tuple[str, int | None]]] = {}
    for rewrite in statement.rewrites:
        table = rewrite.table or rewrite.relation
        if not is_toast(table):
            by_table.setdefault(table, []).append((rewrite.relation, rewrite.bytes))
    for table, written in by_table.items():
        lock = _block_on(statement, table)
        total = _sum(amount for _, amount in written)
        whole = any(relation == table for relation, _ in written)
        named = [relation for relation, _ in written if not is_toast(relation)]
        what = table if whole else ", ".join(named) or f"the TOAST of {table}"
        rebuild = statement.kind.startswith("REINDEX")
        yield Finding(
            code="index-built-under-lock" if rebuild else "rewrite",
            severity=_severity(lock, limits),
            migration=statement.migration,
            statement=statement.index,
            relation=table,
            message=f"{statement.where}: {statement.kind} writes {what} anew: {size(total)} in "
            f"{_took(statement)}{_while(lock)}",
            evidence=_evidence(statement, lock, bytes=total, relations=named or None),
            fix=fix_reindex(table, named if len(named) == len(written) else ())
            if rebuild
            else fix_rewrite(statement.kind, table),
        )


def _index_builds(statement: StatementSummary, limits: Limits) -> Iterator[Finding]:
    """New indexes on existing tables, built while writes to the table were blocked."""
    rewritten = {rewrite.table or rewrite.relation for rewrite in statement.rewrites}
    if "CONCURRENTLY" in statement.kind:
        return
    for index in statement.locks:
        if not (index.target == "index" and index.new and index.table) or index.table in rewritten:
            continue
        if is_toast(index.relation):
            continue
        lock = _block_on(statement, index.table)
        if lock is None:
            continue
        yield Finding(
            code="rewrite" if rebuilds_indexes(statement.kind, statement.text) else "index-built-under-lock",
            severity=_severity(lock, limits),
            migration=statement.migration,
            statement=statement.index,
            relation=index.table,
            message=f"{statement.where}: {statement.kind} builds {index.relation} in {_took(statement)}"
            f"{_while(lock)}",
            evidence=_evidence(
                statement, lock, index=index.relation, size_delta_bytes=statement.counters.size_delta_bytes
            ),
            fix=fix_index(statement.kind, statement.text, index.relation, index.table),
        )


def _scans(statement: StatementSummary, limits: Limits) -> Iterator[Finding]:
    """Existing tables read in full under a lock of SHARE or more that the same statement took."""
    explained = {rewrite.table or rewrite.relation for rewrite in statement.rewrites}
    explained |= {
        lock.table for lock in statement.locks if lock.new and lock.table and not is_toast(lock.relation)
    }
    blocked = {
        scan.relation: lock for scan in statement.validations if (lock := _block_on(statement, scan.relation))
    }
    scans = [scan for scan in statement.validations if scan.relation in blocked]
    for scan in _of_altered_table(statement, scans, blocked):
        lock = blocked[scan.relation]
        if scan.relation in explained or scan.rows == 0:
            continue
        yield Finding(
            code="scan-under-lock",
            severity=_severity(lock, limits),
            migration=statement.migration,
            statement=statement.index,
            relation=scan.relation,
            message=f"{statement.where}: {statement.kind} reads {count(scan.rows)} rows of {scan.relation} "
            f"in {_took(statement)}{_while(lock)}",
            evidence=_evidence(statement, lock, rows=scan.rows, passes=scan.passes),
            fix=fix_scan(statement.text, scan.relation),
        )


def _of_altered_table(
    statement: StatementSummary, scans: Sequence[Validation], blocked: Mapping[str, LockSummary]
) -> Sequence[Validation]:
    """The one scan to blame: of the table that the text alters, else under the strongest, earliest lock.

    A foreign key reads the table that it refers to as well, which needs no change.
    """
    altered, referenced = altered_tables(statement.text), referenced_tables(statement.text)
    named = [scan for scan in scans if is_named(scan.relation, altered)]
    others = [scan for scan in scans if not is_named(scan.relation, referenced)]

    def order(scan: Validation) -> tuple[int, float]:
        lock = blocked[scan.relation]
        return -lock.mode.strength, lock.granted_at_s.median if lock.granted_at_s else 0.0

    return named[:1] or sorted(others, key=order)[:1]


def _held_across(migration: MigrationSummary, limits: Limits) -> Iterator[Finding]:
    """For each relation, the lock that blocked it longest while later statements of its transaction ran."""
    worst: dict[str, tuple[float, LockSummary, list[StatementSummary]]] = {}
    for lock in migration.locks:
        if not (lock.blocks_reads or lock.blocks_writes):
            continue
        later = list(_ran_under(lock, migration))
        kept_s = sum(each.duration_s.median for each in later if each.duration_s)
        if kept_s >= NOTICEABLE_S and kept_s > worst.get(lock.subject, (0.0,))[0]:
            worst[lock.subject] = (kept_s, lock, later)
    for subject, (kept_s, lock, later) in worst.items():
        slowest = max(later, key=lambda each: each.duration_s.median if each.duration_s else 0.0)
        yield Finding(
            code="held-across",
            severity=_severity(lock, limits),
            migration=migration.id,
            statement=lock.statement,
            relation=subject,
            message=f"{lock.where}: {lock.mode.sql_name} on {subject} is kept for {seconds(kept_s)} after "
            f"its own statement, most of it while {slowest.where} ({slowest.kind}) runs",
            evidence={
                "mode": lock.mode.value,
                "kept_s": kept_s,
                "held_s": lock.longest_s,
                "later_statements": len(later),
                "slowest_line": slowest.line,
            },
            fix=f"Commit before line {slowest.line}, or lock {quoted(subject)} (line {lock.line}) after it.",
        )


def _ran_under(lock: LockSummary, migration: MigrationSummary) -> Iterator[StatementSummary]:
    """The later statements that began before the lock was released, transaction control left out."""
    if lock.released_at_s is None:
        return
    for each in migration.statements:
        began = each.started_at_s.median if each.started_at_s else None
        if (
            each.index > lock.statement
            and each.kind not in TRANSACTION_CONTROL
            and began is not None
            and began < lock.released_at_s.median
        ):
            yield each


def _non_transactional(migration: MigrationSummary) -> Iterator[Finding]:
    """One finding for all statements of a file that refused a transaction."""
    plain = [
        each
        for each in migration.statements
        if each.transaction == "none" and each.kind not in TRANSACTION_CONTROL and each.outcome != "skipped"
    ]
    if not plain:
        return
    first = plain[0]
    total_s = sum(each.duration_s.median for each in plain if each.duration_s)
    many = "1 statement runs" if len(plain) == 1 else f"{len(plain)} statements run"
    invalid = any("CONCURRENTLY" in each.kind for each in plain)
    yield Finding(
        code="non-transactional",
        severity="info",
        migration=migration.id,
        statement=first.index,
        relation=None,
        message=f"{first.where}: {many} outside a transaction for {seconds(total_s)}: a failure there leaves "
        f"what came before in place{', and an INVALID index' if invalid else ''}",
        evidence={"statements": len(plain), "duration_s": total_s, "lines": [each.line for each in plain]},
        fix="Make each of them safe to run again"
        + (": DROP INDEX CONCURRENTLY IF EXISTS before an index is built again." if invalid else "."),
    )


def _block_on(statement: StatementSummary, table: str) -> LockSummary | None:
    """The statement's lock of SHARE or more on an existing table that blocked longest, else its indexes'."""
    strong = [
        lock
        for lock in statement.locks
        if lock.subject == table and lock.felt and lock.mode.strength >= LockMode.SHARE.strength
    ]
    own = [lock for lock in strong if lock.relation == table] or strong
    return worst_block(own) or next(iter(own), None)


def _severity(lock: LockSummary | None, limits: Limits) -> Severity:
    if lock is None or (lock.longest_s is not None and lock.longest_s <= limits.conditional_s):
        return "info"
    return "error" if lock.longest_s is not None and lock.longest_s > limits.not_ready_s else "warning"


def _evidence(statement: StatementSummary, lock: LockSummary | None, **measured: object) -> dict[str, object]:
    """The known figures: those given, then duration, WAL and the lock."""
    evidence: dict[str, object] = {
        **measured,
        "duration_s": statement.duration_s.median if statement.duration_s else None,
        "wal_bytes": statement.counters.wal_bytes,
    }
    if lock is not None:
        evidence |= {"mode": lock.mode.value, "held_s": lock.longest_s}
    return {key: value for key, value in evidence.items() if value is not None}


def _while(lock: LockSummary | None) -> str:
    if lock is None:
        return ""
    return f" under {lock.mode.sql_name} on {lock.subject}, held for up to {seconds(lock.longest_s)}"


def _took(statement: StatementSummary) -> str:
    return seconds(statement.duration_s.median if statement.duration_s else None)


def _sum(amounts: Iterable[int | None]) -> int | None:
    known = list(amounts)
    return None if None in known else sum(amount for amount in known if amount is not None)
