"""Keys, indexes and triggers: away before the rows come, back afterwards, exactly as they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from psycopg import sql

from datagen.engine.catalog import Key, Trigger, qualified
from datagen.engine.parallel import Connection

Statement = sql.Composed
Job = tuple[str, list[Statement]]
"""What is done, in words, and statements that must follow one another."""

_ENABLE = {"O": "ENABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


def missing_keys(keys: Sequence[Key], present: Sequence[Key]) -> list[Key]:
    """Those of ``keys`` that are not there, or not any more."""
    there = {(key.table, key.name) for key in present}
    return [key for key in keys if (key.table, key.name) not in there]


def drop_keys(conn: Connection, keys: Sequence[Key], triggers: Sequence[Trigger]) -> None:
    """Take keys and indexes away, foreign keys first, and silence triggers; in one transaction."""
    with conn.transaction():
        for key in sorted(keys, key=lambda key: not key.is_foreign):
            if key.kind == "i":
                conn.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(key.schema, key.name)))
            else:
                conn.execute(
                    sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}").format(
                        qualified(key.table), sql.Identifier(key.name)
                    )
                )
        for trigger in triggers:
            conn.execute(
                sql.SQL("ALTER TABLE {} DISABLE TRIGGER {}").format(
                    qualified(trigger.table), sql.Identifier(trigger.name)
                )
            )


def index_jobs(keys: Sequence[Key]) -> list[Job]:
    """One job per index, but all the constraints of a table in one: each of them locks the table."""
    constraints: dict[str, list[Statement]] = defaultdict(list)
    plain: list[Job] = []
    for key in keys:
        if key.kind == "i":
            create = _with_comment(key, sql.Composed([_literal(key.definition)]))
            plain.append((f"building index {key.name} of {key.table}", create))
        elif not key.is_foreign:
            constraints[key.table] += _with_comment(key, _add(key))
    return [(f"building the keys of {table}", made) for table, made in constraints.items()] + plain


def foreign_key_statements(keys: Sequence[Key]) -> list[Statement]:
    """Foreign keys declared but not yet checked: quick, and in turn, since each locks two tables."""
    statements: list[Statement] = []
    for key in keys:
        if key.is_foreign:
            statement = _add(key) if not key.valid else sql.SQL("{} NOT VALID").format(_add(key))
            statements += _with_comment(key, statement)
    return statements


def validation_jobs(keys: Sequence[Key]) -> list[Job]:
    """One job per table: every row of it is checked against its parents."""
    jobs: dict[str, list[Statement]] = defaultdict(list)
    for key in keys:
        if key.is_foreign and key.valid:
            jobs[key.table].append(
                sql.SQL("ALTER TABLE {} VALIDATE CONSTRAINT {}").format(
                    qualified(key.table), sql.Identifier(key.name)
                )
            )
    return [(f"checking the foreign keys of {table}", made) for table, made in jobs.items()]


def trigger_statements(triggers: Sequence[Trigger]) -> list[Statement]:
    """Triggers as they were."""
    return [
        sql.SQL("ALTER TABLE {} {} TRIGGER {}").format(
            qualified(trigger.table), _literal(_ENABLE[trigger.enabled]), sql.Identifier(trigger.name)
        )
        for trigger in triggers
    ]


def _add(key: Key) -> Statement:
    return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
        qualified(key.table), sql.Identifier(key.name), _literal(key.definition)
    )


def _with_comment(key: Key, statement: Statement) -> list[Statement]:
    if key.comment is None:
        return [statement]
    if key.kind == "i":
        target = sql.SQL("INDEX {}").format(sql.Identifier(key.schema, key.name))
    else:
        target = sql.SQL("CONSTRAINT {} ON {}").format(sql.Identifier(key.name), qualified(key.table))
    return [statement, sql.SQL("COMMENT ON {} IS {}").format(target, sql.Literal(key.comment))]


def _literal(definition: str) -> sql.SQL:
    """Text that the server's catalog gave, to be sent as it is."""
    return sql.SQL(definition)
