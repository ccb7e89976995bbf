"""Extensions that migrations take for granted: each is dropped from a copy, and the suite applied there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg
from psycopg import sql

from bench.model.proof import ExtensionNeed
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.prove.chain import Script
from bench.run.prove.play import play

_MISSING = ("42883", "42704", "42P01")
"""SQLSTATE: undefined function, undefined object, undefined table."""


def extension_needs(server: Server, before: str, scripts: Sequence[Script]) -> Iterator[ExtensionNeed]:
    """Those of a database whose absence a migration does not survive.

    One that objects of the state before depend on is taken for granted by that state, and left.
    """
    with server.connect(before) as conn:
        rows = conn.execute("SELECT extname::text FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1")
        names = [name for (name,) in rows.fetchall()]
    for name in names:
        with temporary_database(server, "without", before) as dbname:
            try:
                with server.connect(dbname) as conn:
                    conn.execute(sql.SQL("DROP EXTENSION {}").format(sql.Identifier(name)))
            except psycopg.Error:
                continue
            need = _failing(server, dbname, name, scripts)
        if need is not None:
            yield need


def _failing(server: Server, dbname: str, name: str, scripts: Sequence[Script]) -> ExtensionNeed | None:
    for script in scripts:
        error = play(server, dbname, script.forward).error
        if error is not None:
            return ExtensionNeed(name, script.migration.id, error) if error.sqlstate in _MISSING else None
    return None
