"""What watching costs: a file applied under watch against ``psql -f`` on the same file, in pairs.

``make perf`` runs enough pairs to say something; without it both ways are tried once.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.migrate.script import read_statements
from bench.pg.binaries import find_installations
from bench.pg.database import clone_database, create_database, drop_database, new_name
from bench.pg.embedded import embedded_installation
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.progress import silent
from bench.run.solo.apply import MigrationApplier
from bench.run.solo.watch import counters_database, watch

PAIRS = 15
ROWS = 300_000
BASE = "CREATE TABLE orders (id int PRIMARY KEY, customer int, total int, note text)"
FILL = "INSERT INTO orders SELECT i, i %% 1000, i %% 77, 'n' || i FROM generate_series(1, %s) AS i"
FILE = """
SET lock_timeout = '5s';
ALTER TABLE orders ADD COLUMN state text DEFAULT 'open';
CREATE INDEX CONCURRENTLY orders_customer ON orders (customer);
CREATE INDEX CONCURRENTLY orders_total ON orders (total, id);
ALTER TABLE orders ADD CONSTRAINT positive CHECK (total >= 0) NOT VALID;
ALTER TABLE orders VALIDATE CONSTRAINT positive;
BEGIN;
UPDATE orders SET state = 'closed' WHERE id % 4 = 0;
CREATE TABLE archive AS SELECT * FROM orders WHERE id % 10 = 0;
ALTER TABLE archive ADD PRIMARY KEY (id);
COMMIT;
ANALYZE orders;
"""


@pytest.fixture(scope="module")
def durable_server() -> Iterator[Server]:
    """A server with the settings of a measured run: fsync on."""
    with open_server(ServerSpec("embedded")) as server:
        yield server


@pytest.fixture(scope="module")
def prepared(durable_server: Server) -> Iterator[str]:
    name = new_name("overhead")
    create_database(durable_server, name)
    with durable_server.connect(name) as conn:
        conn.execute(BASE)
        conn.execute(FILL, (ROWS,))
        conn.execute("VACUUM (FREEZE, ANALYZE)")
    yield name
    drop_database(durable_server, name)


def timed_psql(server: Server, dbname: str, file: Path) -> float:
    """Seconds that psql took, its own start included."""
    psql = [*(i.bindir for i in find_installations()), embedded_installation().bindir][0] / "psql"
    begin = time.perf_counter()
    subprocess.run(
        [psql, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", file],
        env={**os.environ, **server.environ(dbname)},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - begin


def timed_watch(server: Server, dbname: str, counters: str | None, file: Path) -> tuple[float, float]:
    """Seconds from first statement to last under watch, and the part that is reported as the deploy's."""
    with watch(server, dbname, counters) as watching, server.connect(dbname) as conn:
        applier = MigrationApplier("file", read_statements(file), conn, watching, repeat=0, progress=silent)
        applier.run()
        result = applier.result()
    assert result.outcome == "applied", result.error
    assert result.wall_s is not None
    assert result.duration_s is not None
    return result.wall_s, result.duration_s


def test_overhead_of_watching(benchmark: Any, durable_server: Server, prepared: str, tmp_path: Path) -> None:
    file = tmp_path / "file.sql"
    file.write_text(FILE)
    walls: list[float] = []
    reported: list[float] = []
    seconds: list[float] = []

    def on_clone(apply: Callable[[str], Any]) -> Any:
        name = new_name("pair")
        clone_database(durable_server, prepared, name)
        try:
            with durable_server.connect() as conn:
                conn.execute("CHECKPOINT")
            return apply(name)
        finally:
            drop_database(durable_server, name)

    def pair() -> None:
        """One of each, the first of the two alternating, so that a drift of the machine favours neither."""
        ways: list[tuple[str, Callable[[str], Any]]] = [
            ("psql", lambda name: timed_psql(durable_server, name, file)),
            ("watch", lambda name: timed_watch(durable_server, name, counters, file)),
        ]
        if len(walls) % 2:
            ways.reverse()
        took = {way: on_clone(apply) for way, apply in ways}
        wall, duration = took["watch"]
        seconds.append(took["psql"])
        walls.append(wall / took["psql"])
        reported.append(duration / took["psql"])

    with counters_database(durable_server) as counters:
        pair()  # the first of all warms the server
        for values in (walls, reported, seconds):
            values.clear()
        benchmark.pedantic(pair, rounds=PAIRS, iterations=1)
    assert len(walls) in (1, PAIRS)
    benchmark.extra_info.update(
        n=len(walls),
        psql_s=statistics.median(seconds),
        wall_ratio_median=statistics.median(walls),
        wall_ratio_range=[min(walls), max(walls)],
        reported_ratio_median=statistics.median(reported),
        reported_ratio_range=[min(reported), max(reported)],
    )
    print(benchmark.extra_info)
