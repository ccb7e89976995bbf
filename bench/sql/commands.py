"""The command of a parsed statement in words, close to the tags of PostgreSQL's ``cmdtaglist.h``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from postgast import pg_query_pb2 as tree

# Nodes whose command is not their own name; the others spell it: create_domain_stmt, CREATE DOMAIN.
_COMMANDS = {
    "create_stmt": "CREATE TABLE",
    "create_table_space_stmt": "CREATE TABLESPACE",
    "drop_table_space_stmt": "DROP TABLESPACE",
    "alter_table_space_options_stmt": "ALTER TABLESPACE",
    "alter_extension_contents_stmt": "ALTER EXTENSION",
    "create_fdw_stmt": "CREATE FOREIGN DATA WRAPPER",
    "alter_fdw_stmt": "ALTER FOREIGN DATA WRAPPER",
    "create_foreign_server_stmt": "CREATE SERVER",
    "alter_foreign_server_stmt": "ALTER SERVER",
    "create_am_stmt": "CREATE ACCESS METHOD",
    "create_trig_stmt": "CREATE TRIGGER",
    "create_event_trig_stmt": "CREATE EVENT TRIGGER",
    "alter_event_trig_stmt": "ALTER EVENT TRIGGER",
    "create_plang_stmt": "CREATE LANGUAGE",
    "alter_role_set_stmt": "ALTER ROLE",
    "create_seq_stmt": "CREATE SEQUENCE",
    "alter_seq_stmt": "ALTER SEQUENCE",
    "create_op_class_stmt": "CREATE OPERATOR CLASS",
    "create_op_family_stmt": "CREATE OPERATOR FAMILY",
    "alter_op_family_stmt": "ALTER OPERATOR FAMILY",
    "sec_label_stmt": "SECURITY LABEL",
    "close_portal_stmt": "CLOSE",
    "create_stats_stmt": "CREATE STATISTICS",
    "alter_stats_stmt": "ALTER STATISTICS",
    "rule_stmt": "CREATE RULE",
    "composite_type_stmt": "CREATE TYPE",
    "create_enum_stmt": "CREATE TYPE",
    "create_range_stmt": "CREATE TYPE",
    "alter_enum_stmt": "ALTER TYPE",
    "view_stmt": "CREATE VIEW",
    "createdb_stmt": "CREATE DATABASE",
    "dropdb_stmt": "DROP DATABASE",
    "alter_database_refresh_coll_stmt": "ALTER DATABASE",
    "alter_database_set_stmt": "ALTER DATABASE",
    "check_point_stmt": "CHECKPOINT",
    "lock_stmt": "LOCK TABLE",
    "truncate_stmt": "TRUNCATE",
    "constraints_set_stmt": "SET CONSTRAINTS",
    "variable_show_stmt": "SHOW",
    "alter_tsdictionary_stmt": "ALTER TEXT SEARCH DICTIONARY",
    "alter_tsconfiguration_stmt": "ALTER TEXT SEARCH CONFIGURATION",
}

_OBJECTS = {
    tree.OBJECT_ATTRIBUTE: "TYPE",
    tree.OBJECT_DOMCONSTRAINT: "DOMAIN",
    tree.OBJECT_FDW: "FOREIGN DATA WRAPPER",
    tree.OBJECT_FOREIGN_SERVER: "SERVER",
    tree.OBJECT_LARGEOBJECT: "LARGE OBJECT",
    tree.OBJECT_MATVIEW: "MATERIALIZED VIEW",
    tree.OBJECT_OPCLASS: "OPERATOR CLASS",
    tree.OBJECT_OPFAMILY: "OPERATOR FAMILY",
    tree.OBJECT_STATISTIC_EXT: "STATISTICS",
    tree.OBJECT_TABCONSTRAINT: "TABLE",
    tree.OBJECT_TSCONFIGURATION: "TEXT SEARCH CONFIGURATION",
    tree.OBJECT_TSDICTIONARY: "TEXT SEARCH DICTIONARY",
    tree.OBJECT_TSPARSER: "TEXT SEARCH PARSER",
    tree.OBJECT_TSTEMPLATE: "TEXT SEARCH TEMPLATE",
}

_TRANSACTIONS = {
    tree.TRANS_STMT_BEGIN: "BEGIN",
    tree.TRANS_STMT_START: "BEGIN",
    tree.TRANS_STMT_COMMIT: "COMMIT",
    tree.TRANS_STMT_ROLLBACK: "ROLLBACK",
    tree.TRANS_STMT_SAVEPOINT: "SAVEPOINT",
    tree.TRANS_STMT_RELEASE: "RELEASE",
    tree.TRANS_STMT_ROLLBACK_TO: "ROLLBACK TO",
    tree.TRANS_STMT_PREPARE: "PREPARE TRANSACTION",
    tree.TRANS_STMT_COMMIT_PREPARED: "COMMIT PREPARED",
    tree.TRANS_STMT_ROLLBACK_PREPARED: "ROLLBACK PREPARED",
}


def command_of(node: str, statement: Any) -> str:
    """The command of a parse tree's node, for example ``ALTER TABLE`` or ``CREATE INDEX CONCURRENTLY``."""
    if variant := _VARIANTS.get(node):
        return variant(statement)
    return _COMMANDS.get(node) or node.removesuffix("_stmt").replace("_", " ").upper()


