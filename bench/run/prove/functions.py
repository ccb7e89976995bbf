"""Functions that a suite brought: who may call them, with whose rights, and which errors are hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from bench.model.proof import AccessCell, FailingFunction, OwnerRights, Reach, SwallowedError
from bench.pg.catalog import load_query
from bench.pg.contents import read_tables
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.prove.access import Actor, acting, find_actors
from bench.run.prove.chain import Link
from bench.run.prove.play import play
from bench.run.prove.states import State

CALL_TIMEOUT = "2s"
CALLS_AT_MOST = 20
_OTHERS = re.compile(r"\bWHEN\s+OTHERS\s+THEN\b", re.IGNORECASE)
_PLAIN = {"boolean": "true", "text": "'x'", "integer": "1", "bigint": "1", "numeric": "1"}
_VIEWS = """
SELECT format('%I.%I', n.nspname, c.relname),
       ARRAY(SELECT r.rolname::text FROM pg_roles r
              WHERE r.rolname IN ('anon', 'authenticated') AND has_table_privilege(r.oid, c.oid, 'SELECT'))
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'v' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM unnest(c.reloptions) o WHERE o ~* '^security_invoker=(true|on|1|yes)$')
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Function:
    identity: str
    schema: str
    name: str
    arguments: list[str]
    """Types of those without a default."""
    definer: bool
    fixed_path: bool
    language: str
    definition: str


