"""The forecast as the run file holds it and ``bench forecast --json`` prints it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.analyse.forecast.breaks import first_breaks
from bench.analyse.forecast.deploy import all_series
from bench.analyse.forecast.production import Target
from bench.analyse.forecast.series import Point, Series
from bench.analyse.quantity import count, seconds
from bench.model.forecast import (
    Capacity,
    ForecastDocument,
    Machine,
    MeasuredMemory,
    MeasuredPoint,
    MeasuredRegime,
    MeasuredSeries,
    Refusal,
    Subject,
    SubjectKind,
)
from bench.model.run import Run

FACTORS = (2, 5, 10)
"""The capacity table's further targets, as multiples of the first."""


def forecast_document(runs: Sequence[Run], target: Target) -> ForecastDocument:
    """Forecasts at a target and at multiples of it, when a budget breaks, and all that they rest on.

    Values are in the units that the quantities' names say; sizes are scales of the data.
    """
    series = all_series(runs)
    production = target.production
    return ForecastDocument(
        at=dict(target.at),
        scale=target.scale,
        scales=tuple(sorted(run.dataset.scale or 0.0 for run in runs if run.dataset is not None)),
        machine=Machine(
            production.calibration_s if production is not None else None, target.calibration_s, target.ratio
        ),
        forecasts=tuple(forecast.shown(target.at) for forecast in target.forecasts(series)),
        capacity=tuple(_capacity(series, target, factor) for factor in FACTORS),
        budgets=first_breaks(runs[-1].suite.budgets, series, target) if runs else (),
        measured=tuple(map(_measured, series)),
        names=_names(runs[-1]) if runs else {},
    )


def _names(run: Run) -> dict[str, str]:
    """Where a statement or a migration stands, and how it begins, by its key."""
    names = {Subject("migration", file.id).key: file.file for file in run.suite.migrations}
    for repeat in run.solo[-1:]:
        for migration in repeat.migrations:
            for statement in migration.statements:
                key = Subject("statement", migration.id, statement.index).key
                place = f"{statement.file or run.file_of(migration.id)}:{statement.line}"
                names[key] = f"{place} {' '.join(statement.text.split())[:60]}"
    return names


def _capacity(series: Sequence[Series], target: Target, factor: int) -> Capacity:
    rows = target.rows(factor)
    whole = [
        forecast for forecast in target.forecasts(series, factor) if forecast.subject.kind != "statement"
    ]
    return Capacity(factor, rows, tuple(forecast.shown(rows) for forecast in whole))


def _measured(series: Series) -> MeasuredSeries:
    return MeasuredSeries(
        series.subject.key, series.quantity.name, tuple(_measured_point(point) for point in series.points)
    )


def _measured_point(point: Point) -> MeasuredPoint:
    regime = point.regime
    return MeasuredPoint(
        scale=point.n,
        values=tuple(point.values),
        counters=dict(point.counters),
        regime=MeasuredRegime(
            tuple(sorted(regime.dominating)),
            tuple(sorted(regime.present)),
            regime.spilled,
            tuple(sorted(regime.rewrites)),
        ),
        memory={
            name: MeasuredMemory(memory.used_bytes, memory.limit_bytes)
            for name, memory in point.memory.items()
        },
    )


SHOWN_TABLES = 2


@dataclass(frozen=True, slots=True)
class Answer:
    """One figure at the target, or why there is none."""

    value_s: float | None
    low_s: float | None
    high_s: float | None
    about: Subject
    refused: Refusal | None = None

    @property
    def at_most_s(self) -> float:
        """Where it is refused: what its worst class comes to."""
        return math.inf if self.refused is None or not self.refused.at_most else self.refused.at_most

    @property
    def lock(self) -> str:
        """Of a lock, ``the lock on public.deals``."""
        return f"the lock on {self.about.relation}"

    @property
    def words(self) -> str:
        """``41.2 s [35.0 s, 52.1 s]``."""
        return f"{seconds(self.value_s)} [{seconds(self.low_s)}, {seconds(self.high_s)}]"


def rows_named(at: Mapping[str, int]) -> str:
    """The target in words: ``1 M deals and 250 k contacts``."""
    shown = [f"{count(rows)} {table}" for table, rows in list(at.items())[:SHOWN_TABLES]]
    left = len(at) - len(shown)
    return " and ".join(shown) + (f" and {left} more tables in proportion" if left else "")


def deploy_duration(document: ForecastDocument) -> Answer | None:
    """Of all migrations together; None where the forecast says nothing of it."""
    return next(_answers(document, "duration_s", "all"), None)


def longest_lock(document: ForecastDocument) -> Answer | None:
    """The longest hold, refused where one of them is that may be it; None where none is held for long enough
    to be told."""
    answers = [
        answer
        for answer in _answers(document, "held_s", "lock")
        if answer.refused is None or not answer.refused.short
    ]
    highest = max((answer.high_s or 0.0 for answer in answers if answer.refused is None), default=0.0)
    answers = [answer for answer in answers if answer.refused is None or answer.at_most_s > highest]
    refused = next((answer for answer in answers if answer.refused is not None), None)
    return refused or max(answers, key=lambda answer: answer.value_s or 0.0, default=None)


def _answers(document: ForecastDocument, quantity: str, kind: SubjectKind) -> Iterator[Answer]:
    for figure in document.forecasts:
        if figure.quantity == quantity and figure.about.kind == kind:
            yield Answer(figure.value, figure.low, figure.high, figure.about, figure.refused)
