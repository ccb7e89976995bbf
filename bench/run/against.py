"""Two states of a suite in one job: their repeats alternate (A B B A …), each on a clone of one template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.migrate.suite import Suite
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.draft import RunDraft, Save, new_run
from bench.run.progress import Progress, Step
from bench.run.scripts import read_scripts
from bench.run.session import Rehearsal, RunOptions, ending_in_words, noting_changes
from bench.run.solo.watch import counters_database
from bench.run.template.prepare import template

MORE_REPEATS = 5
"""Added once, where the first ones leave something open or accuse."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A state of the suite, and where its run goes."""

    suite: Suite
    run_id: str
    save: Save


def rehearse_both(
    server: Server,
    base: Revision,
    head: Revision,
    options: RunOptions,
    *,
    progress: Progress,
    needs_more: Callable[[Run, Run], bool],
) -> tuple[Run, Run]:
    """Rehearse both sides and return their runs; pair n of repeats ran one right after the other.

    The template is built from the head's base, so that both start from the same state. ``needs_more`` sees
    both runs after ``options.repeats`` pairs, and says whether five more are worth it. A migration that fails
    ends both sides. Raises what :func:`bench.run.session.rehearse` raises.
    """
    server = replace(server, deploys_as=options.data.role)
    drafts = [RunDraft(new_run(side.run_id, server, side.suite), side.save) for side in (base, head)]
    scripts_of_both = [read_scripts(server, side.suite, options.data) for side in (base, head)]
    sides = [
        Rehearsal(server, side.suite, scripts, options, draft, progress)
        for side, scripts, draft in zip((base, head), scripts_of_both, drafts, strict=True)
    ]
    with (
        ending_in_words(server),
        noting_changes(server, *drafts),
        counters_database(server) as counters,
        template(server, head.suite, options.data, progress) as prepared,
    ):
        for draft in drafts:
            draft.update(dataset=prepared.dataset)
        _pairs(sides, 0, options.repeats, prepared.dbname, counters, progress)
        if not _failed(sides) and needs_more(drafts[0].run, drafts[1].run):
            _pairs(sides, options.repeats, MORE_REPEATS, prepared.dbname, counters, progress)
    return drafts[0].finish(), drafts[1].finish()


def _pairs(
    sides: list[Rehearsal], first: int, count: int, prepared: str, counters: str | None, progress: Progress
) -> None:
    for index in range(first, first + count):
        order = sides if index % 2 == 0 else sides[::-1]
        for side in order:
            which = "base" if side is sides[0] else "head"
            progress(Step(f"pair {index + 1} of {first + count}, {which}"))
            # Queries are costed once; the repeats that are added are for the times.
            side.solo_repeat(index, prepared, counters, last=first == 0 and index == count - 1)
            if side.draft.failed is not None:
                return


def _failed(sides: list[Rehearsal]) -> bool:
    return any(side.draft.failed is not None for side in sides)
