"""A forecast, and the sizes that it rests on, as DataFrames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bench.analyse.frames.making import frame
from bench.model.run import Run

if TYPE_CHECKING:
    from pandas import DataFrame

FORECAST_COLUMNS = {
    "subject": "string",
    "quantity": "string",
    "factor": "Int64",
    "scale": "Float64",
    "value": "Float64",
    "low": "Float64",
    "high": "Float64",
    "growth": "string",
    "exponent": "Float64",
    "refused": "string",
    "cure": "string",
}
SIZE_COLUMNS = {
    "subject": "string",
    "quantity": "string",
    "scale": "Float64",
    "repeat": "Int64",
    "value": "Float64",
    "spilled": "boolean",
}


def forecasts(run: Run) -> DataFrame:
    """One row per forecast at the target (``factor`` 1) and multiples; columns: :data:`FORECAST_COLUMNS`.

    ``value``, and the interval from ``low`` to ``high`` that should hold nine of ten targets, are in the unit
    that ``quantity`` names; missing where ``refused`` says why.
    """
    return frame(_forecast_rows(run.forecast or {}), FORECAST_COLUMNS)


def sizes(run: Run) -> DataFrame:
    """One row per quantity, size and repeat that a forecast rests on; columns are :data:`SIZE_COLUMNS`.

    ``value`` is in the unit that ``quantity`` names; times are set against the calibration query. ``spilled``
    says whether temporary files were written.
    """
    return frame(_size_rows(run.forecast or {}), SIZE_COLUMNS)


def _forecast_rows(document: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    tables = [(1, document.get("forecasts", ()))]
    tables += [(each["factor"], each["forecasts"]) for each in document.get("capacity", ())]
    for factor, found in tables:
        for each in found:
            said = each["refused"] or {}
            yield {
                "subject": each["subject"],
                "quantity": each["quantity"],
                "factor": factor,
                "scale": factor * document["scale"],
                "value": each["value"],
                "low": each["low"],
                "high": each["high"],
                "growth": each["growth"],
                "exponent": each["exponent"],
                "refused": said.get("reason"),
                "cure": said.get("cure"),
            }


def _size_rows(document: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    for series in document.get("measured", ()):
        for point in series["points"]:
            for repeat, value in enumerate(point["values"]):
                yield {
                    "subject": series["subject"],
                    "quantity": series["quantity"],
                    "scale": point["scale"],
                    "repeat": repeat,
                    "value": value,
                    "spilled": point["regime"]["spilled"],
                }
