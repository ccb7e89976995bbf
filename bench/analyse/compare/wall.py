"""W: wall times. Ratios by Hodges and Lehmann, their variance shared by the statements of the suite.

θ is the Hodges-Lehmann estimate of the logarithm of head's time over base's: the median of the Walsh
averages of paired repeats, else the median of all differences (J. L. Hodges and E. L. Lehmann, Ann. Math.
Stat. 34, 1963). A statement's own variance has few degrees of freedom, so that of the whole suite stands
beside it with four (the moderated t of G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004). The bounds are
those of a 95 % interval.

A noisy neighbour slows whole repeats, not single statements. So each time is first divided by the pace of its
repeat: how much slower than usual the median of the suite's other unchanged statements was in it. What slows
all of them alike is thereby left to the geometric mean, which is of raw times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from statistics import median, variance

from bench.analyse.compare.result import Outcome, Ratio
from bench.model.record import StatementRecord

Optionals = list[float | None]

SHORT_S = 0.050
"""Where both medians are below, a time says nothing."""
PACED_S = 0.005
"""From this median on an unchanged statement tells the pace of its repeats."""
PACERS = 5
"""So many other statements it takes; else the calibration query does it, for unpaired times."""
FEWEST = 3
ENOUGH = 5
PRIOR_DOF = 4
SUITE_DOF = 12
UPPER = 0.975
EFFICIENCY = 3 / math.pi
"""Of the Hodges-Lehmann estimate for normal errors, against the mean."""


@dataclass(frozen=True, slots=True)
class Logs:
    """Logarithms of one statement's times: of ratios where paired, else of both sides."""

    base: tuple[float, ...]
    head: tuple[float, ...]
    paired: bool
    base_s: float
    head_s: float

    @property
    def estimate(self) -> float:
        """θ."""
        if self.paired:
            group = [new - old for old, new in zip(self.base, self.head, strict=True)]
            return median((a + b) / 2 for a, b in combinations_with_replacement(group, 2))
        return median(new - old for old in self.base for new in self.head)

    @property
    def dof(self) -> int:
        """Degrees of freedom of :attr:`variance`."""
        n, m = len(self.base), len(self.head)
        return n - 1 if self.paired else n + m - 2

    @property
    def variance(self) -> float:
        """Of one log ratio where paired, else of one log time."""
        if self.paired:
            return variance([new - old for old, new in zip(self.base, self.head, strict=True)])
        n, m = len(self.base), len(self.head)
        return ((n - 1) * variance(self.base) + (m - 1) * variance(self.head)) / self.dof

    @property
    def per_estimate(self) -> float:
        """What the variance is multiplied with to be that of the estimate."""
        n, m = len(self.base), len(self.head)
        return (1 / n if self.paired else 1 / n + 1 / m) / EFFICIENCY


def is_short(base: StatementRecord, head: StatementRecord) -> bool:
    """Whether both medians are below :data:`SHORT_S`; also where neither side was timed."""
    medians = [median(known) for side in (base, head) if (known := _known(side.durations_s))]
    return all(value < SHORT_S for value in medians)


@dataclass(frozen=True, slots=True)
class Pacer:
    """An unchanged statement: logarithms of its times, less their median over both sides."""

    sha256: str
    base: tuple[float, ...]
    head: tuple[float, ...]


def pacer(base: StatementRecord, head: StatementRecord) -> Pacer | None:
    """The statement as a pacer; None where it is too short, or was not timed in every repeat."""
    old, new = _known(base.durations_s), _known(head.durations_s)
    complete = len(old) == len(base.durations_s) and len(new) == len(head.durations_s)
    if not old or not new or not complete or median(old + new) < PACED_S:
        return None
    centre = math.log(median(old + new))
    return Pacer(
        head.sha256, tuple(math.log(v) - centre for v in old), tuple(math.log(v) - centre for v in new)
    )


def logs(
    base: StatementRecord, head: StatementRecord, *, paired: bool, pacers: Sequence[Pacer] = ()
) -> Logs | None:
    """The logarithms to compare; None with fewer than three repeats on a side."""
    old, new = _paced(base, pacers, 0), _paced(head, pacers, 1)
    if (old is None or new is None) and not paired:
        old, new = _calibrated(base), _calibrated(head)
    if old is None or new is None:
        old, new = _plain(base), _plain(head)
    if paired:
        both = [(a, b) for a, b in zip(old, new, strict=False) if a is not None and b is not None]
        old, new = [*(a for a, _ in both)], [*(b for _, b in both)]
    was, now = (tuple(v for v in side if v is not None) for side in (old, new))
    if min(len(was), len(now)) < FEWEST:
        return None
    return Logs(was, now, paired, median(_known(base.durations_s)), median(_known(head.durations_s)))


