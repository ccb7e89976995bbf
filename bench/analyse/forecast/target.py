"""What is forecast for: a size, and where it is known, the server that has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.analyse.forecast.deploy import forecast_deploy
from bench.analyse.forecast.production import Production, on_machine
from bench.analyse.forecast.series import Forecast, Series


@dataclass(frozen=True, slots=True)
class Target:
    """What is forecast for."""

    scale: float
    at: Mapping[str, int]
    """Its rows, by table."""
    production: Production | None = None
    """What the probe script said of the server that it is on; None: one like this."""
    calibration_s: float | None = None
    """What the script's piece of work takes here."""

    @property
    def ratio(self) -> float:
        """By how much longer that machine takes than this one; 1 where it was not asked."""
        there = self.production.calibration_s if self.production is not None else None
        return there / self.calibration_s if there and self.calibration_s else 1.0

    def rows(self, factor: float) -> dict[str, int]:
        """The rows at a multiple of its size."""
        return {table: round(factor * amount) for table, amount in self.at.items()}

    def forecasts(self, series: Iterable[Series], factor: float = 1.0) -> tuple[Forecast, ...]:
        """Forecasts of series, of what they add up to, at a multiple of its size."""
        limits = self.production.limits if self.production is not None else {}
        found = forecast_deploy(tuple(series), factor * self.scale, limits)
        return tuple(on_machine(each, self.ratio) for each in found)
