"""What a statement does beyond its own database, and which roles it needs.

Told from PostgreSQL's own parse tree, also of what stands in a DO block or a function, and of commands that
a body puts together of constants for EXECUTE. What a body reads from a table cannot be seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.message import DecodeError
from postgast import PgQueryError, deparse, parse, walk
from postgast import pg_query_pb2 as tree

from bench.model.statement import Statement
from bench.sql.bodies import MY_DATABASE, MYSELF, commands_in

ReachKind = Literal["new role", "role", "server"]


@dataclass(frozen=True, slots=True)
class Reach:
    """One thing that a statement does beyond its own database."""

    kind: ReachKind
    """``new role``: makes one; ``role``: changes roles that are there; ``server``: anything else."""
    what: str
    """The command or function, for example ``ALTER ROLE`` or ``pg_reload_conf()``."""
    why: str
    """What it acts on, as the rest of a sentence."""
    roles: tuple[str, ...] = ()
    """Names of the roles that it alters or drops; :data:`bench.sql.bodies.MYSELF` is the session's."""
    inside: bool = False
    """Whether it stands in a body, or in a command that a body puts together."""


_ROLES = "roles belong to all databases of a server"
_DATABASES = "databases belong to the server"
_TABLESPACES = "tablespaces belong to the server"
_SUBSCRIPTIONS = "a subscription connects to another server and makes a replication slot there"
_CONFIGURATION = "its configuration holds for every database"
_CATALOG = "a row of a system catalog that is wrong can end every session"
_FILES = "it reads or writes files of the server's machine"
_LOCKS_OUT = "a lock on a catalog that all databases share makes all of them wait"
_SESSIONS = "it ends or signals sessions of others"
_WAL = "it acts on the write-ahead log, which all databases share"
_SLOTS = "a replication slot keeps write-ahead log until it is dropped, and origins are the server's"
_STATISTICS = "these statistics are those of the whole server"
_ELSEWHERE = "it connects to another database or server"

STATEMENTS: dict[str, tuple[ReachKind, str, str]] = {
    "CreateRoleStmt": ("new role", "CREATE ROLE", _ROLES),
    "AlterRoleStmt": ("role", "ALTER ROLE", _ROLES),
    "AlterRoleSetStmt": ("role", "ALTER ROLE", _ROLES),
    "DropRoleStmt": ("role", "DROP ROLE", _ROLES),
    "GrantRoleStmt": ("role", "GRANT or REVOKE of a role", _ROLES),
    "DropOwnedStmt": ("server", "DROP OWNED", "it also takes the role's rights on databases and tablespaces"),
    "ReassignOwnedStmt": ("server", "REASSIGN OWNED", "it also gives away databases and tablespaces"),
    "CreatedbStmt": ("server", "CREATE DATABASE", _DATABASES),
    "AlterDatabaseStmt": ("server", "ALTER DATABASE", _DATABASES),
    "AlterDatabaseRefreshCollStmt": ("server", "ALTER DATABASE", _DATABASES),
    "AlterDatabaseSetStmt": ("server", "ALTER DATABASE", _DATABASES),
    "DropdbStmt": ("server", "DROP DATABASE", _DATABASES),
    "CreateTableSpaceStmt": ("server", "CREATE TABLESPACE", _TABLESPACES),
    "AlterTableSpaceOptionsStmt": ("server", "ALTER TABLESPACE", _TABLESPACES),
    "DropTableSpaceStmt": ("server", "DROP TABLESPACE", _TABLESPACES),
    "CreateSubscriptionStmt": ("server", "CREATE SUBSCRIPTION", _SUBSCRIPTIONS),
    "AlterSubscriptionStmt": ("server", "ALTER SUBSCRIPTION", _SUBSCRIPTIONS),
    "DropSubscriptionStmt": ("server", "DROP SUBSCRIPTION", _SUBSCRIPTIONS),
    "AlterSystemStmt": ("server", "ALTER SYSTEM", _CONFIGURATION),
}
"""Statements that always reach beyond, by the name of their node in the parse tree."""

SHARED_OBJECTS: dict[str, tuple[str, str]] = {
    "OBJECT_DATABASE": ("DATABASE", _DATABASES),
    "OBJECT_ROLE": ("ROLE", _ROLES),
    "OBJECT_TABLESPACE": ("TABLESPACE", _TABLESPACES),
    "OBJECT_SUBSCRIPTION": ("SUBSCRIPTION", _SUBSCRIPTIONS),
    "OBJECT_PARAMETER_ACL": ("PARAMETER", _CONFIGURATION),
}
"""Objects that GRANT, COMMENT, SECURITY LABEL, RENAME and OWNER TO may name, and that a server shares.

https://www.postgresql.org/docs/current/catalogs-overview.html
"""

