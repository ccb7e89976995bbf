"""Work under a lock: tables and indexes written anew, indexes built, tables read in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import (
    Rehearsed,
    block_on,
    figures,
    finding,
    severity_of_lock,
    took,
    while_held,
)
from bench.analyse.locks import LockSummary, asks_for, is_toast
from bench.analyse.quantity import count, size
from bench.analyse.remedies.alter import alters_type, takes_index
from bench.analyse.remedies.choice import for_index, for_reindex, for_rewrite, for_scan
from bench.analyse.summary import StatementSummary
from bench.model.finding import Finding
from bench.model.lock import LockMode
from bench.model.statement import Validation
from bench.sql.names import altered_tables, is_named, referenced_tables


@danger("rewrite", "A table is written anew under a lock", "Downtime", explains_block=True)
def rewrite(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A statement writes a table, or an index of it, anew from its first row to its last.

    Why: the new files are written under ACCESS EXCLUSIVE: nobody reads or writes the table meanwhile, for
    as long as it is large. The disk holds both copies, and standbys receive all of it as WAL.
    Way out: make a change that the server makes in its catalog alone (text for varchar, a wider varchar), or
    add a new column, fill it in batches, and let it take the old one's place.
    Example:
        ALTER TABLE deals ALTER COLUMN quantity TYPE bigint;
    Instead:
        ALTER TABLE deals ADD COLUMN quantity_wide bigint;
        -- fill it in batches, kept in step by a trigger; then
        BEGIN;
        ALTER TABLE deals RENAME COLUMN quantity TO quantity_narrow;
        ALTER TABLE deals RENAME COLUMN quantity_wide TO quantity;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    """
    for statement in rehearsed.summary.statements:
        yield from _written_anew(statement, rehearsed, rebuild=False)
        yield from _index_builds(statement, rehearsed, of_new_type=True)


@danger("index-built-under-lock", "An index is built while writes wait", "Downtime", explains_block=True)
def index_built_under_lock(rehearsed: Rehearsed) -> Iterator[Finding]:
    """An index of a table with rows is built, or built again, while its writes are blocked.

    Why: CREATE INDEX, ADD UNIQUE and ADD PRIMARY KEY read and sort the whole table under a lock that every
    write waits for; REINDEX stops reads that would use the index as well.
    Way out: build it CONCURRENTLY, outside a transaction; a constraint takes the finished index over.
    Example:
        CREATE INDEX deals_title ON deals (title);
    Instead:
        CREATE INDEX CONCURRENTLY deals_title ON deals (title);
    Source: https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    for statement in rehearsed.summary.statements:
        yield from _written_anew(statement, rehearsed, rebuild=True)
        yield from _index_builds(statement, rehearsed, of_new_type=False)


@danger("scan-under-lock", "A table is read in full under a lock", "Downtime", explains_block=True)
def scan_under_lock(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A statement reads every row of a table under a lock that the table's users wait for.

    Why: SET NOT NULL, a CHECK or a foreign key looks at each row before it is there; the lock is held for
    as long as that takes.
    Way out: add the constraint NOT VALID, which looks at no row, and VALIDATE it in a later transaction,
    under a lock that reads and writes do not wait for.
    Example:
        ALTER TABLE deals ADD CONSTRAINT amount_positive CHECK (amount >= 0);
    Instead:
        ALTER TABLE deals ADD CONSTRAINT amount_positive CHECK (amount >= 0) NOT VALID;
        ALTER TABLE deals VALIDATE CONSTRAINT amount_positive;
    Source: https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-ADD-TABLE-CONSTRAINT
    """
    for statement in rehearsed.summary.statements:
        yield from _scans(statement, rehearsed)


def _written_anew(statement: StatementSummary, rehearsed: Rehearsed, *, rebuild: bool) -> Iterator[Finding]:
    """Tables written anew, their indexes counted in; and indexes alone. ``rebuild``: those of REINDEX."""
    if "CONCURRENTLY" in statement.kind or statement.kind == "TRUNCATE":
        return
    if rebuild is not statement.kind.startswith("REINDEX"):
        return
    emptied = {table for execution in rehearsed.executions(statement) for table in execution.truncated}
    by_table: dict[str, list[tuple[str, int | None]]] = {}
    for written in statement.rewrites:
        table = written.table or written.relation
        if not is_toast(table) and table not in emptied:
            by_table.setdefault(table, []).append((written.relation, written.bytes))
    for table, files in by_table.items():
        lock = block_on(statement, rehearsed.migration_of(statement), table)
        total = _sum(amount for _, amount in files)
        whole = any(relation == table for relation, _ in files)
        named = [relation for relation, _ in files if not is_toast(relation)]
        what = table if whole else ", ".join(named) or f"the TOAST of {table}"
        yield finding(
            "index-built-under-lock" if rebuild else "rewrite",
            severity_of_lock(lock, rehearsed.limits),
            statement,
            f"{statement.kind} writes {what} anew: {size(total)} in {took(statement)}{while_held(lock)}",
            relation=table,
            evidence=figures(statement, lock, bytes=total, relations=named or None),
            remedy=for_reindex(statement.text, table, named if len(named) == len(files) else ())
            if rebuild
            else for_rewrite(statement.kind, statement.text, table, rehearsed.around, statement.hanging),
        )


