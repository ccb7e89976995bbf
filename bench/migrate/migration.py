"""One migration of a suite: what of which file goes forward and back, and in which transaction."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import UsageError

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


def read_text(path: Path) -> str:
    """The file's text, line ends as they are. UsageError: unreadable, not UTF-8, or with a NUL."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise UsageError(
            f"{path}: not UTF-8 at byte {error.start} (0x{data[error.start]:02x})",
            hint="it looks like UTF-16; save it as UTF-8" if utf16 else "save the file as UTF-8",
        ) from error
    if (nul := data.find(b"\0")) >= 0:
        raise UsageError(f"{path}: NUL at byte {nul}", hint="PostgreSQL accepts no NUL in SQL; remove it")
    return text


def find_file(name: str, script: Path, *, relative: bool = False) -> Path | None:
    """The file that a command of ``script`` names, None where there is none.

    psql looks in the working directory, and with ``relative`` in the script's own. A rehearsal may be
    started elsewhere than the migration will be, so the script's directory comes second, too.
    """
    asked = Path(os.path.expanduser(name))  # noqa: PTH111  # an unknown ~user stays, as psql leaves it
    beside = script.parent / asked
    for path in (beside,) if relative else (asked, beside):
        if path.is_file():
            return Path(os.path.normpath(path))
    return None


def name_beside(path: Path, migration: Path) -> str:
    """What an included file is called: its path from the directory of the migration's file."""
    return Path(os.path.relpath(path, migration.parent)).as_posix()
