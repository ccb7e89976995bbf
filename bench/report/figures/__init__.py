"""Pictures of a run. Only the modules of this package use matplotlib, and load it when they draw."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.summary import MigrationSummary, RunSummary
from bench.model.run import Run
from bench.report.figures.costs import draw_costs
from bench.report.figures.durations import draw_durations
from bench.report.figures.locks import draw_timeline
from bench.report.figures.scaling import draw_scaling
from bench.report.figures.sheet import Picture
from bench.report.figures.traffic import draw_traffic
from bench.report.figures.volume import draw_volume
from bench.report.sections.traffic import figure_name, loaded_with_traffic, pass_title
from bench.report.timeline import migration_timeline, suite_timeline
from bench.report.trafficchart import traffic_chart

__all__ = ["Picture", "draw_figures", "timeline_name"]

MOST_TIMELINES = 40
"""So many migrations get a timeline of their own, those that block longest; the suite's shows them all."""


def draw_figures(run: Run, summary: RunSummary) -> Iterator[Picture]:
    """Every figure of a run, one after another; what has no data says so in its figure."""
    yield draw_durations(summary)
    if (suite := suite_timeline(run, summary)) is not None:
        yield draw_timeline(suite, "locks")
    worst = sorted(summary.migrations, key=_longest_block, reverse=True)[:MOST_TIMELINES]
    for position, migration in enumerate(summary.migrations, start=1):
        if migration not in worst:
            continue
        if (timeline := migration_timeline(run, summary, migration.id)) is not None:
            yield draw_timeline(timeline, timeline_name(position))
    yield from draw_passes(run)
    if run.forecast is not None and (scaling := draw_scaling(run.forecast)) is not None:
        yield scaling
    yield draw_costs(summary)
    yield draw_volume(summary)


def draw_passes(run: Run) -> Iterator[Picture]:
    """One figure for each loaded pass."""
    for position, traffic_pass in enumerate(loaded_with_traffic(run), start=1):
        if (chart := traffic_chart(run, traffic_pass)) is not None:
            title = pass_title(traffic_pass.hazard, traffic_pass.lock_timeout_s, traffic_pass.retries)
            yield draw_traffic(chart, figure_name(position), title)


def _longest_block(migration: MigrationSummary) -> float:
    lock = migration.worst_write_block
    return -1.0 if lock is None or lock.longest_s is None else lock.longest_s


def timeline_name(position: int) -> str:
    """File name of the lock timeline of the suite's nth migration, from 1."""
    return f"locks-{position:02d}"
