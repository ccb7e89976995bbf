"""Leases: what this process has started, written down so that a later run can remove it if we are killed."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import secrets
import select
import shutil
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.errors import ServerError
from bench.pg.catalog import load_query

KILL_TIMEOUT_S = 10.0
LEASED_PROGRAMS = ("pg_dump", "pg_restore")
"""What works on a leased directory."""
CLOCK_TOLERANCE_S = 5.0
"""A process' start is computed from the boot time, which an adjusted clock moves a little."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process, told apart from a later one with the same number."""

    pid: int
    started: float
    """Start of the process, seconds since 1970."""
    machine: str
    """Host and process-number space: in another one the number says nothing."""

    @property
    def alive(self) -> bool:
        """Whether it still runs; True as well where it cannot be told."""
        if self.machine != _machine():
            return True
        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < CLOCK_TOLERANCE_S
        except psutil.NoSuchProcess:
            return False

    @property
    def described(self) -> str:
        started = datetime.datetime.fromtimestamp(self.started, tz=datetime.UTC)
        return f"process {self.pid} of {started:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True, slots=True)
class Lease:
    """One thing that a process has started: a cluster, a container or a database."""

    kind: str
    owner: Owner
    details: Mapping[str, Any] = field(default_factory=dict)
    path: Path | None = None
    """The file that holds the lease."""


def _machine() -> str:
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return f"{platform.node()} {space}".strip()


def this_process() -> Owner:
    return Owner(os.getpid(), psutil.Process().create_time(), _machine())


def private_directory(path: Path, mode: int = 0o700, *, keep_mode: bool = False) -> Path:
    """Create a directory, or accept one that is ours and nobody else can write; else ServerError.

    ``keep_mode``: one that is there already keeps the mode that it has.
    """
    made = not path.exists()
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise ServerError(
            f"{path} is not a directory of ours alone: "
            f"owner {status.st_uid}, mode {status.st_mode & 0o7777:o}",
            "look who made it, then remove it",
        )
    if made or not keep_mode:
        path.chmod(mode)
    return path


def shared_root() -> Path:
    """Return ``/var/tmp/pgrehearse-<uid>``: ours, readable by the account that runs servers."""
    return private_directory(Path("/var/tmp") / f"pgrehearse-{os.geteuid()}", 0o755)


def lease_directory() -> Path:
    """Return where leases are kept, see :func:`state_directory`."""
    return state_directory("leases")


def state_directory(name: str) -> Path:
    """Return a directory of this machine's: BENCH_STATE_DIR or XDG_STATE_HOME or the home; root: /var/tmp."""
    if named := os.environ.get("BENCH_STATE_DIR"):
        return private_directory(Path(named) / name)
    if os.geteuid() != 0:
        state = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
        try:
            return private_directory(Path(state) / "pgrehearse" / name)
        except (OSError, RuntimeError):
            pass
    return private_directory(shared_root() / name)


