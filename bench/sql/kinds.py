"""What a statement is, and how it stands to transactions, from PostgreSQL's own grammar (libpg_query).

Where the grammar refuses a text (an extension's syntax, a newer server's, a mistake), the leading keywords
decide: the server has the last word.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types
from postgast import PgQueryError, parse
from postgast import pg_query_pb2 as tree

from bench.sql.commands import command_of, is_on, options_of, reindexes_concurrently
from bench.sql.keywords import Keywords, body_ends_transaction, leading_keywords

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
