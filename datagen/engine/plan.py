"""What a data set is, and a plan of it: which tables, how many rows, which seed, how much dirt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from math import prod
from typing import Any

from datagen.errors import UsageError

DEFAULT_DIRT = 0.02
"""Share of dirty rows: a small one, as production has it."""
MAX_ROWS = 2**31


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows one table of a data set has."""

    share: Fraction
    """For each unit of the scale."""
    at_least: int = 1
    needs: tuple[str, ...] = ()
    """Tables of which its rows need one."""
    within: tuple[str, ...] = ()
    """It has one row at most for each combination of these tables' rows."""


@dataclass(frozen=True, slots=True)
class DataSet:
    """Tables, their proportions, and what can be wrong with their rows."""

    name: str
    title: str
    """As it stands in a sentence."""
    schema: str
    """The file that makes its tables, as a user may give it to psql."""
    unit: str
    """What scale 1 is, in words."""
    unit_rows: int
    """Rows at scale 1 of a table whose share is 1."""
    rows: Mapping[str, Rows]
    """By schema-qualified table, those that limit others before these."""
    leading: tuple[str, ...]
    """Tables that tell the scale of a database, the best first."""
    dirt: Mapping[str, tuple[str, ...]]
    """What can be wrong with a row, by table; a dirty row has exactly one of these."""
    tables: Callable[[], Mapping[str, Any]]
    """Each :class:`datagen.engine.columns.Table` by name. A function at the top of a module: numpy is loaded
    for them alone, and a plan goes to other processes."""
    pools_sha256: Callable[[int], str]
    """Hash of every string that rows of a seed can hold."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """All kinds of dirt, sorted."""
        return tuple(sorted({kind for kinds in self.dirt.values() for kind in kinds}))

    def rows_at(self, scale: float) -> dict[str, int]:
        """Rows by table at a scale."""
        units = Fraction(scale).limit_denominator(10**6) * self.unit_rows
        return {table: max(round(units * rows.share), rows.at_least) for table, rows in self.rows.items()}

    def resolve(self, name: str) -> str:
        """Schema-qualified name of a table; UsageError with the known ones otherwise."""
        for table in self.rows:
            if name in (table, table.partition(".")[2]):
                return table
        short = [table.removeprefix("public.") for table in self.rows]
        close = get_close_matches(name.removeprefix("public."), short, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"{self.title} has no table {name!r}", f"{guess}known tables: {', '.join(short)}")

    def fitted(self, counts: Mapping[str, int], given: Iterable[str] = ()) -> dict[str, int]:
        """The rows, with no more than others allow in the tables that are not ``given``."""
        fitting = dict(counts)
        for table, rows in self.rows.items():
            if rows.within and table not in given:
                fitting[table] = min(fitting[table], prod(fitting[other] for other in rows.within))
        return fitting

    def plan(
        self,
        *,
        scale: float = 1.0,
        rows: Mapping[str, int] | None = None,
        seed: int = 1,
        dirt: float = DEFAULT_DIRT,
        dirt_kinds: Iterable[str] | None = None,
    ) -> Plan:
        """The plan for a scale, with ``rows`` (table, with or without schema → rows) instead.

        Raises UsageError for unknown tables or kinds of dirt, values out of bounds, tables left without a
        needed parent.
        """
        if not 0 < scale <= 10_000:
            raise UsageError(
                f"scale {scale:g} is out of bounds", f"give more than 0 and at most 10000; 1 = {self.unit}"
            )
        if not 0 <= dirt <= 1:
            raise UsageError(
                f"dirt {dirt:g} is out of bounds", "give a share of the rows from 0 to 1, such as 0.02"
            )
        if not 0 <= seed < 2**63:
            raise UsageError(f"seed {seed} is out of bounds", "give a whole number from 0 to 2^63 - 1")
        given = {self.resolve(name): count for name, count in (rows or {}).items()}
        counts = self.fitted(self.rows_at(scale) | given, given)
        _check_counts(self.rows, counts)
        kinds = None if dirt_kinds is None else _known_kinds(self.kinds, dirt_kinds)
        return Plan(data=self, scale=scale, seed=seed, dirt=dirt, rows=counts, dirt_kinds=kinds)


@dataclass(frozen=True, slots=True)
class Plan:
    """A data set at one size: generator version and plan determine every byte."""

    data: DataSet
    scale: float
    seed: int
    dirt: float
    """Share of dirty rows in the tables that can have dirt, 0 to 1."""
    rows: Mapping[str, int]
    """Rows by schema-qualified table."""
    dirt_kinds: frozenset[str] | None = None
    """Kinds of dirt to plant, in every table that has them; None for all."""

    @property
    def total_rows(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())

    def kinds_of(self, table: str) -> tuple[int, ...]:
        """Positions of the table's kinds of dirt that are to be planted."""
        return tuple(
            position
            for position, kind in enumerate(self.data.dirt.get(table, ()))
            if self.dirt_kinds is None or kind in self.dirt_kinds
        )

    def described(self) -> dict[str, Any]:
        """For JSON; two plans that make the same bytes are described alike."""
        return {
            "data": self.data.name,
            "scale": self.scale,
            "seed": self.seed,
            "dirt": self.dirt,
            "rows": dict(self.rows),
            "dirt_kinds": None if self.dirt_kinds is None else sorted(self.dirt_kinds),
        }


def _known_kinds(known: tuple[str, ...], names: Iterable[str]) -> frozenset[str]:
    wanted = frozenset(names)
    for name in sorted(wanted):
        if name not in known:
            close = get_close_matches(name, known, n=1)
            guess = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"there is no kind of dirt {name!r}", f"{guess}known kinds: {', '.join(known)}")
    return wanted


def _check_counts(tables: Mapping[str, Rows], counts: Mapping[str, int]) -> None:
    for table, count in counts.items():
        if not 0 <= count <= MAX_ROWS:
            raise UsageError(f"{count} rows for {table} are out of bounds", f"give 0 to {MAX_ROWS}")
    for table, rows in tables.items():
        for parent in rows.needs:
            if counts[table] and not counts[parent]:
                raise UsageError(
                    f"{table} needs rows in {parent}, which has none",
                    f"give {parent} at least one row, or {table} none",
                )
    for table, rows in tables.items():
        allowed = prod(counts[other] for other in rows.within)
        if rows.within and counts[table] > allowed:
            raise UsageError(
                f"{counts[table]} rows for {table} are too many",
                f"the rows of {' × '.join(rows.within)} allow {allowed}",
            )
