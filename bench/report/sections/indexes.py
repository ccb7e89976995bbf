"""The index audit: those that could go first, then by their size, with what each costs writers."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.analyse.stats import Spread
from bench.model.index import IndexAudit, WriteCost
from bench.model.run import Run
from bench.report import format as fmt
from bench.report.document import Paragraph, Section, Table, Words, code, columns, detail, number, status

WORDS = {
    "could-go": "could go",
    "used": "used",
    "constraint": "constraint",
    "foreign-key": "foreign key",
    "kept": "kept",
}


ORDER = ("could-go", "kept", "foreign-key", "used", "constraint")


def indexes(run: Run) -> tuple[Section, ...]:
    """The section; nothing where they were not audited."""
    if not run.indexes:
        return ()
    order = sorted(run.indexes, key=lambda index: (ORDER.index(index.status), -index.bytes, index.name))
    lead = Paragraph(sentence(run.indexes), "lead")
    table = Table(_HEAD, tuple(map(_row, order)), note=_caption(run.indexes))
    return (Section("Indexes", (lead, table), "indexes"),)


_HEAD = columns(
    "Index", "Status", ">Size", ">Build", ">Queries", ">Scans under traffic", ">INSERT, per row",
    ">UPDATE, per row", ">HOT with / without",
)  # fmt: skip


def sentence(indexes: Sequence[IndexAudit]) -> str:
    """How many there are, and what those that could go come to."""
    spare = [index for index in indexes if index.status == "could-go"]
    total = f"{len(indexes)} indexes, {fmt.size(sum(index.bytes for index in indexes))}"
    if not spare:
        return f"{total}; each is used, enforces a constraint or supports a foreign key."
    return (
        f"{total}; {len(spare)} could go, {fmt.size(sum(index.bytes for index in spare))}: none of this "
        "run's queries needs them."
    )


def _caption(indexes: Sequence[IndexAudit]) -> str:
    counts = sorted({len(index.insert.duration_s_with) for index in indexes if index.insert})
    n = f"n = {counts[0]}" if counts else "not tried: the tables have too few rows"
    return (
        f"Costs per row are medians of the differences between writes with the index and without it, in turn "
        f"({n}), with the smallest and the largest difference. Updates change the index's own columns."
    )


def _row(index: IndexAudit) -> tuple[Words, ...]:
    new = (" ", status("new", "unknown")) if index.new else ""
    scans = fmt.UNKNOWN if index.scans is None else number(fmt.count(index.scans), index.scans)
    return (
        (code(index.name), new, detail(index.definition), detail(index.proof)),
        status(WORDS[index.status], "warn" if index.status == "could-go" else ""),
        number(fmt.size(index.bytes), index.bytes),
        fmt.spread_seconds(Spread.of(index.build_s)),
        number(str(len(index.used_by)), len(index.used_by)),
        scans,
        (extra_seconds(index.insert), detail(f"{extra_wal(index.insert)} WAL")),
        (extra_seconds(index.update), detail(f"{extra_wal(index.update)} WAL")),
        _hot(index.update),
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
