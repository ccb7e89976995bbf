"""What a statement is, in words, and how it stands to transactions, from PostgreSQL's own grammar.

Where the grammar refuses a text (an extension's syntax, a newer server's, a mistake), the leading keywords
decide: the server has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

from google.protobuf.message import DecodeError
from postgast import PgQueryError, parse, scan
from postgast import pg_query_pb2 as tree

from bench.sql.lexer import leading_words

TransactionControl = Literal[
    "begin",
    "commit",
    "rollback",
    "commit_and_chain",
    "rollback_and_chain",
    "savepoint",
    "release",
    "rollback_to",
    "prepare",
    "commit_prepared",
    "rollback_prepared",
]

PARSED_CHARACTERS = 1_000_000
"""A longer text is judged by its keywords: its tree would take seconds and hundreds of megabytes."""


@dataclass(frozen=True, slots=True)
class RelationName:
    """A relation as the statement writes it, folded as PostgreSQL folds identifiers."""

    schema: str | None
    name: str


@dataclass(frozen=True, slots=True)
class StatementFacts:
    """What must be known of a statement before it runs."""

    kind: str
    """Command in words, for example ``ALTER TABLE`` or ``CREATE INDEX CONCURRENTLY``."""
    transaction_control: TransactionControl | None = None
    """``*_and_chain`` end a transaction and begin the next; ``rollback_to`` ends none."""
    refuses_transaction: bool = False
    """Fails inside a transaction block, as far as its text says: CALL can turn out to, REINDEX of a
    partitioned table too."""
    needs_transaction: bool = False
    """Fails outside a transaction block, so that a block put round it would hide the failure."""
    sets_local: bool = False
    """Sets something until the end of the transaction; outside a block it has no effect."""
    parsed: bool = True
    """False where only the leading keywords were understood."""


def classify(text: str) -> StatementFacts:
    """Classify one statement; never fails, whatever the text. What was classified lately is remembered."""
    return _remembered(text) if len(text) <= _REMEMBERED_CHARACTERS else _classify(text)


def _classify(text: str) -> StatementFacts:
    if len(text) <= PARSED_CHARACTERS and (statement := _parse_one(text)) is not None:
        node = statement.WhichOneof("node")
        if node is not None:
            return _facts(node, getattr(statement, node))
    return _facts_by_keywords(leading_keywords(text))


_REMEMBERED_CHARACTERS = 2000
_remembered = lru_cache(maxsize=20_000)(_classify)
"""A file's statements are classified when it is read, and again in every repeat."""


def named_relations(text: str) -> tuple[RelationName, ...]:
    """Relations that a statement names, in order, each once; not those inside the bodies of functions and DO.

    None where only the leading keywords are understood.
    """
    statement = _parse_one(text) if len(text) <= PARSED_CHARACTERS else None
    node = statement.WhichOneof("node") if statement is not None else None
    if statement is None or node is None:
        return ()
    return tuple(dict.fromkeys(_relations(node, getattr(statement, node), statement)))


def _parse_one(text: str) -> Any | None:
    try:
        statements = parse(text).stmts
    except (PgQueryError, DecodeError):  # protobuf refuses trees deeper than 100, which are valid SQL
        return None
    return statements[0].stmt if len(statements) == 1 else None


def _facts(node: str, statement: Any) -> StatementFacts:
    control = _transaction_control(statement) if node == "transaction_stmt" else None
    return StatementFacts(
        kind=command_of(node, statement),
        transaction_control=control,
        refuses_transaction=control in ("commit_prepared", "rollback_prepared")
        or _refuses_transaction(node, statement),
        needs_transaction=control in ("savepoint", "release", "rollback_to")
        or node == "lock_stmt"
        or (node == "declare_cursor_stmt" and not statement.options & _CURSOR_WITH_HOLD),
        sets_local=node == "constraints_set_stmt" or (node == "variable_set_stmt" and _sets_local(statement)),
    )


# CURSOR_OPT_HOLD of parsenodes.h.
_CURSOR_WITH_HOLD = 0x0020

_CONTROLS: dict[int, TransactionControl] = {
    tree.TRANS_STMT_BEGIN: "begin",
    tree.TRANS_STMT_START: "begin",
    tree.TRANS_STMT_COMMIT: "commit",
    tree.TRANS_STMT_ROLLBACK: "rollback",
    tree.TRANS_STMT_SAVEPOINT: "savepoint",
    tree.TRANS_STMT_RELEASE: "release",
    tree.TRANS_STMT_ROLLBACK_TO: "rollback_to",
    tree.TRANS_STMT_PREPARE: "prepare",
    tree.TRANS_STMT_COMMIT_PREPARED: "commit_prepared",
    tree.TRANS_STMT_ROLLBACK_PREPARED: "rollback_prepared",
}


def _spell(control: str) -> str:
    words = control.removesuffix("_and_chain").replace("_", " ").upper()
    return "PREPARE TRANSACTION" if words == "PREPARE" else words


