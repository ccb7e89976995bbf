"""What a migration must not do to a server that is not ours."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.errors import UsageError
from bench.model.statement import Statement

SERVER_WIDE = ("ROLE", "USER", "GROUP", "DATABASE", "TABLESPACE", "SYSTEM")
"""Objects of CREATE, ALTER and DROP that all databases of a server share."""


def refuse_server_wide(path: Path, statements: Iterable[Statement]) -> None:
    """Raise UsageError for the first statement that would change more than its own database.

    What a DO block or a function does cannot be seen beforehand.
    """
    for statement in statements:
        verb, _, thing = statement.kind.partition(" ")
        if verb in ("CREATE", "ALTER", "DROP") and thing.startswith(SERVER_WIDE) and "MAPPING" not in thing:
            place = f"{statement.path(path)}:{statement.line}"
            raise UsageError(
                f"{place}: {statement.kind} acts on the whole server, which is not ours",
                hint="rehearse it on a server of its own: --server embedded, container or cluster",
            )
