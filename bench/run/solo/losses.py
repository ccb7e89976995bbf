"""What the deploy took away: the catalog before and after it, and the rows of what is gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.model.loss import Gone, InvalidIndex
from bench.pg.catalog import load_query

Key = tuple[str, int, int]
"""Catalog, oid and, for a column, its number."""


@dataclass(frozen=True, slots=True)
class CatalogObject:
    """One object of a user."""

    kind: str
    name: str
    table_oid: int
    """The table that it belongs to, for a partition the one that it is part of; else 0."""
    columns: frozenset[str]
    secured: bool
    """A table with row security on."""
    valid: bool
    """False for an index that is not."""
    key: tuple[str, ...] = ()
    """In order, of a foreign key, and of what finds rows by them: an index over all rows, a key."""
    owner: str | None = None
    """None for a superuser, who stands here for whoever deploys."""
    privileges: frozenset[str] = frozenset()
    """``SELECT to app``; those of others than the owner."""
    traits: frozenset[str] = frozenset()
    """What else one that is made again may lack, as SQL has it; of an enum its labels."""
    definition: str | None = None
    """The type of a column, the rule of a constraint, what a function returns."""

    @property
    def bare(self) -> str:
        """Its name without those of what it is in."""
        return self.name.partition("(")[0].rpartition(".")[2]


_OF_PARENT = frozenset({"column", "default", "constraint", "foreign key", "trigger"})
"""Kinds that a partition has from the table that it is part of."""

Objects = Mapping[Key, CatalogObject]


def read_objects(conn: psycopg.Connection[TupleRow]) -> Objects:
    """The objects of users that there are."""
    rows = conn.execute(load_query("objects", conn.info.server_version)).fetchall()
    return {(catalog, oid, sub): _object(*rest) for catalog, oid, sub, *rest in rows}


def _object(
    kind: str, name: str, table_oid: int, columns: list[str], secured: bool, valid: bool, *more: Any
) -> CatalogObject:
    key, owner, privileges, traits, definition = more
    return CatalogObject(
        kind,
        name,
        table_oid,
        frozenset(columns),
        secured,
        valid,
        tuple(key),
        owner,
        frozenset(privileges),
        frozenset(traits),
        definition,
    )


def gone_between(before: Objects, after: Objects) -> tuple[Gone, ...]:
    """What is gone, in the order of kinds and names, without its rows; what goes with a table is left out.

    Columns, constraints, triggers, policies and partitions of a table that is gone are not listed: they were
    parts of it. A foreign key of another table that refers to it is. Nor are columns, defaults, constraints
    and triggers of what was a partition before: they go with those of the table that it is part of.
    """
    missing = frozenset(before.keys() - after.keys())
    losses = [_gone(key, before, after) for key in sorted(missing) if not _is_part(key, before, missing)]
    return tuple(sorted(losses, key=lambda gone: (gone.kind, gone.name, gone.table or "")))


def _is_part(key: Key, before: Objects, missing: Collection[Key]) -> bool:
    table = ("pg_class", before[key].table_oid, 0)
    if table not in before:
        return False
    return table in missing or (before[key].kind in _OF_PARENT and before[table].table_oid != 0)


def _gone(key: Key, before: Objects, after: Objects) -> Gone:
    lost = before[key]
    table = before.get(("pg_class", lost.table_oid, 0))
    there = [part for part in after.values() if part.table_oid == lost.table_oid]
    columns = {part.name.rpartition(".")[2] for part in there if part.kind == "column"}
    same_table = {part.name for part in there if part.kind == lost.kind}
    anywhere = {part.name for part in after.values() if part.kind == lost.kind}
    on_table = lost.kind in ("constraint", "foreign key", "policy", "trigger", "rule", "default")
    secured = after.get(("pg_class", lost.table_oid, 0))
    return Gone(
        kind=lost.kind,
        name=lost.name,
        table=table.name if table else None,
        columns=tuple(sorted(lost.columns)) if lost.kind != "column" else (),
        columns_left=bool(lost.columns & columns),
        again=lost.name in (same_table if on_table else anywhere),
        unguarded=lost.kind == "policy"
        and secured is not None
        and secured.secured
        and not any(part.kind == "policy" for part in there),
    )


def invalid_between(before: Objects, after: Objects) -> tuple[InvalidIndex, ...]:
    """The indexes that are not valid before or after."""
    keys = [key for key in {**before, **after} if not all(s[key].valid for s in (before, after) if key in s)]
    return tuple(
        InvalidIndex(
            name=part.name,
            table=_table_name(part, before, after),
            before=key in before and not before[key].valid,
            after=key in after and not after[key].valid,
            partitioned=part.kind == "partitioned index",
        )
        for key in sorted(keys)
        for part in [after.get(key) or before[key]]
    )


def _table_name(index: CatalogObject, before: Objects, after: Objects) -> str:
    key = ("pg_class", index.table_oid, 0)
    table = after.get(key) or before.get(key)
    return table.name if table else ""


def is_counted(gone: Gone) -> bool:
    """Whether it held rows that are to be counted."""
    return gone.kind in ("table", "column")


def count_before(conn: psycopg.Connection[TupleRow], gone: Iterable[Gone]) -> Iterator[Gone]:
    """Put in how many rows tables and columns hold in this database, which is as before the deploy."""
    for loss in gone:
        yield replace(loss, rows=_rows(conn, loss)) if is_counted(loss) else loss


def count_after(conn: psycopg.Connection[TupleRow], gone: Iterable[Gone]) -> Iterator[Gone]:
    """Put in how many rows those hold that have the names now."""
    for loss in gone:
        yield replace(loss, rows_after=_rows(conn, loss)) if is_counted(loss) and loss.again else loss


def _rows(conn: psycopg.Connection[TupleRow], gone: Gone) -> int | None:
    """None where it cannot be read, for want of a privilege."""
    relation = gone.table if gone.kind == "column" else gone.name
    schema, _, name = (relation or "").partition(".")
    what = sql.SQL("*") if gone.kind == "table" else sql.Identifier(gone.name[len(relation or "") + 1 :])
    try:
        with conn.transaction():
            row = conn.execute(
                sql.SQL("SELECT count({}) FROM {}").format(what, sql.Identifier(schema, name))
            ).fetchone()
    except psycopg.errors.ProgrammingError:
        return None
    return int(row[0]) if row else None
