"""Five years of business: growth, quiet summers and weekends, busy ends of quarters.

Times are microseconds, days are days, both since 2000-01-01 UTC. The data's clock stands at :data:`NOW`.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import numpy as np

from datagen.engine.compiled import compiled
from datagen.engine.streams import Hashes, Ints

_ORIGIN = date(2000, 1, 1)
_FIRST = date(2020, 8, 30)
_DAYS = 1826
_FIRST_DAY = (_FIRST - _ORIGIN).days

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

NOW = (_FIRST_DAY + _DAYS) * DAY + 18 * HOUR
"""2025-08-30 18:00 UTC: nothing that has happened is later."""
YEAR_9999 = (date(9999, 12, 31) - _ORIGIN).days

CLOCK_CHANGES = tuple(
    (day - _ORIGIN).days * DAY + 30 * MINUTE + hour * HOUR
    for day in (date(2023, 3, 26), date(2023, 10, 29), date(2024, 3, 31), date(2024, 10, 27))
    for hour in (0, 1)
)
"""Half an hour before and after European clocks change."""

_WEEKDAY = (100, 112, 110, 106, 88, 12, 6)
_MONTH = (92, 96, 128, 98, 100, 124, 74, 66, 122, 104, 106, 118)


@cache
def _day_limits() -> Ints:
    weights = []
    for number in range(_DAYS):
        day = _FIRST + timedelta(days=number)
        growth = 1000 + number
        weights.append(_WEEKDAY[day.weekday()] * _MONTH[day.month - 1] * growth // 100_000)
    return np.cumsum(np.array(weights, dtype=np.int64))


def moments(rows: Ints, count: int, hashes: Hashes) -> Ints:
    """When each of ``count`` rows came into being: later rows later, in office hours, before NOW."""
    return _moments(rows, count, hashes, _day_limits(), _first_guesses())


@cache
def _first_guesses() -> Ints:
    """Where to begin to look for a day, by the upper 12 of a position's 30 bits."""
    limits = _day_limits()
    days: Ints = np.searchsorted(limits, np.arange(4096) * limits[-1] >> 12, side="right").astype(np.int64)
    return days


@compiled
def _moments(rows: Ints, count: int, hashes: Hashes, limits: Ints, guesses: Ints) -> Ints:
    out = np.empty(len(rows), dtype=np.int64)
    width = np.uint64(max((1 << 30) // count, 1))
    last = np.int64((1 << 30) - 1)
    # One thing at a time for all rows: most of them are done for several rows at once.
    for row in range(len(rows)):
        begin = (np.uint64(rows[row]) << np.uint64(30)) // np.uint64(count)
        within = (hashes[row] >> np.uint64(32)) * width >> np.uint64(32)
        out[row] = min(np.int64(begin + within), last)
    for row in range(len(rows)):
        day = guesses[out[row] >> 18]
        weight = out[row] * limits[-1] >> 30
        while limits[day] <= weight:
            day += 1
        out[row] = day
    for row in range(len(rows)):
        # The sum of two even draws: a day with its peak about noon.
        low = hashes[row] << np.uint64(32)
        high = low * np.uint64(0x9E3779B1)
        clock = np.int64((low >> np.uint64(32)) * np.uint64(6 * 3600) >> np.uint64(32))
        clock += np.int64((high >> np.uint64(32)) * np.uint64(5 * 3600) >> np.uint64(32))
        fraction = np.int64((hashes[row] & np.uint64(0xFFFFF)) % np.uint64(SECOND))
        out[row] = (_FIRST_DAY + out[row]) * DAY + 7 * HOUR + clock * SECOND + fraction
    return out


@compiled
def later(since: Ints, hashes: Hashes) -> Ints:
    """Some moment between ``since`` and NOW; ``since`` itself where that lies in the future."""
    out = np.empty(len(since), dtype=np.int64)
    for row in range(len(since)):
        out[row] = since[row] + np.int64(hashes[row] >> np.uint64(48)) * (max(NOW - since[row], 0) >> 16)
    return out


def days(moment: Ints) -> Ints:
    """The day of a moment, in UTC."""
    return moment // DAY


def until_now(moment: Ints) -> Ints:
    """The moment, or NOW where it would lie in the future."""
    return np.minimum(moment, NOW)
