"""What a database's schema is, object by object, for comparing two databases."""

from __future__ import annotations

from typing import Any

import psycopg

from bench.pg.catalog import load_query

PARTS = (
    "schemas",
    "relations",
    "columns",
    "constraints",
    "indexes",
    "functions",
    "triggers",
    "rules",
    "policies",
    "sequences",
    "types",
    "extensions",
    "comments",
    "settings",
    "others",
)


def describe_schema(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """Return every object of the schemas that are not the system's: its identity → its definition.

    Independent of object numbers and of the order in which objects were made, so that two databases of one
    server have equal schemas exactly where their descriptions are equal. Where a sequence stands is data.
    """
    described: dict[str, str] = {}
    with conn.transaction(force_rollback=True):  # also a caller's transaction keeps its search_path
        conn.execute("SET LOCAL search_path = ''")  # so that every name is written with its schema
        for part in PARTS:
            query = load_query(f"schema_{part}", conn.info.server_version)
            described.update(conn.execute(query).fetchall())
    return dict(sorted(described.items()))
