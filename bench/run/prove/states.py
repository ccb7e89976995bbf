"""Comparing two databases of one server: object by object, and rows by key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg

from bench.model.proof import Change, CreatedObjects, Difference
from bench.pg.catalog import describe_schema
from bench.pg.contents import (
    Contents,
    ContentTable,
    Volatile,
    column_sums,
    filled_rows,
    read_contents,
    read_rows,
    read_tables,
    read_values,
)
from bench.pg.server import Server

KEYS_SHOWN = 5
KEYS_PAIRED = 20_000
"""Rows with generated keys, to be told by their other values."""
KEYS_COMPARED = 1000
"""Of changed rows, to find the columns that changed."""
TEXT_SHOWN = 400


@dataclass(frozen=True, slots=True)
class State:
    """A database as it was: schema and contents. Where sequences stand does not count for equality."""

    dbname: str = field(compare=False)
    schema: dict[str, str]
    tables: dict[str, Any]
    sequences: dict[str, str] = field(compare=False, default_factory=dict)


def read_state(server: Server, dbname: str, volatile: Volatile | None = None) -> State:
    """Read schema and contents of a database, without its ``volatile`` columns."""
    with server.connect(dbname, application_name="pgrehearse state") as conn:
        return state_of(conn, dbname, volatile)


def state_of(conn: psycopg.Connection[Any], dbname: str, volatile: Volatile | None = None) -> State:
    """The same, over a connection that is open and in no transaction."""
    contents: Contents = read_contents(conn, volatile)
    return State(dbname, describe_schema(conn), dict(contents.tables), contents.sequences)


def compare(
    server: Server, expected: State, state: State, volatile: Volatile | None = None
) -> tuple[Difference, ...]:
    """What ``found`` has other than ``expected``; both databases must still be as they were then.

    Rows are compared in the columns that both have: a column too much or too few is a schema's difference.
    A sequence that has only moved on is none.
    """
    if expected == state:
        return tuple(_sequences(expected, state))
    return (
        *_with_values(server, expected, schema_differences(expected.schema, state.schema)),
        *_contents(server, expected, state, volatile or {}),
        *_sequences(expected, state),
    )


def _with_values(server: Server, expected: State, differences: Iterable[Difference]) -> Iterator[Difference]:
    """The same, with the rows of tables, and the values of columns, that are gone."""
    gone = list(differences)
    if not any(_holds_rows(difference) for difference in gone):
        yield from gone
        return
    with server.connect(expected.dbname) as conn:
        tables = read_tables(conn)
        columns = {
            f"column {t.name}.{quoted}": (t, c) for t in tables.values() for c, quoted in _quoted(conn, t)
        }
        for difference in gone:
            if not _holds_rows(difference):
                yield difference
            elif difference.object in columns:
                yield replace(difference, rows=filled_rows(conn, *columns[difference.object]))
            else:
                table = expected.tables.get(difference.object.removeprefix("table "))
                yield replace(difference, rows=table.rows if table is not None else None)


def _holds_rows(difference: Difference) -> bool:
    return difference.change == "removed" and difference.object.startswith(("column ", "table "))


def _quoted(conn: psycopg.Connection[Any], table: ContentTable) -> list[tuple[str, str]]:
    names = list(table.columns)
    return conn.execute("SELECT n, quote_ident(n) FROM unnest(%s::text[]) n", [names]).fetchall()


KINDS = (
    "table", "foreign table", "view", "materialized view", "index", "function", "procedure", "aggregate",
    "trigger", "policy", "type", "schema", "extension",
)  # fmt: skip


def created_objects(migration: str, before: State, after: State) -> CreatedObjects:
    """What the state after has by name, and the one before has not."""
    names = after.schema.keys() - before.schema.keys()
    keys = {_index_of_key(name) for name in names if name.startswith("constraint ")}
    counts = dict.fromkeys(KINDS, 0)
    key_indexes = 0
    for name in names:
        kind = max((kind for kind in KINDS if name.startswith(f"{kind} ")), key=len, default=None)
        if name in keys:
            key_indexes += 1
        elif kind is not None:
            counts[kind] += 1
    return CreatedObjects(migration, {kind: n for kind, n in counts.items() if n}, key_indexes)


def _index_of_key(constraint: str) -> str:
    """The name of the index that a key of this name has: ``constraint s.t.k`` → ``index s.k``."""
    relation, _, name = constraint.removeprefix("constraint ").rpartition(".")
    return f"index {relation.rpartition('.')[0]}.{name}"


def schema_differences(expected: dict[str, str], found: dict[str, str]) -> Iterator[Difference]:
    """Objects that only one of the schemas has, or that are not the same in both."""
    for name in sorted(expected.keys() | found.keys()):
        before, after = expected.get(name), found.get(name)
        if after is None:
            yield Difference("schema", name, "removed", before=_shorten(before))
        elif before is None:
            yield Difference("schema", name, "added", after=_shorten(after))
        elif before != after:
            old, new = before.splitlines(), after.splitlines()
            yield Difference(
                "schema",
                name,
                "changed",
                before=_shorten("\n".join(line for line in old if line not in new)),
                after=_shorten("\n".join(line for line in new if line not in old)),
            )


def volatile_columns(server: Server, one: State, other: State) -> dict[str, frozenset[str]]:
    """Columns in which two runs of the same migrations on the same data do not agree."""
    volatile: dict[str, frozenset[str]] = {}
    with server.connect(one.dbname) as left, server.connect(other.dbname) as right:
        ours, theirs = read_tables(left), read_tables(right)
        for name in one.tables.keys() & other.tables.keys():
            if one.tables[name] != other.tables[name]:
                sums, others = column_sums(left, ours[name]), column_sums(right, theirs[name])
                volatile[name] = frozenset(column for column in sums if sums[column] != others.get(column))
    return volatile


def _contents(server: Server, expected: State, state: State, volatile: Volatile) -> Iterator[Difference]:
    names = [
        name
        for name in sorted(expected.tables.keys() & state.tables.keys())
        if expected.tables[name] != state.tables[name]
    ]
    if not names:
        return
    with server.connect(expected.dbname) as left, server.connect(state.dbname) as right:
        ours, theirs = read_tables(left), read_tables(right)
        for name in names:
            told_apart = volatile.get(name, ())
            shared = tuple(
                column
                for column in ours[name].columns
                if column in theirs[name].columns and column not in told_apart
            )
            yield from _rows(left, right, ours[name], theirs[name], shared)


def _rows(
    left: psycopg.Connection[Any],
    right: psycopg.Connection[Any],
    ours: ContentTable,
    theirs: ContentTable,
    columns: tuple[str, ...],
) -> Iterator[Difference]:
    before = list(read_rows(left, ours, columns))
    after = list(read_rows(right, theirs, columns))
    if not ours.key or ours.key != theirs.key:
        yield from _unkeyed(ours.name, Counter(row for _, row in before), Counter(row for _, row in after))
        return
    old, new = dict(before), dict(after)
    removed = [key for key in old if key not in new]
    added = [key for key in new if key not in old]
    if not set(ours.key) <= set(columns):  # the same row may have come with another generated key
        removed, added = _unpaired(removed, old, new, added), _unpaired(added, new, old, removed)
        if 0 < len(removed) <= KEYS_PAIRED and 0 < len(added) <= KEYS_PAIRED:
            were, are = read_values(left, ours, columns, removed), read_values(right, theirs, columns, added)
            pairs, others = paired(were, are)
            if pairs:
                yield Difference(
                    "rows",
                    ours.name,
                    "changed",
                    rows=len(pairs),
                    keys=_first(list(pairs)),
                    columns=tuple(columns[position] for position in others),
                )
            removed = [key for key in removed if key not in pairs]
            added = [key for key in added if key not in pairs.values()]
    changed = [key for key, row in old.items() if key in new and new[key] != row]
    parted: tuple[tuple[Change, list[str]], ...] = (("removed", removed), ("added", added))
    for change, keys in parted:
        if keys:
            yield Difference("rows", ours.name, change, rows=len(keys), keys=_first(keys))
    if changed:
        some = changed[:KEYS_COMPARED]
        were, are = read_values(left, ours, columns, some), read_values(right, theirs, columns, some)
        yield Difference(
            "rows",
            ours.name,
            "changed",
            rows=len(changed),
            keys=_first(changed),
            columns=tuple(
                column
                for position, column in enumerate(columns)
                if any(were[key][position] != are[key][position] for key in some)
            ),
        )


def paired(
    were: Mapping[str, Sequence[object]], are: Mapping[str, Sequence[object]]
) -> tuple[dict[str, str], tuple[int, ...]]:
    """Rows whose key is generated, by the values that tell them apart and are the same on both sides.

    Returns the keys there and here, and the positions of the columns that have other values.
    """
    width = len(next(iter(were.values())))
    counts = [
        (Counter(row[n] for row in were.values()), Counter(row[n] for row in are.values()))
        for n in range(width)
    ]
    same = [n for n, (before, after) in enumerate(counts) if before <= after or after <= before]
    here = {tuple(row[n] for n in same): key for key, row in are.items()}
    there = {tuple(row[n] for n in same): key for key, row in were.items()}
    if not same or len(here) < len(are) or len(there) < len(were):  # they tell no row from the next
        return {}, ()
    pairs = {key: here[values] for values, key in there.items() if values in here}
    return pairs, tuple(
        n for n in range(width) if any(were[key][n] != are[other][n] for key, other in pairs.items())
    )


def _unpaired(
    keys: list[str], own: Mapping[str, int], others: Mapping[str, int], other_keys: list[str]
) -> list[str]:
    """The keys of rows that no row of the other side equals in all but the key."""
    left = Counter(others[key] for key in other_keys)
    alone = []
    for key in keys:
        if left[own[key]]:
            left[own[key]] -= 1
        else:
            alone.append(key)
    return alone


def _first(keys: list[str]) -> tuple[str, ...]:
    return tuple(sorted(keys)[:KEYS_SHOWN])


def _unkeyed(name: str, before: Counter[Any], after: Counter[Any]) -> Iterator[Difference]:
    """Rows without a key cannot be followed: they are there, or not."""
    if lost := (before - after).total():
        yield Difference("rows", name, "removed", rows=lost)
    if new := (after - before).total():
        yield Difference("rows", name, "added", rows=new)


def _sequences(expected: State, state: State) -> Iterator[Difference]:
    for name in sorted(expected.sequences.keys() & state.sequences.keys()):
        before, after = expected.sequences[name], state.sequences[name]
        if before != after and (before.isdigit() and (not after.isdigit() or int(after) < int(before))):
            yield Difference("sequence", name, "changed", before=before, after=after)


def _shorten(text: str | None) -> str | None:
    if text is None or len(text) <= TEXT_SHOWN:
        return text
    return text[:TEXT_SHOWN] + " …"
