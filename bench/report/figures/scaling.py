"""How the costliest parts of a deploy grow: what was measured, the forecast and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.model.forecast import ForecastDocument, ForecastFigure, MeasuredSeries, Subject
from bench.report import format as fmt
from bench.report.figures.axes import log_time_ticks
from bench.report.figures.sheet import Picture, sheet
from bench.report.figures.text import fit
from bench.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 6
COLUMNS = 2
PANEL_IN, GAP_IN, LEFT_IN = 2.35, 0.75, 0.75


def draw_scaling(document: ForecastDocument) -> Picture | None:
    """One panel for each of the longest statements; None where a forecast has none."""
    chosen = _chosen(document)
    if not chosen:
        return None
    rows = -(-len(chosen) // COLUMNS)
    caption = (
        "Duration of the longest statements. Points: every repeat, set against the calibration query. Line: "
        "the forecast, dashed beyond what was measured; bar: its 90 % interval at the target. Both axes are "
        "logarithmic."
    )
    with sheet("scaling", "Growth with the data", caption, rows * (PANEL_IN + GAP_IN)) as page:
        width = page.width_in / COLUMNS - LEFT_IN - 0.15
        for at, (measured, forecast) in enumerate(chosen):
            left = (at % COLUMNS) * page.width_in / COLUMNS + LEFT_IN
            top = (at // COLUMNS) * (PANEL_IN + GAP_IN) + 0.3
            name = fit(_title(measured.about), 50, keep="middle")
            page.text(left - 0.1, top - 0.15, name, fontsize=8.2, fontweight="bold")
            _panel(page.axes(left, top, width, PANEL_IN - 0.3), document, measured, forecast)
        return page.finish()


def _title(about: Subject) -> str:
    """A statement by its place in the suite."""
    return f"{about.migration}#{about.statement}" if about.kind == "statement" else about.key


def _chosen(document: ForecastDocument) -> list[tuple[MeasuredSeries, ForecastFigure]]:
    forecasts = {(figure.subject, figure.quantity): figure for figure in document.forecasts}
    timed = [series for series in document.measured if series.quantity == "duration_s"]
    longest = sorted(timed, key=lambda series: -max(series.points[-1].values))
    return [(series, forecasts[series.subject, "duration_s"]) for series in longest[:MOST]]


def _panel(ax: Axes, document: ForecastDocument, measured: MeasuredSeries, forecast: ForecastFigure) -> None:
    table, rows = next(iter(document.at.items()))
    per_scale = rows / document.scale
    points = measured.points
    middle = [sorted(point.values)[len(point.values) // 2] for point in points]
    for point in points:
        sizes = [point.scale * per_scale] * len(point.values)
        ax.plot(sizes, point.values, "o", color=LIGHT["after"], markersize=3.2, alpha=0.7, zorder=3)
    sizes = [point.scale * per_scale for point in points]
    ax.plot(sizes, middle, color=LIGHT["after"], linewidth=1.2, zorder=2)
    values = [value for point in points for value in point.values]
    if forecast.refused is None:
        value, high = forecast.value or 0.0, forecast.high or 0.0
        low = max(forecast.low or 0.0, min(values) / 2)
        ax.plot([sizes[-1], rows], [middle[-1], value], "--", color=LIGHT["after"], linewidth=1.2)
        ax.plot([rows, rows], [low, high], color=LIGHT["ink"], linewidth=2.2, zorder=3)
        ax.plot([rows], [value], "D", color=LIGHT["ink"], markersize=4, zorder=4)
        values += [low, high]
        words = f"{forecast.growth}: {fmt.seconds(forecast.value)}"
    else:
        words = f"refused: {forecast.refused.reason}"
    ax.text(
        0.03, 0.95, fit(words, 58), transform=ax.transAxes, va="top", fontsize=7.8,
        bbox={"facecolor": LIGHT["paper"], "edgecolor": "none", "pad": 1},
    )  # fmt: skip
    ax.axvline(rows, color=LIGHT["rule"], linewidth=0.9, zorder=1)
    _axes(ax, [*sizes, rows], values, f"rows of {table}")


def _axes(ax: Axes, sizes: Sequence[float], values: Sequence[float], title: str) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(min(sizes) / 1.4, max(sizes) * 1.4)
    low, high = max(min(values), 1e-5) / 1.6, max(values) * 2.2
    ax.set_ylim(low, high)
    ticks = log_time_ticks(low, high)
    ax.yaxis.set_major_locator(FixedLocator([at for at, _ in ticks]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_yticklabels([label for _, label in ticks])
    marks = sorted({sizes[0], sizes[-2], sizes[-1]})
    ax.xaxis.set_major_locator(FixedLocator(marks))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xticklabels([fmt.count(round(mark)) for mark in marks])
    ax.tick_params(labelsize=7.5)
    ax.set_xlabel(title, fontsize=7.8, color=LIGHT["muted"])
    ax.grid(axis="y")
