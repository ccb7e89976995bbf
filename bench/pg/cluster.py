"""Clusters of our own: made by initdb once, copied, started in a private directory, stopped whole."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from bench.errors import ServerError
from bench.pg.account import Account, server_account
from bench.pg.binaries import Installation
from bench.pg.endpoint import Endpoint
from bench.pg.lease import Lease, end_lease, orphans, shared_root, write_lease
from bench.pg.settings import format_settings, machine_memory_bytes, managed_settings

START_TIMEOUT_S = 60.0
REMOVE_TIMEOUT_S = 10.0
SHUTDOWN_TIMEOUT_S = 60.0
SOCKET_PATH_BYTES = 107
_CRASH = re.compile(r"PANIC: |LOG: (?= +\w[\w ]* \(PID \d+\) was terminated by signal)")
OWN_SETTINGS = "pgrehearse.conf"
HBA = "local all all trust\nlocal replication all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
STAND_INS = Path(__file__).parent / "extension"


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories of one cluster, all below ``root``, which is the server account's alone."""

    root: Path
    socket: Path

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "server.log"

    @property
    def share(self) -> Path:
        return self.root / "share"


MEMORY_ROOT = "/dev/shm"
MEMORY_ROOM_BYTES = 2 * 2**30
"""Free memory below which a cluster's data goes to a disk."""


def data_root(account: Account, *, durable: bool = True) -> Path:
    """Return where clusters' data goes: TMPDIR if set, else /var/tmp (a disk), else /tmp.

    What need not be ``durable`` goes to /dev/shm if there is room: files are made ten times faster there.
    """
    in_memory = not durable and _has_room(MEMORY_ROOT)
    names = (os.environ.get("TMPDIR"), MEMORY_ROOT if in_memory else None, "/var/tmp", "/tmp")
    for name in names:
        if name and Path(name).is_dir() and os.access(name, os.W_OK) and account.can_enter(Path(name)):
            return Path(name).resolve()
    raise ServerError(
        f"account {account.name} can reach none of TMPDIR, /var/tmp and /tmp",
        "set TMPDIR to a directory that it may enter",
    )


