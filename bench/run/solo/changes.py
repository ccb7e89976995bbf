"""What the deploy left in another shape: objects made again, renamed, detached, of another type or rule.

Compared are the catalogs before and after it, by oid and by name. What is gone altogether is
:mod:`bench.run.solo.losses`'.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.model.loss import Changed, ValueCounts
from bench.run.solo.losses import CatalogObject, Key, Objects

_RELATIONS = frozenset({"table", "view", "materialized view", "foreign table"})
_CALLED = frozenset({*_RELATIONS, "function", "procedure", "column"})
"""Kinds that requests name."""
_MADE_AGAIN = frozenset({*_RELATIONS, "sequence", "function", "procedure"})
_BY_SERVER = ("trigger", "event_trigger")
"""What a function returns that the server calls, and no request."""
_LISTED = re.compile(r"'((?:[^']|'')*)'::")
_IS_LIST = re.compile(r"= ANY \(+ARRAY\[")
_ROW_SECURITY, _FORCED = "row security", "forced row security"


def changed_between(before: Objects, after: Objects) -> tuple[Changed, ...]:
    """What is there in another shape, in the order of names, without counts of rows and values."""
    places = _by_name(after)
    changes = [
        *_made_again(before, after, places),
        *_names_gone(before, after, places),
        *_parts(before, after),
        *_secured(before, after),
        *_unindexed(before, after),
        *_narrowed(before, after),
    ]
    return tuple(sorted(changes, key=lambda changed: (changed.what, changed.name)))


def _family(thing: CatalogObject) -> str:
    """Relations share their names."""
    return "relation" if thing.kind in _RELATIONS else thing.kind


def _by_name(objects: Objects) -> Mapping[tuple[str, str], Key]:
    return {(_family(thing), thing.name): key for key, thing in objects.items() if thing.kind in _MADE_AGAIN}


def _made_again(before: Objects, after: Objects, places: Mapping[tuple[str, str], Key]) -> Iterator[Changed]:
    """What another object has the name of, with what that one lacks and what it opens."""
    for key, old in before.items():
        other = places.get((_family(old), old.name)) if old.kind in _MADE_AGAIN else None
        if other is None or other == key:
            continue
        new = after[other]
        lost = [*sorted(_lost_rights(old, new)), *_lost_parts(key, other, before, after)]
        opened = sorted(new.privileges - old.privileges)
        if lost or opened:
            yield Changed("made-again", old.kind, old.name, lost=tuple(lost), opened=tuple(opened))


def _lost_rights(old: CatalogObject, new: CatalogObject) -> Iterator[str]:
    """Privileges, traits, and an owner where the new one has another that is no superuser."""
    for privilege in old.privileges - new.privileges:
        if not privilege.endswith(f" to {new.owner}"):
            yield privilege
    if new.kind == old.kind:
        yield from old.traits - new.traits
    if old.owner and new.owner and old.owner != new.owner:
        yield f"owner {old.owner}"


def _lost_parts(key: Key, other: Key, before: Objects, after: Objects) -> Iterator[str]:
    """What belonged to a table and has no like in the new one; nothing where one of them is no table."""
    if before[key].kind != "table" or after[other].kind != "table":
        return
    there = {_part(thing) for thing in after.values() if thing.table_oid == other[1]}
    columns = {thing.bare: thing for thing in _columns(after, other[1])}
    for part in sorted({_part(thing) for thing in before.values() if thing.table_oid == key[1]} - there):
        if part:
            yield part
    for column in _columns(before, key[1]):
        new = columns.get(column.bare)
        if new is not None:
            yield from (f"{trait} of column {column.bare}" for trait in sorted(column.traits - new.traits))
            yield from (
                f"{privilege} of column {column.bare}"
                for privilege in sorted(column.privileges - new.privileges)
            )


def _columns(objects: Objects, table_oid: int) -> Iterator[CatalogObject]:
    return (thing for thing in objects.values() if thing.kind == "column" and thing.table_oid == table_oid)


def _part(thing: CatalogObject) -> str:
    """What it is called as a part of its table: indexes and constraints by what they do, not by name."""
    if thing.kind in ("index", "partitioned index"):
        return f"index on ({', '.join(thing.key or sorted(thing.columns))})"
    if thing.kind in ("constraint", "foreign key"):
        return thing.definition or ""
    if thing.kind in ("column", "default", "policy", "trigger", "rule"):
        return f"{thing.kind} {thing.bare}"
    return ""


def _names_gone(before: Objects, after: Objects, places: Mapping[tuple[str, str], Key]) -> Iterator[Changed]:
    """Names that requests may have in them and nothing has any more; by a rename, or with what had them."""
    for key, old in before.items():
        if old.kind not in _CALLED or _is_partition(key, old) or old.definition in _BY_SERVER:
            continue
        new = after.get(key)
        table = before.get(("pg_class", old.table_oid, 0)) if old.kind == "column" else None
        if table is not None:
            if new is not None and new.bare == old.bare:
                continue
            if _column_is_there(old, table, key, after, places):
                continue
        elif (new is not None and new.name == old.name) or (_family(old), old.name) in places:
            continue
        yield Changed(
            "name-gone",
            old.kind,
            old.name,
            table=table.name if table else None,
            now=new.name if new else None,
        )


def _is_partition(key: Key, old: CatalogObject) -> bool:
    return key[0] == "pg_class" and old.table_oid != 0


def _column_is_there(
    old: CatalogObject,
    table: CatalogObject,
    key: Key,
    after: Objects,
    places: Mapping[tuple[str, str], Key],
) -> bool:
    """Whether its table is gone, too, or a column, or a view's, has the name in its place."""
    named = places.get(("relation", table.name))
    if named is None or after[named].kind != "table":
        return True  # the table's own name is gone, or a view's query says what it has
    return any(column.bare == old.bare for column in _columns(after, named[1])) or named[1] != key[1]