def write_lease(kind: str, details: Mapping[str, Any]) -> Lease:
    """Write a lease of this process; it stands on disk, whole, before the thing is started."""
    path = lease_directory() / f"{kind}-{secrets.token_hex(8)}.json"
    lease = Lease(kind, this_process(), dict(details), path)
    body = {"kind": kind, "owner": asdict(lease.owner), "details": lease.details}
    partial = path.with_suffix(".partial")
    try:
        partial.write_text(json.dumps(body), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ServerError(
            f"{path}: cannot be written: {error.strerror}; without it nobody could remove what we start",
            "free some space, or name another directory with BENCH_STATE_DIR",
        ) from error
    return lease


def end_lease(lease: Lease) -> None:
    """Forget a lease, once what it describes has been removed."""
    if lease.path is not None:
        lease.path.unlink(missing_ok=True)


def read_leases(kind: str | None = None) -> tuple[Lease, ...]:
    """Return the leases on this machine, oldest name first; unreadable files are left out."""
    leases = []
    for path in sorted(lease_directory().glob("*.json")):
        try:
            lease = _read_lease(path)
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if kind in (None, lease.kind):
            leases.append(lease)
    return tuple(leases)


_DETAILS = {
    "cluster": ("root", "socket"),
    "database": ("server", "name"),
    "directory": ("path",),
    "role": ("server", "oid"),
}
"""What a lease of a kind must say of its thing to be of use."""


def _read_lease(path: Path) -> Lease:
    """One lease; KeyError, TypeError or ValueError for a file that is none, or of another version."""
    body = json.loads(path.read_text(encoding="utf-8"))
    owner = Owner(**body["owner"])
    if not isinstance(owner.pid, int) or not isinstance(owner.started, int | float):
        raise TypeError("pid and started are numbers")
    details = dict(body["details"])
    for name in _DETAILS.get(body["kind"], ()):
        if not isinstance(details[name], str | int):
            raise TypeError(f"{name} is a text or a number")
    return Lease(body["kind"], owner, details, path)


def orphans(kind: str | None = None) -> tuple[Lease, ...]:
    """Return the leases whose owner is dead."""
    return tuple(lease for lease in read_leases(kind) if not lease.owner.alive)


def end_leases(kind: str, server: str) -> None:
    """Forget the leases of dead owners for a server, given its address."""
    for lease in orphans(kind):
        if lease.details.get("server") == server:
            end_lease(lease)


@contextmanager
def leased_directory(purpose: str) -> Iterator[Path]:
    """A directory of ours alone, removed at the end, or by the next start if this process is killed."""
    path = Path(tempfile.gettempdir()) / f"pgrehearse-{purpose}-{secrets.token_hex(6)}"
    lease = write_lease("directory", {"path": str(path)})
    path.mkdir(mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            end_lease(lease)


def sweep_directories() -> list[str]:
    """End what dead owners started on their directories, and remove these; return one sentence for each."""
    return [_sweep_directory(lease) for lease in orphans("directory")]


def _sweep_directory(lease: Lease) -> str:
    path = Path(lease.details["path"])
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() in LEASED_PROGRAMS and any(
                argument.startswith(f"{path}/") for argument in process.cmdline()
            ):
                process.kill()
                process.wait(KILL_TIMEOUT_S)
    shutil.rmtree(path, ignore_errors=True)
    if path.exists():
        return f"cannot remove {path}, left by {lease.owner.described}"
    end_lease(lease)
    return f"removed {path}, left by {lease.owner.described}"


TOOL = "pgrehearse"
LOOK_EVERY_S = 60.0
AGAIN_AFTER_S = 1.0
"""Between tries to reach a server that cannot be reached."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The comment on a database of ours."""

    purpose: str
    owner: str
    """Token of the run that made it."""

    def encode(self) -> str:
        return json.dumps({"tool": TOOL, "purpose": self.purpose, "owner": self.owner})


def read_mark(comment: str | None) -> Mark | None:
    """Return the mark that a comment is, or None for any other comment."""
    try:
        fields = json.loads(comment or "")
    except ValueError:
        return None
    if not isinstance(fields, dict) or fields.get("tool") != TOOL:
        return None
    purpose, owner = fields.get("purpose"), fields.get("owner")
    return Mark(purpose, owner) if isinstance(purpose, str) and isinstance(owner, str) else None


def _key(token: str) -> int:
    return int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big")


def hold_ownership(conn: psycopg.Connection[Any], token: str) -> None:
    """Take the advisory lock that says the owner of a token lives, for as long as the connection stands."""
    if conn.info.server_version >= 140000:
        conn.execute("SET idle_session_timeout = 0")
    conn.execute("SELECT pg_advisory_lock(%s)", [int.from_bytes(_key(token).to_bytes(8, "big"), signed=True)])


def runs_here(token: str) -> bool | None:
    """Tell whether the run of a token is a living process of this machine; None: of no run here."""
    lives = (lease.owner.alive for lease in read_leases("run") if lease.details.get("token") == token)
    return next(lives, None)


def owner_lives(conn: psycopg.Connection[Any], token: str) -> bool:
    """Tell whether somebody holds a token's lock, on whatever host and in whatever database of the server."""
    halves = {"high": _key(token) >> 32, "low": _key(token) & 0xFFFFFFFF}
    row = conn.execute(load_query("owner_lives", conn.info.server_version), halves).fetchone()
    return bool(row and row[0])


@contextmanager
def staying_owner(token: str, connect: Callable[[], psycopg.Connection[Any]]) -> Iterator[None]:
    """Hold a token's lock until the end of the block, on another connection where the first one is cut."""
    conn = connect()
    hold_ownership(conn, token)
    woken, wake = os.pipe()
    keeper = threading.Thread(
        target=_keep, args=(token, connect, conn, woken), name="pgrehearse owner", daemon=True
    )
    keeper.start()
    try:
        yield
    finally:
        os.close(wake)
        keeper.join(AGAIN_AFTER_S)  # a network that stands still holds it longer; it ends with the process
        if not keeper.is_alive():
            os.close(woken)


def _keep(
    token: str, connect: Callable[[], psycopg.Connection[Any]], conn: psycopg.Connection[Any], woken: int
) -> None:
    """Look at the connection until the other end of ``woken`` is closed; then close it."""
    wait_s = LOOK_EVERY_S
    while True:
        watched = [woken] if conn.closed else [woken, conn.fileno()]
        if woken in select.select(watched, [], [], wait_s)[0]:
            conn.close()
            return
        try:
            if conn.closed:
                conn = connect()
                hold_ownership(conn, token)
            conn.execute("SELECT 1")
            wait_s = LOOK_EVERY_S
        except (psycopg.Error, ServerError):
            with suppress(psycopg.Error):
                conn.close()
            wait_s = AGAIN_AFTER_S
