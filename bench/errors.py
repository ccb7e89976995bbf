"""The errors that a user can meet.

BenchError
 ├── UsageError         exit 2  an option, file, suite or setting that cannot be used
 ├── NotComparableError exit 3  two runs that must not be compared
 ├── MigrationError     exit 4  a migration failed
 ├── ServerError        exit 5  the server cannot be started, reached or used
 └── Interrupted        exit 130  the user pressed Ctrl-C, or the process was asked to end

What is none of these is a fault of ours: exit 70.

Each says in one sentence what failed, on which thing, with which value; ``hint`` says what to try.
"""

from __future__ import annotations

from collections.abc import Mapping

from datagen.errors import BenchError, Interrupted, ServerError, UsageError

__all__ = [
    "EXIT_CODES",
    "BenchError",
    "Interrupted",
    "MigrationError",
    "NotComparableError",
    "ServerError",
    "Unreachable",
    "UsageError",
]

EXIT_CODES: Mapping[int, str] = {
    0: 'the migrations applied; with --fail-on error they are also not "not ready", with --fail-on warning '
    "they are ready without conditions",
    1: "a budget is broken, a rollback failed, something got worse, or the verdict is one of --fail-on",
    2: "usage, configuration or unreadable input",
    3: "runs that are not comparable",
    4: "a migration failed, alone or under traffic with nothing in its way",
    5: "the server cannot be started, reached or used",
    6: "with --fail-on: incomplete, as something that was asked for was not measured",
    70: "a fault of pgrehearse; --debug shows where",
    130: "interrupted",
}
"""What each exit code says, of whatever command gives it."""


class NotComparableError(BenchError):
    """Two runs that must not be compared."""

    exit_code = 3


class MigrationError(BenchError):
    """A migration failed; what was measured until then is kept."""

    exit_code = 4


class Unreachable(ServerError):
    """No connection to the server can be had; ``reason`` is what the client library said."""

    def __init__(self, message: str, hint: str | None = None, *, reason: str) -> None:
        super().__init__(message, hint)
        self.reason = reason
