"""The errors of the generator that a user can meet; those of the whole tool are in bench.errors.

Each says in one sentence what failed, on which thing, with which value; ``hint`` says what to try.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

DISK_FULL = "53100"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""


class BenchError(Exception):
    """Base of every error that is shown without a traceback."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BenchError):
    """An option, file, suite or setting that cannot be used."""

    exit_code = 2


class ServerError(BenchError):
    """The server cannot be started, reached or used."""

    exit_code = 5


class Interrupted(BenchError):
    """The user, or the system, asked the run to end."""

    exit_code = 130


def server_error(error: psycopg.Error, doing: str) -> ServerError:
    """The server's refusal as an error for the user, with what was going on."""
    text = (error.diag.message_primary or str(error)).strip()
    message = f"{doing}: {text}" + (f" ({error.sqlstate})" if error.sqlstate else "")
    if error.sqlstate == DISK_FULL:
        return ServerError(message, "free space on the server's disk, or load less: --scale, --rows")
    return ServerError(message, error.diag.message_hint or error.diag.message_detail)
