"""Who tries: the platform's roles, and two users and an administrator of the application."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

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
    found = [Actor("anon", "anon")] if "anon" in roles else []
    if "authenticated" in roles:
        plain, admins = _users(conn)
        found += [
            Actor(name, "authenticated", user)
            for name, user in zip(("owner", "other user"), plain, strict=False)
        ]
        found += [Actor("admin", "authenticated", user) for user in admins]
    if "service_role" in roles:
        found.append(Actor("service_role", "service_role"))
    return tuple(found)


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
