"""What hangs on columns whose type a statement changed: whoever puts others in their place must know it."""

from __future__ import annotations

from contextlib import suppress

import psycopg
from psycopg.rows import TupleRow, class_row

from bench.analyse.remedies.alter import retyped_columns
from bench.model.statement import Hanging
from bench.pg.catalog import load_query


def read_hanging(conn: psycopg.Connection[TupleRow], text: str) -> tuple[Hanging, ...] | None:
    """After an ALTER TABLE … TYPE in its own open transaction; None where the text is no such statement."""
    retyped = retyped_columns(text)
    if retyped is None:
        return None
    table, columns = retyped
    with (
        suppress(psycopg.errors.QueryCanceled),  # by a timeout of the migration's own: it is then not known
        conn.transaction(force_rollback=True),
        conn.cursor(row_factory=class_row(Hanging)) as cursor,
    ):
        found = conn.execute("SELECT to_regclass(%s)::oid", [table]).fetchone()
        if found is None or found[0] is None:
            return None
        conn.execute("SET LOCAL search_path = ''")  # so that every name is written with its schema
        query = load_query("hanging_on_columns", conn.info.server_version)
        parameters = {"table": found[0], "columns": list(columns)}
        return tuple(cursor.execute(query, parameters).fetchall())
    return None
