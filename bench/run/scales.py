"""The same suite rehearsed at several sizes of its data, each from a template of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.migrate.script import read_statements
from bench.migrate.suite import Suite
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.clones import clone, own_roles
from bench.run.dataoptions import DataOptions
from bench.run.draft import RunDraft, Save
from bench.run.execute import psql_variables
from bench.run.hidden import LookingInside, put_inside, reached_in
from bench.run.keep import Template
from bench.run.progress import Progress, Said, Step
from bench.run.session import RunOptions, rehearse
from bench.run.watch import counters_database

FEWEST = 5
"""So many sizes are measured, whatever the budget: fewer tell no growth."""
STEP = 2.0
"""Each size is so many times the one before: five of them span a factor of 16."""
STEEPEST = 4.0
"""A size is expected to take at most so many times the one before: what is quadratic does."""
SMALLEST_OF_TARGET = 1 / 4096


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """Which sizes to measure, and how often each."""

    target: DataOptions
    """The size that the forecast is for; smaller ones keep its proportions."""
    scales: Sequence[float] = ()
    """The sizes, ascending; none: they double until the budget is spent."""
    budget_s: float = 600.0
    repeats: int = 3


def measure_scales(
    server: Server, suite: Suite, options: ScaleOptions, *, run_id: str, save: Save, progress: Progress
) -> Iterator[Run]:
    """One run for each size, ascending; ends after a migration that failed.

    Raises what :func:`bench.run.session.rehearse` raises.
    """
    for scale in _sizes(options, progress):
        progress(Step(f"scale {scale:g}"))
        run = rehearse(
            server,
            suite,
            RunOptions(
                repeats=options.repeats, inside=False, probe=False, data=data_at(options.target, scale)
            ),
            run_id=run_id,
            save=save,
            progress=progress,
            then=lambda prepared, draft: _look_inside(server, suite, prepared, draft, progress),
        )
        yield run
        if any(m.outcome == "failed" for p in run.passes for r in p.repeats for m in r.migrations):
            return


def data_at(target: DataOptions, scale: float) -> DataOptions:
    """The data of another size, in the proportions of the target's."""
    share = scale / target.scale
    return replace(
        target,
        scale=scale,
        rows={table: max(round(rows * share), 1 if rows else 0) for table, rows in target.rows.items()},
    )


def _sizes(options: ScaleOptions, progress: Progress) -> Iterator[float]:
    """The sizes given, or ever larger ones, until the next would go over the budget or reach the target."""
    if options.scales:
        yield from options.scales
        return
    begin = time.monotonic()
    scale = max(options.target.scale * SMALLEST_OF_TARGET, 0.001)
    scale = min(scale, options.target.scale / STEP ** (FEWEST - 1))
    took_s, done = 0.0, 0
    while scale <= options.target.scale * 1.0001:
        left_s = options.budget_s - (time.monotonic() - begin)
        if done >= FEWEST and took_s * STEEPEST > left_s:
            progress(Said(f"scale {scale:g} would not fit what is left of the budget, {left_s:.0f} s"))
            return
        started = time.monotonic()
        yield scale
        took_s = time.monotonic() - started
        scale, done = scale * STEP, done + 1


def _look_inside(
    server: Server, suite: Suite, prepared: Template, draft: RunDraft, progress: Progress
) -> None:
    """Plans and counted work of the statements, which no clock of the repeats holds."""
    repeat = draft.last_repeat
    if repeat is None or draft.failed is not None:
        return
    known = psql_variables(server.info)
    scripts = tuple((each, read_statements(each.path, known)) for each in suite.migrations)
    with (
        counters_database(server) as counters,
        own_roles(server),
        clone(server, prepared.dbname, "plans") as dbname,
    ):
        title = "plans inside statements"
        seen = LookingInside(server, scripts, dbname, counters, reached_in(repeat), progress, title).run()
    draft.put_repeat(put_inside(repeat, seen.found))
    draft.note(*seen.notes)
