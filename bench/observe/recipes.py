"""What an application does with a table, as SQL: the commands that a probe tries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from psycopg import sql

ATTEMPTS = 30
"""So many rows are tried before an INSERT is taken as it is, refused by the table's constraints."""
FEW_ROWS = 100
"""A table of so many rows is updated and deleted from as a whole, a larger one in a row or two."""
_LITERAL = re.compile(r"'((?:[^']|'')*)'|\b(\d+(?:\.\d+)?)\b")


@dataclass(frozen=True, slots=True)
class Column:
    """A column, and what a new row must have in it."""

    oid: int
    """Of its table."""
    name: str
    type: str
    category: str
    """pg_type.typcategory of its type or, for a domain, of the type below it."""
    label: str | None
    """The first label of an enum."""
    not_null: bool
    has_default: bool
    generated: bool
    identity_always: bool
    numbered: bool
    """Its default is the next number of a sequence, which no rollback gives back."""
    in_key: bool
    """Part of a unique or exclusion key."""
    references_other: bool
    """Part of a foreign key."""
    in_partition_key: bool
    checks: list[str]
    """Definitions of the CHECK constraints that it is part of."""


def rows_to_try(
    columns: Sequence[Column], sample: Mapping[str, str | None], fresh: int
) -> Iterator[dict[str, str]]:
    """New rows, values as text by column, to be tried until the table takes one; the likeliest come first.

    ``sample`` is a row that the table has, empty for an empty table; ``fresh`` a number that makes keys new.
    A column that is left out takes its default. A key that a sequence numbers is given a number, since the
    migration may rely on the next one, as a runner in code does that was recorded.
    """
    for attempt in range(ATTEMPTS):
        yield {
            column.name: value
            for column in columns
            if not column.generated
            and (column.in_key or not column.identity_always)
            and (value := _value(column, sample, attempt, fresh)) is not None
        }


def insert_row(table: sql.Identifier, row: Mapping[str, str]) -> sql.Composed:
    """The INSERT of a row; a number for an identity column is taken, whatever the column says."""
    if not row:
        return sql.SQL("INSERT INTO {} DEFAULT VALUES").format(table)
    return sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({})").format(
        table,
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Literal, row.values())),
    )


def _value(column: Column, sample: Mapping[str, str | None], attempt: int, fresh: int) -> str | None:
    """The column's value in a new row; None leaves it to its default."""
    present = sample.get(column.name)
    if column.in_key and not (column.in_partition_key and attempt % 2 == 0 and present is not None):
        has_own = column.has_default and not column.numbered
        return None if has_own and attempt == 0 else _new_key(column, present, attempt, fresh)
    if column.references_other:
        return present if present is not None else _new_key(column, present, attempt, fresh)
    if column.has_default or (present is None and not column.not_null):
        return None
    if present is not None:
        return present
    allowed: list[str] = [
        quoted or number for check in column.checks for quoted, number in _LITERAL.findall(check)
    ]
    candidates = [*allowed, _plain(column, attempt, fresh)]
    return candidates[attempt % len(candidates)]


def _new_key(column: Column, present: str | None, attempt: int, fresh: int) -> str:
    """A value that no row has, with near certainty; near one that a row has where that is needed."""
    if column.category == "N":
        near = present if present is not None and present.lstrip("-").isdecimal() else "0"
        if attempt % 3 == 1:
            return str(int(near) + 1 + attempt)
        if attempt % 3 == 2:
            return str(30_000 + fresh % 2_000 + attempt)
        return str(1_000_000_000 + fresh % 1_000_000_000 + attempt)
    if column.category == "D" and present is not None and attempt % 2 == 0:
        return present
    return _plain(column, attempt, fresh)


def _plain(column: Column, attempt: int, fresh: int) -> str:
    """A value of the column's type."""
    token = f"{fresh + attempt:x}"
    match column.category:
        case "N":
            return str(attempt if attempt < 5 else fresh % 30_000)
        case "B":
            return "true"
        case "E":
            return column.label or ""
        case "D":
            return f"20{10 + attempt % 80}-01-{1 + fresh % 28:02d}"
        case "T":
            return "1 day"
        case "A":
            return "{}"
        case "R":
            return "empty"
        case "I":
            return f"10.{fresh // 65536 % 256}.{fresh // 256 % 256}.{fresh % 256}"
        case "G":
            return "(0,0)"
    if column.type == "uuid":
        return f"{fresh + attempt:032x}"
    if column.type in ("json", "jsonb"):
        return "{}"
    if column.type == "bytea":
        return f"\\x{token.zfill(len(token) + len(token) % 2)}"
    length = re.search(r"\((\d+)\)", column.type)
    return token[-int(length[1]) :] if length else token


def settable(columns: Sequence[Column]) -> Column | None:
    """The column that an UPDATE sets to what it is: if possible one of no key; None if none can be set."""
    free = [column for column in columns if not column.generated and not column.identity_always]
    plain = [each for each in free if not (each.in_key or each.references_other or each.in_partition_key)]
    return next(iter(plain or free), None)


def rows_clause(table: sql.Identifier, rows: int, xid: int | None) -> sql.Composable:
    """Which rows to touch: all of a few, else one that a transaction keeps locked, if any, and another one.

    ``xid``: of that transaction; those of its subtransactions are higher. None where it has none.
    """
    if rows <= FEW_ROWS:
        return sql.SQL("")
    choices = [sql.SQL("(SELECT tableoid, ctid FROM {} LIMIT 1)").format(table)]
    if xid is not None:
        choices.append(_LOCKED_ROW.format(table, sql.Literal(xid)))
    return sql.SQL(" WHERE (tableoid, ctid) IN (SELECT * FROM ({}) AS chosen)").format(
        sql.SQL(" UNION ALL ").join(choices)
    )


# Where nobody locks a row any more, its xmax is of a transaction that has ended.
_LOCKED_ROW = sql.SQL(
    "(SELECT tableoid, ctid "
    "FROM {}, (SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint) AS snapshot(newest) "
    "WHERE CASE WHEN xmax::text::bigint >= {} THEN pg_xact_status("
    "(newest - newest % 4294967296 + xmax::text::bigint)::text::xid8) = 'in progress' ELSE false END LIMIT 1)"
)
