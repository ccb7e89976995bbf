"""The command as it was typed, so that a run file and a report can say how to run it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextvars import ContextVar

from bench.model.printable import visible, without_passwords

TYPED: ContextVar[str | None] = ContextVar("TYPED", default=None)
"""The command line that this process was started for; None where it was not started by one."""
_OF_ONE_RUN = {"--out": 2, "--json": 2, "--quiet": 1, "--debug": 1}
"""What a next run shall not repeat, with the words that it takes."""
_PLACEHOLDERS = {"--server": '"$DSN"', "--from-dsn": '"$SOURCE_DSN"', "--pending-of": '"$PENDING_DSN"'}


def retyped(words: Sequence[str]) -> str:
    """``bench`` with the words of a command line, less what names one run's own files.

    An address of a server is never repeated: a variable takes its place.
    """
    kept = ["bench"]
    pending = list(words)
    before = ""
    while pending:
        word = pending.pop(0)
        name, equals, value = word.partition("=")
        if name in _OF_ONE_RUN:
            del pending[: _OF_ONE_RUN[name] - 1 - len(equals)]
        elif equals and name in _PLACEHOLDERS and _is_address(value):
            kept.append(f"{name}={_PLACEHOLDERS[name]}")
        elif before == "--command" or name == "--command":
            kept.append(shlex.quote(visible(without_passwords(word))))
        elif _is_address(word):
            kept.append(_PLACEHOLDERS.get(before, '"$DSN"'))
        else:
            kept.append(shlex.quote(visible(word)))
        before = word
    return " ".join(kept)


def _is_address(word: str) -> bool:
    return "://" in word or any(f"{key}=" in word for key in ("host", "password", "user", "service"))