TRANSACTION_COMMANDS = frozenset(_spell(control) for control in _CONTROLS.values())
"""All that begin, part or end a transaction, as a statement's kind names them."""
ENDS_OF_TRANSACTION = frozenset({"COMMIT", "ROLLBACK", "PREPARE TRANSACTION"})


def _transaction_control(statement: Any) -> TransactionControl:
    control = _CONTROLS[statement.kind]
    if statement.chain:
        return "commit_and_chain" if control == "commit" else "rollback_and_chain"
    return control


def _sets_local(statement: Any) -> bool:
    return bool(statement.is_local) or statement.name in ("TRANSACTION", "TRANSACTION SNAPSHOT")


# The callers of PreventInTransactionBlock in PostgreSQL's sources, 13 to 18.
_ALWAYS_REFUSE = frozenset(
    {
        "createdb_stmt",
        "dropdb_stmt",
        "create_table_space_stmt",
        "drop_table_space_stmt",
        "alter_system_stmt",
        "drop_subscription_stmt",
    }
)


def _refuses_transaction(node: str, statement: Any) -> bool:
    if node in _ALWAYS_REFUSE:
        return True
    if node in ("index_stmt", "drop_stmt"):
        return bool(statement.concurrent)
    if node == "vacuum_stmt":
        return bool(statement.is_vacuumcmd)
    if node == "cluster_stmt":
        return not statement.HasField("relation")
    if node == "reindex_stmt":
        of_many = statement.kind not in (tree.REINDEX_OBJECT_INDEX, tree.REINDEX_OBJECT_TABLE)
        return of_many or reindexes_concurrently(statement)
    if node == "alter_table_stmt":
        commands = [command.alter_table_cmd for command in statement.cmds]
        return any(getattr(command, "def").partition_cmd.concurrent for command in commands)
    if node == "discard_stmt":
        return bool(statement.target == tree.DISCARD_ALL)
    if node == "alter_database_stmt":
        return "tablespace" in options_of(statement.options)
    if node == "create_subscription_stmt":
        return _creates_slot(options_of(statement.options))
    if node == "alter_subscription_stmt":
        return _refreshes(statement)
    if node == "do_stmt":
        options = options_of(statement.args)
        return body_ends_transaction(options.get("as", ""), options.get("language", "plpgsql"))
    return False


def _creates_slot(options: dict[str, str]) -> bool:
    return is_on(options, "create_slot", is_on(options, "connect", default=True))


def _refreshes(statement: Any) -> bool:
    if statement.kind == tree.ALTER_SUBSCRIPTION_REFRESH:
        return True
    changes_publications = statement.kind in (
        tree.ALTER_SUBSCRIPTION_SET_PUBLICATION,
        tree.ALTER_SUBSCRIPTION_ADD_PUBLICATION,
        tree.ALTER_SUBSCRIPTION_DROP_PUBLICATION,
    )
    options = options_of(statement.options)
    return (changes_publications and is_on(options, "refresh", default=True)) or bool(
        options.keys() & {"failover", "two_phase"}
    )


_DROPPED_RELATIONS = frozenset(
    {
        tree.OBJECT_TABLE,
        tree.OBJECT_INDEX,
        tree.OBJECT_SEQUENCE,
        tree.OBJECT_VIEW,
        tree.OBJECT_MATVIEW,
        tree.OBJECT_FOREIGN_TABLE,
    }
)
_DROPPED_FROM_RELATIONS = frozenset({tree.OBJECT_TRIGGER, tree.OBJECT_POLICY, tree.OBJECT_RULE})


def _relations(node: str, statement: Any, root: Any) -> Iterator[RelationName]:
    if node == "drop_stmt":
        names = [[item.string.sval for item in entry.list.items] for entry in statement.objects]
        if statement.remove_type in _DROPPED_FROM_RELATIONS:
            names = [parts[:-1] for parts in names]
        elif statement.remove_type not in _DROPPED_RELATIONS:
            names = []
        yield from (
            RelationName(parts[-2] if len(parts) > 1 else None, parts[-1]) for parts in names if parts
        )
        return
    queries = {message.ctename for message in _messages(root, "CommonTableExpr")}
    for message in _messages(root, "RangeVar"):
        if message.schemaname or message.relname not in queries:
            yield RelationName(message.schemaname or None, message.relname)


def _messages(message: Any, type_name: str) -> Iterator[Any]:
    """Every message of a type, in the order of the tree; its depth is bounded by protobuf's limit."""
    if message.DESCRIPTOR.name == type_name:
        yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in value if field.is_repeated else (value,):
                yield from _messages(child, type_name)


def _facts_by_keywords(words: Keywords) -> StatementFacts:
    return StatementFacts(
        kind=words.command,
        transaction_control=cast(TransactionControl | None, words.transaction_control),
        refuses_transaction=words.refuses_transaction,
        needs_transaction=words.needs_transaction,
        sets_local=words.sets_local,
        parsed=False,
    )


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
    "transaction_stmt": lambda s: _spell(_CONTROLS[s.kind]),
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