FUNCTIONS: dict[str, str] = {
    **dict.fromkeys(
        (
            "pg_create_physical_replication_slot", "pg_create_logical_replication_slot",
            "pg_copy_physical_replication_slot", "pg_copy_logical_replication_slot",
            "pg_drop_replication_slot", "pg_replication_slot_advance", "pg_sync_replication_slots",
            "pg_logical_slot_get_changes", "pg_logical_slot_get_binary_changes",
            "pg_replication_origin_create", "pg_replication_origin_drop", "pg_replication_origin_advance",
            "pg_replication_origin_session_setup",
        ),
        _SLOTS,
    ),
    **dict.fromkeys(
        ("pg_terminate_backend", "pg_cancel_backend", "pg_log_backend_memory_contexts"), _SESSIONS
    ),
    **dict.fromkeys(("pg_reload_conf", "pg_rotate_logfile", "pg_rotate_logfile_old"), _CONFIGURATION),
    **dict.fromkeys(
        (
            "pg_promote", "pg_switch_wal", "pg_switch_xlog", "pg_create_restore_point", "pg_backup_start",
            "pg_backup_stop", "pg_start_backup", "pg_stop_backup", "pg_wal_replay_pause",
            "pg_wal_replay_resume",
        ),
        _WAL,
    ),
    **dict.fromkeys(
        (
            "pg_stat_reset_shared", "pg_stat_reset_slru", "pg_stat_reset_replication_slot",
            "pg_stat_reset_subscription_stats", "pg_stat_statements_reset",
        ),
        _STATISTICS,
    ),
    **dict.fromkeys(
        (
            "lo_import", "lo_export", "pg_read_file", "pg_read_binary_file", "pg_read_server_files",
            "pg_ls_dir", "pg_stat_file", "pg_file_write", "pg_file_read", "pg_file_unlink", "pg_file_rename",
            "pg_file_sync", "pg_logdir_ls",
        ),
        _FILES,
    ),
    **dict.fromkeys(
        (
            "dblink", "dblink_connect", "dblink_connect_u", "dblink_exec", "dblink_open",
            "dblink_send_query",
        ),
        _ELSEWHERE,
    ),
}  # fmt: skip
"""Functions that reach beyond, in whatever schema.

https://www.postgresql.org/docs/current/functions-admin.html, …/dblink.html, …/adminpack.html, …/lo-funcs.html
"""

SHARED_CATALOGS = frozenset(
    (
        "pg_authid", "pg_auth_members", "pg_database", "pg_db_role_setting", "pg_parameter_acl",
        "pg_replication_origin", "pg_shdepend", "pg_shdescription", "pg_shseclabel", "pg_subscription",
        "pg_tablespace",
    )
)  # fmt: skip
"""https://www.postgresql.org/docs/current/system-catalog-initial-data.html: BKI_SHARED_RELATION."""

_OWN_CATALOGS = frozenset(
    (
        "pg_aggregate", "pg_am", "pg_amop", "pg_amproc", "pg_attrdef", "pg_attribute", "pg_cast", "pg_class",
        "pg_collation", "pg_constraint", "pg_conversion", "pg_default_acl", "pg_depend", "pg_description",
        "pg_enum", "pg_event_trigger", "pg_extension", "pg_foreign_data_wrapper", "pg_foreign_server",
        "pg_foreign_table", "pg_index", "pg_inherits", "pg_init_privs", "pg_language", "pg_largeobject",
        "pg_largeobject_metadata", "pg_namespace", "pg_opclass", "pg_operator", "pg_opfamily",
        "pg_partitioned_table", "pg_policy", "pg_proc", "pg_publication", "pg_publication_namespace",
        "pg_publication_rel", "pg_range", "pg_rewrite", "pg_seclabel", "pg_sequence", "pg_statistic",
        "pg_statistic_ext", "pg_statistic_ext_data", "pg_subscription_rel", "pg_transform", "pg_trigger",
        "pg_ts_config", "pg_ts_config_map", "pg_ts_dict", "pg_ts_parser", "pg_ts_template", "pg_type",
        "pg_user_mapping",
    )
)  # fmt: skip
_VIEWS_TO_WRITE = frozenset(("pg_settings",))
"""An UPDATE of it is a SET, https://www.postgresql.org/docs/current/view-pg-settings.html."""

