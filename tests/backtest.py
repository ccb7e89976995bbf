"""Forecasts against what was then measured: stored repeats of every statement of a suite at several sizes.

The data are raw: every repeat, with counters, regimes and the calibration query's time, measured with nothing
beside it. ``tests/perf/record_scaling.py`` measures them again. Statements are in two halves by a hash of
their names: constants of the procedure were chosen looking at one, the other was held out.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from scipy import stats

from bench.analyse.forecast.predict import predict
from bench.analyse.forecast.series import DURATION, Forecast, Memory, Point, Regime, Sample, Series
from bench.model.forecast import Subject

DATA = Path(__file__).parent / "data" / "scaling"
SHARE = 0.1
"""Sizes are fitted up to this share of the target."""
NOTICED_S = 0.1
"""Statements that take less at the target are no case: their interval is that of the clock."""
LEVEL = 0.90


@dataclass(frozen=True)
class Case:
    """One statement, measured up to a tenth of the target, and at the target."""

    suite: str
    target: float
    series: Series
    truth_s: float
    """Median of the repeats at the target."""
    spilled: bool
    """Whether it wrote temporary files there."""

    @property
    def outgrows(self) -> bool:
        """Whether the target outgrew the memory that was enough for every size fitted."""
        return self.spilled and not any(point.regime.spilled for point in self.series.points)

    @property
    def held_out(self) -> bool:
        """Whether no constant was chosen with this statement in sight; the same in all suites."""
        name = self.series.subject.key.encode()
        return hashlib.sha256(name).digest()[0] % 2 == 1


@dataclass(frozen=True)
class Answer:
    """What a procedure says of a case."""

    value: float
    low: float
    high: float


Procedure = Callable[[Sequence[float], Sequence[float], float], Answer]


def cases(suite: str = "crm", share: float = SHARE) -> list[Case]:
    """Every stored statement of a suite that is noticed at a target, fitted up to that share of it."""
    found = _cases(json.loads((DATA / f"{suite}.json").read_text()), share)
    return [case for case in found if case.truth_s >= NOTICED_S]


def _cases(stored: Mapping[str, Any], share: float) -> Iterator[Case]:
    sizes = {each["scale"]: each["calibrations_s"] for each in stored["sizes"]}
    for target in stored["targets"]:
        fitted = [scale for scale in sizes if scale <= share * target * 1.0001]
        usual = statistics.median(s for scale in fitted for s in sizes[scale])
        for each in stored["statements"]:
            at = {point["scale"]: _point(point, usual, sizes[point["scale"]]) for point in each["points"]}
            series = Series(
                Subject.read(each["subject"]),
                DURATION,
                tuple(at[scale] for scale in fitted),
                rows=each["rows_per_scale"],
                sampled=None if each["sampled"] is None else Sample(*each["sampled"]),
            )
            yield Case(stored["suite"], target, series, at[target].median, at[target].regime.spilled)


def _point(stored: Mapping[str, Any], usual: float, calibrations: Sequence[float]) -> Point:
    values = [s * usual / c for s, c in zip(stored["durations_s"], calibrations, strict=True)]
    told = stored["regime"]
    return Point(
        stored["scale"],
        tuple(values),
        stored["counters"],
        Regime(
            frozenset(told["dominating"]),
            frozenset(told["present"]),
            told["spilled"],
            frozenset(told["rewrites"]),
        ),
        {name: Memory(*each) for name, each in stored["memory"].items()},
    )


def ours(case: Case) -> Forecast:
    """The forecast of ``bench forecast``."""
    return predict(case.series, case.target)


def straight_line(sizes: Sequence[float], seconds: Sequence[float], target: float) -> Answer:
    """Least squares, with the prediction interval of the normal distribution."""
    return _regression(sizes, seconds, target)


def log_log(sizes: Sequence[float], seconds: Sequence[float], target: float) -> Answer:
    """A power of the size: a line through the logarithms, with its prediction interval."""
    said = _regression([math.log(n) for n in sizes], [math.log(s) for s in seconds], math.log(target))
    return Answer(math.exp(said.value), math.exp(said.low), math.exp(min(said.high, 50.0)))


def _regression(sizes: Sequence[float], values: Sequence[float], target: float) -> Answer:
    fit = stats.linregress(sizes, values)
    freedom = len(sizes) - 2
    residuals = [y - fit.intercept - fit.slope * x for x, y in zip(sizes, values, strict=True)]
    error = math.sqrt(sum(each**2 for each in residuals) / freedom)
    spread = sum((x - statistics.fmean(sizes)) ** 2 for x in sizes)
    wide = error * math.sqrt(1 + 1 / len(sizes) + (target - statistics.fmean(sizes)) ** 2 / spread)
    value = float(fit.intercept + fit.slope * target)
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, freedom)) * wide
    return Answer(value, value - reach, value + reach)


def big_o(sizes: Sequence[float], seconds: Sequence[float], target: float) -> Answer:
    """The class that the package big_O infers, give or take its residuals."""
    from big_o.big_o import infer_big_o_class

    found, fitted = infer_big_o_class(numpy.array(sizes), numpy.array(seconds))
    value = float(found.compute(numpy.array([target]))[0])
    error = math.sqrt(float(fitted[found]) / len(sizes))
    return Answer(value, value - 1.645 * error, value + 1.645 * error)


def o_auto(sizes: Sequence[float], seconds: Sequence[float], target: float) -> Answer:
    """Google Benchmark's ``oAuto``: of c·1, c·log n, c·n, c·n·log n, c·n², c·n³ that of least error.

    The error is the root mean square of the residuals over the mean time.
    https://github.com/google/benchmark/blob/main/docs/user_guide.md#asymptotic-complexity
    """
    classes: tuple[Callable[[float], float], ...] = (
        lambda n: 1.0,
        lambda n: math.log2(max(n, 1.0)),
        lambda n: n,
        lambda n: n * math.log2(max(n, 1.0)),
        lambda n: n**2,
        lambda n: n**3,
    )
    best = (math.inf, 0.0)
    for term in classes:
        terms = [term(n) for n in sizes]
        weight = sum(t * s for t, s in zip(terms, seconds, strict=True)) / sum(t * t for t in terms)
        squares = sum((s - weight * t) ** 2 for t, s in zip(terms, seconds, strict=True))
        error = math.sqrt(squares / len(sizes)) / statistics.fmean(seconds)
        best = min(best, (error, weight * term(target)))
    error, value = best
    return Answer(value, value * (1 - 1.645 * error), value * (1 + 1.645 * error))


OTHERS: dict[str, Procedure] = {
    "straight line": straight_line,
    "log-log": log_log,
    "big_O": big_o,
    "oAuto": o_auto,
}


def other(procedure: Procedure, case: Case) -> Answer:
    """What another procedure says; sizes in deals, and the same 25 ms at least on both sides as ours."""
    points = case.series.points
    rows = 100_000
    said = procedure([rows * p.n for p in points], [p.median for p in points], rows * case.target)
    floor = DURATION.floor
    return Answer(said.value, min(said.low, said.value - floor), max(said.high, said.value + floor))


@dataclass(frozen=True)
class Score:
    """How right a procedure was."""

    answered: int
    median_error: float
    p90_error: float
    within_quarter: float
    covered: float
    median_width: float
    """High over low."""


def score(answers: Sequence[tuple[Answer, float]]) -> Score:
    """Of answers and what was then measured."""
    errors = [abs(said.value / truth - 1) for said, truth in answers]
    widths = [said.high / said.low if said.low > 0 else math.inf for said, _ in answers]
    return Score(
        len(answers),
        statistics.median(errors),
        float(numpy.quantile(errors, 0.9)),
        statistics.fmean(error <= 0.25 for error in errors),
        statistics.fmean(said.low <= truth <= said.high for said, truth in answers),
        statistics.median(widths),
    )
