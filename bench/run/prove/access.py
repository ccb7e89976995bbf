"""The access matrix: every command on every table and view, tried as every actor, before and after."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from bench.model.proof import AccessCell, PolicyCost, Reach
from bench.pg.catalog import load_query
from bench.pg.server import Server

Whose = Literal["owner's", "strangers'", "all"]
INTENDED = frozenset({"admin", "service_role"})
"""Actors who may reach every row."""
COUNTS = 3


@dataclass(frozen=True, slots=True)
class Target:
    relation: str
    schema: str
    name: str
    is_table: bool
    row_security: bool
    definition: str | None
    owner_column: str | None
    protected_parents: list[str]

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


Tried = dict[tuple[str, str, str, Whose], AccessCell]


def access_matrix(
    server: Server, before: str, after: str
) -> tuple[tuple[AccessCell, ...], tuple[PolicyCost, ...]]:
    """Try everything on both databases; nothing where the platform's roles do not exist."""
    with (
        server.connect(before, kind="application") as old,
        server.connect(after, kind="application") as new,
    ):
        actors = find_actors(old)
        known, found = _try_all(old, actors), _try_all(new, actors)
        unprotected = {
            target.relation: target.owner_column is not None
            for target in _targets(new)
            if target.is_table and not target.row_security
        }
        cells = []
        for key, cell in found.items():
            was = known.get(key)
            joined = replace(cell, before=was.after if was else None)
            if was is not None and was.opened is not None:
                joined = replace(joined, opened=None)  # the suite has not opened what was open
            concerned = {name for name, owned in unprotected.items() if owned or cell.actor == "anon"}
            existed = any(key[1] == cell.relation for key in known)
            cells.append(_judge(joined, concerned, existed=existed))
        costs = tuple(_policy_costs(new, actors))
    return tuple(cells), costs


def _judge(cell: AccessCell, open_tables: Collection[str], *, existed: bool) -> AccessCell:
    """Opened: rows of somebody else are reached now that were not, or that policies hide elsewhere.

    ``open_tables``: those without row security whose rows will have owners. A new one of them is opened to
    users while it is empty, too, and any new one to anonymous users.
    """
    if cell.opened is not None or cell.after is None or cell.actor in INTENDED:
        return cell
    if not existed and cell.of == 0 and cell.after.rows is not None and cell.relation in open_tables:
        return replace(cell, opened="row security is off, and privileges let it")
    if not cell.after.rows:
        return cell
    theirs = cell.actor != "owner" or cell.whose != "owner's"
    if existed and cell.before is not None and not cell.before.rows and theirs:
        return replace(cell, opened="not reached before")
    if not existed and cell.actor == "anon":
        return replace(cell, opened="anonymous users reach it")
    return cell


def _try_all(conn: psycopg.Connection[Any], actors: Sequence[Actor]) -> Tried:
    tried: Tried = {}
    for target in _targets(conn):
        for cell in _try_target(conn, target, actors):
            tried[cell.actor, cell.relation, cell.op, cell.whose] = cell
    return tried


def _targets(conn: psycopg.Connection[Any]) -> list[Target]:
    with conn.cursor(row_factory=class_row(Target)) as cursor:
        query = load_query("access_targets", conn.info.server_version)
        return cursor.execute(query, {"users": USERS}).fetchall()


def _try_target(
    conn: psycopg.Connection[Any], target: Target, actors: Sequence[Actor]
) -> Iterator[AccessCell]:
    for whose, condition in _parts(target, actors):
        of = _count(conn, target, condition).rows or 0
        for actor in actors:
            with acting(conn, actor):
                seen = _count(conn, target, condition)
            cell = AccessCell(actor.name, target.relation, "SELECT", whose, of, None, seen)
            if actor.name not in INTENDED and seen.rows:
                cell = replace(cell, opened=_hidden_elsewhere(conn, target, actor, seen.rows))
            yield cell
            if not target.is_table:
                continue
            for op in ("INSERT", "UPDATE", "DELETE"):
                change = _change(conn, target, actor, op, condition) if of else _may(conn, target, actor, op)
                yield AccessCell(actor.name, target.relation, op, whose, of, None, change)


def _parts(target: Target, actors: Sequence[Actor]) -> list[tuple[Whose, sql.Composable]]:
    """The owner's rows, and those of nobody who tries; a row of one of the actors would prove nothing."""
    users = {actor.name: actor.user for actor in actors if actor.user is not None}
    if target.owner_column is None or "owner" not in users:
        return [("all", sql.SQL("true"))]
    column = sql.Identifier(target.owner_column)
    mine = sql.SQL("{} = {}").format(column, sql.Literal(users["owner"]))
    nobodys = sql.SQL("{} <> ALL ({}::uuid[])").format(column, sql.Literal(list(users.values())))
    return [("owner's", mine), ("strangers'", nobodys)]


