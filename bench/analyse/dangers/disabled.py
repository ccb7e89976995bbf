"""Triggers that a migration turns off for a while, in which the application's own writes pass them by too.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-DISABLE-ENABLE-TRIGGER
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.names import is_named_in
from bench.analyse.quantity import seconds
from bench.analyse.remedies.script import Remedy
from bench.analyse.remedies.tree import relation_name, statement_of, tree
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding

_OFF = {
    tree.AT_DisableTrig: "trigger", tree.AT_DisableTrigAll: "all triggers",
    tree.AT_DisableTrigUser: "all triggers", tree.AT_DisableRule: "rule",
}  # fmt: skip
_ON = frozenset(
    {tree.AT_EnableTrig, tree.AT_EnableTrigAll, tree.AT_EnableTrigUser, tree.AT_EnableAlwaysTrig}
    | {tree.AT_EnableRule, tree.AT_EnableAlwaysRule}
)
_ENDS = frozenset({"COMMIT", "END", "ROLLBACK", "ABORT"})
_Switched = tuple[str, str, str]
"""Table, kind of what was switched, its name."""


def triggers_off(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Each trigger that is off once a transaction is committed, and until when."""
    for statement in migration.statements:
        if statement.outcome != "applied":
            continue
        for table, what, name in _switched(statement.text, off=True):
            again = _turned_on(statement, migration, table)
            if is_named_in(table, rehearsed.made) or _in_one_transaction(statement, again, migration):
                continue
            later = _later_file(migration, table, rehearsed) if again is None else None
            yield _finding(statement, again, table, what, name, later)


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
        each.transaction == "file" and each.kind not in _ENDS
        for each in migration.statements
        if statement.index <= each.index <= again.index
    )


def _finding(
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
            "Turn it off, change the rows and turn it on in one transaction, so that no other session writes "
            "meanwhile; or let the change alone pass it by: a WHEN condition on a setting of the "
            "session, or SET "
            "LOCAL session_replication_role = replica, which needs the right to set it and leaves "
            "foreign keys unchecked."
        ),
    )


def _switched(text: str, *, off: bool) -> Iterator[_Switched]:
    found = statement_of(text) if "able" in text.lower() else None
    if found is None or found[0] != "alter_table_stmt":
        return
    table = relation_name(found[1].relation)
    for command in (each.alter_table_cmd for each in found[1].cmds):
        if off and command.subtype in _OFF:
            yield table, _OFF[command.subtype], command.name
        elif not off and command.subtype in _ON:
            yield table, "", command.name


def _turned_on(
    statement: StatementSummary, migration: MigrationSummary, table: str
) -> StatementSummary | None:
    later = (each for each in migration.statements if each.index > statement.index)
    return next(
        (each for each in later if any(on[0] == table for on in _switched(each.text, off=False))), None
    )


def _between(statement: StatementSummary, again: StatementSummary | None) -> float | None:
    if again is None or statement.started_at_s is None or again.started_at_s is None:
        return None
    return again.started_at_s.median - statement.started_at_s.median
