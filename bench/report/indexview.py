"""The index audit as pages and tables show it: those that could go first, then by what they cost writers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.stats import Spread
from bench.model.index import IndexAudit, WriteCost
from bench.report import format as fmt

WORDS = {
    "could-go": "could go",
    "used": "used",
    "constraint": "constraint",
    "foreign-key": "foreign key",
    "kept": "kept",
}


@dataclass(frozen=True, slots=True)
class IndexView:
    """One index."""

    name: str
    table: str
    definition: str
    status: str
    word: str
    new: bool
    bytes: int
    size: str
    build: str
    queries: int
    scans: str
    insert_s: str
    """Per row, on top of what the row costs without it."""
    insert_wal: str
    update_s: str
    update_wal: str
    hot: str
    """Share of updates in place, with it and without."""
    proof: str


@dataclass(frozen=True, slots=True)
class IndexesView:
    """All of them, and what the ones that could go come to."""

    sentence: str
    caption: str
    rows: tuple[IndexView, ...]


ORDER = ("could-go", "kept", "foreign-key", "used", "constraint")


def indexes_view(indexes: Sequence[IndexAudit]) -> IndexesView | None:
    """None where they were not audited."""
    if not indexes:
        return None
    order = sorted(indexes, key=lambda each: (ORDER.index(each.status), -each.bytes, each.name))
    return IndexesView(_sentence(indexes), _caption(indexes), tuple(map(_view, order)))


def _sentence(indexes: Sequence[IndexAudit]) -> str:
    spare = [each for each in indexes if each.status == "could-go"]
    total = f"{len(indexes)} indexes, {fmt.size(sum(each.bytes for each in indexes))}"
    if not spare:
        return f"{total}; each is used, enforces a constraint or supports a foreign key."
    return (
        f"{total}; {len(spare)} could go, {fmt.size(sum(each.bytes for each in spare))}: none of this run's "
        "queries needs them."
    )


def _caption(indexes: Sequence[IndexAudit]) -> str:
    counts = sorted({len(each.insert.duration_s_with) for each in indexes if each.insert})
    n = f"n = {counts[0]}" if counts else "not tried: the tables have too few rows"
    return (
        f"Costs per row are medians of the differences between writes with the index and without it, in turn "
        f"({n}), with the smallest and the largest difference. Updates change the index's own columns."
    )


def _view(index: IndexAudit) -> IndexView:
    return IndexView(
        name=index.name,
        table=index.table,
        definition=index.definition,
        status=index.status,
        word=WORDS[index.status],
        new=index.new,
        bytes=index.bytes,
        size=fmt.size(index.bytes),
        build=fmt.spread_seconds(Spread.of(index.build_s)),
        queries=len(index.used_by),
        scans=fmt.count(index.scans),
        insert_s=extra_seconds(index.insert),
        insert_wal=extra_wal(index.insert),
        update_s=extra_seconds(index.update),
        update_wal=extra_wal(index.update),
        hot=_hot(index.update),
        proof=index.proof,
    )


def extra_seconds(cost: WriteCost | None) -> str:
    """``+2.1 µs (1.8–2.6)`` for each row."""
    if cost is None or not cost.rows:
        return fmt.UNKNOWN
    pairs = zip(cost.duration_s_with, cost.duration_s_without, strict=True)
    per_row_us = sorted((given - without) / cost.rows * 1e6 for given, without in pairs)
    middle = statistics.median(per_row_us)
    return f"{middle:+.1f} µs ({per_row_us[0]:.1f}–{per_row_us[-1]:.1f})"


def extra_wal(cost: WriteCost | None) -> str:
    """``+84 B`` for each row."""
    if cost is None or not cost.rows:
        return fmt.UNKNOWN
    pairs = zip(cost.wal_bytes_with, cost.wal_bytes_without, strict=True)
    return f"{statistics.median((given - without) / cost.rows for given, without in pairs):+.0f} B"


def _hot(cost: WriteCost | None) -> str:
    if cost is None or not cost.rows or cost.hot_with is None or cost.hot_without is None:
        return fmt.UNKNOWN
    return f"{cost.hot_with / cost.rows:.0%} / {cost.hot_without / cost.rows:.0%}"