@dataclass(slots=True)
class Postmaster:
    """A cluster's server process, which may be replaced by another on the same data."""

    installation: Installation
    account: Account
    layout: Layout
    endpoint: Endpoint
    process: subprocess.Popen[bytes]

    def restart(self) -> None:
        """End every session, shut down in order and start again: shared buffers are empty then.

        Raises ServerError where it does not end, or does not start.
        """
        self.process.send_signal(signal.SIGINT)  # fast shutdown
        try:
            self.process.wait(SHUTDOWN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise ServerError(
                f"the server did not shut down within {SHUTDOWN_TIMEOUT_S:.0f} s", "look at the disk's load"
            ) from None
        self.process = start_postmaster(self.installation, self.account, self.layout)
        await_connection(self.process, self.endpoint, self.layout)


Fill = Callable[[Path, Account], bool]
"""Puts a data directory where there is none yet, for an account, or returns False."""


def _has_room(directory: str) -> bool:
    try:
        return shutil.disk_usage(directory).free >= MEMORY_ROOM_BYTES
    except OSError:
        return False


@contextmanager
def running_cluster(
    installation: Installation,
    *,
    durable: bool,
    settings: Mapping[str, str],
    fill: Fill | None = None,
    announce: Callable[[Postmaster], object] | None = None,
) -> Iterator[Endpoint]:
    """Run a new cluster, and stop and remove it at the end; ServerError shows the log of one that fails.

    ``fill`` may bring its data directory, which ``initdb`` makes otherwise. ``announce`` gets its process.
    """
    account = server_account()
    _require_runnable(installation, account)
    layout = new_layout(data_root(account, durable=durable))
    lease = write_lease("cluster", {"root": str(layout.root), "socket": str(layout.socket)})
    try:
        for directory in {layout.root, layout.socket}:
            directory.mkdir(mode=0o700)
            account.own(directory)
        if fill is None or not fill(layout.data, account):
            initialise(installation, account, layout.data)
        port = _configure(installation, account, layout, durable=durable, settings=settings)
        endpoint = Endpoint(
            {"host": str(layout.socket), "port": port, "user": "postgres", "dbname": "postgres"}
        )
        process = start_postmaster(installation, account, layout)
        postmaster = Postmaster(installation, account, layout, endpoint, process)
        try:
            await_connection(process, endpoint, layout)
            if announce is not None:
                announce(postmaster)
            yield endpoint
        except (ServerError, psycopg.OperationalError) as error:
            _raise_crash(layout, error)
            raise
        finally:
            stop_started(postmaster.process)
    finally:
        if remove(layout):
            end_lease(lease)


def _require_runnable(installation: Installation, account: Account) -> None:
    if not account.can_run(installation.bindir / "postgres"):
        raise ServerError(
            f"account {account.name} cannot run {installation.bindir / 'postgres'}",
            "make the directory readable for it, or name another one with --pg-bindir",
        )


def new_layout(parent: Path) -> Layout:
    """Choose fresh names; the socket goes to /tmp where its path would be too long for an address."""
    name = f"pgrehearse-{secrets.token_hex(6)}"
    fits = len(os.fsencode(parent / name / ".s.PGSQL.65535")) <= SOCKET_PATH_BYTES
    return Layout(parent / name, parent / name if fits else Path("/tmp") / name)


def _configure(
    installation: Installation,
    account: Account,
    layout: Layout,
    *,
    durable: bool,
    settings: Mapping[str, str],
) -> str:
    """Write the settings, and the stand-ins for extensions on 18 and newer; return the port."""
    chosen = {"listen_addresses": "", "unix_socket_directories": str(layout.socket)}
    chosen["unix_socket_permissions"] = "0700"
    if installation.major >= 18:
        extensions = layout.share / "extension"
        shutil.copytree(STAND_INS, extensions, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (layout.share, extensions, *extensions.iterdir()):
            account.own(path)
        chosen["extension_control_path"] = f"$system:{layout.share}"
    chosen |= managed_settings(
        memory_bytes=machine_memory_bytes(),
        durable=durable,
        statements_library=_has_statements_library(installation),
        extra=settings,
    )
    # A file of its own, as a data directory that was kept has that of the server before.
    (layout.data / OWN_SETTINGS).write_text(format_settings(chosen), encoding="utf-8")
    account.own(layout.data / OWN_SETTINGS)
    including = f"include '{OWN_SETTINGS}'\n"
    if including not in (layout.data / "postgresql.conf").read_text(encoding="utf-8"):
        with (layout.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(including)
    # initdb also trusts every user of this machine over TCP; the socket's directory lets in nobody else.
    (layout.data / "pg_hba.conf").write_text(HBA, encoding="ascii")
    return chosen.get("port", "5432")


def _has_statements_library(installation: Installation) -> bool:
    names = ("pg_stat_statements.so", "pg_stat_statements.dylib")
    return any(
        (directory / name).exists() for directory in _library_directories(installation) for name in names
    )


def _library_directories(installation: Installation) -> Iterator[Path]:
    home = installation.bindir.parent
    yield from (home / "lib", home / "lib" / "postgresql", home / "lib64" / "pgsql")
    pg_config = installation.bindir / "pg_config"
    if pg_config.exists():
        done = subprocess.run([pg_config, "--pkglibdir"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            yield Path(done.stdout.strip())


def start_postmaster(installation: Installation, account: Account, layout: Layout) -> subprocess.Popen[bytes]:
    """Start the postmaster in a session of its own, so that Ctrl-C in the terminal does not reach it."""
    with layout.log.open("ab") as log:
        return subprocess.Popen(
            [installation.bindir / "postgres", "-D", layout.data],
            cwd="/",
            env=program_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **account.process(),
        )


def await_connection(process: subprocess.Popen[bytes], endpoint: Endpoint, layout: Layout) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            psycopg.connect(endpoint.conninfo()).close()
            return
        except psycopg.OperationalError:
            pass
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    state = f"ended with code {process.returncode}" if process.poll() is not None else "accepts no connection"
    raise ServerError(
        f"the server did not start: it {state} after {START_TIMEOUT_S:.0f} s at most. Its log ends: "
        + last_lines(layout.log.read_text(encoding="utf-8", errors="replace")),
        "check memory, disk space and the settings that were asked for",
    )


def _raise_crash(layout: Layout, error: Exception) -> None:
    """Raise what the server's log says of a crash, which a lost connection does not tell; else nothing."""
    lines = layout.log.read_text(encoding="utf-8", errors="replace").splitlines()
    crashes = [line for line in lines if _CRASH.search(line)]
    if not crashes:
        return
    full = any("No space left on device" in line for line in crashes)
    raise ServerError(
        f"the server crashed: {_CRASH.split(crashes[0], maxsplit=1)[-1].strip()}",
        f"free space on the disk that holds {layout.root.parent}, or set TMPDIR to a directory elsewhere"
        if full
        else "look for what ended it: memory that ran out, or a signal from outside",
    ) from error


def stop_started(process: subprocess.Popen[bytes]) -> None:
    """Stop our own postmaster at once, by force if need be; returns when it is gone."""
    stop_postmaster(psutil.Process(process.pid) if process.poll() is None else None)
    process.wait()


def remove(layout: Layout) -> bool:
    """Remove the cluster's directories; tell whether they are gone, which a dying process may still delay."""
    remove_shared_memory(layout.data)
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    left = {layout.root, layout.socket}
    while left:
        for directory in left:
            shutil.rmtree(directory, ignore_errors=True)
        left = {directory for directory in left if directory.exists()}
        if left and time.monotonic() > deadline:
            return False
    return True


def sweep_clusters() -> list[str]:
    """Stop and remove the clusters of dead owners; return one sentence for each."""
    return [_sweep(lease) for lease in orphans("cluster")]


def _sweep(lease: Lease) -> str:
    layout = Layout(Path(lease.details["root"]), Path(lease.details["socket"]))
    running = stop_processes(layout.data)
    existed = layout.root.exists()
    if not remove(layout):
        return f"cannot remove {layout.root}, left by {lease.owner.described}"
    end_lease(lease)
    what = "a server" if running else "a server's directory" if existed else "the lease of a server"
    return f"removed {what} left by {lease.owner.described} ({layout.root})"


COMPLETE = "complete"
"""Name of a kept copy whose making came to its end; it was renamed to that."""


def initialise(installation: Installation, account: Account, data: Path) -> None:
    """Make the data directory of a new cluster at ``data``; ServerError where there is no room or no right.

    All clusters of one installation have the same system identifier, like copies of one backup.
    """
    kept = shared_root() / f"initdb-{_key(installation, account)}" / COMPLETE
    if not kept.is_dir():
        _run(_initdb(installation, data), account, installation, data)
        _keep(data, kept)
        return
    # As root, -p gives the copy the same owner.
    _run(["cp", "-R", "-p", kept, data], None, installation, data)


def _keep(data: Path, kept: Path) -> None:
    """Keep a copy for the next time, if there is room; whoever is first wins."""
    kept.parent.mkdir(mode=0o755, exist_ok=True)
    unfinished = kept.with_name(f"unfinished-{secrets.token_hex(4)}")
    done = subprocess.run(["cp", "-R", "-p", data, unfinished], capture_output=True, check=False)
    if done.returncode == 0:
        with suppress(OSError):
            unfinished.rename(kept)
    for rest in kept.parent.glob("unfinished-*"):
        shutil.rmtree(rest, ignore_errors=True)


def _key(installation: Installation, account: Account) -> str:
    """What the files depend on: the program, its arguments, their owner."""
    program = (installation.bindir / "initdb").resolve()
    status = program.stat()
    facts = (installation.version, program, status.st_size, status.st_mtime_ns, account.uid)
    return hashlib.sha256(repr((facts, _initdb(installation, Path()))).encode()).hexdigest()[:16]


def _initdb(installation: Installation, data: Path) -> list[str | Path]:
    locale = ["--locale=C"]
    if installation.major >= 17:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command: list[str | Path] = [
        installation.bindir / "initdb",
        "--pgdata",
        data,
        "--username=postgres",
        "--auth=trust",
    ]
    command += ["--encoding=UTF8", "--no-sync", *locale]
    return command


def _run(
    command: Sequence[str | Path], account: Account | None, installation: Installation, data: Path
) -> None:
    done = subprocess.run(
        command,
        cwd="/",
        env=program_environment(),
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        **(account.process() if account else {}),
    )
    if done.returncode != 0:
        raise ServerError(
            f"{Path(command[0]).name} for {installation.bindir} failed: {last_lines(done.stderr)}",
            f"check that {data.parent} has room and that the server's account may write there",
        )


def program_environment() -> dict[str, str]:
    """Return the environment without libpq's variables, which would steer the server's programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def last_lines(text: str, count: int = 5) -> str:
    """The last lines of a program's output in one."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:]) or "(empty)"


STOP_TIMEOUT_S = 10.0
"""For an immediate shutdown; what still runs afterwards is killed."""
KILL_TIMEOUT_S = 10.0
_SEGMENTS = Path("/proc/sysvipc/shm")
_KEY_BITS = 0xFFFFFFFF
_REMOVE = 0
"""IPC_RMID of shmctl(2)."""


def find_processes(data: Path) -> list[psutil.Process]:
    """Return the ``postgres`` and ``initdb`` that were started with a data directory.

    The directory's name is random, so that an argument equal to it tells them from everybody else's, also
    before the server has written its postmaster.pid.
    """
    processes = []
    for process in psutil.process_iter():
        try:
            if str(data) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                processes.append(process)
        except psutil.Error:
            continue
    return processes


def stop_processes(data: Path) -> bool:
    """Stop what runs on a data directory; tell whether there was a server."""
    postmaster = False
    for process in find_processes(data):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.name() == "postgres":
                postmaster = True
                stop_postmaster(process)
            else:
                os.killpg(process.pid, signal.SIGKILL)  # initdb leads a group of its own
                _ended(process, KILL_TIMEOUT_S)
    return postmaster


def stop_postmaster(postmaster: psutil.Process | None) -> None:
    """Stop a postmaster, and the backends that a kill leaves; None, or one that is gone, is no error.

    Its data are thrown away, so that it need not write them: a shutdown that ends with a checkpoint takes
    long, and never ends on a full disk.
    """
    if postmaster is None:
        return
    try:
        postmaster.send_signal(signal.SIGQUIT)
        if _ended(postmaster, STOP_TIMEOUT_S):
            return
        left = [postmaster, *postmaster.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            _ended(process, KILL_TIMEOUT_S)


def _ended(process: psutil.Process, timeout_s: float) -> bool:
    """Wait until a process is gone, or a zombie that its parent has not collected yet."""
    deadline = time.monotonic() + timeout_s
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def remove_shared_memory(data: Path) -> None:
    """Remove the System V segment of a postmaster that was killed, named by the seventh line of its pid file.

    A server removes it when it stops, and otherwise when it starts on the same data again, which ours never
    does. https://www.postgresql.org/docs/current/kernel-resources.html#SYSVIPC
    """
    try:
        line = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()[6]
        key, number = (int(word) for word in line.split())
        segments = _SEGMENTS.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, IndexError, ValueError):
        return  # shut down in order, or no such segments on this system
    fields = (segment.split() for segment in segments)
    if any(
        int(segment[0]) & _KEY_BITS == key & _KEY_BITS and int(segment[1]) == number for segment in fields
    ):
        ctypes.CDLL(None).shmctl(number, _REMOVE, None)
