"""The files of a migration: its own, and those that psql's commands name in it."""

from __future__ import annotations

import os
from pathlib import Path

from bench.errors import UsageError


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
