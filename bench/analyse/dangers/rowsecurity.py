"""Changes of rows that row security hides from whoever deploys.

A superuser, or a role with BYPASSRLS, is never bound by it, the table's owner only where it is forced.
https://www.postgresql.org/docs/current/ddl-rowsecurity.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.analyse.dangers.evidence import Rehearsed, finding, total
from bench.analyse.names import quoted
from bench.analyse.quantity import count
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding
from bench.model.lock import LockMode

_CHANGES = ("UPDATE", "DELETE", "MERGE")
_LIFTED = re.compile(r"\b(?:NO\s+FORCE|DISABLE)\s+ROW\s+LEVEL\s+SECURITY\b", re.IGNORECASE)
_OTHER_ROLE = ("SET ROLE", "SET SESSION AUTHORIZATION", "RESET ROLE", "RESET SESSION AUTHORIZATION")


def hidden_rows(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
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
