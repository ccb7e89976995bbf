"""``bench run --against REV``: the suite as it is and as it was, in turn, in one job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.analyse.compare.result import Comparison
    from bench.migrate.suite import Suite
    from bench.model.run import Run
    from bench.pg.spec import ServerSpec
    from bench.run.session import RunOptions

BASE, ADDED = "base", "added"
"""Directories below the head's, and ends of their runs' ids."""


def in_turn(base: Run, head: Run, *, final: bool) -> Comparison:
    """What got worse between two runs whose repeats took turns; ``final``: no more will come."""
    from bench.analyse.compare.decide import compare
    from bench.analyse.compare.record import record
    from bench.store.baseline import load_noise

    old, new = record(base), record(head)
    return compare(old, new, paired=True, final=final, noise=load_noise(new.machine))


def run_against(
    spec: ServerSpec, suite: Suite, revision: str, options: RunOptions, out: Path, *, quiet: bool
) -> tuple[Run, Run]:
    """Both runs, saved below ``out``/base and in ``out``."""
    from bench.cli.live import live
    from bench.migrate.revision import suite_at
    from bench.pg.opening import open_server
    from bench.run.against import Revision, rehearse_both
    from bench.run.progress import Said
    from bench.store.results import create_directory

    def is_open(base: Run, head: Run) -> bool:
        return in_turn(base, head, final=False).wants_repeats

    with suite_at(suite, revision) as before, live(quiet=quiet) as progress:
        directory = create_directory(out, lambda text: progress(Said(text)))
        kept = create_directory(out / BASE, lambda text: progress(Said(text)))
        sides = (
            Revision(before, f"{out.name}-{BASE}", kept.save),
            Revision(suite, out.name, directory.save),
        )
        with open_server(spec, lambda text: progress(Said(text))) as server:
            return rehearse_both(server, *sides, options, progress=progress, needs_more=is_open)
