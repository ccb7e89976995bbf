"""Tables and columns that are replaced by their copies while others may write: what they write is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import StatementSummary
from bench.model.finding import Finding
from bench.sql.names import identifier, quoted
from bench.sql.tree import column_names, messages, statement_of, tree

_ENDS = ("COMMIT", "ROLLBACK")


@dataclass(frozen=True, slots=True)
class _Copy:
    """One statement that fills a table, or a column, from another one."""

    source: str
    """Bare name of the table that is read."""
    target: str
    at: int
    """Position among all statements of the deploy."""
    columns: tuple[str, ...] = ()
    """Of the table that a column is filled from; the target is then the same table."""


@danger("copy-misses-writes", "A copy misses what is written meanwhile", "Data loss")
def copy_misses_writes(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A table or column is copied, and the copy takes its place, with no lock against writes between.

    Why: what others write between the copy and the swap is in the old one alone, and goes with it.
    Way out: keep both in step by a trigger before the copy; or lock the table against writes, in one
    transaction with copy and swap.
    Example:
        CREATE TABLE notes_new AS TABLE notes;
        ALTER TABLE notes RENAME TO notes_old;
        ALTER TABLE notes_new RENAME TO notes;
    Instead:
        BEGIN;
        LOCK TABLE notes IN SHARE ROW EXCLUSIVE MODE;
        CREATE TABLE notes_new AS TABLE notes;
        ALTER TABLE notes RENAME TO notes_old;
        ALTER TABLE notes_new RENAME TO notes;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    statements = [statement for statement in rehearsed.summary.statements if statement.outcome == "applied"]
    trees = [statement_of(statement.text) for statement in statements]
    copies = [copy for at, parsed in enumerate(trees) if parsed for copy in _copies(at, *parsed)]
    followed = {name for parsed in trees if parsed for name in _tables_with_trigger(*parsed)}
    for copy in copies:
        swap = _swap(copy, trees)
        if swap is None or copy.source in followed:
            continue
        others = [
            candidate
            for candidate in copies
            if replace(candidate, at=copy.at) == copy and candidate.at < swap
        ]
        if copy is not others[0]:
            continue
        if any(_is_locked(other, swap, statements) for other in others):
            continue
        relation = _full_name(copy.source, statements[swap], rehearsed)
        if relation is not None and rehearsed.rows_before(relation) != 0:
            yield _missed(copy, relation, statements[copy.at], statements[swap])


def _copies(at: int, node: str, parsed: Any) -> Iterator[_Copy]:
    if node == "insert_stmt" and parsed.HasField("select_stmt"):
        for source in _read_tables(parsed.select_stmt):
            yield _Copy(source, parsed.relation.relname, at)
    elif node == "create_table_as_stmt" and parsed.objtype == tree.OBJECT_TABLE:
        for source in _read_tables(parsed.query):
            yield _Copy(source, parsed.into.rel.relname, at)
    elif node == "update_stmt":
        read = {name for item in parsed.target_list for name in column_names(item.res_target.val)}
        written = {item.res_target.name for item in parsed.target_list}
        if read - written:
            yield _Copy(parsed.relation.relname, parsed.relation.relname, at, tuple(sorted(read - written)))


def _read_tables(query: Any) -> list[str]:
    return list(dict.fromkeys(message.relname for message in messages(query, "RangeVar")))


def _tables_with_trigger(node: str, parsed: Any) -> Iterator[str]:
    """Tables that get a trigger in the deploy: it may carry over what is written meanwhile."""
    if node == "create_trig_stmt":
        yield parsed.relation.relname


def _swap(copy: _Copy, trees: Sequence[tuple[str, Any] | None]) -> int | None:
    """Where the copy takes the place of its source for good; None where it does not."""
    later = [(at, *parsed) for at, parsed in enumerate(trees) if parsed and at > copy.at]
    if copy.columns:
        dropping = (
            at
            for at, node, parsed in later
            if node == "alter_table_stmt" and parsed.relation.relname == copy.source
            for cmd in parsed.cmds
            if cmd.alter_table_cmd.subtype == tree.AT_DropColumn and cmd.alter_table_cmd.name in copy.columns
        )
        return next(dropping, None)
    if copy.source == copy.target:
        return None
    taken = [
        at
        for at, node, parsed in later
        if node == "rename_stmt"
        and parsed.rename_type == tree.OBJECT_TABLE
        and (parsed.relation.relname, parsed.newname) == (copy.target, copy.source)
    ]
    return taken[0] if taken else None


def _is_locked(copy: _Copy, swap: int, statements: Sequence[StatementSummary]) -> bool:
    """Whether a lock that writes wait for is held on the source from the copy's begin to the swap."""
    between = statements[copy.at : swap + 1]
    if any(
        statement.migration != between[0].migration or statement.transaction != "file"
        for statement in between
    ):
        return False
    if any(statement.kind in _ENDS for statement in between):
        return False
    for statement in reversed(statements[: copy.at]):
        if statement.migration != between[0].migration or statement.kind in _ENDS:
            return False
        if any(
            lock.mode.blocks_writes and _is_called(lock.relation, copy.source) for lock in statement.locks
        ):
            return True
    return False


def _is_called(relation: str, name: str) -> bool:
    return relation.partition(".")[2] == name


def _full_name(name: str, swap: StatementSummary, rehearsed: Rehearsed) -> str | None:
    """The table of before the deploy that has this name."""
    tables = rehearsed.run.dataset.tables if rehearsed.run.dataset else ()
    known = [size.name for size in tables if _is_called(size.name, name)]
    locked = [lock.relation for lock in swap.locks if _is_called(lock.relation, name) and not lock.new]
    return next(iter([*known, *locked]), None)


def _missed(copy: _Copy, relation: str, filled: StatementSummary, swap: StatementSummary) -> Finding:
    lock = f"LOCK TABLE {quoted(relation)} IN SHARE ROW EXCLUSIVE MODE;"
    if copy.columns:
        columns = " and ".join(map(identifier, copy.columns))
        what = (
            f"what others write to {relation} between line {filled.line} and here is lost: its {columns} "
            f"{'is' if len(copy.columns) == 1 else 'are'} copied there, with no lock that writes wait for, "
            "and dropped here"
        )
    else:
        what = (
            f"what others write to {relation} between line {filled.line} and here is lost: {copy.target} is "
            "filled from it there, with no lock that writes wait for, and takes its place here"
        )
    return finding(
        "copy-misses-writes",
        "warning" if copy.columns else "error",
        swap,
        what,
        relation=relation,
        evidence={
            "copied_line": filled.line,
            "line": swap.line,
            "copy": copy.target,
            "rows": filled.rows,
            "columns": list(copy.columns) or None,
        },
        remedy=Remedy(
            f"Keep both in step by a trigger before the copy; or lock {relation} against writes before line "
            f"{filled.line}, in one transaction with line {swap.line}, if nobody minds waiting as long.",
            f"BEGIN;\n{lock} -- then the lines from {filled.line} to {swap.line}, then COMMIT",
        ),
    )
