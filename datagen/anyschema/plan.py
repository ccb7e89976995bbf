"""Which value each row of each table gets: by number, so that parents are computed and not read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from datagen.anyschema.catalog import Foreign
from datagen.anyschema.values import Values
from datagen.engine.streams import Ints, below, chance, hash_rows, stream_key


@dataclass(frozen=True, slots=True)
class Index:
    """Which of so many things row i takes."""

    kind: str
    """each: thing i; digit: the digits of i in a mixed base; drawn: any; tree: an earlier row."""
    key: np.uint64
    count: int
    stride: int = 1

    def of(self, rows: Ints) -> Ints:
        match self.kind:
            case "each":
                return rows
            case "digit":
                return rows // self.stride % self.count
            case "tree":
                return below(self._hash(rows), np.maximum(rows, 1).astype(np.uint64))
            case _:
                return below(self._hash(rows), min(self.count, 2**32))

    def _hash(self, rows: Ints) -> NDArray[np.uint64]:
        return hash_rows(self.key, rows.astype(np.uint64))


@dataclass(slots=True)
class ColumnPlan:
    """Where one column's values come from; with neither values nor a parent it is NULL."""

    name: str
    values: Values | None = None
    index: Index | None = None
    parent: tuple[Reference, int] | None = None
    """A foreign key, and the column of the parent."""
    above: tuple[int, int] | None = None
    """A column whose number this one's exceeds, and by how much."""
    leaves: list[Values | None] | None = None
    """Of a partition key: the values for each partition in turn."""
    null: float = 0.0
    sent: bool = True


@dataclass(slots=True)
class Reference:
    """A foreign key whose parent rows are drawn."""

    foreign: Foreign
    index: Index
    null: float
    """Share of rows without a parent; in a tree the first row never has one."""


@dataclass(slots=True)
class TablePlan:
    """One table's rows."""

    oid: int
    label: str
    schema: str
    name: str
    rows: int
    columns: dict[int, ColumnPlan] = field(default_factory=dict)
    existing: dict[int, list[str | None]] | None = None
    """Of a table that holds rows already: its columns that others refer to."""


@dataclass(frozen=True, slots=True)
class FillPlan:
    """What is filled, and what a reader should know of it."""

    seed: int
    tables: dict[int, TablePlan]
    notes: list[str]
    problems: list[str]
    """What cannot be satisfied, by column; nothing is loaded where there is any."""

    def texts(self, oid: int, number: int, rows: Ints) -> list[str | None]:
        """The values of a column in some rows, as COPY's text before escaping."""
        table = self.tables[oid]
        if table.existing is not None:
            known = table.existing[number]
            return [known[row] for row in rows.tolist()]
        column = table.columns[number]
        if column.parent is not None:
            return self._referring(table, column, *column.parent, rows)
        texts = self._own(table, column, rows)
        if column.null and texts:
            gone = chance(
                hash_rows(self._key(table, column.name + "/null"), rows.astype(np.uint64)), column.null
            )
            return [None if empty else text for text, empty in zip(texts, gone.tolist(), strict=True)]
        return texts

    def _key(self, table: TablePlan, name: str) -> np.uint64:
        return stream_key(self.seed, table.label, name)

    def _referring(
        self, table: TablePlan, column: ColumnPlan, reference: Reference, parent_column: int, rows: Ints
    ) -> list[str | None]:
        texts = self.texts(reference.foreign.parent, parent_column, reference.index.of(rows))
        if not reference.null:
            return texts
        key = self._key(table, reference.foreign.name + "/null")
        gone = chance(hash_rows(key, rows.astype(np.uint64)), reference.null)
        if reference.index.kind == "tree":
            gone = gone | (rows == 0)
        return [None if empty else text for text, empty in zip(texts, gone.tolist(), strict=True)]

    def _own(self, table: TablePlan, column: ColumnPlan, rows: Ints) -> list[str | None]:
        if column.above is not None and column.values is not None and column.values.scale is not None:
            lower, by = table.columns[column.above[0]], column.above[1]
            text = column.values.scale.text
            return [text(number + by) for number in self._numbers(lower, rows)]
        if column.index is None:
            return [None] * len(rows)
        chosen = column.index.of(rows).tolist()
        if column.leaves is not None:
            return [self._in_leaf(column, row, k) for row, k in zip(rows.tolist(), chosen, strict=True)]
        if column.values is None:
            return [None] * len(rows)
        at = column.values.at
        return [at(k) for k in chosen]

    @staticmethod
    def _numbers(column: ColumnPlan, rows: Ints) -> Iterator[int]:
        """The numbers behind a column's ordered values."""
        assert column.index is not None
        for row, k in zip(rows.tolist(), column.index.of(rows).tolist(), strict=True):
            leaf = column.leaves[row % len(column.leaves)] if column.leaves else None
            values = leaf or column.values
            assert values is not None
            assert values.scale is not None
            yield values.scale.low + k % values.capacity * values.scale.step

    @staticmethod
    def _in_leaf(column: ColumnPlan, row: int, k: int) -> str | None:
        leaves: Sequence[Values | None] = column.leaves or ()
        values = leaves[row % len(leaves)] or column.values
        return None if values is None else values.at(k % values.capacity)