def _parts(before: Objects, after: Objects) -> Iterator[Changed]:
    """Partitions that have left their table, columns of another type, and labels of enums."""
    for key, old in before.items():
        new = after.get(key)
        if new is None:
            continue
        if old.kind == "table" and old.table_oid and not new.table_oid:
            parent = before.get(("pg_class", old.table_oid, 0))
            yield Changed("detached", old.kind, old.name, table=parent.name if parent else None, now=new.name)
        if old.kind == "column" and old.definition != new.definition:
            table = before.get(("pg_class", old.table_oid, 0))
            yield Changed(
                "retyped",
                old.kind,
                old.name,
                table=table.name if table else None,
                was=old.definition,
                now=new.definition,
                now_name=new.name,
            )
        if old.kind == "type" and (labels := old.traits - new.traits):
            yield Changed("narrowed", old.kind, old.name, lost=tuple(sorted(labels)))


def _secured(before: Objects, after: Objects) -> Iterator[Changed]:
    """Tables on which row security was switched on, or forced on the owner."""
    for key, old in before.items():
        new = after.get(key)
        if new is None or old.kind != "table":
            continue
        added = new.traits - old.traits
        if added & {_ROW_SECURITY, _FORCED} and new.secured:
            policies = [
                thing for thing in after.values() if thing.kind == "policy" and thing.table_oid == key[1]
            ]
            yield Changed(
                "secured",
                old.kind,
                old.name,
                now=_FORCED if _FORCED in new.traits else _ROW_SECURITY,
                lost=() if policies else ("every policy",),
                opened=tuple(sorted(new.privileges)),
            )


def _unindexed(before: Objects, after: Objects) -> Iterator[Changed]:
    """Foreign keys whose rows an index found before, and none finds now."""
    finders = {side: _finders(objects) for side, objects in (("before", before), ("after", after))}
    for key, foreign in after.items():
        old = before.get(key)
        if old is None or foreign.kind != "foreign key" or old.table_oid != foreign.table_oid:
            continue
        if _is_covered(old, finders["before"]) and not _is_covered(foreign, finders["after"]):
            table = after.get(("pg_class", foreign.table_oid, 0))
            yield Changed(
                "unindexed",
                foreign.kind,
                foreign.name,
                table=table.name if table else None,
                lost=(f"index on ({', '.join(foreign.key)})",),
            )