_NOISE = frozenset(
    {"OR", "REPLACE", "UNIQUE", "TEMP", "TEMPORARY", "GLOBAL", "LOCAL", "UNLOGGED", "TRUSTED", "PROCEDURAL"}
    | {"CONSTRAINT", "RECURSIVE"}
)
_TWO_WORD_OBJECTS = frozenset(
    {"MATERIALIZED VIEW", "FOREIGN TABLE", "EVENT TRIGGER", "ACCESS METHOD", "OPERATOR CLASS"}
    | {"OPERATOR FAMILY", "USER MAPPING", "DEFAULT PRIVILEGES", "TEXT SEARCH", "LARGE OBJECT"}
)
_BODY_CONTROLS = {
    "BEGIN": "begin",
    "START TRANSACTION": "begin",
    "COMMIT": "commit",
    "END": "commit",
    "ROLLBACK": "rollback",
    "ABORT": "rollback",
    "SAVEPOINT": "savepoint",
    "RELEASE": "release",
    "PREPARE TRANSACTION": "prepare",
    "COMMIT PREPARED": "commit_prepared",
    "ROLLBACK PREPARED": "rollback_prepared",
    "ROLLBACK TO": "rollback_to",
}
_REFUSING = re.compile(
    r"VACUUM|REINDEX (?:DATABASE|SYSTEM|SCHEMA)|(?:CREATE|DROP) (?:DATABASE|TABLESPACE)|ALTER SYSTEM"
    r"|(?:CREATE|DROP|REINDEX) \w+ CONCURRENTLY|(?:COMMIT|ROLLBACK) PREPARED"
)
_OTHER_LANGUAGE_COMMIT = re.compile(r"\b(?:spi_)?(?:commit|rollback)\s*\(", re.IGNORECASE)
_PLPGSQL_COMMIT = re.compile(r"\b(?:commit|rollback)\s*(?:and\s+(?:no\s+)?chain\s*)?;", re.IGNORECASE)
_BEFORE_A_STATEMENT = frozenset({b";", b">>", b"begin", b"then", b"else", b"loop"})
_COMMENTS = frozenset({tree.SQL_COMMENT, tree.C_COMMENT})


@dataclass(frozen=True, slots=True)
class Keywords:
    """A statement as its leading keywords show it."""

    command: str
    transaction_control: str | None
    refuses_transaction: bool
    needs_transaction: bool
    sets_local: bool


def leading_keywords(text: str) -> Keywords:
    """Judge a statement by its first words, quoted text and comments left out."""
    words = [word.upper() for word in leading_words(text, 12)]
    control = _control(words)
    command = _spell(control) if control else _command(words)
    return Keywords(
        command=command,
        transaction_control=control,
        refuses_transaction=bool(_REFUSING.fullmatch(command)),
        needs_transaction=control in ("savepoint", "release", "rollback_to") or words[:1] == ["LOCK"],
        sets_local=words[:2] in (["SET", "LOCAL"], ["SET", "TRANSACTION"], ["SET", "CONSTRAINTS"]),
    )


def _command(words: list[str]) -> str:
    verb, rest = words[:1], words[1:]
    if verb in (["CREATE"], ["ALTER"], ["DROP"], ["REFRESH"], ["REINDEX"]):
        rest = [word for word in rest if word not in _NOISE]
        length = 2 if " ".join(rest[:2]) in _TWO_WORD_OBJECTS else 1
        concurrently = ["CONCURRENTLY"] if rest[length : length + 1] == ["CONCURRENTLY"] else []
        return " ".join(verb + rest[:length] + concurrently)
    return "LOCK TABLE" if verb == ["LOCK"] else " ".join(verb) or "UNKNOWN"


def _control(words: list[str]) -> str | None:
    control = _BODY_CONTROLS.get(" ".join(words[:2])) or _BODY_CONTROLS.get(" ".join(words[:1]))
    if control == "rollback" and "TO" in words[1:3]:
        return "rollback_to"
    chained = words[1:3] == ["AND", "CHAIN"] or words[2:4] == ["AND", "CHAIN"]
    return f"{control}_and_chain" if chained and control in ("commit", "rollback") else control


def body_ends_transaction(body: str, language: str) -> bool:
    """Whether the body of a DO block commits or rolls back, which it may only outside a transaction block."""
    if language != "plpgsql":
        return bool(_OTHER_LANGUAGE_COMMIT.search(body))
    source = body.encode()
    try:
        tokens = [token for token in scan(body).tokens if token.token not in _COMMENTS]
    except PgQueryError:
        return bool(_PLPGSQL_COMMIT.search(body))
    words = [source[token.start : token.end].lower() for token in tokens]
    return any(
        word in (b"commit", b"rollback") and before in _BEFORE_A_STATEMENT and after in (b";", b"and")
        for before, word, after in zip(words, words[1:], words[2:], strict=False)
    )
