"""The roles that a statement needs, and the database that it names, by PostgreSQL's own grammar."""

from __future__ import annotations

import re

from postgast import PgQueryError, deparse, parse, walk
from postgast import pg_query_pb2 as tree

_MAY_NAME_ROLES = re.compile(
    r"\b(?:OWNER|OWNED|GRANT|REVOKE|ROLE|USER|GROUP|POLICY|AUTHORIZATION|PRIVILEGES|MAPPING)\b",
    re.IGNORECASE,
)
_MADE = ("create_role_stmt", "drop_role_stmt")
DISPENSABLE = frozenset(
    {
        "alter_default_privileges_stmt",
        "alter_owner_stmt",
        "alter_policy_stmt",
        "alter_role_set_stmt",
        "comment_stmt",
        "create_policy_stmt",
        "grant_role_stmt",
        "grant_stmt",
        "sec_label_stmt",
        "variable_set_stmt",
    }
)
"""Statements without which tables, rows and constraints are the same."""


def roles_needed(text: str) -> frozenset[str]:
    """The roles that must exist before a statement can run; those that it makes itself are none of them.

    What a body in quotes names is not seen.
    """
    if not _MAY_NAME_ROLES.search(text):
        return frozenset()
    try:
        parsed = parse(text)
    except PgQueryError:
        return frozenset()
    needed: set[str] = set()
    for statement in parsed.stmts:
        if statement.stmt.WhichOneof("node") in _MADE:
            continue
        for _, node in walk(statement):
            if isinstance(node, tree.RoleSpec) and node.roletype == tree.ROLESPEC_CSTRING:
                needed.add(node.rolename)
            elif isinstance(node, tree.GrantRoleStmt):
                needed |= {each.access_priv.priv_name for each in node.granted_roles}
            elif isinstance(node, tree.VariableSetStmt):
                needed |= _becomes(node)
    return frozenset(needed)


def _becomes(node: tree.VariableSetStmt) -> set[str]:
    """SET ROLE and SET SESSION AUTHORIZATION, as older dumps have them."""
    if node.name not in ("role", "session_authorization") or not node.args:
        return set()
    name = node.args[0].a_const.sval.sval
    return set() if name in ("", "none") else {name}


def dispensable(text: str) -> bool:
    """Whether a state before can do without a statement: owners, grants, policies, a session's role."""
    try:
        parsed = parse(text)
    except PgQueryError:
        return False
    nodes = [statement.stmt for statement in parsed.stmts]
    return all(
        node.WhichOneof("node") in DISPENSABLE
        or {each.alter_table_cmd.subtype for each in node.alter_table_stmt.cmds} == {tree.AT_ChangeOwner}
        for node in nodes
    )


def for_database(text: str, dbname: str) -> str | None:
    """A statement on a database's settings or grants, as pg_dump --create writes them, for another database.

    None for any other statement: its owner, comment, connection limit are not the data's.
    """
    if not text.startswith(("ALTER DATABASE", "ALTER ROLE", "GRANT", "REVOKE")):
        return None
    try:
        parsed = parse(text)
    except PgQueryError:
        return None
    for statement in parsed.stmts:
        kind = statement.stmt.WhichOneof("node")
        if kind == "alter_database_set_stmt":
            statement.stmt.alter_database_set_stmt.dbname = dbname
        elif kind == "alter_role_set_stmt" and statement.stmt.alter_role_set_stmt.database:
            statement.stmt.alter_role_set_stmt.database = dbname
        elif kind == "grant_stmt" and statement.stmt.grant_stmt.objtype == tree.OBJECT_DATABASE:
            for each in statement.stmt.grant_stmt.objects:
                each.string.sval = dbname
        else:
            return None
    return str(deparse(parsed))
