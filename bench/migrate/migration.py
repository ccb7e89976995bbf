"""One migration of a suite: what of which file goes forward and back, and in which transaction."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Transaction = Literal["none", "file", "query", "all", "where it can"]
"""What a runner puts round a part: ``none``: nothing, each statement commits by itself; ``file``: BEGIN and
COMMIT; ``query``: nothing, but it sends the whole part as one query, which the server runs in one implicit
transaction; ``all``: one BEGIN and COMMIT round all pending migrations; ``where it can``: as ``file``, but
nothing where no statement can run inside a transaction, and a mix is refused (Flyway)."""

TRANSACTIONS: tuple[Transaction, ...] = ("file", "query", "all", "none")
"""Those that a user may say."""

Cutting = Literal["psql", "semicolons", "line ends", "play"]
"""How a runner divides a part into statements: ``psql``: as psql does, its commands and variables included;
``semicolons``: where PostgreSQL's grammar has them; ``line ends``: at lines that end in a semicolon, and at
StatementBegin and StatementEnd; ``play``: at single semicolons, wherever they are, two being one."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of a file goes one way: all of it, or some of its lines."""

    path: Path
    text: str | None = None
    """None: the file as it stands. Else with the same lines: those that are not sent are empty, and
    placeholders are replaced in theirs."""
    transaction: Transaction = "none"
    cutting: Cutting = "psql"
    switch: str | None = None
    """What to write where, so that the runner opens no transaction for it; None where that cannot be had."""
    runner: str = "the runner"
    """What the runner is called in sentences."""
    stops: bool = False
    """Whether the runner stops at an error by itself; psql goes on, unless it is told not to."""
    variables: tuple[tuple[str, str], ...] = ()
    """psql's variables that the runner sets, by name."""
    origins: tuple[tuple[str | None, int], ...] = ()
    """For each line of a text that includes other files, the file (None: its own) and the line there."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Who sends the migrations, as far as the server can tell the difference."""

    tool: str = "plain"
    """Its name for ``--tool``."""
    keeps_session: bool = False
    """One session for all migrations: what one of them has SET holds in the next."""
    transaction: Transaction | None = None
    """What the user says in place of the tool's own."""
    on_data: bool = False
    """The state before is not empty, whatever the base says: a dump, or what has been deployed."""


PSQL = Runner()


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration of a suite."""

    id: str
    """The file's name without ``.sql``, or what its tool calls it by."""
    path: Path
    file: str
    """Path from the suite's directory."""
    sha256: str
    rollback: Path | None
    """The file that takes this migration back, or that holds the part which does."""
    forward: Part
    backward: Part | None = None
    verify: Part | None = None
    """A script of its tool that fails where the migration has not done what it should; it changes nothing."""


def digest(data: bytes) -> str:
    """The checksum of a file, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
