"""What a table is made of: columns as functions of a block of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Any, TypeVar

import numpy as np

from datagen.engine.plan import Plan
from datagen.engine.streams import (
    Hashes,
    Ints,
    Mask,
    below,
    chance_of_rows,
    hash_rows,
    permute,
    pick,
    random_uuids,
    stream_key,
    zipf_ranks,
)
from datagen.engine.values import Booleans, Literal, Pool, Texts, Uuids, Values, Words

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows of one table, not necessarily neighbours: all that a value may depend on."""

    plan: Plan
    table: str
    rows: Ints
    memo: dict[Callable[..., Any], Any] = field(default_factory=dict)

    def hash(self, column: str) -> Hashes:
        """The column's 64 random bits of each row."""
        return hash_rows(stream_key(self.plan.seed, self.table, column), self.rows)

    def chance(self, column: str, share: float) -> Mask:
        """True in a ``share`` (0 to 1) of the rows, at random."""
        return chance_of_rows(stream_key(self.plan.seed, self.table, column), self.rows, share)

    def at(self, table: str, rows: Ints) -> Block:
        """The same plan's rows of another table: parents are computed, never read."""
        return Block(self.plan, table, rows)

    def count(self, table: str) -> int:
        """Rows of a table."""
        return self.plan.rows[table]

    def zipf(self, column: str, table: str, exponent_percent: int = 80) -> Ints:
        """A skewed choice of parents: few rows, spread over ``table``, get most of the references."""
        n = self.count(table)
        ranks = zipf_ranks(self.hash(column), n, exponent_percent)
        return permute(ranks, n, stream_key(self.plan.seed, table, "ranks"))

    def constant(self, value: int) -> Ints:
        """The same number in every row."""
        return np.full(len(self.rows), value, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    values: Callable[[Block], Values]


@dataclass(frozen=True, slots=True)
class Table:
    """Columns in the order of sending: those of fixed width side by side, so that they become one matrix."""

    name: str
    columns: tuple[Column, ...]


def feature(function: Callable[[Block], T]) -> Callable[[Block], T]:
    """Remember what a function made of a block: several columns share it."""

    @wraps(function)
    def remembered(block: Block) -> T:
        if function not in block.memo:
            block.memo[function] = function(block)
        value: T = block.memo[function]
        return value

    return remembered


@feature
def dirt(block: Block) -> tuple[Ints, Ints]:
    """Which of the block's rows are dirty, and the position of each one's kind in the table's list."""
    kinds = np.array(block.plan.kinds_of(block.table), dtype=np.int64)
    places = block.chance("dirt", block.plan.dirt if kinds.size else 0).nonzero()[0]
    hashes = block.at(block.table, block.rows[places]).hash("dirt")
    return places, kinds[below(hashes, len(kinds))]


def is_dirty(block: Block, kind: str) -> Mask:
    """Rows with this kind of dirt."""
    mask = np.zeros(len(block.rows), dtype=np.bool_)
    places, kinds = dirt(block)
    mask[places[kinds == block.plan.data.dirt[block.table].index(kind)]] = True
    return mask


def ids(table: str, block: Block, rows: Ints, null: Mask | None = None) -> Uuids:
    """Keys of the given rows of ``table``: version 4 UUIDs."""
    high = stream_key(block.plan.seed, table, "id/high")
    return Uuids(*random_uuids(high, stream_key(block.plan.seed, table, "id/low"), rows), null)


def own_id(block: Block) -> Uuids:
    """The rows' own keys."""
    return ids(block.table, block, block.rows)


@cache
def fixed_pool(*texts: str) -> Pool:
    """A small pool of given texts."""
    return Pool(texts)


def choice(name: str, **weights: int) -> Callable[[Block], Texts]:
    """One of a few texts, each in proportion to its weight; ``NULL`` stands for no value."""
    pool = fixed_pool(*weights)

    def values(block: Block) -> Texts:
        index = pick(block.hash(name), tuple(weights.values()))
        if "NULL" not in weights:
            return Texts((Words(pool, index),))
        return Texts((Words(pool, index),), index == list(weights).index("NULL"))

    return values


def flag(name: str, share: float) -> Callable[[Block], Booleans]:
    """True in a share of the rows."""
    return lambda block: Booleans(block.chance(name, share))


def columns_of(plan: Plan, table: str) -> tuple[Column, ...]:
    """The columns of one of the plan's tables, in the order of sending."""
    described: Table = plan.data.tables()[table]
    return described.columns


def fields(block: Block) -> list[Values]:
    """The values of all columns of the block's table."""
    return [column.values(block) for column in columns_of(block.plan, block.table)]


@cache
def literal(text: str) -> Literal:
    """The same text in every row."""
    return Literal(fixed_pool(text))
