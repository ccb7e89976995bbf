"""What guards rows, taken away or in the way: triggers, the write-ahead log, row security."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.analyse.dangers.changes import secured
from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding, total
from bench.analyse.quantity import count, seconds
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding
from bench.model.lock import LockMode
from bench.sql.kinds import ENDS_OF_TRANSACTION
from bench.sql.names import is_named_in, quoted
from bench.sql.tree import relation_name, statement_of, tree

_OFF = {
    tree.AT_DisableTrig: "trigger", tree.AT_DisableTrigAll: "all triggers",
    tree.AT_DisableTrigUser: "all triggers", tree.AT_DisableRule: "rule",
}  # fmt: skip
_ON = frozenset(
    {tree.AT_EnableTrig, tree.AT_EnableTrigAll, tree.AT_EnableTrigUser, tree.AT_EnableAlwaysTrig}
    | {tree.AT_EnableRule, tree.AT_EnableAlwaysRule}
)
_Switched = tuple[str, str, str]
"""Table, kind of what was switched, its name."""
_CHANGES = ("UPDATE", "DELETE", "MERGE")
_LIFTED = re.compile(r"\b(?:NO\s+FORCE|DISABLE)\s+ROW\s+LEVEL\s+SECURITY\b", re.IGNORECASE)
_OTHER_ROLE = ("SET ROLE", "SET SESSION AUTHORIZATION", "RESET ROLE", "RESET SESSION AUTHORIZATION")


@danger("trigger-off", "A trigger is switched off for everybody", "Data integrity")
def trigger_off(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A migration disables a trigger or a rule and commits before it is on again.

    Why: it is off for all sessions: what the application writes meanwhile passes it by, and where the
    deploy fails before it is on again it stays off.
    Way out: turn it off, change the rows and turn it on in one transaction, so that no other session
    writes meanwhile. Where the rows are many, leave it on, and let batches alone pass it by.
    Example:
        ALTER TABLE deals DISABLE TRIGGER deals_touched;
        UPDATE deals SET stage = 'open';
        ALTER TABLE deals ENABLE TRIGGER deals_touched;
    Instead:
        BEGIN;
        ALTER TABLE deals DISABLE TRIGGER deals_touched;
        UPDATE deals SET stage = 'open';
        ALTER TABLE deals ENABLE TRIGGER deals_touched;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER
    """
    for migration in rehearsed.summary.migrations:
        yield from _triggers_off(migration, rehearsed)


