"""Five years of business: growth, quiet summers and weekends, busy ends of quarters.

Times are microseconds, days are days, both since 2000-01-01 UTC. The data's clock stands at :data:`NOW`.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache

import numpy as np

from datagen.streams import Hashes, Ints, below

_ORIGIN = date(2000, 1, 1)
_FIRST = date(2020, 8, 30)
_DAYS = 1826

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

NOW = ((_FIRST - _ORIGIN).days + _DAYS) * DAY + 18 * HOUR
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
    width = max((1 << 30) // count, 1)
    position = np.minimum((rows << 30) // count + below(hashes, width), (1 << 30) - 1)
    limits = _day_limits()
    day = (_FIRST - _ORIGIN).days + np.searchsorted(limits, position * limits[-1] >> 30, side="right")
    low = hashes << np.uint64(32)
    # The sum of two even draws: a day with its peak about noon.
    clock = 7 * HOUR + below(low, 6 * 3600) * SECOND + below(low * np.uint64(0x9E3779B1), 5 * 3600) * SECOND
    fraction = (hashes & np.uint64(0xFFFFF)).astype(np.int64) % SECOND
    moment: Ints = day.astype(np.int64) * DAY + clock + fraction
    return moment


def days(moment: Ints) -> Ints:
    """The day of a moment, in UTC."""
    return moment // DAY


def until_now(moment: Ints) -> Ints:
    """The moment, or NOW where it would lie in the future."""
    return np.minimum(moment, NOW)
