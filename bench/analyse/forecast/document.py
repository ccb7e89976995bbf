"""The forecast as the run file holds it and ``bench forecast --json`` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analyse.forecast.breaks import first_breaks
from bench.analyse.forecast.deploy import all_series
from bench.analyse.forecast.series import Forecast, Series
from bench.analyse.forecast.target import Target
from bench.analyse.summary import solo_repeats
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
    for repeat in solo_repeats(run)[-1:]:
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
