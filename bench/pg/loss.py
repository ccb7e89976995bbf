"""Why a session of ours ended, in words: only a server that does not answer any more went away."""

from __future__ import annotations

import psycopg

from bench.errors import ServerError, Unreachable
from bench.pg.endpoint import Endpoint

_CONNECTION_LOST = ("08", "57P")
"""SQLSTATE classes connection exception, and operator intervention that ends a session.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_TERMINATED = ("57P01", "57P05")
"""admin_shutdown, which pg_terminate_backend sends, too; idle_session_timeout."""
KEPT = "what was measured until then is kept; look at the server's log, then run again"


def describe_loss(
    endpoint: Endpoint, error: psycopg.OperationalError | Unreachable, hint: str = KEPT
) -> ServerError:
    """The error that a user is shown where a query or a connection of ours has failed."""
    if isinstance(error, Unreachable):
        return error if endpoint.answers() else ServerError(f"the server went away: {error.reason}", hint)
    said = endpoint.scrub(str(error)).strip().splitlines()[0]
    if error.sqlstate is not None and not error.sqlstate.startswith(_CONNECTION_LOST):
        return ServerError(f"a query of ours was refused: {said} ({error.sqlstate})", hint)
    if error.sqlstate in _TERMINATED and endpoint.answers():
        return ServerError(f"a session of ours was ended: {said}", hint)
    return ServerError(f"the server went away: {said}", hint)
