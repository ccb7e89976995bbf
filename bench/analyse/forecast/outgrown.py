"""Memory that does for every size measured and will not do for the target."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bench.analyse.forecast.regime import MAINTENANCE, OF_A_HASH, OF_A_SORT
from bench.analyse.forecast.series import Point, Refused

NO_LIMITS: Mapping[str, float] = MappingProxyType({})
NEAR_LIMIT = 0.8
"""Memory counts as full from this share on: what an extrapolation of it may be off by."""
SPILL_BYTES_PER_S = 200e6
"""A slow disk's: what spills costs no more than that, and perhaps nothing."""
SPILL_PASSES = {OF_A_SORT: 2, MAINTENANCE: 2, OF_A_HASH: 4}
"""Each byte is written and read; a hash join does so with its other side, too."""


@dataclass(frozen=True, slots=True)
class Outgrown:
    """One kind of memory."""

    name: str
    at: float
    """The size at which it is full, as a multiple of the largest one."""
    bytes: float
    """What the target needs."""

    @property
    def spills(self) -> bool:
        """Whether it goes on in temporary files; else it is another regime altogether."""
        return self.name in SPILL_PASSES

    @property
    def extra_s(self) -> float:
        """What the temporary files may take at the most."""
        return SPILL_PASSES.get(self.name, 0) * self.bytes / SPILL_BYTES_PER_S

    def refusal(self) -> Refused:
        """Why there is no forecast."""
        return Refused(
            f"{self.name} will be outgrown between the largest size and the target "
            f"(at about {self.at:.1f} times the largest size)",
            f"measure three sizes above {self.at:.1f} times the largest one, or give the server the memory "
            "that keeps the target below it",
        )


def outgrown(
    points: Sequence[Point], target: float, limits: Mapping[str, float] = NO_LIMITS
) -> Iterator[Outgrown]:
    """What is full at the target and was not at the largest size, by its growth between the last two sizes.

    ``limits`` are bytes at the target by name, where they differ from those of the measurement.
    """
    smaller, largest = points[-2], points[-1]
    for name, memory in largest.memory.items():
        before = smaller.memory.get(name)
        if not memory.fits or memory.used_bytes <= 0:
            continue
        exponent = 1.0
        if before is not None and before.used_bytes > 0:
            grown = math.log(memory.used_bytes / before.used_bytes) / math.log(largest.n / smaller.n)
            exponent = max(grown, 0.0)
        limit = limits.get(name, memory.limit_bytes)
        needed = memory.used_bytes * (target / largest.n) ** exponent
        if needed >= NEAR_LIMIT * limit:
            yield Outgrown(name, (limit / memory.used_bytes) ** (1 / max(exponent, 0.1)), needed)
