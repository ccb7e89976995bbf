"""The table in which a migration tool notes what it has applied, read from a database or a dump."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar

from psycopg import sql

from bench.errors import UsageError
from bench.pg.endpoint import Endpoint

Row = Mapping[str, str | None]
Found = TypeVar("Found", bound=tuple[Any, ...])
_COPY = re.compile(r"COPY (?P<table>.+?) \((?P<columns>.*)\) FROM stdin;\Z")
_NAME = re.compile(r'"(?:[^"]|"")*"|[^".,\s]+')
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(r"\\(.)")


def read_notes(endpoint: Endpoint, table: str, columns: Sequence[str]) -> tuple[str, tuple[Row, ...]]:
    """Name with schema and rows of a table in any schema, read in a read-only transaction; values as texts.

    Rows come in the order of the first column. UsageError: there is no such table, or several.
    """
    with closing(endpoint.connect()) as conn:
        conn.execute("SET default_transaction_read_only = on")
        tables = conn.execute(
            "SELECT n.nspname, array_agg(a.attname::text) FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
            "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' GROUP BY 1 ORDER BY 1",
            (table,),
        ).fetchall()
        database = conn.info.dbname
        schema, there = _only(tables, table, f"database {database}")
        chosen = [name for name in columns if name in there]
        rows = conn.execute(
            sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
                sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in chosen),
                sql.Identifier(schema, table),
                sql.Identifier(chosen[0]),
            )
        ).fetchall()
    return f"{schema}.{table}", tuple(dict(zip(chosen, row, strict=True)) for row in rows)


def notes_in_script(lines: Iterator[str], table: str, place: str) -> tuple[str, tuple[Row, ...]]:
    """The same from the lines of a plain dump, whose rows follow a COPY."""
    noted: list[tuple[str, tuple[Row, ...]]] = []
    for line in lines:
        head = _COPY.match(line.rstrip("\n")) if line.startswith("COPY ") else None
        if head is None:
            continue
        names = [_plain(part) for part in _NAME.findall(head["table"])]
        columns = [_plain(part) for part in _NAME.findall(head["columns"])]
        rows = list(_rows(lines, columns, keep=names[-1] == table))
        if names[-1] == table:
            noted.append((".".join(names), tuple(rows)))
    return _only(noted, table, place)


def _rows(lines: Iterator[str], columns: Sequence[str], *, keep: bool) -> Iterator[Row]:
    for line in lines:
        if line.rstrip("\n") == "\\.":
            return
        if keep:
            values = line.rstrip("\n").split("\t")
            yield dict(zip(columns, map(_value, values), strict=True))


def _value(text: str) -> str | None:
    """A field of COPY's text format. https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2"""
    return None if text == "\\N" else _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text)


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _only(tables: Sequence[Found], table: str, place: str) -> Found:
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise UsageError(
            f"{place} has no table {table}, in which the migration tool notes what it has applied",
            "name another database, or the last version that is deployed: --from VERSION",
        )
    raise UsageError(
        f"{place} has {len(tables)} tables {table}, in {', '.join(str(name) for name, *_ in tables)}",
        "name the last version that is deployed instead: --from VERSION",
    )
