"""A backend under gdb: what its statements lock, scan, rewrite and build, as the server calls its functions.

Nothing of the harness takes part, so that its answers can be judged by it. Needs gdb, and the right to attach
to the server's processes (root).
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

MODES = (
    "",
    "AccessShareLock",
    "RowShareLock",
    "RowExclusiveLock",
    "ShareUpdateExclusiveLock",
    "ShareLock",
    "ShareRowExclusiveLock",
    "ExclusiveLock",
    "AccessExclusiveLock",
)
"""LOCKMODE by number. https://github.com/postgres/postgres/blob/master/src/include/storage/lockdefs.h"""

ATTACH_S = 30.0

OidMode = tuple[int, str]


@dataclass(slots=True)
class Seen:
    """What one statement did to relations that are no system catalogs, by oid."""

    kept: set[OidMode] = field(default_factory=set)
    """Locks that lasted until the end of a transaction, or are held still."""
    brief: set[OidMode] = field(default_factory=set)
    """Locks given back before the statement ended."""
    undone: set[OidMode] = field(default_factory=set)
    """Locks that the rollback of a subtransaction released."""
    scans: dict[int, int] = field(default_factory=dict)
    """Sequential scans begun, by table."""
    builds: dict[int, int] = field(default_factory=dict)
    """Indexes built, each with its table."""
    swaps: set[int] = field(default_factory=set)
    """Tables that got the file of a copy."""


class Debugger:
    """The log of an attached gdb. Locks that a transaction holds already are not told again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._held: dict[OidMode, int] = {}

    def lines(self) -> list[str]:
        """What gdb wrote since the last call; the backend must be idle."""
        with self._path.open(encoding="ascii") as file:
            file.seek(self._offset)
            text = file.read()
            self._offset = file.tell()
        return text.splitlines()

    def skip(self) -> None:
        """Follow the locks of what has run since the last reading, and forget the rest."""
        self.read()

    def read(self) -> Seen:
        """What has run since the last reading."""
        seen = Seen()
        rolling_back = False
        taken: set[OidMode] = set()
        for line in self.lines():
            word, *numbers = line.split()
            if word == "rollback_inside":
                rolling_back = True
                continue
            if word == "end_of_transaction":
                seen.kept |= taken & self._held.keys()
                self._held.clear()
            elif word == "lock":
                rolling_back = False
                lock = (int(numbers[0]), MODES[int(numbers[1])])
                if lock not in self._held:
                    taken.add(lock)
                self._held[lock] = self._held.get(lock, 0) + 1
            elif word in ("release", "end_session_lock"):
                lock = (int(numbers[0]), MODES[int(numbers[1])])
                count = self._held.pop(lock, 0) - 1
                if count > 0 and not rolling_back:
                    self._held[lock] = count
                elif lock in taken:
                    kind = seen.undone if rolling_back else seen.brief
                    (seen.kept if word == "end_session_lock" else kind).add(lock)
            elif word == "scan":
                oid = int(numbers[0])
                seen.scans[oid] = seen.scans.get(oid, 0) + 1
            elif word == "build":
                seen.builds[int(numbers[0])] = int(numbers[1])
            elif word == "swap":
                seen.swaps.add(int(numbers[0]))
        seen.kept |= taken & self._held.keys()
        seen.undone -= seen.kept
        seen.brief -= seen.kept | seen.undone
        return seen


@contextmanager
def attached(conn: psycopg.Connection[Any], directory: Path) -> Iterator[Debugger]:
    """Attach gdb to a connection's backend, and close the connection at the end of the block.

    gdb leaves when the backend has ended: a backend that loses its debugger dies at the next breakpoint, and
    takes the server with it.
    """
    pid = conn.info.backend_pid
    log, output = directory / f"{pid}.log", directory / f"{pid}.out"
    script = Path(__file__).with_name("in_gdb.py")
    with output.open("w", encoding="utf-8") as said:
        process = subprocess.Popen(
            ["gdb", "-nx", "-batch", "-p", str(pid), "-x", str(script)],
            env={**os.environ, "LOCK_LOG": str(log)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + ATTACH_S
        while not (log.exists() and log.read_text(encoding="ascii").startswith("attached\n")):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"gdb did not attach to {pid}: {output.read_text(encoding='utf-8')}")
            time.sleep(0.01)
        debugger = Debugger(log)
        assert debugger.lines() == ["attached"]
        yield debugger
    finally:
        conn.close()
        process.wait(ATTACH_S)
        log.unlink(missing_ok=True)
        output.unlink(missing_ok=True)