def _index_builds(
    statement: StatementSummary, rehearsed: Rehearsed, *, of_new_type: bool
) -> Iterator[Finding]:
    """New indexes on existing tables, built while writes were blocked; those of a column's new type apart."""
    for index in _built(statement, rehearsed):
        lock = block_on(statement, rehearsed.migration_of(statement), index.table or "")
        if lock is None or index.table is None or alters_type(statement.text) is not of_new_type:
            continue
        remedy = (
            for_rewrite(statement.kind, statement.text, index.table, rehearsed.around, statement.hanging)
            if of_new_type
            else for_index(
                statement.kind,
                statement.text,
                index.table,
                rehearsed.around,
                _partitions(statement, index.table, rehearsed),
            )
        )
        yield finding(
            "rewrite" if of_new_type else "index-built-under-lock",
            severity_of_lock(lock, rehearsed.limits),
            statement,
            f"{statement.kind} builds {index.relation} in {took(statement)}{while_held(lock)}",
            relation=index.table,
            evidence=figures(
                statement, lock, index=index.relation, size_delta_bytes=statement.counters.size_delta_bytes
            ),
            remedy=remedy,
        )


def _built(statement: StatementSummary, rehearsed: Rehearsed) -> Iterator[LockSummary]:
    """The indexes that the statement made; of those on a table and its partitions the table's alone."""
    rewritten = {rewrite.table or rewrite.relation for rewrite in statement.rewrites}
    if "CONCURRENTLY" in statement.kind or statement.kind in _MAKES_NO_INDEX or takes_index(statement.text):
        return
    before = rehearsed.seen_before(statement)
    built = [
        lock
        for lock in {other.relation: other for other in statement.locks}.values()
        if lock.target in ("index", "partitioned index")
        and lock.new
        and lock.table
        and lock.table not in rewritten
        and lock.relation not in before
        and not is_toast(lock.relation)
    ]
    parents = rehearsed.around.partitioned_by.keys() & {lock.subject for lock in statement.locks if lock.felt}
    of_parents = [lock for lock in built if lock.table in parents]
    if any(lock.target == "index" for lock in built):  # that of a parent alone is an entry in the catalog
        yield from of_parents or built


_MAKES_NO_INDEX = frozenset({"DROP INDEX", "DROP TABLE", "ALTER INDEX"})


def _partitions(statement: StatementSummary, table: str, rehearsed: Rehearsed) -> Sequence[str]:
    """The partitions that a statement on a partitioned table locked with it."""
    if table not in rehearsed.around.partitioned_by:
        return ()
    locked = {
        lock.subject
        for lock in statement.locks
        if lock.felt and lock.target == "table" and lock.mode.strength >= LockMode.SHARE.strength
    }
    return sorted(locked - {table})


def _scans(statement: StatementSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Existing tables read in full under a lock of the same statement that their users wait for."""
    explained = {rewrite.table or rewrite.relation for rewrite in statement.rewrites}
    explained |= {
        lock.table for lock in statement.locks if lock.new and lock.table and not is_toast(lock.relation)
    }
    migration = rehearsed.migration_of(statement)
    blocked = {
        scan.relation: lock
        for scan in statement.validations
        if _blocks_itself(statement, scan.relation)
        and (lock := block_on(statement, migration, scan.relation))
    }
    scans = [scan for scan in statement.validations if scan.relation in blocked]
    for scan in _of_altered_table(statement, scans, blocked):
        lock = blocked[scan.relation]
        if scan.relation in explained or scan.rows == 0:
            continue
        others = _read_as_well(statement, scan, scans)
        yield finding(
            "scan-under-lock",
            severity_of_lock(lock, rehearsed.limits),
            statement,
            f"{statement.kind} reads {count(scan.rows)} rows of {scan.relation}{_and_of(others)} "
            f"in {took(statement)}{while_held(lock)}",
            relation=scan.relation,
            evidence=figures(statement, lock, rows=scan.rows, passes=scan.passes)
            | ({"read_as_well": [validation.relation for validation in others]} if others else {}),
            remedy=for_scan(statement.text, scan.relation, rehearsed.around),
        )


def _blocks_itself(statement: StatementSummary, table: str) -> bool:
    """Whether the statement needs a lock that users of the table wait for, held already or not.

    Where it does not, the lock that it ran under is told with the statement that took it.
    """
    own = any(lock.subject == table and lock.blocks for lock in statement.locks)
    asked = asks_for(statement.text, table)
    return own or (asked is not None and asked.blocks_writes)


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


def _read_as_well(
    statement: StatementSummary, told: Validation, scans: Sequence[Validation]
) -> Sequence[Validation]:
    """Further tables read under such a lock, such as a default partition; not those that a key refers to."""
    referenced = referenced_tables(statement.text)
    return [
        scan
        for scan in scans
        if scan.relation != told.relation and scan.rows != 0 and not is_named(scan.relation, referenced)
    ]


def _and_of(scans: Sequence[Validation]) -> str:
    if not scans:
        return ""
    which = scans[0].relation if len(scans) == 1 else f"{len(scans)} more tables"
    return f" and {count(sum(scan.rows for scan in scans))} of {which}"


def _sum(amounts: Iterable[int | None]) -> int | None:
    known = list(amounts)
    return None if None in known else sum(amount for amount in known if amount is not None)
