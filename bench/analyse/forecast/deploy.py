"""The forecast of a whole deploy: statements, what they add up to, locks, WAL and disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.analyse.forecast.growth import STEEP
from bench.analyse.forecast.held import lock_series
from bench.analyse.forecast.measured import pooled, sizes_of, statement_series
from bench.analyse.forecast.predict import predict
from bench.analyse.forecast.series import Forecast, Quantity, Refused, Series
from bench.analyse.forecast.whole import peak_series, query_series
from bench.model.run import Run

NOTICEABLE = 0.02
"""A statement without a forecast keeps its migration's back where it took more than this share of it, or
where its work grows steeply."""


def all_series(runs: Iterable[Run]) -> tuple[Series, ...]:
    """Every series of a deploy that was measured at several sizes."""
    sizes = sizes_of(runs)
    if not sizes:
        return ()
    return (*statement_series(sizes), *lock_series(sizes), *peak_series(sizes), *query_series(sizes))


def forecast_deploy(series: Sequence[Series], target: float) -> tuple[Forecast, ...]:
    """Forecasts of all series at ``target``, then of each migration, then of the deploy."""
    own = [predict(each, target) for each in series]
    by_migration: dict[tuple[str, Quantity], list[tuple[Series, Forecast]]] = {}
    for each, forecast in zip(series, own, strict=True):
        if each.subject.startswith("statement:"):
            migration = each.subject.removeprefix("statement:").rpartition("#")[0]
            by_migration.setdefault((migration, each.quantity), []).append((each, forecast))
    migrations = [
        _sum_statements(f"migration:{migration}", members, target)
        for (migration, _), members in by_migration.items()
    ]
    quantities = dict.fromkeys(forecast.quantity for forecast in migrations)
    totals = [
        _total("all", [each for each in migrations if each.quantity == name], target, name)
        for name in quantities
    ]
    return (*own, *migrations, *totals)


def _sum_statements(subject: str, members: Sequence[tuple[Series, Forecast]], target: float) -> Forecast:
    """The sum of a migration's statements; the short ones count together.

    Intervals are added end to end: what makes one statement slower than expected does so to all.
    """
    quantity = members[0][0].quantity
    short = [each for each, _ in members if each.points[-1].median < quantity.least]
    parts = [forecast for each, forecast in members if each.points[-1].median >= quantity.least]
    if short:
        parts.append(predict(pooled(f"{subject}, short statements", short), target))
    whole = sum(max(each.points[-1].median, 0.0) for each, _ in members)
    measured = {each.subject: each.points[-1].median for each, _ in members}
    small = [
        each
        for each in parts
        if each.refused is None
        or measured.get(each.subject, whole) > NOTICEABLE * whole
        or (each.exponent or 0.0) > STEEP
    ]
    return _total(subject, small or parts, target, quantity.name)


def _total(subject: str, parts: Sequence[Forecast], target: float, quantity: str) -> Forecast:
    refused = next((each for each in parts if each.refused is not None), None)
    if refused is not None and refused.refused is not None:
        said = refused.refused
        reason = f"{refused.subject}: {said.reason}" if ": " not in said.reason else said.reason
        return Forecast(subject, quantity, target, None, None, None, None, None, Refused(reason, said.cure))
    value = sum(each.value or 0.0 for each in parts)
    largest = max(parts, key=lambda each: each.value or 0.0)
    weighted = sum((each.value or 0.0) * (each.exponent or 0.0) for each in parts)
    return replace(
        largest,
        subject=subject,
        quantity=quantity,
        value=value,
        low=sum(each.low or 0.0 for each in parts),
        high=sum(each.high or 0.0 for each in parts),
        exponent=weighted / value if value else 0.0,
    )