def _count(conn: psycopg.Connection[Any], target: Target, condition: sql.Composable) -> Reach:
    query = sql.SQL("SELECT count(*) FROM {} AS t WHERE {}").format(target.identifier, condition)
    return _reach(conn, query)


def _reach(conn: psycopg.Connection[Any], query: sql.Composed) -> Reach:
    try:
        with conn.transaction():
            row = conn.execute(query).fetchone()
    except psycopg.Error as error:
        return Reach(None, error.sqlstate)
    return Reach(row[0] if row else None)


def _hidden_elsewhere(conn: psycopg.Connection[Any], target: Target, actor: Actor, seen: int) -> str | None:
    """Why rows that the actor sees here should be hidden: policies hide them where they come from."""
    if target.definition is not None:
        query = sql.SQL("SELECT count(*) FROM ({}) AS v").format(sql.SQL(target.definition))
        with acting(conn, actor):
            own, whole = _reach(conn, query), _reach(conn, _all(target))
        if own.sqlstate == "42501":
            return "its query is refused to the actor itself"
        if own.rows is not None and (whole.rows or 0) > own.rows:
            return f"its query gives the actor itself {own.rows} rows"
        return _other_values(conn, target, actor, seen)
    if not target.protected_parents:
        return None
    hidden = sql.SQL(" AND ").join(
        sql.SQL("NOT EXISTS (SELECT FROM {} WHERE {})").format(sql.SQL(parent), sql.SQL(match))
        for match, parent in (parent.split("\t") for parent in target.protected_parents)
    )
    with acting(conn, actor):
        query = sql.SQL("SELECT count(*) FROM {} AS t WHERE {}").format(target.identifier, hidden)
        orphans = _reach(conn, query)
    if target.row_security or not orphans.rows:
        return None
    return f"{orphans.rows} of its rows belong to rows that policies hide from the actor"


def _other_values(conn: psycopg.Connection[Any], target: Target, actor: Actor, seen: int) -> str | None:
    """Whether the view shows other values than its query gives the actor: sums of rows that policies hide.

    A query that gives the same actor other rows each time, such as one with random(), tells nothing.
    """
    assert target.definition is not None
    own, whole = sql.SQL(f"({target.definition})"), sql.SQL("(SELECT * FROM {})").format(target.identifier)
    count = sql.SQL(
        "SELECT count(*) FROM (SELECT a::text FROM {} AS a EXCEPT ALL SELECT b::text FROM {} AS b) AS d"
    )
    with acting(conn, actor):
        unsteady = _reach(conn, count.format(own, own))
        others = _reach(conn, count.format(whole, own))
    if unsteady.rows != 0 or not others.rows:
        return None
    return f"its query gives the actor itself other values in {others.rows} of {seen} rows"


def _may(conn: psycopg.Connection[Any], target: Target, actor: Actor, op: str) -> Reach:
    """Whether the actor may change a table that is empty: 0 rows where it may."""
    nothing = {
        "INSERT": sql.SQL("INSERT INTO {} DEFAULT VALUES"),
        "UPDATE": sql.SQL("UPDATE {} SET {} = NULL WHERE false"),
        "DELETE": sql.SQL("DELETE FROM {} WHERE false"),
    }
    columns = _writable(conn, target)
    if op == "UPDATE" and not columns:
        return Reach(None)
    query = nothing[op].format(target.identifier, sql.Identifier(columns[-1] if columns else ""))
    try:
        with acting(conn, actor):
            conn.execute(query)
    except psycopg.Error as error:
        if error.sqlstate == "42501":
            return Reach(None, error.sqlstate)
    return Reach(0)


def _writable(conn: psycopg.Connection[Any], target: Target) -> list[str]:
    rows = conn.execute(
        "SELECT attname::text FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a' ORDER BY attnum",
        [target.relation],
    )
    return [name for (name,) in rows.fetchall()]


def _all(target: Target) -> sql.Composed:
    return sql.SQL("SELECT count(*) FROM {}").format(target.identifier)


