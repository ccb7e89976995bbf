"""Which databases are ours: a mark in the comment, and a lock that the owner holds while it lives."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import psycopg

from bench.pg.catalog import load_query

TOOL = "pgrehearse"


@dataclass(frozen=True, slots=True)
class Mark:
    """The comment on a database of ours."""

    purpose: str
    owner: str
    """Token of the run that made it."""

    def encode(self) -> str:
        return json.dumps({"tool": TOOL, "purpose": self.purpose, "owner": self.owner})


def read_mark(comment: str | None) -> Mark | None:
    """Return the mark that a comment is, or None for any other comment."""
    try:
        fields = json.loads(comment or "")
    except ValueError:
        return None
    if not isinstance(fields, dict) or fields.get("tool") != TOOL:
        return None
    purpose, owner = fields.get("purpose"), fields.get("owner")
    return Mark(purpose, owner) if isinstance(purpose, str) and isinstance(owner, str) else None


def _key(token: str) -> int:
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big")


def hold_ownership(conn: psycopg.Connection[Any], token: str) -> None:
    """Take the advisory lock that says the owner of a token lives, for as long as the connection stands."""
    if conn.info.server_version >= 140000:
        conn.execute("SET idle_session_timeout = 0")
    conn.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(_key(token).to_bytes(8, "big"), signed=True)])


def owner_lives(conn: psycopg.Connection[Any], token: str) -> bool:
    """Tell whether somebody holds a token's lock, on whatever host and in whatever database of the server."""
    halves = {"high": _key(token) >> 32, "low": _key(token) & 0xFFFFFFFF}
    row = conn.execute(load_query("owner_lives", conn.info.server_version), halves).fetchone()
    return bool(row and row[0])
