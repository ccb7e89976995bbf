"""Hazards, retries and budgets through the command line."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import DEADLINE_S, Running, bench

QUICK = ("--server", "embedded", "--repeats", "1", "--no-explain", "--no-probe", "--rate", "50")
BASE = """\
CREATE TABLE orders (id int PRIMARY KEY, note text);
INSERT INTO orders SELECT n, 'x' FROM generate_series(1, 5000) AS n;
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A directory in which ``bench run shop`` has a suite."""
    suite = tmp_path / "shop"
    suite.mkdir()
    (suite / "base.sql").write_text(BASE)
    (suite / "001_state.sql").write_text("ALTER TABLE orders ADD COLUMN state text;\n")
    return tmp_path


def run_file(done_in: Path) -> Any:
    return json.loads((done_in / "out" / "run.json").read_text())


def test_behind_a_reader_the_deploy_waits_and_with_retries_it_gives_way(shop: Path) -> None:
    (shop / "shop" / "bench.toml").write_text("[budget.hazard]\nlongest_blocked_read_s = 0.0001\n")
    done = bench(
        "run", "shop", *QUICK, "--hazard", "long-reader", "--hazard-length", "1", "--lock-timeout", "200ms",
        "--retries", "9", "--out", "out", cwd=shop,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "2 passes under traffic to come" in done.stderr
    assert "retries left" in done.stderr
    assert "over its budget of" in " ".join(done.stdout.split())
    run = run_file(shop)
    loaded = [each for each in run["passes"] if each["kind"] == "loaded"]
    kinds = [(each["hazard"], each["lock_timeout_s"], each["retries"]) for each in loaded]
    assert kinds == [(None, None, None), ("long-reader", None, None), ("long-reader", 0.2, 9)]
    quiet, waiting, tried = (each["repeats"][0] for each in loaded)
    assert quiet["hazard"] is None
    assert waiting["hazard"]["name"] == "long-reader"
    assert waiting["tries"] == []
    outcomes = [each["outcome"] for each in tried["tries"]]
    assert len(outcomes) > 1
    assert outcomes == ["lock_timeout"] * (len(outcomes) - 1) + ["applied"]
    assert all(each["workload"]["offered_per_s"] == 50.0 for each in (quiet, waiting, tried))
    (check,) = run["budgets"]
    assert (check["hazard"], check["lock_timeout_s"], check["broken"]) == ("long-reader", 0.2, True)
    assert run["verdict"]["status"] == "not_ready"


def test_an_unusable_budget_is_refused_before_anything_runs(shop: Path) -> None:
    (shop / "bench.toml").write_text("[budget]\nlongest_blocked_reads_s = 1\n")
    done = bench("run", "shop", *QUICK, cwd=shop)
    assert done.returncode == 2
    assert 'bench.toml:2: unknown key "longest_blocked_reads_s"' in done.stderr
    assert 'did you mean "longest_blocked_read_s"?' in done.stderr
    assert not (shop / "results").exists()


@pytest.fixture
def servers() -> Iterator[Path]:
    """Where servers keep their files, which their account can reach, unlike pytest's own directories."""
    directory = Path(tempfile.mkdtemp(prefix="bench-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def await_postmasters(running: Running, count: int) -> list[psutil.Process]:
    deadline = time.monotonic() + DEADLINE_S
    while len(found := running.postmasters()) < count:
        assert running.process.poll() is None, running.said
        assert time.monotonic() < deadline, running.said
        time.sleep(0.02)
    return found


def test_a_server_that_dies_beside_its_standby_ends_the_run_and_leaves_nothing(
    shop: Path, servers: Path
) -> None:
    command = ["run", "shop", *QUICK, "--hazard", "replica", "--hazard-length", "60", "--out", "out"]
    running = Running(command, shop, {"TMPDIR": str(servers)})
    try:
        running.wait_for("loaded pass beside replica, 50 requests/s")
        primary, standby = await_postmasters(running, 2)
        started = [*running.servers(), *running.generators()]
        primary.kill()
        assert running.process.wait(timeout=DEADLINE_S) == 5, running.said
    finally:
        running.kill()
    assert "server" in running.said
    assert "Traceback" not in running.said
    assert psutil.wait_procs([*started, standby], timeout=DEADLINE_S)[1] == []
    assert list(servers.iterdir()) == []
    kept = run_file(shop)
    assert kept["finished_at"] is None
    quiet = next(each for each in kept["passes"] if each["kind"] == "loaded" and each["hazard"] is None)
    assert quiet["repeats"][0]["migrations"][0]["outcome"] == "applied"


def test_an_interrupted_wait_behind_a_hazard_is_kept_and_leaves_nothing(shop: Path, servers: Path) -> None:
    command = ["run", "shop", *QUICK, "--hazard", "long-reader", "--hazard-length", "60", "--out", "out"]
    running = Running(command, shop, {"TMPDIR": str(servers)})
    try:
        running.wait_for("loaded pass beside long-reader, 50 requests/s")
        begun = running.said.count("001_state: 1 statement")
        while running.said.count("001_state: 1 statement") == begun:
            assert running.process.poll() is None, running.said
            time.sleep(0.02)
        started = [*running.servers(), *running.generators()]
        assert running.end(signal.SIGINT) == 130, running.said
    finally:
        running.kill()
    assert "interrupted" in running.said
    assert psutil.wait_procs(started, timeout=DEADLINE_S)[1] == []
    assert list(servers.iterdir()) == []
    beside = run_file(shop)["passes"][-1]
    assert beside["hazard"] == "long-reader"
    (repeat,) = beside["repeats"]
    assert repeat["hazard"]["evidence"]["tables"] == ["public.orders"]
    assert repeat["hazard"]["ended_itself"] is False
    assert sum(each["sent"] for each in repeat["workload"]["classes"]) > 0