@danger("unlogged", "A table leaves the write-ahead log", "Data loss")
def unlogged(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A table that was there before is SET UNLOGGED, and no later statement of the file takes it back.

    Why: after a crash of the server such a table is empty; standbys never have its rows.
    Way out: leave it logged, unless all of its rows can be made again at any time.
    Example:
        ALTER TABLE deals SET UNLOGGED;
        UPDATE deals SET stage = 'open';
    Instead:
        UPDATE deals SET stage = 'open';
    Source: https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-UNLOGGED
    """
    for migration in rehearsed.summary.migrations:
        yield from _unlogged(migration, rehearsed)


@danger("row-security", "Row security may hide rows", "Data integrity")
def row_security(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A table gets row security without a policy or forced on its owner, or is changed where that is so.

    A superuser, or a role with BYPASSRLS, is never bound by it, the table's owner only where it is forced.

    Why: the role that deploys, or the one that the application connects as, may see no row of the table:
    a change reports success and does nothing, a request gets nothing.
    Way out: make the policies in the same transaction. Where the deploy itself changes rows, rehearse it as
    the role that deploys (`--role`); change the table as a role with BYPASSRLS, or with NO FORCE ROW LEVEL
    SECURITY in the same transaction.
    Example:
        UPDATE notes SET body = trim(body);
    Instead:
        BEGIN;
        ALTER TABLE notes NO FORCE ROW LEVEL SECURITY;
        UPDATE notes SET body = trim(body);
        ALTER TABLE notes FORCE ROW LEVEL SECURITY;
        COMMIT;
    Source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
    """
    yield from secured(rehearsed)
    for migration in rehearsed.summary.migrations:
        yield from _hidden_rows(migration, rehearsed)


def _triggers_off(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Each trigger that is off once a transaction is committed, and until when."""
    for statement in migration.statements:
        if statement.outcome != "applied":
            continue
        for table, what, name in _switched(statement.text, off=True):
            again = _turned_on(statement, migration, table)
            if is_named_in(table, rehearsed.made) or _in_one_transaction(statement, again, migration):
                continue
            later = _later_file(migration, table, rehearsed) if again is None else None
            yield _off_finding(statement, again, table, what, name, later)


def passed_by(statement: StatementSummary, migration: MigrationSummary, relation: str) -> bool:
    """Whether an earlier statement of the file has turned a trigger of the table off, and none on again."""
    off = False
    for other in migration.statements:
        if other.index >= statement.index:
            break
        for state in (True, False):
            if any(is_named_in(table, {relation}) for table, _, _ in _switched(other.text, off=state)):
                off = state
    return off


def _later_file(migration: MigrationSummary, table: str, rehearsed: Rehearsed) -> str | None:
    """The migration after this one that turns triggers of the table on again."""
    migrations = rehearsed.summary.migrations
    for later in migrations[migrations.index(migration) + 1 :]:
        for statement in later.statements:
            if any(on[0] == table for on in _switched(statement.text, off=False)):
                return later.file
    return None


def _in_one_transaction(
    statement: StatementSummary, again: StatementSummary | None, migration: MigrationSummary
) -> bool:
    """Whether nobody else sees the trigger off: it is on again before the file's own transaction ends."""
    return again is not None and all(
        other.transaction == "file" and other.kind not in ENDS_OF_TRANSACTION
        for other in migration.statements
        if statement.index <= other.index <= again.index
    )


def _off_finding(
    statement: StatementSummary,
    again: StatementSummary | None,
    table: str,
    what: str,
    name: str,
    later: str | None,
) -> Finding:
    which = f"{what} {name}" if name else what
    off_s = _between(statement, again)
    if again is not None:
        how_long = f"for {seconds(off_s)}, until line {again.line}"
    else:
        how_long = f"until {later} has run" if later else "and never turned on again"
    return finding(
        "trigger-off",
        "warning" if again or later else "error",
        statement,
        f"{which} of {table} is off for all sessions {how_long}: what the application writes "
        "meanwhile passes it by, and after a failure before then it stays off",
        relation=table,
        evidence={
            "what": which,
            "off_s": off_s,
            "until_line": again.line if again else None,
            "until_file": later,
        },
        remedy=Remedy(
            "For few rows, turn it off, change them and turn it on in one transaction, so that no other "
            "session writes meanwhile. For many, leave it on and let the change alone pass it by, in "
            "batches: a WHEN condition on a setting of the session, or SET LOCAL session_replication_role = "
            "replica in each, which needs the right to set it and leaves foreign keys unchecked."
        ),
    )


def _switched(text: str, *, off: bool) -> Iterator[_Switched]:
    node = statement_of(text) if "able" in text.lower() else None
    if node is None or node[0] != "alter_table_stmt":
        return
    table = relation_name(node[1].relation)
    for command in (cmd.alter_table_cmd for cmd in node[1].cmds):
        if off and command.subtype in _OFF:
            yield table, _OFF[command.subtype], command.name
        elif not off and command.subtype in _ON:
            yield table, "", command.name


def _turned_on(
    statement: StatementSummary, migration: MigrationSummary, table: str
) -> StatementSummary | None:
    later = (other for other in migration.statements if other.index > statement.index)
    return next(
        (other for other in later if any(on[0] == table for on in _switched(other.text, off=False))), None
    )


def _between(statement: StatementSummary, again: StatementSummary | None) -> float | None:
    if again is None or statement.started_at_s is None or again.started_at_s is None:
        return None
    return again.started_at_s.median - statement.started_at_s.median


def _unlogged(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Each SET UNLOGGED of a table that was there before, which no later statement of the file takes back."""
    for statement in migration.statements:
        table = _given(statement, tree.AT_SetUnLogged)
        if table is None or statement.outcome != "applied" or is_named_in(table, rehearsed.made):
            continue
        later = [other for other in migration.statements if other.index > statement.index]
        if any(_given(other, tree.AT_SetLogged) == table for other in later):
            continue
        yield finding(
            "unlogged",
            "warning",
            statement,
            f"{table} leaves the write-ahead log: after a crash of the server it is empty, and standbys "
            "do not have its rows",
            relation=table,
            evidence={},
            remedy=Remedy("Leave it logged, unless all of its rows can be made again at any time."),
        )


def _given(statement: StatementSummary, subtype: int) -> str | None:
    """The table that the statement gives this persistence."""
    node = statement_of(statement.text) if "logged" in statement.text.lower() else None
    if node is None or node[0] != "alter_table_stmt":
        return None
    switched = any(cmd.alter_table_cmd.subtype == subtype for cmd in node[1].cmds)
    return relation_name(node[1].relation) if switched else None


def _hidden_rows(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """The first change of each table with forced row security: by a superuser, or of no row at all."""
    dataset = rehearsed.run.dataset
    forced = {key.name for key in dataset.keys if key.forced} if dataset else set()
    if not forced:
        return
    bound = not rehearsed.run.environment.superuser
    told: set[str] = set()
    for statement in migration.statements:
        bound = bound or statement.text.upper().startswith(_OTHER_ROLE)
        if statement.outcome != "applied":
            continue
        if _LIFTED.search(statement.text):
            forced -= {lock.relation for lock in statement.locks}
        changed = {change.relation: total(change) for change in rehearsed.row_changes(statement)}
        if rehearsed.run.environment.superuser and not bound:
            for table in sorted(forced & changed.keys() - told):
                told.add(table)
                yield _unbound(statement, table, changed[table])
        elif statement.kind in _CHANGES and not changed:
            for table in sorted(_meant(statement) & forced - told):
                if rows := rehearsed.rows_before(table):
                    told.add(table)
                    yield _nothing_changed(statement, table, rows)


def _meant(statement: StatementSummary) -> set[str]:
    """The tables that it would write to."""
    return {lock.relation for lock in statement.locks if lock.mode is LockMode.ROW_EXCLUSIVE}


def _unbound(statement: StatementSummary, table: str, rows: int) -> Finding:
    return finding(
        "row-security",
        "warning",
        statement,
        f"{statement.kind} changes {count(rows)} rows of {table} here, as a superuser, whom row security "
        "does not bind: it is forced on the table's owner, from whom it may hide all of them",
        relation=table,
        evidence={"rows": rows, "superuser": True},
        remedy=Remedy(
            "Rehearse it as the role that deploys, with --role. Where its policies hide rows from that role, "
            f"change {quoted(table)} as a role with BYPASSRLS, or with NO FORCE ROW LEVEL SECURITY in the "
            "same transaction."
        ),
    )


def _nothing_changed(statement: StatementSummary, table: str, rows: int) -> Finding:
    return finding(
        "row-security",
        "warning",
        statement,
        f"{statement.kind} changes no row of {table}, which has {count(rows)}: row security is forced on the "
        "table's owner and may hide them from the role that deploys",
        relation=table,
        evidence={"rows": 0, "rows_before": rows, "superuser": False},
        remedy=Remedy(
            f"Where rows are meant to change, do it as a role with BYPASSRLS, set what the policies of "
            f"{quoted(table)} read, or have NO FORCE ROW LEVEL SECURITY in the same transaction."
        ),
    )
