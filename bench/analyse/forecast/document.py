"""The forecast as the run file holds it and ``bench forecast --json`` prints it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analyse.forecast.breaks import first_breaks
from bench.analyse.forecast.deploy import all_series
from bench.analyse.forecast.production import Target
from bench.analyse.forecast.series import Forecast, Series
from bench.analyse.quantity import count, seconds
from bench.model.run import Run

FACTORS = (2, 5, 10)
"""The capacity table's further targets, as multiples of the first."""


def forecast_document(runs: Sequence[Run], target: Target) -> dict[str, Any]:
    """Forecasts at a target and at multiples of it, when a budget breaks, and all that they rest on.

    Values are in the units that the quantities' names say; sizes are scales of the data.
    """
    series = all_series(runs)
    production = target.production
    return {
        "at": dict(target.at),
        "scale": target.scale,
        "scales": sorted(run.dataset.scale or 0.0 for run in runs if run.dataset is not None),
        "machine": {
            "calibration_s": production.calibration_s if production is not None else None,
            "calibration_here_s": target.calibration_s,
            "ratio": target.ratio,
        },
        "forecasts": [each.as_json(target.at) for each in target.forecasts(series)],
        "capacity": [_capacity(series, target, factor) for factor in FACTORS],
        "budgets": first_breaks(runs[-1].suite.budgets, series, target) if runs else [],
        "measured": [_measured(each) for each in series],
        "names": _names(runs[-1]) if runs else {},
    }


def _names(run: Run) -> dict[str, str]:
    """Where a statement or a migration stands, and how it begins, by its subject."""
    files = {each.id: each.file for each in run.suite.migrations}
    names = {f"migration:{migration}": file for migration, file in files.items()}
    for repeat in run.solo[-1:]:
        for migration in repeat.migrations:
            for each in migration.statements:
                place = f"{each.file or files.get(migration.id, migration.id)}:{each.line}"
                names[f"statement:{migration.id}#{each.index}"] = (
                    f"{place} {' '.join(each.text.split())[:60]}"
                )
    return names


def _capacity(series: Sequence[Series], target: Target, factor: int) -> dict[str, Any]:
    rows = target.rows(factor)
    found = [each.as_json(rows) for each in target.forecasts(series, factor) if _is_whole(each)]
    return {"factor": factor, "at": rows, "forecasts": found}


def _is_whole(forecast: Forecast) -> bool:
    return not forecast.subject.startswith("statement:")


def _measured(series: Series) -> dict[str, Any]:
    return {
        "subject": series.subject,
        "quantity": series.quantity.name,
        "points": [
            {
                "scale": point.n,
                "values": list(point.values),
                "counters": dict(point.counters),
                "regime": {
                    "dominating": sorted(point.regime.dominating),
                    "present": sorted(point.regime.present),
                    "spilled": point.regime.spilled,
                    "rewrites": sorted(point.regime.rewrites),
                },
                "memory": {
                    name: {"used_bytes": memory.used_bytes, "limit_bytes": memory.limit_bytes}
                    for name, memory in point.memory.items()
                },
            }
            for point in series.points
        ],
    }


SHOWN_TABLES = 2
TOO_SHORT = "too short"
"""In the reason of a refusal: nothing that anybody would miss."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One figure at the target, or why there is none."""

    value_s: float | None
    low_s: float | None
    high_s: float | None
    subject: str
    """As the forecast names it: ``all``, or ``lock:…``."""
    reason: str = ""
    """Why it is refused; empty where it is not."""
    cure: str = ""
    at_most_s: float = math.inf
    """Where it is refused: what its worst class comes to."""

    @property
    def lock(self) -> str:
        """Of a lock, ``the lock on public.deals``."""
        return f"the lock on {self.subject.rpartition(':')[2]}"

    @property
    def words(self) -> str:
        """``41.2 s [35.0 s, 52.1 s]``."""
        return f"{seconds(self.value_s)} [{seconds(self.low_s)}, {seconds(self.high_s)}]"


def rows_named(at: Mapping[str, int]) -> str:
    """The target in words: ``1 M deals and 250 k contacts``."""
    shown = [f"{count(rows)} {table}" for table, rows in list(at.items())[:SHOWN_TABLES]]
    left = len(at) - len(shown)
    return " and ".join(shown) + (f" and {left} more tables in proportion" if left else "")


def deploy_duration(document: Mapping[str, Any]) -> Answer | None:
    """Of all migrations together; None where the forecast says nothing of it."""
    return next(_answers(document, "duration_s", "all"), None)


def longest_lock(document: Mapping[str, Any]) -> Answer | None:
    """The longest hold, refused where one of them is that may be it; None where none is held for long enough
    to be told."""
    found = [answer for answer in _answers(document, "held_s", "lock:") if TOO_SHORT not in answer.reason]
    highest = max((answer.high_s or 0.0 for answer in found if not answer.reason), default=0.0)
    found = [answer for answer in found if not answer.reason or answer.at_most_s > highest]
    refused = next((answer for answer in found if answer.reason), None)
    return refused or max(found, key=lambda answer: answer.value_s or 0.0, default=None)


def _answers(document: Mapping[str, Any], quantity: str, subject: str) -> Iterator[Answer]:
    for forecast in document["forecasts"]:
        if forecast["quantity"] != quantity or not forecast["subject"].startswith(subject):
            continue
        refused = forecast["refused"] or {"reason": "", "cure": ""}
        yield Answer(
            forecast["value"], forecast["low"], forecast["high"], forecast["subject"],
            refused["reason"], refused["cure"], refused.get("at_most") or math.inf,
        )  # fmt: skip