def pooled_variance(suite: Sequence[Logs]) -> float:
    """The suite's variance: each statement's, weighted by its degrees of freedom."""
    dof = sum(other.dof for other in suite)
    return sum(other.variance * other.dof for other in suite) / dof if dof else 0.0


def ratio(one: Logs, pooled: float, limit: float) -> Ratio:
    """The ratio with its bounds; ``limit`` is δ as a ratio, for example 1.25."""
    dof = one.dof + PRIOR_DOF
    moderated = (PRIOR_DOF * pooled + one.dof * one.variance) / dof
    reach = student(UPPER, dof) * math.sqrt(moderated * one.per_estimate)
    theta = one.estimate
    return Ratio(
        math.exp(theta), math.exp(theta - reach), math.exp(theta + reach), limit,
        one.base_s, one.head_s, (len(one.base), len(one.head)), one.paired,
    )  # fmt: skip


def surely_slower(found: Logs, pooled: float, statements: int) -> bool:
    """Whether the lower bound of an interval that holds for all statements of the suite at once is above 1.

    Of 20 statements one interval of 95 % misses by chance in most suites where times vary, so that its share
    of misses is divided by their number (C. E. Bonferroni). The suite's variance is that of many statements
    and stands beside each one's own with :data:`SUITE_DOF`, lest one slow repeat hide what is slower.
    """
    dof = found.dof + SUITE_DOF
    moderated = (SUITE_DOF * pooled + found.dof * found.variance) / dof
    reach = student(1 - (1 - UPPER) / max(statements, 1), dof) * math.sqrt(moderated * found.per_estimate)
    return found.estimate > reach


def shown_twice(found: Logs, limit: float) -> bool:
    """Whether each half of ten and more pairs alone comes near the limit: three quarters of its logarithm.

    The second half was measured because of the first: what it does not show again was chance. True with fewer
    pairs, and where sides did not take turns: then there was one look alone.
    """
    half = len(found.base) // 2
    if not found.paired or half < ENOUGH:
        return True
    parts = (slice(0, half), slice(half, None))
    halves = [Logs(found.base[at], found.head[at], True, found.base_s, found.head_s) for at in parts]
    return all(halve.estimate >= 0.75 * math.log(limit) for halve in halves)


def judge(measured: Ratio) -> Outcome:
    """Fail, pass, improved, or inconclusive where the bounds leave both open."""
    if measured.estimate >= measured.limit and measured.low > 1:
        return "fail"
    if measured.estimate <= 1 / measured.limit and measured.high < 1:
        return "improved"
    return "pass" if measured.high < measured.limit else "inconclusive"


def student(probability: float, dof: int) -> float:
    """Quantile of Student's t."""
    from scipy.special import stdtrit

    return float(stdtrit(dof, probability))


def _paced(side: StatementRecord, pacers: Sequence[Pacer], at: int) -> Optionals | None:
    """Logarithms of one side's times less the pace of their repeats; None with too few pacers."""
    others = [
        candidate.base if at == 0 else candidate.head
        for candidate in pacers
        if candidate.sha256 != side.sha256
    ]
    others = [other for other in others if len(other) == len(side.durations_s)]
    if len(others) < PACERS:
        return None
    pace = [median(column) for column in zip(*others, strict=True)]
    return [
        math.log(value) - slow if value else None for value, slow in zip(side.durations_s, pace, strict=True)
    ]


def _plain(side: StatementRecord) -> Optionals:
    return [math.log(value) if value else None for value in side.durations_s]


def _calibrated(side: StatementRecord) -> Optionals | None:
    """Logarithms of times in units of the calibration query's; None where one is not known."""
    if len(_known(side.calibrations_s)) != len(side.durations_s):
        return None
    return [
        math.log(value / (calibration or 1)) if value else None
        for value, calibration in zip(side.durations_s, side.calibrations_s, strict=True)
    ]


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and value > 0]
