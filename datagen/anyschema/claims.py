"""Foreign keys: which one gives a column its value, where several want to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from datagen.anyschema.catalog import Column, Foreign

Place = tuple[int, int]
"""A column: the table's oid and the column's number."""


class Claims:
    """The foreign keys whose parents' values their columns take."""

    def __init__(
        self,
        columns: Mapping[int, Mapping[int, Column]],
        labels: Mapping[int, str],
        required: set[Place],
        note: Callable[[str], None],
        problem: Callable[[str], None],
    ) -> None:
        self._columns, self._labels, self._required = columns, labels, required
        self._note, self._problem = note, problem
        self.sources: dict[Place, Place] = {}
        """Column → the parent's column that its values come from."""
        self.nulled: set[Place] = set()
        """Columns that are NULL so that a foreign key that cannot be followed need not be."""
        self.references: dict[int, list[Foreign]] = {oid: [] for oid in columns}
        """By table, the foreign keys that are followed."""

    def claim(self, foreign: Foreign) -> None:
        """Follow a foreign key, or see that it holds anyway, or that a NULL excuses it; else a problem."""
        columns = list(zip(foreign.columns, foreign.parent_columns, strict=True))
        if foreign.table == foreign.parent and foreign.columns == foreign.parent_columns:
            return  # each row refers to itself
        claimed = any((foreign.table, ours) in self.sources for ours, _ in columns)
        cyclic = any(
            self._leads_to((foreign.parent, theirs), (foreign.table, ours)) for ours, theirs in columns
        )
        if not claimed and not cyclic and foreign.parent in self._columns:
            for ours, theirs in columns:
                self.sources[foreign.table, ours] = (foreign.parent, theirs)
                self._required.add((foreign.parent, theirs))
            self.references[foreign.table].append(foreign)
        elif not all(
            self._leads_to((foreign.table, ours), (foreign.parent, theirs)) for ours, theirs in columns
        ):
            self._excuse(foreign)

    def _excuse(self, foreign: Foreign) -> None:
        places = [(foreign.table, number) for number in foreign.columns]
        free = [place for place in places if place not in self._required and place not in self.sources]
        table, number = (free or places)[0]
        label = f"{self._labels[table]}.{self._columns[table][number].name}"
        if free:
            self.nulled.add(free[0])
            self._note(f"{label}: NULL, as {foreign.name} cannot hold beside other keys")
        else:
            self._problem(f"{label}: {foreign.name} cannot hold beside other keys")

    def _leads_to(self, place: Place, goal: Place) -> bool:
        at: Place | None = place
        while at is not None:
            if at == goal:
                return True
            at = self.sources.get(at)
        return False
