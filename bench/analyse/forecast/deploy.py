"""The forecast of a whole deploy: statements, what they add up to, locks, WAL and disk."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bench.analyse.forecast.growth import STEEP
from bench.analyse.forecast.holds import lock_series
from bench.analyse.forecast.measurements import peak_series, pooled, query_series, sizes_of, statement_series
from bench.analyse.forecast.predict import predict
from bench.analyse.forecast.refuse import NO_LIMITS, WIDEST
from bench.analyse.forecast.series import Bounds, Forecast, Quantity, Refused, Series
from bench.model.forecast import WHOLE, Subject
from bench.model.run import Run

NOTICEABLE = 0.02
"""A statement without a forecast keeps its migration's back where it took more than this share of it, or
where its work grows steeply."""
SMALL = 0.05
"""A statement without a forecast that took no more than this share of the deploy counts with its worst class
in the sum, where it would refuse the sum otherwise."""
UNKNOWN_EXPONENT = 2.0
"""Of what is not known to grow in any way: few statements of a migration are worse than quadratic."""


def all_series(runs: Iterable[Run]) -> tuple[Series, ...]:
    """Every series of a deploy that was measured at several sizes."""
    sizes = sizes_of(runs)
    if not sizes:
        return ()
    return (*statement_series(sizes), *lock_series(sizes), *peak_series(sizes), *query_series(sizes))


def forecast_deploy(
    series: Sequence[Series], target: float, limits: Mapping[str, float] = NO_LIMITS
) -> tuple[Forecast, ...]:
    """Forecasts of all series at ``target``, then of each migration, then of the deploy.

    ``limits`` as :func:`bench.analyse.forecast.predict.predict` has them.
    """
    own = [_at_most(predict(term, target, limits), term, target) for term in series]
    by_migration: dict[tuple[str, Quantity], list[tuple[Series, Forecast]]] = {}
    for term, forecast in zip(series, own, strict=True):
        if term.subject.kind == "statement":
            of_migration = by_migration.setdefault((term.subject.migration, term.quantity), [])
            of_migration.append((term, forecast))
    whole: dict[Quantity, float] = {}
    for (_, quantity), members in by_migration.items():
        whole[quantity] = whole.get(quantity, 0.0) + sum(_measured(term) for term, _ in members)
    migrations = [
        _sum_statements(Subject("migration", migration), members, target, whole[quantity])
        for (migration, quantity), members in by_migration.items()
    ]
    quantities = dict.fromkeys(quantity for _, quantity in by_migration)
    totals = [
        _total(
            WHOLE, [candidate for candidate in migrations if candidate.quantity == name.name], target, name
        )
        for name in quantities
    ]
    return (*own, *migrations, *totals)


def _measured(series: Series) -> float:
    return max(series.points[-1].median, 0.0)


def _at_most(forecast: Forecast, series: Series, target: float) -> Forecast:
    """A refused forecast with what it comes to if it grows as its worst class does."""
    if forecast.refused is None or not series.points:
        return forecast
    exponent = UNKNOWN_EXPONENT if forecast.exponent is None else forecast.exponent
    worst = 1.0 if exponent <= 1.0 else float(math.ceil(exponent))
    largest = series.points[-1]
    at_most = max(largest.values) * max(target / largest.n, 1.0) ** worst
    return replace(forecast, refused=replace(forecast.refused, at_most=max(at_most, 0.0)))


def _bounded(forecast: Forecast, measured: float, deploy: float) -> Forecast:
    """A small statement without bounds of its own gets those of its worst class."""
    said = forecast.refused
    if said is None or said.bounds is not None or said.at_most is None or measured > SMALL * deploy:
        return forecast
    bounds = Bounds(min(measured, said.at_most), said.at_most, said.at_most)
    return replace(forecast, refused=replace(said, bounds=bounds), bounded=(forecast.subject,))


def _sum_statements(
    subject: Subject, members: Sequence[tuple[Series, Forecast]], target: float, deploy: float
) -> Forecast:
    """The sum of a migration's statements; the short ones count together. ``deploy``: what all took.

    Intervals are added end to end: what makes one statement slower than expected does so to all.
    """
    quantity = members[0][0].quantity
    short = [series for series, _ in members if series.points[-1].median < quantity.least]
    parts = [
        _bounded(forecast, _measured(series), deploy)
        for series, forecast in members
        if series.points[-1].median >= quantity.least
    ]
    if short:
        parts.append(predict(pooled(subject, short), target))
    whole = sum(max(series.points[-1].median, 0.0) for series, _ in members)
    measured = {series.subject: series.points[-1].median for series, _ in members}
    counting = [
        part
        for part in parts
        if _bounds(part) is not None
        or measured.get(part.subject, whole) > NOTICEABLE * whole
        or (part.exponent or 0.0) > STEEP
    ]
    return _total(subject, counting or parts, target, quantity)


def _bounds(forecast: Forecast) -> Bounds | None:
    """Its interval, that of one refused for its width included."""
    if forecast.refused is not None:
        return forecast.refused.bounds
    return Bounds(forecast.low or 0.0, forecast.value or 0.0, forecast.high or 0.0)


def _total(subject: Subject, parts: Sequence[Forecast], target: float, quantity: Quantity) -> Forecast:
    known = [bounds for forecast in parts if (bounds := _bounds(forecast)) is not None]
    if len(known) < len(parts):
        refused = next(forecast for forecast in parts if _bounds(forecast) is None)
        return _refused(subject, parts, target, quantity, refused)
    low, value, high = (sum(getattr(term, edge) for term in known) for edge in ("low", "value", "high"))
    bounded = tuple(name for forecast in parts for name in forecast.bounded)
    if high > WIDEST * low and high - low > 4 * quantity.floor * len(parts):
        widest = max(parts, key=_width)
        refused = _refused(subject, parts, target, quantity, widest, Bounds(low, value, high))
        return replace(refused, bounded=bounded)
    largest = max(parts, key=lambda forecast: forecast.value or 0.0)
    weighted = sum((forecast.value or 0.0) * (forecast.exponent or 0.0) for forecast in parts)
    return replace(
        largest,
        subject=subject,
        quantity=quantity.name,
        value=value,
        low=low,
        high=high,
        exponent=weighted / value if value else 0.0,
        refused=None,
        bounded=bounded,
    )


def _width(forecast: Forecast) -> float:
    bounds = _bounds(forecast)
    return bounds.high - bounds.low if bounds is not None else 0.0


def _refused(
    subject: Subject,
    parts: Sequence[Forecast],
    target: float,
    quantity: Quantity,
    blamed: Forecast,
    bounds: Bounds | None = None,
) -> Forecast:
    """A sum that one part leaves open, named."""
    said = blamed.refused or Refused(
        "its interval is too wide", "measure a larger size: --within or --scales"
    )
    refused = replace(said, bounds=bounds, at_most=None, blamed=said.blamed or blamed.subject)
    return Forecast(subject, quantity.name, target, None, None, None, None, None, refused)
