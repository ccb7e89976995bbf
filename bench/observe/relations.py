"""Which relations exist, under which name, in which file: the meaning of the oids in pg_locks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow, class_row

from bench.model.lock import LockMode
from bench.pg.catalog import load_query

_WORD = re.compile(r"[\w$]+")
TARGETS: Mapping[str, str] = {
    "r": "table",
    "p": "partitioned table",
    "i": "index",
    "I": "partitioned index",
    "S": "sequence",
    "v": "view",
    "m": "materialized view",
    "t": "toast",
    "f": "foreign table",
    "c": "composite type",
}
"""pg_class.relkind in words. https://www.postgresql.org/docs/current/catalog-pg-class.html"""


@dataclass(frozen=True, slots=True)
class Relation:
    """One row of pg_class."""

    oid: int
    schema: str
    name: str
    relkind: str
    table_oid: int
    """For an index or a TOAST table, the table that it belongs to; else 0."""
    filenode: int
    """pg_class.relfilenode: changes when the relation is written anew; 0 where it has no file."""
    parent_oid: int = 0
    """The table, or the index, that a partition belongs to or a table inherits from first; else 0."""

    @property
    def full_name(self) -> str:
        """Schema and name, as a reader knows the relation; not quoted."""
        return f"{self.schema}.{self.name}"

    @property
    def target(self) -> str:
        return TARGETS.get(self.relkind, self.relkind)


class RelationCatalog:
    """Relations before a migration, and those that it made, by oid.

    A name is what the relation was called before the migration, so that renaming hides nothing.
    """

    def __init__(self, before: Iterable[Relation]) -> None:
        self._before = {relation.oid: relation for relation in before}
        self._made: dict[int, Relation] = {}
        self._adopted: dict[int, int] = {}

    @classmethod
    def read(cls, conn: psycopg.Connection[TupleRow]) -> RelationCatalog:
        """The relations that exist now, read from pg_class."""
        with conn.cursor(row_factory=class_row(Relation)) as cursor:
            return cls(cursor.execute(_sql("relations", conn)).fetchall())

    def learn(self, conn: psycopg.Connection[TupleRow], oids: Iterable[int]) -> None:
        """Look up the oids that are not known yet; those already gone stay unknown."""
        unknown = sorted(set(oids) - self._before.keys() - self._made.keys())
        if not unknown:
            return
        with conn.cursor(row_factory=class_row(Relation)) as cursor:
            rows = cursor.execute(_sql("relations_by_oid", conn), {"oids": unknown}).fetchall()
        self._made.update({relation.oid: relation for relation in rows})

    def adopt(self, oid: int, relation: Relation, statement: int) -> None:
        """Take an index that ``statement`` made for the one from before whose place it took."""
        self._before[oid] = replace(relation, oid=oid)
        self._adopted[oid] = statement

    def existed(self, oid: int, statement: int | None = None) -> bool:
        """Whether the relation was there before the migration; to ``statement`` its own rebuilds are new."""
        made_by = self._adopted.get(oid, -1)
        return oid in self._before and (statement is None or statement > made_by)

    def existing(self) -> Iterable[Relation]:
        """The relations from before the migration."""
        return self._before.values()

    @property
    def known_oids(self) -> Set[int]:
        """Oids of the relations that can be named."""
        return self._before.keys() | self._made.keys()

    @property
    def existing_oids(self) -> Set[int]:
        """Their oids."""
        return self._before.keys()

    def find(self, oid: int) -> Relation | None:
        return self._before.get(oid) or self._made.get(oid)

    def before(self, oid: int) -> Relation | None:
        """The relation as it was before the migration, None if it was not there."""
        return self._before.get(oid)

    def name(self, oid: int) -> str:
        """Full name, or the oid in words where the relation was gone before it could be looked up."""
        relation = self.find(oid)
        return relation.full_name if relation else f"(transient relation {oid})"

    def table_of(self, oid: int) -> str | None:
        """Full name of the table that an index, a TOAST table or its index belongs to."""
        relation = self.find(oid)
        if relation is None or not relation.table_oid:
            return None
        return self.table_of(relation.table_oid) or self.name(relation.table_oid)

    def owner(self, oid: int) -> int:
        """The table that an index or a TOAST table belongs to in the end; else the relation itself."""
        relation = self.find(oid)
        return oid if relation is None or not relation.table_oid else self.owner(relation.table_oid)

    def named_in(self, texts: Iterable[str]) -> frozenset[int]:
        """The tables that were there before of which a text has the name, or the name of an index."""
        words = {word.lower() for text in texts for word in _WORD.findall(text)}
        return frozenset(
            self.owner(relation.oid) for relation in self.existing() if relation.name.lower() in words
        )

    def describe_held(self, held: Iterable[tuple[int, str]]) -> tuple[str, ...]:
        """Locks on relations from before the migration in words, strongest first: ``public.t ShareLock``."""
        known = [(LockMode(mode), self.name(oid)) for oid, mode in held if self.existed(oid)]
        return tuple(f"{name} {mode}" for mode, name in sorted(known, key=lambda k: (-k[0].strength, k[1])))


def _sql(name: str, conn: psycopg.Connection[TupleRow]) -> str:
    return load_query(name, conn.info.server_version)


Link = tuple[str, int, int]
"""Kind, relation and other relation, as ``probe_links.sql`` has them."""


class Reach:
    """The links between relations, read from the side of what is locked."""

    def __init__(self, links: Iterable[Link] = ()) -> None:
        self._parents: dict[int, set[int]] = {}
        self._keys: dict[int, set[int]] = {}
        """Tables at the other ends of a table's foreign keys."""
        self._commanded_with: dict[int, set[int]] = {}
        """Relation → those of which a command is also one on it."""
        opaque: set[int] = set()
        for kind, oid, other in links:
            match kind:
                case "child":
                    _add(self._parents, oid, other)
                    _add(self._commanded_with, oid, other)
                    _add(self._commanded_with, other, oid)
                case "reads":
                    _add(self._commanded_with, other, oid)
                case "calls":
                    opaque.add(oid)
                case _:
                    _add(self._keys, oid, other)
                    _add(self._keys, other, oid)
                    if kind == "cascade":
                        _add(self._commanded_with, oid, other)
        self._opaque = _closure(opaque, self._commanded_with)
        self._leads: dict[int, set[int]] = {}
        for oid, others in self._commanded_with.items():
            for other in others:
                _add(self._leads, other, oid)

    def of(self, locked: Set[int]) -> frozenset[int]:
        """The relations on which a command may lock one of ``locked`` (oids, tables in place of indexes)."""
        scanned = _closure(locked, self._parents)  # a check of a partitioned table's key scans its partitions
        ends = {end for oid in scanned for end in self._keys.get(oid, ())}
        return _closure(locked | ends, self._commanded_with) | self._opaque

    def written_with(self, commanded: Set[int]) -> frozenset[int] | None:
        """The relations in which commands on some may write; None: in any, as code of users runs."""
        written = _closure(commanded, self._leads)
        return None if written & self._opaque else written


def _add(links: dict[int, set[int]], oid: int, other: int) -> None:
    links.setdefault(oid, set()).add(other)


def _closure(start: Set[int], links: Mapping[int, Set[int]]) -> frozenset[int]:
    found = set(start)
    rest = list(start)
    while rest:
        new = links.get(rest.pop(), set()) - found
        found |= new
        rest += new
    return frozenset(found)
