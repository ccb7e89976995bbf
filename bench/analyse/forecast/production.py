"""What a forecast is for: a size, and what ``bench forecast --production-sql`` printed in production."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from bench.analyse.forecast.deploy import forecast_deploy
from bench.analyse.forecast.regime import MAINTENANCE, OF_A_HASH, OF_A_SORT, SHARED_BUFFERS, setting_bytes
from bench.analyse.forecast.series import Forecast, Series
from bench.errors import UsageError

PROBE = 1
"""Version of the script whose output is read."""


@dataclass(frozen=True, slots=True)
class ProbedTable:
    """One table, its partitions counted in."""

    rows: int
    """As the statistics have it: about right."""
    bytes: int
    """With indexes and TOAST."""


@dataclass(frozen=True, slots=True)
class Production:
    """The script's output."""

    probe: int
    tables: Mapping[str, ProbedTable]
    """By schema-qualified name."""
    settings: Mapping[str, str] = field(default_factory=dict)
    version_num: int = 0
    cores: int | None = None
    calibration_s: float | None = None
    """Median of the script's piece of work; None: left out."""
    read_at: str | None = None

    @property
    def limits(self) -> dict[str, float]:
        """The memory that it gives to each of what :func:`bench.analyse.forecast.regime.memory` names."""
        work_mem = setting_bytes(self.settings.get("work_mem"))
        hash_share = float(self.settings.get("hash_mem_multiplier", "2"))
        found = {
            OF_A_SORT: work_mem,
            OF_A_HASH: work_mem and work_mem * hash_share,
            MAINTENANCE: setting_bytes(self.settings.get("maintenance_work_mem")),
            SHARED_BUFFERS: setting_bytes(self.settings.get("shared_buffers")),
        }
        return {name: limit for name, limit in found.items() if limit}


def read_production(text: str, source: str) -> Production:
    """The output of the probe script; what psql prints around the JSON is passed over.

    Raises UsageError naming ``source``: no JSON, not the script's, or of another version.
    """
    try:
        production = msgspec.json.decode(text[text.find("{") : text.rfind("}") + 1], type=Production)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UsageError(
            f"{source} is not what the probe script prints: {error}",
            "bench forecast --production-sql > probe.sql, then "
            'psql -XAtq -f probe.sql "$PRODUCTION" > probe.json',
        ) from error
    if production.probe != PROBE:
        raise UsageError(
            f"{source} comes from another version of the probe script", "run bench forecast --production-sql"
        )
    if production.calibration_s is not None and not 0 < production.calibration_s < float("inf"):
        return replace(
            production, calibration_s=None
        )  # earlier scripts were given negative times by a cache of 14
    return production


def on_machine(forecast: Forecast, ratio: float) -> Forecast:
    """A forecast of a time on a machine that takes ``ratio`` times as long for the calibration query.

    One query says little about disks: the interval keeps the times of this machine as well.
    """
    if not forecast.quantity.endswith("_s") or forecast.value is None:
        return forecast
    low, high = forecast.low or 0.0, forecast.high or 0.0
    return replace(
        forecast,
        value=forecast.value * ratio,
        low=low * min(ratio, 1.0),
        high=high * max(ratio, 1.0),
    )


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
        return tuple(on_machine(forecast, self.ratio) for forecast in found)
