"""Progress on the terminal: one live line where there is a terminal, a line per step elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.text import Text

from bench.cli.terminal import terminal
from bench.model.printable import visible
from bench.model.statement import Statement, StatementRun
from bench.run.progress import (
    Event,
    Explaining,
    Loading,
    Progress,
    Said,
    StatementBegan,
    StatementEnded,
    Step,
    silent,
)

SLOW_S = 1.0
"""A statement that took longer is worth a line of its own in plain output."""


@contextmanager
def live(*, quiet: bool) -> Iterator[Progress]:
    """Show events on standard error until the block ends."""
    if quiet:
        yield silent
        return
    console = terminal(stderr=True, highlight=False)
    if console.is_terminal:
        display = _Display(console)
        with Live(display, console=console, refresh_per_second=8, transient=True):
            yield display.show
    else:
        yield Plain(console).show


class Plain:
    """One line per step, per phase of loading, and per slow statement."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begin = time.monotonic()
        self._phase = ""

    def show(self, event: Event) -> None:
        elapsed_s = time.monotonic() - self._begin
        for line in self._lines(event):
            self._console.print(f"[{elapsed_s:6.1f} s] {line}", markup=False, soft_wrap=True)

    def _lines(self, event: Event) -> Iterator[str]:
        match event:
            case Step(text) | Said(text):
                yield text
            case Loading(phase=phase) if phase != self._phase:
                self._phase = phase
                yield f"loading: {phase}" + (f", {event.total:,} {_unit(event)}" if event.total else "")
            case StatementBegan(position=0):
                yield f"{event.migration}: {event.count} statement{'' if event.count == 1 else 's'}"
            case StatementEnded(run=run) if run.error is not None:
                yield f"{_file(event, run)}:{run.error.line}: {run.error.message} ({run.error.sqlstate})"
            case StatementEnded(run=run) if (run.duration_s or 0.0) >= SLOW_S:
                yield f"{_file(event, run)}:{run.line} {run.kind}: {run.duration_s:.1f} s"


class _Display:
    """A spinner with what goes on now; what ended stays above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("dots")
        self._event: Event = Step("starting")
        self._since = time.monotonic()

    def show(self, event: Event) -> None:
        match event:
            case Step(text):
                self._console.print(f"[bold]{escape(text)}[/bold]")
            case Said(text):
                self._console.print(f"[dim]{escape(text)}[/dim]")
            case StatementEnded(run=run) if run.error is not None:
                where = f"{_file(event, run)}:{run.error.line}"
                self._console.print(f"[bold red]✗[/bold red] {escape(where)}: {escape(run.error.message)}")
            case StatementEnded(run=run) if (run.duration_s or 0.0) >= SLOW_S:
                where = f"{_file(event, run)}:{run.line}"
                self._console.print(f"  {run.duration_s:6.1f} s  {escape(where)} {escape(run.kind)}")
        self._event, self._since = event, time.monotonic()

    def __rich__(self) -> Spinner:
        elapsed_s = time.monotonic() - self._since
        self._spinner.update(text=Text(visible(self._line(elapsed_s)), overflow="ellipsis", no_wrap=True))
        return self._spinner

    def _line(self, elapsed_s: float) -> str:
        match self._event:
            case Loading() as event:
                return _loading(event)
            case StatementBegan() as event:
                held = event.held()
                locks = f" · holds {len(held)}: {held[0]}" if held else ""
                where = f"{_file(event, event.statement)}:{event.statement.line}"
                return (
                    f"{elapsed_s:5.1f} s  {event.position + 1}/{event.count} "
                    f"{event.statement.kind} {where}{locks}"
                )
            case Explaining() as event:
                return f"{elapsed_s:5.1f} s  {event.position + 1}/{event.count} explaining {event.name}"
            case Step(text) | Said(text):
                return f"{elapsed_s:5.1f} s  {text}"
            case StatementEnded() as event:
                return f"{_file(event, event.run)}:{event.run.line} done"


def _file(event: StatementBegan | StatementEnded, statement: Statement | StatementRun) -> str:
    """The migration, or the file that it includes and the statement stands in."""
    return statement.file or event.migration


def _loading(event: Loading) -> str:
    share = event.done / event.total if event.total else 1.0
    return f"loading: {event.phase} {share:4.0%}  {event.done:,} of {event.total:,} {_unit(event)}"


def _unit(event: Loading) -> str:
    return "rows" if event.phase == "copy" else "steps"
