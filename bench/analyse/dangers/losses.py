"""What the deploy takes away, by the statement that did it: rows, columns, indexes, and what CASCADE took."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.dangers.outcome import committed
from bench.analyse.locks import LockSummary
from bench.analyse.quantity import count
from bench.analyse.remedies.choice import for_emptied
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import StatementSummary
from bench.model.finding import Finding, Severity
from bench.model.lock import LockMode
from bench.model.loss import Gone, InvalidIndex
from bench.sql.names import identifier, quoted
from bench.sql.tree import messages, statement_of, tree

_DROPS = re.compile(r"\b(?:DROP|CASCADE)\b", re.IGNORECASE)
_NAMED = 6
"""So many objects are named in a message; the evidence has all."""
_RUN_CODE = frozenset({"DO", "CALL", "SELECT"})


@danger("rows-gone", "Rows are dropped or deleted", "Data loss")
def rows_gone(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A table goes with its rows, or rows of a table that was there before are deleted.

    Why: they are gone with the commit; no rollback file can bring them back.
    Way out: keep a copy, or rename the table and drop it in a later deploy, when nobody has missed it. Where
    rows are meant to be deleted, accept the finding.
    Example:
        DROP TABLE notes;
    Instead:
        ALTER TABLE notes RENAME TO notes_unused;
    Source: https://www.postgresql.org/docs/current/sql-droptable.html
    """
    kept = {
        (migration.id, statement.index)
        for migration in rehearsed.summary.migrations
        for statement in committed(migration)
    }
    for statement, gone in _by_statement(rehearsed):
        yield from _tables(statement, [lost for lost in gone if lost.kind == "table"])
        if (statement.migration, statement.index) in kept:
            yield from _deleted(statement, rehearsed)


