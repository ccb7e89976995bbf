"""PostgreSQL's client programs on this machine, by how well they fit a server or a dump of some version."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.errors import ServerError, UsageError
from bench.pg.binaries import DEBIAN_ROOT, find_installations
from bench.pg.embedded import embedded_installation

VERSION_S = 30.0


@dataclass(frozen=True, slots=True)
class Client:
    """A client program."""

    path: Path
    major: int


@cache
def find_clients(name: str, *, first: Path | None = None) -> tuple[Client, ...]:
    """Every program of that name: in the directory ``first``, then wherever PostgreSQL is installed.

    A machine may have the clients without a server. Raises UsageError where there is none.
    """
    clients: dict[Path, Client] = {}
    for path in (directory / name for directory in (*([first] if first else []), *_directories(name))):
        resolved = path.resolve()
        if resolved not in clients and path.is_file() and (major := _major(path)) is not None:
            clients[resolved] = Client(path, major)
    if not clients:
        raise UsageError(f"there is no {name} on this machine", "install PostgreSQL's client programs")
    return tuple(clients.values())


def for_restoring(clients: Iterable[Client], *, server: int, dump: int) -> list[Client]:
    """The order in which programs are tried that restore a dump of one version into a server of another.

    The server's own comes first, as it sends nothing that the server does not know; then the newest that is
    not newer than both, then newer ones: pg_restore reads what any older pg_dump wrote, and none newer
    (https://www.postgresql.org/docs/current/app-pgdump.html).
    """
    highest = max(server, dump)
    return sorted(
        clients,
        key=lambda client: (
            client.major != server,
            client.major > highest,
            client.major if client.major > highest else -client.major,
        ),
    )


def for_dumping(clients: Iterable[Client], *, server: int) -> Client | None:
    """The program that dumps a server: its own version's, else the next newer; None where all are older."""
    return min(
        (client for client in clients if client.major >= server),
        key=lambda client: client.major,
        default=None,
    )


def _directories(name: str) -> Iterator[Path]:
    yield from (installation.bindir for installation in find_installations())
    with suppress(ServerError):
        yield embedded_installation().bindir
    yield from sorted(DEBIAN_ROOT.glob("*/bin"))
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path).parent


def _major(program: Path) -> int | None:
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=VERSION_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"\) (\d+)", done.stdout)
    return int(match[1]) if done.returncode == 0 and match else None
