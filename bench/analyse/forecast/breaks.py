"""The first size at which a budget of the team breaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.analyse.forecast.production import Target
from bench.analyse.forecast.refuse import FARTHEST
from bench.analyse.forecast.series import DURATION, HELD, Forecast, Series
from bench.model.budget import Budget
from bench.model.forecast import WHOLE, Break

STEPS = 24
"""Sizes at which a budget is held against the forecast, from the smallest measured to the largest known."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What the budget is about, at one size."""

    scale: float
    low: float
    value: float
    high: float


def first_breaks(budgets: Sequence[Budget], series: Sequence[Series], target: Target) -> tuple[Break, ...]:
    """For each budget of the deploy's duration or of a lock's hold: from which size on it is broken.

    ``scale`` is where the forecast crosses the limit, ``earliest_scale`` and ``latest_scale`` where the two
    ends of its interval do; None where they do not, up to ``known_to_scale``.
    """
    return tuple(
        _first(budget, series, target) for budget in budgets if budget.hazard is None and _own(budget, series)
    )


def _own(budget: Budget, series: Sequence[Series]) -> list[Series]:
    """The series that the budget is about; none for what only traffic shows."""
    if budget.key == "deploy_s":
        return [other for other in series if other.quantity is DURATION]
    if budget.key == "hold_s":
        return [
            other for other in series if other.quantity is HELD and other.subject.relation == budget.relation
        ]
    return []


def _first(budget: Budget, series: Sequence[Series], target: Target) -> Break:
    figures = _figures(_own(budget, series), target)
    earliest, scale, latest = (
        _crossing([(figure.scale, getattr(figure, edge)) for figure in figures], budget.limit)
        for edge in ("high", "value", "low")
    )
    return Break(
        key=budget.key,
        relation=budget.relation,
        limit=budget.limit,
        place=budget.place,
        scale=scale,
        at=target.rows(scale / target.scale) if scale is not None else None,
        earliest_scale=earliest,
        latest_scale=latest,
        known_to_scale=figures[-1].scale if figures else None,
    )


def _figures(series: Sequence[Series], target: Target) -> list[Figure]:
    """At ever larger sizes, up to the first at which there is no forecast."""
    smallest = series[0].points[0].n
    step = (FARTHEST * series[0].points[-1].n / smallest) ** (1 / (STEPS - 1))
    figures: list[Figure] = []
    for number in range(STEPS):
        scale = smallest * step**number * (1 - 1e-9)
        figure = _figure(scale, target.forecasts(series, scale / target.scale))
        if figure is None:
            break
        figures.append(figure)
    return figures


def _figure(scale: float, forecasts: Sequence[Forecast]) -> Figure | None:
    """The whole deploy's duration, or the longest of the holds; None where one of them is refused."""
    whole = [forecast for forecast in forecasts if forecast.subject == WHOLE] or list(forecasts)
    if any(forecast.value is None for forecast in whole):
        return None
    worst = max(whole, key=lambda forecast: forecast.value or 0.0)
    return Figure(scale, worst.low or 0.0, worst.value or 0.0, worst.high or 0.0)


def _crossing(curve: Sequence[tuple[float, float]], limit: float) -> float | None:
    """Where a curve first exceeds a limit, between two sizes as a power of the size."""
    if curve and curve[0][1] > limit:
        return curve[0][0]
    for (before, under), (after, over) in pairwise(curve):
        if over > limit:
            share = math.log(limit / under) / math.log(over / under) if under > 0 else 1.0
            return before * math.pow(after / before, max(share, 0.0))
    return None
