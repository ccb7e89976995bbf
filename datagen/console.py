"""Progress on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from datagen.progress import Listener, Progress

_EVERY_S = 5.0


@contextmanager
def progress_display(quiet: bool) -> Iterator[Listener | None]:
    """Something to call with every Progress; None where nothing is to be shown."""
    if quiet:
        yield None
    elif sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        with _bar() as bar:
            task = bar.add_task("", total=None, note="")
            yield lambda p: bar.update(
                task, description=p.phase, completed=p.done, total=max(p.total, 1), note=describe(p)
            )
    else:
        yield _Lines()


def describe(progress: Progress) -> str:
    """Done and total, and while copying the rate and the time left."""
    counted = f"{progress.done:,}/{progress.total:,}"
    if progress.phase != "copy" or not progress.done:
        return counted
    rate = progress.done / progress.elapsed_s
    left_s = (progress.total - progress.done) / rate
    return f"{counted} rows, {rate:,.0f} rows/s, {progress.bytes / 1e6:,.0f} MB, {left_s:.0f} s left"


class _Lines:
    """One line per phase, and one every few seconds."""

    def __init__(self) -> None:
        self.phase: str | None = None
        self.shown_s = 0.0

    def __call__(self, progress: Progress) -> None:
        ended = progress.done == progress.total
        if progress.phase == self.phase and not ended and progress.elapsed_s - self.shown_s < _EVERY_S:
            return
        self.phase, self.shown_s = progress.phase, progress.elapsed_s
        print(f"{progress.elapsed_s:6.1f} s  {progress.phase}: {describe(progress)}", file=sys.stderr)


def _bar() -> Bar:
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    )
