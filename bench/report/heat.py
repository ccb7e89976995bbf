"""Latencies over time, ready to be drawn as cells: the counts of a class in columns of time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from bench.model.load import SLOT_S, ClassLoad, bucket_of, bucket_start_s, decode_heat

_FLOOR_BUCKET = bucket_of(0.0005)
FLOOR_S = bucket_start_s(_FLOOR_BUCKET)
"""Where the lowest cell starts; it has the quicker requests, too."""
LEVELS = (1, 3, 10, 30, 100)
"""A cell's colour: from so many requests on."""
Rect = tuple[float, float, float, float]
"""Left, right, bottom, top: seconds by seconds of latency."""


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Requests of one or several classes by when they were due and how long they took."""

    rects: tuple[tuple[Rect, ...], ...]
    """For each of :data:`LEVELS` its cells; neighbours in a row are one."""
    p99: tuple[tuple[float, float], ...]
    """(middle of the column, 99th percentile as its bucket's upper end); of columns that have requests."""
    highest_s: float
    """Above all latencies; 0.0 where there is none."""
    requests: int
    column_s: float
    """A column's width."""


def column_s(span_s: float, most: int) -> float:
    """A column's width: whole slots, so that at most so many columns fill the span."""
    return SLOT_S * max(1, math.ceil(span_s / SLOT_S / most - 1e-9))


def heat_map(classes: Iterable[ClassLoad], width_s: float) -> HeatMap:
    """The cells of these classes together, in columns of this width."""
    slots = round(width_s / SLOT_S)
    counts: dict[tuple[int, int], int] = {}
    for load in classes:
        for slot, bucket, count in decode_heat(load.heat):
            key = (slot // slots, max(bucket, _FLOOR_BUCKET))
            counts[key] = counts.get(key, 0) + count
    buckets = [bucket for _, bucket in counts]
    return HeatMap(
        rects=tuple(_rects(counts, level, width_s) for level in range(len(LEVELS))),
        p99=_quantiles(counts, 0.99, width_s),
        highest_s=bucket_start_s(max(buckets) + 1) if buckets else 0.0,
        requests=sum(counts.values()),
        column_s=width_s,
    )


def level_of(count: int) -> int:
    """Which of :data:`LEVELS` a cell with so many requests has."""
    return max(at for at, least in enumerate(LEVELS) if count >= least)


def _rects(counts: dict[tuple[int, int], int], level: int, width_s: float) -> tuple[Rect, ...]:
    cells = sorted((bucket, column) for (column, bucket), n in counts.items() if level_of(n) == level)
    found: list[list[int]] = []
    for bucket, column in cells:
        if found and found[-1][0] == bucket and found[-1][2] == column:
            found[-1][2] += 1
        else:
            found.append([bucket, column, column + 1])
    return tuple(
        (width_s * begin, width_s * end, bucket_start_s(bucket), bucket_start_s(bucket + 1))
        for bucket, begin, end in found
    )


def _quantiles(
    counts: dict[tuple[int, int], int], share: float, width_s: float
) -> tuple[tuple[float, float], ...]:
    columns: dict[int, list[tuple[int, int]]] = {}
    for (column, bucket), count in sorted(counts.items()):
        columns.setdefault(column, []).append((bucket, count))
    found = []
    for column, cells in columns.items():
        rank, seen = math.ceil(share * sum(count for _, count in cells)), 0
        for bucket, count in cells:
            seen += count
            if seen >= rank:
                found.append(((column + 0.5) * width_s, bucket_start_s(bucket + 1)))
                break
    return tuple(found)
