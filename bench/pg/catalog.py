"""The SQL that we send to the catalog, one file per query; and a schema by its objects."""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import Any

import psycopg

QUERIES = resources.files("bench.pg") / "queries"


@functools.cache
def load_query(name: str, version_num: int) -> str:
    """Return ``queries/<name>.sql``, or the highest ``<name>.pgNN.sql`` that the server's version reaches.

    ``version_num`` is the server's ``server_version_num``. LookupError if no variant fits.
    """
    variants: dict[int, str] = {}
    for file in QUERIES.iterdir():
        match = re.fullmatch(rf"{re.escape(name)}(?:\.pg(\d+))?\.sql", file.name)
        if match:
            variants[int(match.group(1) or 0)] = file.name
    fitting = [major for major in variants if major <= version_num // 10000]
    if not fitting:
        raise LookupError(f"no query {name} for server version {version_num}")
    return (QUERIES / variants[max(fitting)]).read_text(encoding="utf-8")


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
