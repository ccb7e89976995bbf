"""Runs that are cut off by Ctrl-C, kill -9, a dead server, a full disk: nothing measured is lost."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from command_line import DEADLINE_S, Running, bench

from bench.store.codec import decode

MIGRATIONS = Path(__file__).parents[2] / "migrations"
CRM = ["run", str(MIGRATIONS / "crm"), "--server", "embedded", "--repeats", "1"]
SLEEPER = ["run", "sleeper", "--server", "embedded", "--repeats", "1"]
PHASES = {
    "loading": ([*CRM, "--scale", "0.5"], "loading: copy"),
    "under traffic": (
        [
            "run",
            "busy",
            "--server",
            "embedded",
            "--repeats",
            "1",
            "--rate",
            "100",
            "--no-explain",
            "--no-probe",
        ],
        "100 requests/s",
    ),
    "migrating": (SLEEPER, "002_sleep: 1 statement"),
    "explaining": ([*CRM, "--scale", "0.01", "--no-probe"], "views, functions and queries"),
}

Start = Callable[[str], tuple[Running, list[psutil.Process]]]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the server's account can reach, unlike pytest's own."""
    directory = Path(tempfile.mkdtemp(prefix="bench-test-"))
    directory.chmod(0o755)
    (directory / "servers").mkdir(mode=0o755)
    sleeper = directory / "sleeper"
    sleeper.mkdir()
    (sleeper / "001_create.sql").write_text("CREATE TABLE t (i int);\n")
    (sleeper / "002_sleep.sql").write_text("SELECT pg_sleep(600);\n")
    busy = directory / "busy"
    busy.mkdir()
    (busy / "base.sql").write_text(
        "CREATE TABLE t (id int PRIMARY KEY, note text);\n"
        "INSERT INTO t SELECT n, 'x' FROM generate_series(1, 100) AS n;\n"
    )
    (busy / "001_add.sql").write_text("ALTER TABLE t ADD COLUMN more text;\n")
    yield directory
    shutil.rmtree(directory)


def environment(place: Path) -> dict[str, str]:
    """Its own leases as well: else a test beside this one may be the next run, and clean up first."""
    return {"TMPDIR": str(place / "servers"), "BENCH_STATE_DIR": str(place / "state")}


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    """Start a run and wait until it is in the middle of a phase; give it and its server's processes."""
    with ExitStack() as stack:

        def start_phase(phase: str) -> tuple[Running, list[psutil.Process]]:
            arguments, said = PHASES[phase]
            running = Running(arguments, place, environment(place))
            stack.callback(running.kill)
            running.wait_for(said)
            servers = running.servers()
            assert servers
            generators = running.generators()
            assert bool(generators) == (phase == "under traffic")
            return running, [*servers, *generators]

        yield start_phase


def run_file(place: Path) -> Path:
    (directory,) = (place / "results" / "runs").iterdir()
    return directory / "run.json"


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_stops_its_server_and_keeps_what_it_measured(
    phase: str, number: signal.Signals, place: Path, start: Start
) -> None:
    running, servers = start(phase)
    assert running.end(number) == 130, running.said
    assert "interrupted" in running.said
    assert "Traceback" not in running.said
    assert psutil.wait_procs(servers, timeout=DEADLINE_S)[1] == []
    assert list((place / "servers").iterdir()) == []
    run = decode(run_file(place).read_bytes())
    assert run.finished_at is None
    if phase == "under traffic":
        workload = run.passes[1].repeats[0].workload
        assert workload is not None
        assert workload.offered_per_s == 100.0
    if phase == "migrating":
        created, slept = run.passes[0].repeats[0].migrations
        assert (created.outcome, slept.outcome) == ("applied", "failed")
        assert slept.error is not None
        assert slept.error.message == "interrupted"


@pytest.mark.parametrize("phase", PHASES)
def test_after_kill_9_the_next_run_cleans_up_and_says_so(phase: str, place: Path, start: Start) -> None:
    running, servers = start(phase)
    assert running.end(signal.SIGKILL) == -signal.SIGKILL
    left = decode(run_file(place).read_bytes())
    assert left.finished_at is None
    (place / "sleeper" / "002_sleep.sql").write_text("SELECT 1;")
    after = bench(*SLEEPER, "--no-load", cwd=place, env=environment(place))
    assert after.returncode == 0, after.stderr
    assert f"process {running.process.pid} " in after.stderr
    assert psutil.wait_procs(servers, timeout=DEADLINE_S)[1] == []
    assert list((place / "servers").iterdir()) == []


def test_a_server_that_dies_ends_the_run_with_what_was_measured(place: Path, start: Start) -> None:
    running, servers = start("migrating")
    for server in servers:
        if server.is_running():
            server.kill()
    assert running.process.wait(timeout=DEADLINE_S) == 5, running.said
    assert "server" in running.said
    assert "Traceback" not in running.said
    created, slept = decode(run_file(place).read_bytes()).passes[0].repeats[0].migrations
    assert (created.outcome, slept.outcome) == ("applied", "failed")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_while_loading_is_told_and_cleaned_up(place: Path) -> None:
    servers = place / "servers"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=150m,mode=755", "tmpfs", servers], check=True)
    try:
        done = bench(*CRM, "--scale", "1", cwd=place, env=environment(place))
        assert done.returncode == 5, done.stderr
        assert "No space left on device" in done.stderr or "disk" in done.stderr
        assert "try:" in done.stderr
        assert "Traceback" not in done.stderr
        assert list(servers.iterdir()) == []
    finally:
        subprocess.run(["umount", servers], check=True)