def _finders(objects: Objects) -> Mapping[int, Sequence[tuple[str, ...]]]:
    """By table, the columns of its valid indexes and keys, in order."""
    finders: dict[int, list[tuple[str, ...]]] = {}
    for thing in objects.values():
        if thing.kind in ("index", "partitioned index", "constraint") and thing.valid and thing.key:
            finders.setdefault(thing.table_oid, []).append(thing.key)
    return finders


def _is_covered(foreign: CatalogObject, finders: Mapping[int, Sequence[tuple[str, ...]]]) -> bool:
    """Whether the first columns of some index or key are those of the foreign key, in any order."""
    wanted = set(foreign.key)
    return any(set(key[: len(wanted)]) == wanted for key in finders.get(foreign.table_oid, ()))


def _narrowed(before: Objects, after: Objects) -> Iterator[Changed]:
    """Checks made anew that list fewer values than the one that went."""
    gone = [(old, allowed) for key, old in before.items() if key not in after and (allowed := _allowed(old))]
    made = [(new, allowed) for key, new in after.items() if key not in before and (allowed := _allowed(new))]
    for old, allowed in gone:
        for new, now in made:
            if new.table_oid == old.table_oid and new.columns == old.columns and (lost := allowed - now):
                table = before.get(("pg_class", old.table_oid, 0))
                yield Changed(
                    "narrowed",
                    old.kind,
                    old.name,
                    table=table.name if table else None,
                    was=old.definition,
                    now=new.definition,
                    lost=tuple(sorted(lost)),
                )


def _allowed(thing: CatalogObject) -> frozenset[str]:
    """The values that a check lists; none where it is no list."""
    if thing.kind != "constraint" or not thing.definition or not _IS_LIST.search(thing.definition):
        return frozenset()
    return frozenset(value.replace("''", "'") for value in _LISTED.findall(thing.definition))


def is_measured(changed: Changed) -> bool:
    """Whether its rows or values are to be counted before and after."""
    return changed.what in ("detached", "retyped")


def measure_before(conn: psycopg.Connection[TupleRow], changes: Iterable[Changed]) -> Iterator[Changed]:
    """Put in the rows of partitions and the values of columns in this database, which is as before."""
    for changed in changes:
        if changed.what == "detached":
            counts = _value_counts(conn, changed.name, None)
            yield replace(changed, rows=counts.rows if counts else None)
        elif changed.what == "retyped":
            table, column = changed.table or "", changed.name[len(changed.table or "") + 1 :]
            yield replace(changed, values_before=_value_counts(conn, table, column))
        else:
            yield changed


def measure_after(conn: psycopg.Connection[TupleRow], changes: Iterable[Changed]) -> Iterator[Changed]:
    """Put in the values of columns that have another type, in this database, which is as after."""
    for changed in changes:
        if changed.what != "retyped" or changed.now_name is None:
            yield changed
            continue
        table, _, column = changed.now_name.rpartition(".")
        yield replace(changed, values_after=_value_counts(conn, table, column))


def _value_counts(
    conn: psycopg.Connection[TupleRow], relation: str, column: str | None
) -> ValueCounts | None:
    """Rows of a relation, and of a column the values, the different ones and a sum over all of them.

    None where they cannot be read, for want of a privilege, or compared.
    """
    schema, _, name = relation.partition(".")
    counted: sql.Composable = sql.SQL("0, 0, NULL, NULL")
    if column is not None:
        counted = sql.SQL(
            "count({0}), count(DISTINCT {0}::text), sum(hashtextextended({0}::text, 0)::numeric)::text, "
            "sum(CASE WHEN pg_typeof({0}) IN ('numeric', 'integer', 'bigint', 'smallint', 'real', "
            "'double precision') THEN {0}::text::numeric END)::text"
        ).format(sql.Identifier(column))
    try:
        with conn.transaction():
            row = conn.execute(
                sql.SQL("SELECT count(*), {} FROM {}").format(counted, sql.Identifier(schema, name))
            ).fetchone()
    except (psycopg.errors.ProgrammingError, psycopg.errors.DataError):
        return None
    return ValueCounts(*row) if row else None