def _change(
    conn: psycopg.Connection[Any], target: Target, actor: Actor, op: str, condition: sql.Composable
) -> Reach:
    """Change one row, or insert a copy of it. What only a constraint stops, access allowed."""
    row = conn.execute(
        sql.SQL("SELECT ctid::text, to_json(t)::text FROM {} AS t WHERE {} LIMIT 1").format(
            target.identifier, condition
        )
    ).fetchone()
    columns = conn.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped "
        "AND attgenerated = '' ORDER BY attnum",
        [target.relation],
    ).fetchall()
    assert row is not None
    names = sql.SQL(", ").join(sql.Identifier(name) for (name,) in columns)
    if op == "INSERT":
        statement = sql.SQL("INSERT INTO {0} ({1}) SELECT {1} FROM json_populate_record(NULL::{0}, {2})")
        query = statement.format(target.identifier, names, sql.Literal(row[1]))
    elif op == "UPDATE":
        last = sql.Identifier(columns[-1][0])
        query = sql.SQL("UPDATE {0} SET {1} = {1} WHERE ctid = {2}").format(
            target.identifier, last, sql.Literal(row[0])
        )
    else:
        query = sql.SQL("DELETE FROM {} WHERE ctid = {}").format(target.identifier, sql.Literal(row[0]))
    try:
        with acting(conn, actor):
            return Reach(conn.execute(query).rowcount)
    except psycopg.Error as error:
        constrained = (error.sqlstate or "").startswith("23")
        return Reach(1) if constrained else Reach(None, error.sqlstate)


def _policy_costs(conn: psycopg.Connection[Any], actors: Sequence[Actor]) -> Iterator[PolicyCost]:
    """Count each table under row security as a user and as the migrating role."""
    user = next((actor for actor in actors if actor.name == "other user"), None)
    if user is None:
        return
    for target in _targets(conn):
        if not target.row_security:
            continue
        try:
            with acting(conn, user):
                slow, cost = _timed(conn, target), _planned(conn, target)
        except psycopg.Error:
            continue
        fast = _timed(conn, target)
        yield PolicyCost(target.relation, user.name, COUNTS, slow, fast, cost, _planned(conn, target))


def _timed(conn: psycopg.Connection[Any], target: Target) -> float:
    times = []
    for _ in range(COUNTS + 1):
        begin = time.perf_counter()
        conn.execute(_all(target))
        times.append(time.perf_counter() - begin)
    return statistics.median(times[1:])


def _planned(conn: psycopg.Connection[Any], target: Target) -> float | None:
    row = conn.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(_all(target))).fetchone()
    return float(row[0][0]["Plan"]["Total Cost"]) if row else None


USERS = "auth.users"
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Actor:
    name: str
    role: str
    user: str | None = None


def find_actors(conn: psycopg.Connection[Any]) -> tuple[Actor, ...]:
    """The roles anon, authenticated and service_role, as far as the server has them.

    Authenticated acts as three users, where ``auth.users`` has so many: owner and other user are the first
    two who are no administrators, admin is one by ``profiles.is_admin``.
    """
    rows = conn.execute(
        "SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role')"
    )
    roles = {name for (name,) in rows.fetchall()}
    actors = [Actor("anon", "anon")] if "anon" in roles else []
    if "authenticated" in roles:
        plain, admins = _users(conn)
        actors += [
            Actor(name, "authenticated", user)
            for name, user in zip(("owner", "other user"), plain, strict=False)
        ]
        actors += [Actor("admin", "authenticated", user) for user in admins]
    if "service_role" in roles:
        actors.append(Actor("service_role", "service_role"))
    return tuple(actors)


def _users(conn: psycopg.Connection[Any]) -> tuple[list[str], list[str]]:
    try:
        rows = conn.execute(
            "SELECT u.id::text, coalesce(p.is_admin, false) FROM auth.users u "
            "LEFT JOIN public.profiles p ON p.id = u.id ORDER BY u.id"
        ).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn):
        return [], []
    return [user for user, admin in rows if not admin][:2], [user for user, admin in rows if admin][:1]


@contextmanager
def acting(conn: psycopg.Connection[Any], actor: Actor) -> Iterator[None]:
    """A transaction as somebody else, rolled back at the end."""
    with conn.transaction(force_rollback=True):
        claims = {"role": actor.role} | ({"sub": actor.user} if actor.user else {})
        conn.execute(
            "SELECT set_config('request.jwt.claim.sub', %s, true), "
            "set_config('request.jwt.claims', %s, true), set_config('statement_timeout', %s, true)",
            [actor.user or "", json.dumps(claims), f"{TIMEOUT_S}s"],
        )
        conn.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(actor.role)))
        yield
