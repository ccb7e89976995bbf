"""The processes that make the traffic: bounded, ended with their parent, within the server's room."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
from command_line import bench
from fix_db import Connect, WaitUntil
from load_trials import fill_shop, rehearse_load, scripts_of

from bench.errors import UsageError
from bench.migrate.suite import find_suite
from bench.pg.server import Server
from bench.run.progress import Step, silent
from bench.run.session import RunOptions, rehearse
from bench.run.traffic.onepass import TrafficOptions
from bench.run.traffic.passes import HazardOptions, connection_room, fitting

SUITE = {
    "base.sql": "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 99);",
    "001.sql": "ALTER TABLE a ADD COLUMN w int;",
}


def written(directory: Path) -> Path:
    suite = directory / "suite"
    suite.mkdir()
    for name, text in SUITE.items():
        (suite / name).write_text(text)
    return suite


@pytest.mark.parametrize("command", ["run", "explain"])
def test_faults_19_rate_without_bound_makes_a_generator_eat_the_memory(tmp_path: Path, command: str) -> None:
    refused = bench(command, "suite", "--rate", "1e9", cwd=tmp_path)
    assert refused.returncode == 2
    assert "1e9 is more than can be made: 10,000 a second" in refused.stderr


def test_a_rate_that_cannot_be_made_ends_and_is_said(
    server: Server, connect: Connect, database: str, tmp_path: Path
) -> None:
    """Far more than a loop can draw, as where a server stands still: memory and time are bounded."""
    fill_shop(connect())
    options = TrafficOptions(rate_per_s=5e7, connections=4, warm_s=0.2, after_s=0.2, drain_s=0.5)
    workload = rehearse_load(server, database, scripts_of(tmp_path, "SELECT 1;"), options).workload
    assert workload is not None
    assert not workload.rate_held
    assert any("requests were due and were not made" in note for note in workload.notes)
    assert sum(load.sent for load in workload.classes) < 300_000
    assert workload.workers_lost == 0


PARENT = """
import sys, time
from bench.workload.parameters import Step, WireClass
from bench.workload.traffic import open_traffic

classes = [WireClass("one", 1.0, (Step("SELECT pg_sleep(0.1)", ()),), None)]
with open_traffic(sys.argv[1], classes, connections=2, workers=2, seed=1) as traffic:
    traffic.begin(1e6, "fixed")
    print("begun", flush=True)
    time.sleep(60)
"""


def test_generators_end_with_a_parent_that_is_killed(server: Server, wait_until: WaitUntil) -> None:
    """Also while they make requests as fast as they can, and however the end of their input is heard."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, server.conninfo("postgres")], stdout=subprocess.PIPE
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"begun\n"
        generators = psutil.Process(parent.pid).children()
        assert len(generators) == 2
    finally:
        parent.kill()
        parent.communicate()
    wait_until(lambda: not any(generator.is_running() for generator in generators))


def test_faults_26_server_went_away_that_did_not_connections(server: Server, tmp_path: Path) -> None:
    """More connections than there is room for are refused before anything runs, or made fewer, and told."""
    room = connection_room(server)
    assert 0 < room < 200
    asked = TrafficOptions(connections=room + 1, connections_asked=True)
    with pytest.raises(UsageError, match=f"--connections {room + 1}: the server has room for {room} beside"):
        fitting(server, asked)
    fewer, (note,) = fitting(server, TrafficOptions(connections=room + 1))
    assert fewer is not None
    assert fewer.connections <= room
    assert f"connections, not {room + 1}" in note.text
    assert fitting(server, TrafficOptions(connections=1)) == (TrafficOptions(connections=1), ())
    assert fitting(server, None) == (None, ())
    suite = find_suite(str(written(tmp_path)))
    options = RunOptions(1, explain=False, probe=False, load=asked)
    saved: list[object] = []
    with pytest.raises(UsageError):
        rehearse(server, suite, options, run_id="case", save=saved.append, progress=silent)
    assert saved == [], "nothing ran"


def test_a_pass_whose_connections_are_gone_leaves_the_others_standing(
    server: Server, tmp_path: Path, connect: Connect
) -> None:
    """Somebody else takes them between the look and the pass: the solo pass is kept, the run incomplete."""
    suite = find_suite(str(written(tmp_path)))
    taken: list[psycopg.Connection[object]] = []

    def take(event: object) -> None:
        if isinstance(event, Step) and event.text.startswith("loaded pass, repeat"):
            taken.extend(connect("postgres") for _ in range(connection_room(server) - 2))

    load = TrafficOptions(rate_per_s=20.0, connections=connection_room(server) - 1, warm_s=0.1, after_s=0.1)
    options = RunOptions(
        1, explain=False, probe=False, load=load, hazards=HazardOptions(("long-reader",), 0.5)
    )
    run = rehearse(server, suite, options, run_id="case", save=lambda _: None, progress=take)
    assert taken
    assert [each.kind for each in run.passes] == ["solo"]
    told = {note.subject: note.text for note in run.notes if note.incomplete}
    assert set(told) == {"loaded pass", "hazard long-reader"}
    assert "connections could not be opened" in told["loaded pass"]
