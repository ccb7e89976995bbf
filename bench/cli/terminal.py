"""Where the command line writes: messages that nothing in them can steer, and documents as they are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.errors import UsageError
from bench.model.printable import harmless, harmless_parts

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderResult


def prepare_streams() -> None:
    """Let no character that a stream's encoding lacks, and no stream that is closed, end a command."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by the shell: >&-
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 (until we end)
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def terminal(*, stderr: bool = False, highlight: bool = True) -> Console:
    """A console on standard output, or on standard error, that shows control characters as text."""
    from rich.console import Console, RenderHook
    from rich.segment import Segment

    class Harmless:
        """A renderable whose text cannot steer a terminal, or the runner that reads a log."""

        def __init__(self, renderable: ConsoleRenderable) -> None:
            self._renderable = renderable

        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            segments = list(console.render(self._renderable, options))
            texts = harmless_parts("" if segment.control else segment.text for segment in segments)
            for segment, text in zip(segments, texts, strict=True):
                yield segment if segment.control else Segment(text, segment.style)

    class Hook(RenderHook):
        def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
            return [Harmless(renderable) for renderable in renderables]

    console = Console(stderr=stderr, highlight=highlight)
    console.push_render_hook(Hook())
    return console


def say(lines: str | Iterable[str], *, stderr: bool = False) -> None:
    """Print a line, or several, of our own words with those of others in them."""
    stream = sys.stderr if stderr else sys.stdout
    for line in [lines] if isinstance(lines, str) else lines:
        print(harmless(line), file=stream)


def write_document(document: str | bytes) -> None:
    """Write a whole document to standard output, byte for byte in UTF-8.

    Raises UsageError: standard output is closed, or cannot take it; BrokenPipeError: its reader has gone.
    """
    data = document.encode() if isinstance(document, str) else document
    if sys.__stdout__ is None:
        raise UsageError("standard output is closed", "send it to a file: > FILE")
    try:
        if (buffer := getattr(sys.stdout, "buffer", None)) is None:
            sys.stdout.write(data.decode())
        else:
            sys.stdout.flush()
            buffer.write(data)
            buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(
            f"standard output cannot be written: {error.strerror}", "write to a file with room for it"
        ) from error
