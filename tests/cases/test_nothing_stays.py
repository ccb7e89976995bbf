"""Inputs from the field: what a run leaves behind on this machine, and what it takes away there."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from command_line import Running
from factories import a_migration, a_run, a_statement
from fix_db import WaitUntil
from fix_tcp import Others

from bench.analyse.conclude import conclude
from bench.cli import main
from bench.errors import UsageError
from bench.pg.cluster import find_processes
from bench.pg.datacache import cache_root, entries, prune
from bench.pg.opening import open_server, sweep_leases
from bench.pg.spec import ServerSpec
from bench.report.write import NO_PICTURES, write_report
from bench.store.results import RunDirectory, create_directory

KEY = "0123456789abcdef" * 2


def swept() -> list[str]:
    """What the next start says of what is left."""
    said: list[str] = []
    sweep_leases(said.append)
    return said


@pytest.fixture
def production(others: Others) -> Iterator[str]:
    """A database that takes pg_dump a while."""
    dsn = others.tcp.dsn("postgres", database="shop")
    with others.tcp.admin.connect() as conn:
        conn.execute("CREATE DATABASE shop")
    with others.tcp.admin.connect("shop") as conn:
        conn.execute("CREATE TABLE customers (id int, secret text)")
        conn.execute("ALTER TABLE customers ALTER secret SET STORAGE EXTERNAL")
        conn.execute(
            "INSERT INTO customers SELECT g, repeat(md5(g::text), 300) FROM generate_series(1, 9000) g"
        )
    yield dsn
    with others.tcp.admin.connect() as conn:
        conn.execute("DROP DATABASE shop WITH (FORCE)")


def test_faults_06_from_dsn_kill9_leaves_production_dump(
    production: str, tmp_path: Path, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "BENCH_STATE_DIR", str(tmp_path / "state")
    )  # so that no other start is the first to see it
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "001.sql").write_text("SELECT 1;")
    (tmp_path / "tmp").mkdir()
    arguments = ["run", "m", "--no-load", "--server", "embedded", "--from-dsn", production, "--out", "o"]
    running = Running(arguments, tmp_path, {"TMPDIR": str(tmp_path / "tmp")})
    try:
        (dump,) = wait_until(lambda: list((tmp_path / "tmp").glob("pgrehearse-dump-*/source.dump")))
        programs = [child for child in psutil.Process(running.process.pid).children() if dumps(child)]
        running.process.kill()
        running.process.wait()
        assert psutil.wait_procs(programs, timeout=30)[1] == []
    finally:
        running.kill()
    assert dump.parent.exists()
    assert any(words.startswith(f"removed {dump.parent}, left by process") for words in swept())
    assert list((tmp_path / "tmp").iterdir()) == []


def dumps(child: psutil.Process) -> bool:
    try:
        return child.name() == "pg_dump"
    except psutil.NoSuchProcess:
        return False


def segments() -> set[str]:
    """Keys and numbers of the System V segments of this machine, and the files of POSIX ones."""
    lines = Path("/proc/sysvipc/shm").read_text(encoding="ascii").splitlines()[1:]
    return {" ".join(line.split()[:2]) for line in lines} | {
        path.name for path in Path("/dev/shm").iterdir() if path.name.startswith("PostgreSQL.")
    }


@pytest.mark.parametrize("kind", ["embedded", "cluster"])
def test_faults_07_postmaster_killed_leaks_shared_memory(kind: str) -> None:
    before = segments()
    with open_server(ServerSpec(kind, durable=False)) as server:  # type: ignore[arg-type]
        with server.connect() as conn:
            (data,) = conn.execute("SHOW data_directory").fetchone() or ("",)
            pid_file = (Path(data) / "postmaster.pid").read_text().splitlines()
        own = " ".join(pid_file[6].split())
        assert own in segments()
        assert not {name for name in segments() - before if name.startswith("PostgreSQL.")}
        for process in find_processes(Path(data)):
            process.kill()
    assert own not in segments()


def test_faults_13_deletes_files_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = tmp_path / "cache"
    (cache / "mine.partial").mkdir(parents=True)
    (cache / "mine.partial" / "file").write_text("precious")
    cache.chmod(0o755)
    monkeypatch.setenv("BENCH_CACHE_DIR", str(cache))
    assert main(["templates", "prune", "--keep", "5G", "--quiet"]) == 0
    assert (cache / "mine.partial" / "file").read_text() == "precious"
    assert stat.S_IMODE(cache.stat().st_mode) == 0o755
    assert cache_root() == cache / "pgrehearse"
    assert stat.S_IMODE(cache_root().stat().st_mode) == 0o700


def test_faults_13_an_empty_cache_directory_is_used_itself_with_the_mode_that_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path))
    assert cache_root() == tmp_path
    (tmp_path / f"{KEY}.lock").touch()
    assert cache_root() == tmp_path
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_faults_13_a_report_removes_no_figure_and_replaces_no_page_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(NO_PICTURES, raising=False)
    figures = tmp_path / "docs" / "figures"
    figures.mkdir(parents=True)
    others = [figures / "locks-at-the-canal.png", figures / "traffic-07.svg"]
    for path in others:
        path.write_text("precious")
    run = a_run([a_migration([a_statement()])])
    for _ in range(2):
        write_report(conclude(run), tmp_path / "docs")
    assert [path.read_text() for path in others] == ["precious"] * 2
    stored = RunDirectory(tmp_path / "stored")
    stored.path.mkdir()
    stored.save(run)
    (tmp_path / "docs" / "report.html").write_text("precious")
    code = main(["report", str(stored.path), "--out", str(tmp_path / "docs"), "--quiet"])
    assert code == 2
    with pytest.raises(UsageError, match=r"docs/report\.html: is there already, and is no report"):
        create_directory(tmp_path / "docs", print)
    assert (tmp_path / "docs" / "report.html").read_text() == "precious"


HALF = """
import os, signal
from bench.pg.datacache import put
def write(directory, copy):
    (directory / "half").write_text("made")
    os.kill(os.getpid(), signal.SIGKILL)
put({key!r}, {{}}, write)
"""


def test_faults_24_half_made_template_stays_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    for look in (swept, lambda: main(["templates", "list"])):
        done = subprocess.run([sys.executable, "-c", HALF.format(key=KEY)], check=False, env=dict(os.environ))
        assert done.returncode == -signal.SIGKILL
        partial = cache_root() / f"{KEY}.partial"
        assert (partial / "data" / "half").exists()
        said = look()
        assert not partial.exists()
        told = capsys.readouterr().err if said == 0 else " ".join(said)
        assert f"removed {partial}, a template left half-made by a run that is gone" in told
    assert entries() == prune(0) == []
