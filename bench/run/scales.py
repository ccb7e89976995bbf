"""The same suite rehearsed at several sizes of its data, each from a template of its own.

Repeats go round: all sizes once, then all sizes again. A machine that is slower for a minute is so at every
size then, which costs precision, and not at one, which would look like growth.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow

from bench.analyse.forecast.production import Production, read_production
from bench.analyse.forecast.refuse import FARTHEST
from bench.errors import UsageError
from bench.migrate.suite import Suite
from bench.model.run import Run
from bench.pg.catalog import load_query
from bench.pg.server import Server
from bench.run.clones import clone, own_roles
from bench.run.draft import RunDraft, Save, new_run
from bench.run.progress import Progress, Said, Step
from bench.run.scripts import read_scripts
from bench.run.session import Rehearsal, RunOptions, ending_in_words, noting_changes
from bench.run.solo.inside import LookingInside, put_inside, reached_in
from bench.run.solo.watch import counters_database
from bench.run.template.keep import Template
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template

FEWEST = 5
"""So many sizes are measured, whatever the budget: fewer tell no growth."""
STEP = 2.0
"""Each size is so many times the one before: five of them span a factor of 16."""
NEXT_TO_NOTHING = 0.03
"""Share of the first round's budget."""
SMALLEST_OF_TARGET = 1 / 4096
SLACK = 2.0
"""What two small sizes took tells what a large one takes within such a factor."""


@dataclass(frozen=True, slots=True)
class ScaleOptions:
    """Which sizes to measure, and how often each."""

    target: DataOptions
    """The size that the forecast is for; smaller ones keep its proportions."""
    scales: Sequence[float] = ()
    """The sizes, ascending; none: they double until the budget is spent."""
    budget_s: float = 600.0
    repeats: int = 3


@dataclass(frozen=True, slots=True)
class _Size:
    """One size while it is measured."""

    scale: float
    rehearsal: Rehearsal
    prepared: Template
    counters: str | None

    def repeat(self, index: int) -> None:
        """Apply the suite once, and after the last repeat cost its queries and look inside its statements."""
        options, progress = self.rehearsal.options, self.rehearsal.progress
        last = index == options.repeats - 1
        progress(Step(f"scale {self.scale:g}, repeat {index + 1} of {options.repeats}"))
        self.rehearsal.solo_repeat(index, self.prepared.dbname, self.counters, last=last)
        if last and not self.failed:
            self._look_inside()

    @property
    def run(self) -> Run:
        return self.rehearsal.draft.run

    @property
    def failed(self) -> bool:
        return self.rehearsal.draft.failed is not None

    def _look_inside(self) -> None:
        """Plans and counted work of the statements, which no clock of the repeats holds."""
        rehearsal, draft = self.rehearsal, self.rehearsal.draft
        repeat = draft.last_repeat
        assert repeat is not None
        server, progress = rehearsal.server, rehearsal.progress
        with own_roles(server), clone(server, self.prepared.dbname, "plans") as dbname:
            title = f"scale {self.scale:g}, plans inside statements"
            seen = LookingInside(
                server, rehearsal.scripts, dbname, self.counters, reached_in(repeat), progress, title
            ).run()
        draft.put_repeat(put_inside(repeat, seen.found))
        draft.note(*seen.notes)


def measure_scales(
    server: Server, suite: Suite, options: ScaleOptions, *, run_id: str, save: Save, progress: Progress
) -> Iterator[tuple[Run, ...]]:
    """After each round what is measured so far, one run for each size, ascending.

    A migration that failed ends it: the last one then is the run of that size alone.

    ``save`` gets every state of the largest size. Raises what :func:`bench.run.session.rehearse` raises.
    """
    server = replace(server, deploys_as=options.target.role)
    scripts = read_scripts(server, suite, options.target)
    with ending_in_words(server), counters_database(server) as counters, ExitStack() as stack:
        measured: list[_Size] = []
        for scale in sizes(options, progress):
            draft = RunDraft(new_run(run_id, server, suite), save)
            rehearsal = Rehearsal(server, suite, scripts, _run_options(options, scale), draft, progress)
            size = stack.enter_context(_opened(rehearsal, scale, counters))
            for smaller in measured:
                smaller.rehearsal.draft.keep_to_itself()
            measured.append(size)
            size.repeat(0)
            stack.enter_context(noting_changes(server, draft))
            if size.failed:
                yield (draft.finish(),)
                return
        for index in range(1, options.repeats):
            yield tuple(size.run for size in measured)
            for size in measured:
                size.repeat(index)
                if size.failed:
                    yield (size.rehearsal.draft.finish(),)
                    return
        yield tuple(size.rehearsal.draft.finish() for size in measured)


def _run_options(options: ScaleOptions, scale: float) -> RunOptions:
    return RunOptions(repeats=options.repeats, probe=False, data=data_at(options.target, scale))


