"""How a statement grows with the data: two sizes compared.

The exponent of y against x is log(y1/y0) / log(x1/x0): 1 where both grow alike, 2 where y grows with the
square. Counted work comes first: it is the same in every run, however fast the machine is, and shows what a
nested loop will cost while it is still cheap. Where no plan counts it, as in commands without one, the time
has to do, and that is believed above a floor of noise alone. Plans of two shapes do other work, which says
nothing of how either grows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.model.plan import AtSize, GrowthOf

LEAST_S, LEAST_SMALL_S = 0.05, 0.002
"""Shorter durations, at the full and at the smaller size, say nothing about growth."""
LEAST_WORK = 1000
"""Rows at the full size; of fewer, as in ``SELECT f()``, the exponent means nothing."""
LEAST_RATIO = 1.5
"""Sizes that differ by less give no exponent."""


def growth(sizes: Sequence[AtSize]) -> tuple[float | None, GrowthOf | None]:
    """The exponent, and of what it is: of the work where both sizes have it, else of the time."""
    if len(sizes) < 2:
        return None, None
    small, full = sizes[0], sizes[-1]
    if None not in (small.shape, full.shape) and small.shape != full.shape:
        return None, None
    if small.data_rows <= 0 or full.data_rows < LEAST_RATIO * small.data_rows:
        return None, None
    scale = math.log(full.data_rows / small.data_rows)
    if small.work and full.work and full.work >= LEAST_WORK:
        return math.log(full.work / small.work) / scale, "work"
    if small.duration_s >= LEAST_SMALL_S and full.duration_s >= LEAST_S:
        return math.log(full.duration_s / small.duration_s) / scale, "time"
    return None, None