_SUSPECT = re.compile(
    r"\b(?:role|user|group|database|tablespace|system|parameter|owned|copy|prepare|reindex|vacuum|lock"
    r"|subscription|grant|revoke|execute|pg_\w+|lo_(?:im|ex)port|dblink\w*)\b",
    re.IGNORECASE,
)
"""No statement without one of these words reaches beyond, which saves the parsing of long inserts."""
_PARSED_CHARACTERS = 1_000_000
_SPELLED = re.compile(
    r"\b(?P<verb>CREATE|ALTER|DROP)\s+(?P<thing>ROLE|USER|GROUP|DATABASE|TABLESPACE|SYSTEM|SUBSCRIPTION)\b"
    r"(?!\s+MAPPING\b)(?:\s+IF\s+(?:NOT\s+)?EXISTS)?(?:\s+(?P<name>\"[^\"]+\"|\w+))?",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


def reaches(statement: Statement) -> Iterator[Reach]:
    """Everything that a statement does beyond its own database, the bodies in it included."""
    return reaches_of(statement.text)


def reaches_of(text: str) -> Iterator[Reach]:
    """As :func:`reaches`, for a text of one or several statements."""
    if _SUSPECT.search(text):
        yield from _of_text(text, inside=False)


def _of_text(text: str, *, inside: bool) -> Iterator[Reach]:
    try:
        if len(text) > _PARSED_CHARACTERS:
            raise DecodeError
        parsed = parse(text)
    except (PgQueryError, DecodeError, RecursionError):
        yield from _spelled(text, inside=inside)
        return
    encoded = text.encode()
    for raw in parsed.stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(encoded)
        own = encoded[raw.stmt_location : end].decode(errors="replace")
        for message in _below(raw.stmt):
            name = message.DESCRIPTOR.name
            yield from _of_node(name, message, inside=inside)
            if name in ("DoStmt", "CreateFunctionStmt"):
                for command in commands_in(own, message):
                    yield from _of_text(command, inside=True)


def _below(message: Any) -> Iterator[Any]:
    """A message and every message below it, in the order of the tree."""
    waiting = [message]
    while waiting:
        current = waiting.pop()
        yield current
        below: list[Any] = []
        for field, value in current.ListFields():
            if field.message_type is not None:
                below += value if field.is_repeated else (value,)
        waiting += reversed(below)


def _of_node(name: str, node: Any, *, inside: bool) -> Iterator[Reach]:
    if name == "AlterDatabaseSetStmt" and node.dbname == MY_DATABASE:
        return
    if (rule := STATEMENTS.get(name)) is not None:
        yield Reach(*rule, roles=_roles(name, node), inside=inside)
    elif (special := _SPECIAL.get(name)) is not None:
        for kind, what, why, roles in special(node):
            yield Reach(kind, what, why, roles, inside)


_Told = Iterator[tuple[ReachKind, str, str, tuple[str, ...]]]


def _roles(name: str, node: Any) -> tuple[str, ...]:
    if name == "DropRoleStmt":
        return tuple(_role(role.role_spec) for role in node.roles)
    if name in ("AlterRoleStmt", "AlterRoleSetStmt"):
        return (_role(node.role),)
    return ()


def _role(spec: Any) -> str:
    mine = (tree.ROLESPEC_CURRENT_USER, tree.ROLESPEC_CURRENT_ROLE, tree.ROLESPEC_SESSION_USER)
    return MYSELF if spec.roletype in mine else str(spec.rolename)


def _shared(verb: str, object_type: int) -> _Told:
    if (shared := SHARED_OBJECTS.get(tree.ObjectType.Name(object_type))) is not None:
        thing, why = shared
        yield ("role" if thing == "ROLE" else "server"), f"{verb} {thing}", why, ()


def _grant(node: Any) -> _Told:
    if [target.string.sval for target in node.objects] != [MY_DATABASE]:
        yield from _shared("GRANT ON" if node.is_grant else "REVOKE ON", node.objtype)


def _rename(node: Any) -> _Told:
    for kind, what, why, _ in _shared("ALTER", node.rename_type):
        yield kind, what, why, (node.subname,) if kind == "role" else ()


def _copy(node: Any) -> _Told:
    if node.filename:
        way = "FROM" if node.is_from else "TO"
        what = f"COPY {way} PROGRAM" if node.is_program else f"COPY {way} a file"
        why = "it starts a program on the server's machine" if node.is_program else _FILES
        yield "server", what, why, ()
    if node.is_from:
        yield from _write("COPY into", node)


def _transaction(node: Any) -> _Told:
    if node.kind == tree.TRANS_STMT_PREPARE:
        why = "a prepared transaction outlives its session, and keeps VACUUM of every database from cleaning"
        yield "server", "PREPARE TRANSACTION", why, ()


def _write(verb: str, node: Any) -> _Told:
    name, schema = node.relation.relname, node.relation.schemaname
    known = name in SHARED_CATALOGS or name in _OWN_CATALOGS
    if (schema == "pg_catalog" or (not schema and known)) and name not in _VIEWS_TO_WRITE:
        yield "server", f"{verb} {name}", _CATALOG, ()


def _writing(verb: str) -> Callable[[Any], _Told]:
    return lambda node: _write(verb, node)


def _lock(node: Any) -> _Told:
    for relation in node.relations:
        if relation.range_var.relname in SHARED_CATALOGS:
            yield "server", f"LOCK of {relation.range_var.relname}", _LOCKS_OUT, ()


def _reindex(node: Any) -> _Told:
    whole = {tree.REINDEX_OBJECT_SYSTEM: "SYSTEM", tree.REINDEX_OBJECT_DATABASE: "DATABASE"}
    if (thing := whole.get(node.kind)) is not None or node.relation.relname in SHARED_CATALOGS:
        yield "server", f"REINDEX {thing or node.relation.relname}", _LOCKS_OUT, ()


def _vacuum(node: Any) -> _Told:
    full = any(option.def_elem.defname == "full" for option in node.options)
    named = [relation.vacuum_relation.relation.relname for relation in node.rels]
    if full and (not named or SHARED_CATALOGS.intersection(named)):
        yield (
            "server",
            "VACUUM FULL of all tables" if not named else f"VACUUM FULL {named[0]}",
            _LOCKS_OUT,
            (),
        )


def _call(node: Any) -> _Told:
    name = node.funcname[-1].string.sval if node.funcname else ""
    if (why := FUNCTIONS.get(name)) is not None:
        yield "server", f"{name}()", why, ()


_SPECIAL: dict[str, Callable[[Any], _Told]] = {
    "GrantStmt": _grant,
    "CommentStmt": lambda node: _shared("COMMENT ON", node.objtype),
    "SecLabelStmt": lambda node: _shared("SECURITY LABEL ON", node.objtype),
    "RenameStmt": _rename,
    "AlterOwnerStmt": lambda node: _shared("ALTER", node.object_type),
    "CopyStmt": _copy,
    "TransactionStmt": _transaction,
    "InsertStmt": _writing("INSERT into"),
    "UpdateStmt": _writing("UPDATE of"),
    "DeleteStmt": _writing("DELETE from"),
    "MergeStmt": _writing("MERGE into"),
    "AlterTableStmt": _writing("ALTER TABLE"),
    "LockStmt": _lock,
    "ReindexStmt": _reindex,
    "VacuumStmt": _vacuum,
    "FuncCall": _call,
}
"""Statements and calls that reach beyond for some objects only."""


def _spelled(text: str, *, inside: bool) -> Iterator[Reach]:
    """For what the grammar does not read: the words as they stand."""
    if len(text) > _PARSED_CHARACTERS and text.lstrip()[:6].upper() == "INSERT":
        return
    for match in _SPELLED.finditer(_COMMENT.sub("", text)):
        verb, thing = match["verb"].upper(), match["thing"].upper()
        role = thing in ("ROLE", "USER", "GROUP")
        kind: ReachKind = "server" if not role else "new role" if verb == "CREATE" else "role"
        name = match["name"] or ""
        named = (name[1:-1] if name.startswith('"') else name.lower(),) if kind == "role" else ()
        what = f"{verb} ROLE" if role else f"{verb} {thing}"
        why = _ROLES if role else _CONFIGURATION if thing == "SYSTEM" else _DATABASES
        yield Reach(kind, what, why, named, inside)


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
                needed |= {role.access_priv.priv_name for role in node.granted_roles}
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
        or {command.alter_table_cmd.subtype for command in node.alter_table_stmt.cmds}
        == {tree.AT_ChangeOwner}
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
            for target in statement.stmt.grant_stmt.objects:
                target.string.sval = dbname
        else:
            return None
    return str(deparse(parsed))
