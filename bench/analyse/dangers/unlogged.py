"""Tables with rows that a migration takes out of the write-ahead log.

After a crash such a table is empty, and a standby never has its rows.
https://www.postgresql.org/docs/current/sql-createtable.html#SQL-CREATETABLE-UNLOGGED
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.names import is_named_in
from bench.analyse.remedies.script import Remedy
from bench.analyse.remedies.tree import relation_name, statement_of, tree
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding

_LOGGED, _UNLOGGED = tree.AT_SetLogged, tree.AT_SetUnLogged


def unlogged_tables(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Each SET UNLOGGED of a table that was there before, which no later statement of the file takes back."""
    for statement in migration.statements:
        table = _switched(statement, _UNLOGGED)
        if table is None or statement.outcome != "applied" or is_named_in(table, rehearsed.made):
            continue
        later = [each for each in migration.statements if each.index > statement.index]
        if any(_switched(each, _LOGGED) == table for each in later):
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


def _switched(statement: StatementSummary, subtype: int) -> str | None:
    """The table that the statement gives this persistence."""
    found = statement_of(statement.text) if "logged" in statement.text.lower() else None
    if found is None or found[0] != "alter_table_stmt":
        return None
    switched = any(each.alter_table_cmd.subtype == subtype for each in found[1].cmds)
    return relation_name(found[1].relation) if switched else None
