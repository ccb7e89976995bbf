"""Which relations' users can meet a lock: those of the locked ones, and of what leads to them.

A command locks more than the relation that it names: its indexes, its partitions and parents, what a view, a
rule, a policy or a default reads, both ends of a foreign key, and the tables to which one cascades. A trigger
or a function may lock anything. Whoever touches nothing of what is locked cannot wait for it, and need not be
tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

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