def _object(kind: int) -> str:
    name: str = tree.ObjectType.Name(kind)
    return _OBJECTS.get(kind) or name.removeprefix("OBJECT_").replace("_", " ")


def _concurrently(concurrent: bool) -> str:
    return " CONCURRENTLY" if concurrent else ""


def options_of(elements: Any) -> dict[str, str]:
    """Options by name; one without a value is on."""
    return {
        element.def_elem.defname: element.def_elem.arg.string.sval or "true"
        if element.def_elem.HasField("arg")
        else "true"
        for element in elements
    }


def is_on(options: dict[str, str], name: str, default: bool) -> bool:
    """Whether a boolean option is on."""
    return options[name].lower() in ("true", "on", "1") if name in options else default


def reindexes_concurrently(statement: Any) -> bool:
    """Whether a REINDEX has CONCURRENTLY among its options."""
    return is_on(options_of(statement.params), "concurrently", default=False)


def _rename(statement: Any) -> str:
    renames_column = statement.rename_type == tree.OBJECT_COLUMN
    return f"ALTER {_object(statement.relation_type if renames_column else statement.rename_type)}"


def _create_table_as(statement: Any) -> str:
    return "CREATE TABLE AS" if statement.objtype == tree.OBJECT_TABLE else "CREATE MATERIALIZED VIEW"


def _set(statement: Any) -> str:
    if statement.kind in (tree.VAR_RESET, tree.VAR_RESET_ALL):
        return "RESET"
    return "SET TRANSACTION" if statement.name in ("TRANSACTION", "TRANSACTION SNAPSHOT") else "SET"


def _reindex(statement: Any) -> str:
    kind: str = tree.ReindexObjectType.Name(statement.kind).removeprefix("REINDEX_OBJECT_")
    return f"REINDEX {kind}{_concurrently(reindexes_concurrently(statement))}"


_VARIANTS: dict[str, Callable[[Any], str]] = {
    "transaction_stmt": lambda s: _TRANSACTIONS[s.kind],
    "index_stmt": lambda s: f"CREATE INDEX{_concurrently(s.concurrent)}",
    "drop_stmt": lambda s: f"DROP {_object(s.remove_type)}{_concurrently(s.concurrent)}",
    "refresh_mat_view_stmt": lambda s: f"REFRESH MATERIALIZED VIEW{_concurrently(s.concurrent)}",
    "reindex_stmt": _reindex,
    "alter_table_stmt": lambda s: f"ALTER {_object(s.objtype)}",
    "alter_table_move_all_stmt": lambda s: f"ALTER {_object(s.objtype)}",
    "rename_stmt": _rename,
    "alter_object_schema_stmt": lambda s: f"ALTER {_object(s.object_type)}",
    "alter_object_depends_stmt": lambda s: f"ALTER {_object(s.object_type)}",
    "alter_owner_stmt": lambda s: f"ALTER {_object(s.object_type)}",
    "alter_function_stmt": lambda s: f"ALTER {_object(s.objtype)}",
    "define_stmt": lambda s: f"CREATE {_object(s.kind)}",
    "create_function_stmt": lambda s: f"CREATE {'PROCEDURE' if s.is_procedure else 'FUNCTION'}",
    "create_table_as_stmt": _create_table_as,
    "grant_stmt": lambda s: "GRANT" if s.is_grant else "REVOKE",
    "grant_role_stmt": lambda s: "GRANT ROLE" if s.is_grant else "REVOKE ROLE",
    "select_stmt": lambda s: "SELECT INTO" if s.HasField("into_clause") else "SELECT",
    "variable_set_stmt": _set,
    "vacuum_stmt": lambda s: "VACUUM" if s.is_vacuumcmd else "ANALYZE",
    "fetch_stmt": lambda s: "MOVE" if s.ismove else "FETCH",
    "discard_stmt": lambda s: tree.DiscardMode.Name(s.target).replace("_", " "),
}
