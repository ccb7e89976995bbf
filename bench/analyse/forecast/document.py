"""The forecast as the run file holds it and ``bench forecast --json`` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.analyse.forecast.deploy import all_series, forecast_deploy
from bench.analyse.forecast.series import Forecast, Series
from bench.model.run import Run

FACTORS = (2, 5, 10)
"""The capacity table's further targets, as multiples of the first."""


def forecast_document(runs: Sequence[Run], scale: float, at: Mapping[str, int]) -> dict[str, Any]:
    """Forecasts at ``scale``, whose rows are ``at``, and at multiples of it, with all that they rest on.

    Values are in the units that the quantities' names say; sizes are scales of the data.
    """
    series = all_series(runs)
    return {
        "at": dict(at),
        "scale": scale,
        "scales": sorted(run.dataset.scale or 0.0 for run in runs if run.dataset is not None),
        "forecasts": [each.as_json(at) for each in forecast_deploy(series, scale)],
        "capacity": [_capacity(series, scale, at, factor) for factor in FACTORS],
        "measured": [_measured(each) for each in series],
    }


def _capacity(series: Sequence[Series], scale: float, at: Mapping[str, int], factor: int) -> dict[str, Any]:
    rows = {table: factor * amount for table, amount in at.items()}
    found = [each.as_json(rows) for each in forecast_deploy(series, factor * scale) if _is_whole(each)]
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