def without_handler(body: str) -> str | None:
    """A body whose EXCEPTION WHEN OTHERS raises again what it caught; None where it has none."""
    changed, count = _OTHERS.subn("WHEN OTHERS THEN RAISE;", body)
    return changed if count else None


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of calling the functions that a suite brought."""

    cells: tuple[AccessCell, ...]
    rights: tuple[OwnerRights, ...]
    hidden: tuple[SwallowedError, ...]
    failing: tuple[FailingFunction, ...]


def try_functions(server: Server, before: State, after: State) -> Tried:
    """Call what ``after`` has and ``before`` has not, as every actor; everything is rolled back."""
    with server.connect(after.dbname, application_name="pgrehearse functions", kind="application") as conn:
        query = load_query("function_targets", conn.info.server_version)
        with conn.cursor(row_factory=class_row(Function)) as cursor:
            functions = [
                function for function in cursor.execute(query).fetchall() if _brought(function, before, after)
            ]
        actors = find_actors(conn)
        keys = _keys(conn)
        cells = [_cell(conn, function, actor, keys) for function in functions for actor in actors]
        rights = [*_functions(functions, cells), *_views(conn, before)]
        hidden = [cell for function in functions for cell in _swallowed(conn, function, keys)]
        failing = [cell for function in functions for cell in _failing(conn, function, keys)]
    return Tried(tuple(cells), tuple(rights), tuple(hidden), tuple(failing))


def _brought(function: Function, before: State, after: State) -> bool:
    name = f"function {function.identity}"
    return name in after.schema and before.schema.get(name) != after.schema[name]


@dataclass(frozen=True, slots=True)
class Seed:
    """The key of a row, which a call may be about."""

    table: str
    """Without its schema."""
    value: str


Seeds = dict[str, list[Seed]]
"""By type, keys of rows: the first ones of each table that has a key of one column."""
OF_A_TABLE = 3


def _keys(conn: psycopg.Connection[Any]) -> Seeds:
    seeds: Seeds = {}
    for table in read_tables(conn).values():
        if len(table.key) == 1:
            query = sql.SQL("SELECT pg_typeof({0})::text, {0}::text FROM {1} LIMIT {2}").format(
                sql.Identifier(table.key[0]), table.source, sql.Literal(OF_A_TABLE)
            )
            for kind, value in conn.execute(query).fetchall():
                seeds.setdefault(kind, []).append(Seed(table.relation, value))
    return seeds


def _fitting_first(function: Function, seeds: Sequence[Seed]) -> list[Seed]:
    """Keys of the tables that the body names come first, then one of each other table."""
    words = set(re.findall(r"\w+", function.definition.lower()))
    named = [seed for seed in seeds if seed.table.lower() in words]
    others = {seed.table: seed for seed in seeds if seed not in named}
    return [*named, *others.values()]


def _calls(function: Function, keys: Seeds) -> list[sql.Composed]:
    """Calls with the keys that there are; arguments that nobody has a value for are NULL."""
    kinds = [kind for kind in function.arguments if kind in keys]
    seeds = _fitting_first(function, keys[kinds[0]])[:CALLS_AT_MOST] if kinds else []
    return [
        sql.SQL("SELECT * FROM {}({})").format(
            sql.Identifier(function.schema, function.name),
            sql.SQL(", ").join(_argument(kind, value, kinds) for kind in function.arguments),
        )
        for value in [seed.value for seed in seeds] or [""]
    ]


def _argument(kind: str, seed: str, kinds: Sequence[str]) -> sql.Composable:
    if kinds and kind == kinds[0]:
        return sql.SQL("{}::{}").format(sql.Literal(seed), sql.SQL(kind))
    return sql.SQL(_PLAIN.get(kind, "NULL") + "::" + kind)


def _cell(conn: psycopg.Connection[Any], function: Function, actor: Actor, keys: Seeds) -> AccessCell:
    call = _calls(function, keys)[0]
    reach, opened = Reach(1), None
    try:
        with acting(conn, actor):
            conn.execute(f"SET LOCAL statement_timeout = '{CALL_TIMEOUT}'")
            conn.execute(call)
    except psycopg.Error as error:
        if error.sqlstate == "42501":
            reach = Reach(None, error.sqlstate)
    if function.definer and actor.name == "anon" and reach.rows:
        opened = "anonymous users run it with the rights of its owner"
    return AccessCell(actor.name, function.identity, "EXECUTE", "all", 1, None, reach, opened)


def _functions(functions: Sequence[Function], cells: Sequence[AccessCell]) -> Iterator[OwnerRights]:
    for function in functions:
        if function.definer:
            by = [c.actor for c in cells if c.relation == function.identity and c.after and c.after.rows]
            yield OwnerRights("function", function.identity, function.fixed_path, tuple(by))


def _views(conn: psycopg.Connection[Any], before: State) -> Iterator[OwnerRights]:
    for name, roles in conn.execute(_VIEWS).fetchall():
        if f"view {name}" not in before.schema:
            yield OwnerRights("view", name, None, tuple(roles))


def _swallowed(conn: psycopg.Connection[Any], function: Function, keys: Seeds) -> Iterator[SwallowedError]:
    """Call it as it is, and with a handler that raises again: an error that only comes then was hidden."""
    changed = without_handler(function.definition) if function.language == "plpgsql" else None
    if changed is None:
        return
    calls = _calls(function, keys)
    errors: list[tuple[psycopg.Error, str | None]] = []
    for call in calls:
        returned, error = _called(conn, call, None)
        if error is None:
            _, hidden = _called(conn, call, changed)
            errors += [(hidden, returned)] if hidden is not None else []
    if errors:
        error, returned = errors[0]
        message = error.diag.message_primary or str(error)
        yield SwallowedError(
            function.identity, None, None, len(calls), len(errors), error.sqlstate, message, returned
        )


def _failing(conn: psycopg.Connection[Any], function: Function, keys: Seeds) -> Iterator[FailingFunction]:
    """A function that no call can please: its body names what is not there, or breaks a rule of a table.

    What it raises itself, and what an argument that nobody has a value for may cause, says nothing of it.
    """
    guessed = any(kind not in keys and kind not in _PLAIN for kind in function.arguments)
    errors: list[psycopg.Error] = []
    calls = _calls(function, keys)
    for call in calls:
        _, error = _called(conn, call, None)
        if error is None:
            return
        errors.append(error)
    never = [error for error in errors if (error.sqlstate or "").startswith("42")]
    broken = [error for error in errors if error.sqlstate == "23502" and not guessed]
    if never or broken:
        worst = (never or broken)[0]
        message = worst.diag.message_primary or str(worst)
        yield FailingFunction(function.identity, len(calls), worst.sqlstate, message)


def _called(
    conn: psycopg.Connection[Any], call: sql.Composed, definition: str | None
) -> tuple[str | None, psycopg.Error | None]:
    try:
        with conn.transaction(force_rollback=True):
            conn.execute(f"SET LOCAL statement_timeout = '{CALL_TIMEOUT}'")
            if definition is not None:
                conn.execute(definition.encode())
            row = conn.execute(call).fetchone()
    except psycopg.errors.QueryCanceled:
        return None, None
    except psycopg.Error as error:
        return None, error
    return (str(row[0]) if row else None), None


def swallowed_in(server: Server, link: Link) -> Iterator[SwallowedError]:
    """The first hidden error of a migration that applies; it is only run where a block has such a handler."""
    changed = [
        (
            replace(statement, text=body)
            if (body := without_handler(statement.text)) and statement.kind == "DO"
            else statement
        )
        for statement in link.script.forward
    ]
    if link.after is None or changed == list(link.script.forward):
        return
    with temporary_database(server, "swallowed", link.before.dbname) as dbname:
        played = play(server, dbname, changed)
    error, failed = played.error, played.failed
    if error is not None and failed is not None and failed not in link.script.forward:
        yield SwallowedError(
            f"{link.id}:{failed.line}", link.id, failed.index, 1, 1, error.sqlstate, error.message, None
        )