@contextmanager
def _opened(rehearsal: Rehearsal, scale: float, counters: str | None) -> Iterator[_Size]:
    """A size with its template, which is dropped at the end."""
    rehearsal.progress(Step(f"scale {scale:g}"))
    data = rehearsal.options.data
    with template(rehearsal.server, rehearsal.suite, data, rehearsal.progress) as prepared:
        rehearsal.draft.update(dataset=prepared.dataset)
        rehearsal.draft.note(*prepared.notes)
        yield _Size(scale, rehearsal, prepared, counters)


def data_at(target: DataOptions, scale: float) -> DataOptions:
    """The data of another size, in the proportions of the target's."""
    share = scale / target.scale
    if target.own_sizes:
        return replace(target, scale=scale, share=share, measures_scales=True)
    return replace(
        target,
        scale=scale,
        rows={table: max(round(rows * share), 1 if rows else 0) for table, rows in target.rows.items()},
    )


def require_reach(options: ScaleOptions) -> None:
    """Raise UsageError where the sizes that were named are too small for any forecast of the target."""
    largest, needed = max(options.scales), options.target.scale / FARTHEST
    if largest >= needed:
        return
    named = ",".join(f"{needed / STEP**step:.2g}" for step in reversed(range(FEWEST)))
    raise UsageError(
        f"the target is {options.target.scale / largest:,.0f} times the largest size, {largest:g}, and "
        f"nothing is forecast beyond {FARTHEST:g} times",
        f"measure up to scale {needed:.2g} or more: --scales {named}; or name a target of up to "
        f"{FARTHEST * largest / options.target.scale:.1%} of this one",
    )


def require_budget(options: ScaleOptions, took: Sequence[tuple[float, float]], left_s: float) -> None:
    """Raise UsageError where the budget's rest cannot reach a size from which the target can be told.

    ``took``: scale and seconds of the sizes so far; from these two and more, growth in proportion, the least
    that larger ones take, tells what is still to come.
    """
    needed = options.target.scale / FARTHEST
    scale, took_s = took[-1]
    if len(took) < 2 or scale >= needed:
        return
    first, first_s = took[0]
    if first * STEP ** (FEWEST - 1) >= needed:
        return  # as so many are measured whatever the budget
    per_scale_s = max(took_s - first_s, 0.0) / (scale - first)
    fixed_s = max(took_s - per_scale_s * scale, 0.0)
    coming_s, next_scale = 0.0, scale
    while next_scale < needed:
        next_scale *= STEP
        coming_s += fixed_s + per_scale_s * next_scale
    if coming_s <= SLACK * left_s:
        return
    whole_s = SLACK * (coming_s + sum(seconds for _, seconds in took)) * (options.repeats + 1)
    reach = max(scale, left_s / per_scale_s / 2 if per_scale_s else scale)
    raise UsageError(
        f"the budget of {options.budget_s:g} s does not reach the target: it takes a size of at least "
        f"1/{FARTHEST:g} of it to tell, scale {needed:.2g}, and the sizes up to there would take about "
        f"{coming_s:,.0f} s where {max(left_s, 0.0):,.0f} s are left for them",
        f"give --within {math.ceil(whole_s / 60)}m or more; or a target of up to "
        f"{FARTHEST * reach / options.target.scale:.2g} times this one",
    )


def sizes(options: ScaleOptions, progress: Progress) -> Iterator[float]:
    """The sizes given, or ever larger ones, until the next would go over the budget or reach the target.

    Each is measured once before the next one is chosen: the first round has its share of the budget. As long
    as a size takes next to nothing, the next one is four times as large.
    """
    if options.scales:
        require_reach(options)
        yield from options.scales
        return
    budget_s = options.budget_s / (options.repeats + 1)
    begin = time.monotonic()
    scale = max(options.target.scale * SMALLEST_OF_TARGET, 0.001)
    scale = min(scale, options.target.scale / STEP ** (FEWEST - 1))
    took_s, done, step = 0.0, 0, STEP
    sizes_s: list[tuple[float, float]] = []
    while scale <= options.target.scale * 1.0001:
        left_s = budget_s - (time.monotonic() - begin)
        if done >= FEWEST and took_s * step**2 > left_s:
            progress(
                Said(f"scale {scale:g} would not fit the first round's rest of the budget, {left_s:.0f} s")
            )
            return
        started = time.monotonic()
        yield scale
        took_s = time.monotonic() - started
        sizes_s.append((scale, took_s))
        require_budget(options, sizes_s, budget_s - (time.monotonic() - begin))
        step = STEP**2 if took_s < NEXT_TO_NOTHING * budget_s else STEP
        scale, done = scale * step, done + 1


def probe(conn: psycopg.Connection[TupleRow]) -> Production:
    """What the script says of the database that a connection is to; it leaves no transaction open.

    Raises psycopg.Error where the server refuses.
    """
    cursor = conn.execute(load_query("production", conn.info.server_version).encode())
    while cursor.description is None and cursor.nextset():
        pass
    row = cursor.fetchone()
    return read_production(json.dumps(row[0]) if row else "", "the probe script")


def calibrate_as_probe(server: Server) -> float | None:
    """Seconds that the script's piece of work takes here: the median of its tries."""
    with server.connect(application_name="pgrehearse probe") as conn:
        return probe(conn).calibration_s