@danger("columns-gone", "Columns are dropped with their values", "Data loss")
def columns_gone(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A column goes, and rows had values in it.

    Why: the values are gone with the commit, no rollback file can bring them back, and releases that still
    run and name the column fail.
    Way out: drop it in a later deploy, when no release reads it any more; keep a copy of its values until
    the deploy is certain.
    Example:
        ALTER TABLE deals DROP COLUMN stage;
    Instead:
        ALTER TABLE deals ALTER COLUMN stage DROP DEFAULT; -- and the column in a later deploy
    Source: https://www.postgresql.org/docs/current/ddl-alter.html#DDL-ALTER-REMOVING-A-COLUMN
    """
    for statement, gone in _by_statement(rehearsed):
        yield from _columns(statement, [lost for lost in gone if lost.kind == "column"], rehearsed)


@danger("truncated", "A table is emptied", "Data loss")
def truncated(rehearsed: Rehearsed) -> Iterator[Finding]:
    """TRUNCATE empties a table that held rows, or one that refers to such a table, by CASCADE.

    Why: the rows are gone with the commit; no rollback file can bring them back.
    Way out: rename the table and make a new one in its place, or keep a copy until the deploy is certain.
    Example:
        TRUNCATE notes;
    Instead:
        ALTER TABLE notes RENAME TO notes_before;
        CREATE TABLE notes (LIKE notes_before INCLUDING ALL);
    Source: https://www.postgresql.org/docs/current/sql-truncate.html
    """
    for statement in rehearsed.summary.statements:
        yield from _truncated(statement, rehearsed)


@danger("cascade", "Takes along what it does not name", "Data integrity")
def cascade(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A DROP takes views, constraints, policies, triggers or defaults along that nobody asked for.

    Why: CASCADE names them in a NOTICE that nobody reads. A foreign key that goes lets orphans in; row
    security that is left without a policy hides every row.
    Way out: drop or change each of them by name, without CASCADE, and make again in the same transaction
    what is still needed.
    Example:
        ALTER TABLE deals DROP COLUMN title CASCADE;
    Instead:
        DROP VIEW titles;
        ALTER TABLE deals DROP COLUMN title;
    Source: https://www.postgresql.org/docs/current/ddl-depend.html
    """
    for statement, gone in _by_statement(rehearsed):
        yield from _cascade(statement, [lost for lost in gone if _goes_along(lost, statement)])


@danger("invalid-index", "An INVALID index is left", "Performance")
def invalid_index(rehearsed: Rehearsed) -> Iterator[Finding]:
    """An index is not valid after the deploy: left by a build that failed, or never finished.

    Why: no query uses it, and every write keeps it up to date all the same.
    Way out: build it again with REINDEX INDEX CONCURRENTLY, or drop it; of a partitioned table, attach an
    index of each partition.
    Example:
        CREATE INDEX CONCURRENTLY IF NOT EXISTS deals_amount ON deals (amount);
    Instead:
        DROP INDEX CONCURRENTLY IF EXISTS deals_amount;
        CREATE INDEX CONCURRENTLY deals_amount ON deals (amount);
    Source: https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """
    for index in rehearsed.run.invalid_indexes:
        if index.after:
            yield _invalid(index, rehearsed)


def _by_statement(rehearsed: Rehearsed) -> Iterator[tuple[StatementSummary, Sequence[Gone]]]:
    """Each statement, with what is gone on its account."""
    blamed: dict[tuple[str, int], list[Gone]] = {}
    for gone in rehearsed.run.gone:
        if (culprit := _culprit(gone, rehearsed)) is not None:
            blamed.setdefault((culprit.migration, culprit.index), []).append(gone)
    for statement in rehearsed.summary.statements:
        yield statement, blamed.get((statement.migration, statement.index), [])


def _culprit(gone: Gone, rehearsed: Rehearsed) -> StatementSummary | None:
    """The statement that names it, or that the server said it of; else one that dropped a column of it.

    Where neither is known, the last one that may drop and held the table to itself.
    """
    able = [statement for statement in rehearsed.summary.statements if _may_drop(statement)]
    naming = [statement for statement in able if names(statement, gone)]
    said = [statement for statement in able if _is_said(statement, gone)]
    parts = [statement for statement in able if _drops_column(statement, gone)]
    relation = gone.table or gone.name
    holding = [
        statement for statement in able if any(_is_exclusive(lock, relation) for lock in statement.locks)
    ]
    cascading = [statement for statement in holding or able if "CASCADE" in statement.text.upper()]
    applied = [statement for statement in rehearsed.summary.statements if statement.outcome == "applied"]
    for blamed in (naming, said, parts, cascading, holding, able or applied):
        if blamed:
            return blamed[-1]
    return None


def _is_said(statement: StatementSummary, gone: Gone) -> bool:
    """Whether a message of the server names it: that of CASCADE lists what it takes along."""
    bare = re.compile(rf"(?<!\w){re.escape(_bare(gone))}(?!\w)")
    texts = (
        f"{notice.message}\n{notice.detail or ''}"
        for notice in statement.notices
        if notice.sqlstate == "00000"
    )
    return any(bare.search(text) for text in texts)


def _drops_column(statement: StatementSummary, gone: Gone) -> bool:
    """Whether it drops one of the columns that an index or a constraint was about."""
    return any(
        names(statement, Gone("column", f"{gone.table}.{column}", table=gone.table))
        for column in gone.columns
    )


def _bare(gone: Gone) -> str:
    return gone.name.partition("(")[0].rpartition(".")[2]


def _is_exclusive(lock: LockSummary, relation: str) -> bool:
    return lock.relation == relation and lock.mode is LockMode.ACCESS_EXCLUSIVE


def _may_drop(statement: StatementSummary) -> bool:
    if statement.outcome != "applied":
        return False
    return bool(_DROPS.search(statement.text)) or statement.kind in ("CALL", "SELECT")


def names(statement: StatementSummary, gone: Gone) -> bool:
    """Whether the statement's own words say that this object is to go."""
    bare = _bare(gone)
    if statement.kind in _RUN_CODE:
        return bool(re.search(rf"(?<!\w){re.escape(bare)}(?!\w)", statement.text))
    tagged = statement_of(statement.text)
    if tagged is None:
        return bare in statement.text
    node, parsed = tagged
    if node == "drop_stmt":
        return _drop_names(parsed, bare) and _kind_matches(parsed, gone)
    if node == "alter_table_stmt":
        own = (gone.table or gone.name).rpartition(".")[2]
        if parsed.relation.relname != own:
            return False
        return any(
            command.alter_table_cmd.name == bare
            and command.alter_table_cmd.subtype in _SUBTYPES.get(gone.kind, _ANY_DROP)
            for command in parsed.cmds
        )
    return False


_ANY_DROP = (tree.AT_DropConstraint,)
_SUBTYPES: Mapping[str, Sequence[int]] = {
    "column": (tree.AT_DropColumn,),
    "default": (tree.AT_ColumnDefault, tree.AT_DropColumn),
}
_OBJECTS = {
    tree.OBJECT_TABLE: "table", tree.OBJECT_VIEW: "view", tree.OBJECT_MATVIEW: "materialized view",
    tree.OBJECT_SEQUENCE: "sequence", tree.OBJECT_INDEX: "index", tree.OBJECT_POLICY: "policy",
    tree.OBJECT_TRIGGER: "trigger", tree.OBJECT_RULE: "rule", tree.OBJECT_FUNCTION: "function",
    tree.OBJECT_PROCEDURE: "procedure", tree.OBJECT_AGGREGATE: "aggregate", tree.OBJECT_TYPE: "type",
    tree.OBJECT_DOMAIN: "domain", tree.OBJECT_FOREIGN_TABLE: "foreign table",
}  # fmt: skip


def _kind_matches(parsed: object, gone: Gone) -> bool:
    kind = _OBJECTS.get(getattr(parsed, "remove_type", -1), "")
    return kind == gone.kind or (kind == "index" and gone.kind == "partitioned index")


def _drop_names(parsed: object, bare: str) -> bool:
    """Whether a DROP names it: the last part of one of its names."""
    texts = [[part.sval for part in messages(item, "String")] for item in getattr(parsed, "objects", ())]
    return any(bare in parts[-1:] for parts in texts) or (
        any(bare in parts for parts in texts)
        and getattr(parsed, "remove_type", None) in (tree.OBJECT_FUNCTION, tree.OBJECT_PROCEDURE)
    )


def _tables(statement: StatementSummary, tables: Sequence[Gone]) -> Iterator[Finding]:
    """Tables that are gone with their rows."""
    full = [loss for loss in tables if loss.rows != 0]
    if not full:
        return
    replaced = all(loss.again and (loss.rows_after or 0) >= (loss.rows or 0) > 0 for loss in full)
    yield finding(
        "rows-gone",
        "info" if replaced else "warning",
        statement,
        f"{statement.kind} drops {_listed([_with_rows(loss) for loss in full])}"
        + (
            ": another of that name has as many rows after the deploy"
            if replaced
            else ": the rows are gone with the commit, and no rollback file can bring them back"
        ),
        relation=full[0].name if len(full) == 1 else None,
        evidence={"tables": [loss.name for loss in full], "rows": _sum(full)},
        remedy=Remedy("Rename the table first, and drop it in a later deploy, when nobody has missed it.")
        if len(full) > 1
        else Remedy(
            "Rename the table first, and drop it in a later deploy, when nobody has missed it.",
            f"ALTER TABLE {quoted(full[0].name)} RENAME TO {identifier(_kept_name(full[0].name))};",
        ),
    )


def _kept_name(name: str) -> str:
    return f"{name.rpartition('.')[2].encode()[:56].decode(errors='ignore')}_unused"


def _with_rows(gone: Gone) -> str:
    if gone.rows is None:
        return f"{gone.name} with an unknown number of rows"
    return f"{gone.name} with its {gone.rows:,} {'row' if gone.rows == 1 else 'rows'}"


def _columns(statement: StatementSummary, columns: Sequence[Gone], rehearsed: Rehearsed) -> Iterator[Finding]:
    """Columns that are gone with their values."""
    full = [loss for loss in columns if loss.rows != 0]
    if not full:
        return
    replaced = all(loss.again and (loss.rows_after or 0) >= (loss.rows or 0) > 0 for loss in full)
    told = [
        f"{loss.name} with its values in "
        + ("an unknown number of rows" if loss.rows is None else f"{loss.rows:,} rows")
        for loss in full
    ]
    yield finding(
        "columns-gone",
        "info" if replaced else "warning",
        statement,
        f"{statement.kind} drops {_listed(told)}"
        + (
            ": another of that name has as many values after the deploy"
            if replaced
            else ": they are gone with the commit, and no rollback file can bring them back"
        ),
        relation=full[0].table if len({loss.table for loss in full}) == 1 else None,
        evidence={"columns": [loss.name for loss in full], "rows": [loss.rows for loss in full]},
        remedy=Remedy(
            "Drop it in a later deploy, when no release reads it any more; keep a copy of its values until "
            "the deploy is certain.",
            _copy(full, rehearsed),
        ),
    )


def _copy(columns: Sequence[Gone], rehearsed: Rehearsed) -> str | None:
    """Statements that keep the values with the key of their rows; None where a table has no key."""
    tables: dict[str, list[str]] = {}
    for loss in columns:
        table = loss.table or ""
        tables.setdefault(table, []).append(loss.name[len(table) + 1 :])
    parts = []
    for table, own in tables.items():
        key = rehearsed.around.keys.get(table)
        if not key:
            return None
        listed = ", ".join(map(identifier, dict.fromkeys([*key, *own])))
        schema = table.partition(".")[0]
        name = f"{table.rpartition('.')[2]}_{own[0]}".encode()[:56].decode(errors="ignore") + "_before"
        target = f"{identifier(schema)}.{identifier(name)}"
        parts.append(f"CREATE TABLE {target} AS SELECT {listed} FROM {quoted(table)};")  # noqa: S608  # names in quotes, to be read
    return "\n".join(parts)


def _deleted(statement: StatementSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Rows of tables that were there before, and that the statement deletes."""
    for change in rehearsed.row_changes(statement):
        if change.deleted == 0:
            continue
        before = rehearsed.rows_before(change.relation)
        every = before is not None and change.deleted >= before
        of = f" of {before:,}" if before is not None and not every else ""
        which = "all " if every and change.deleted > 1 else ""
        yield finding(
            "rows-gone",
            "warning",
            statement,
            f"{statement.kind} deletes {which}{change.deleted:,}{of} "
            f"{'row' if change.deleted == 1 and not of else 'rows'} of {change.relation}: they are gone with "
            "the commit, and no rollback file can bring them back",
            relation=change.relation,
            evidence={"rows": change.deleted, "rows_before": before},
            remedy=Remedy(
                f"Keep a copy of {quoted(change.relation)} until the deploy is certain.",
                f"CREATE TABLE {_copy_name(change.relation)} AS TABLE {quoted(change.relation)};",
            ),
        )


def _copy_name(relation: str) -> str:
    schema, _, name = relation.rpartition(".")
    kept = name.encode()[:56].decode(errors="ignore") + "_before"
    return f"{identifier(schema)}.{identifier(kept)}" if schema else identifier(kept)


def _truncated(statement: StatementSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Existing tables that were emptied at one stroke, where they held rows."""
    emptied = {table for execution in rehearsed.executions(statement) for table in execution.truncated}
    for table in sorted(emptied):
        rows = rehearsed.rows_before(table)
        if rows == 0 or table in rehearsed.made:
            continue
        lock = next((other for other in statement.locks if other.relation == table and other.felt), None)
        what = "an unknown number of rows" if rows is None else f"{count(rows)} rows"
        yield finding(
            "truncated",
            "warning",
            statement,
            f"{statement.kind} empties {table}, which held {what}: they are gone with the commit, and no "
            "rollback file can bring them back",
            relation=table,
            evidence={"rows": rows, "held_s": lock.longest_s if lock else None},
            remedy=for_emptied(statement.text, table, sorted(emptied)),
        )


def _goes_along(gone: Gone, statement: StatementSummary) -> bool:
    """Whether nobody asked for it, and it is no mere part of what is gone."""
    if gone.kind == "table" or names(statement, gone):
        return False
    parts = ("constraint", "foreign key", "index", "partitioned index", "default")
    if gone.kind in parts and gone.columns and not gone.columns_left:
        return gone.kind == "foreign key" and not _drops_column(statement, gone)
    return gone.kind not in ("sequence", "default") or "CASCADE" in statement.text.upper()


def _cascade(statement: StatementSummary, along: Sequence[Gone]) -> Iterator[Finding]:
    """What a statement takes along that it does not name."""
    lost = [loss for loss in along if not loss.again]
    if not lost:
        if along:
            yield _taken(statement, along, "info", ", all of which are there again after the deploy")
        return
    open_tables = sorted({loss.table for loss in lost if loss.unguarded and loss.table})
    if open_tables:
        tables = _listed(open_tables)
        yield _taken(
            statement,
            lost,
            "error",
            f": row security of {tables} stays on without a policy, so that nobody but its owner and "
            "superusers sees a row",
        )
    else:
        yield _taken(statement, lost, "warning", "")


def _taken(statement: StatementSummary, lost: Sequence[Gone], severity: Severity, why: str) -> Finding:
    return finding(
        "cascade",
        severity,
        statement,
        f"{statement.kind} takes along what it does not name: {_listed([_described(loss) for loss in lost])}"
        f"{why}",
        relation=next((loss.table for loss in lost if loss.table), None),
        evidence={"objects": [_described(loss) for loss in lost]},
        remedy=Remedy(
            "Drop or change each of them by name before, without CASCADE, and make again in the same "
            "transaction what is still needed."
        ),
    )


def _described(gone: Gone) -> str:
    on = f" on {gone.table}" if gone.table and gone.kind not in ("column", "sequence", "default") else ""
    return f"{gone.kind} {gone.name}{on}"


def _invalid(index: InvalidIndex, rehearsed: Rehearsed) -> Finding:
    bare = index.name.rpartition(".")[2]
    naming = [
        statement
        for statement in rehearsed.summary.statements
        if bare in statement.text and statement.outcome != "skipped"
    ]
    since = "was INVALID before the deploy and stays so" if index.before else "is INVALID after the deploy"
    message = (
        f"the index {index.name} on {index.table} {since}: no query uses it, every write keeps it up to date"
    )
    if index.partitioned:
        message = (
            f"the index {index.name} of the partitioned table {index.table} "
            f"{'was and stays' if index.before else 'is left'} INVALID: a partition has none attached to it"
        )
        remedy = Remedy("Build the index of each partition, then ALTER INDEX … ATTACH PARTITION.")
    else:
        remedy = Remedy(
            "Build it again; or drop it where it is left of a build that failed.",
            f"REINDEX INDEX CONCURRENTLY {quoted(index.name)}; -- outside a transaction",
        )
    severity: Severity = "warning" if index.before or index.partitioned else "error"
    evidence = {"index": index.name, "before": index.before}
    if naming:
        return finding(
            "invalid-index",
            severity,
            naming[-1],
            message,
            relation=index.table,
            evidence=evidence,
            remedy=remedy,
        )
    return Finding(
        "invalid-index", severity, None, None, index.table, message, evidence, fix=remedy.say, sql=remedy.sql
    )


def _sum(gone: Sequence[Gone]) -> int | None:
    known = [loss.rows for loss in gone if loss.rows is not None]
    return sum(known) if len(known) == len(gone) else None


def _listed(words: Sequence[str]) -> str:
    shown = list(words[:_NAMED])
    if len(words) > _NAMED:
        return f"{', '.join(shown)} and {len(words) - _NAMED} more"
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last
