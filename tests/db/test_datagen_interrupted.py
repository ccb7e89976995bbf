"""Loads that are killed: loader, worker process, Dask worker, server. The next start completes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import psycopg
import pytest
from fix_crm import base_database
from psycopg import sql

from bench.errors import ServerError, UsageError
from bench.pg.catalog import describe_schema
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from datagen.crm import DATA_SET as CRM
from datagen.engine.blocks import Shard
from datagen.engine.executors import dask, processes
from datagen.engine.ledger import ShardResult, create_ledger, lock_load
from datagen.engine.load import load
from datagen.engine.parallel import connect
from datagen.engine.send import load_shard, send_shards
from datagen.engine.warm import warm_up

TABLES = CRM.tables()

PLAN = CRM.plan(scale=0.03, dirt=0.1)
LEDGER = "SELECT count(*) FROM pgrehearse_ledger.shards"
ROWS = "SELECT count(*), count(DISTINCT id) FROM {}"
DIGEST = "SELECT md5(string_agg(t::text, ',' ORDER BY t.id)) FROM {} AS t"
DEADLINE_S = 60


@pytest.fixture
def empty(server: Server) -> Iterator[str]:
    """The CRM's tables without rows."""
    with base_database(server) as name:
        yield name


@pytest.fixture(scope="module")
def wanted(server: Server) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Digests of the tables after a load that nothing disturbed, and the schema."""
    with base_database(server) as name:
        load(server.conninfo(name), PLAN, workers=2)
        with server.connect(name) as conn:
            yield digests(conn), describe_schema(conn)


def digests(conn: psycopg.Connection[Any]) -> dict[str, str]:
    found = {}
    for name in TABLES:
        identifier = sql.Identifier(*name.split("."))
        rows, distinct = conn.execute(sql.SQL(ROWS).format(identifier)).fetchall()[0]
        assert rows == distinct == PLAN.rows[name], name
        found[name] = conn.execute(sql.SQL(DIGEST).format(identifier)).fetchall()[0][0]
    return found


def start_load(conninfo: str, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "datagen", "load", conninfo, "--scale", "0.03", "--dirt", "0.1"]
    return subprocess.Popen([*command, "--workers", "2", "--quiet", *options], stderr=subprocess.PIPE)


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def loaded_shards(conn: psycopg.Connection[Any]) -> int:
    try:
        return int(conn.execute(LEDGER).fetchall()[0][0])
    except psycopg.errors.UndefinedTable:
        return -1


def assert_whole(server: Server, name: str, wanted: tuple[dict[str, str], dict[str, str]]) -> None:
    with server.connect(name) as conn:
        assert digests(conn) == wanted[0]
        assert describe_schema(conn) == wanted[1]
        assert conn.execute("SELECT count(*) FROM pg_constraint WHERE NOT convalidated").fetchone() == (0,)


@pytest.mark.parametrize("moment", ["copy", "foreign key"])
def test_a_killed_loader_goes_on_when_started_again(
    server: Server, empty: str, wanted: tuple[dict[str, str], dict[str, str]], moment: str
) -> None:
    count = {
        "foreign key": "SELECT count(*) > 3 FROM pg_constraint WHERE contype = 'f'",
    }
    with server.connect(empty) as conn:
        loader = start_load(server.conninfo(empty))
        wait_for(lambda: loaded_shards(conn) >= 1)
        if moment != "copy":
            wait_for(lambda: conn.execute(count[moment]).fetchone() == (True,))
        loader.kill()
        loader.communicate()
        assert loaded_shards(conn) >= 1, "it was too late"
    result = load(server.conninfo(empty), PLAN, workers=7)
    assert result.resumed >= 1
    assert sum(rows for _, rows, _ in result.tables) == PLAN.total_rows
    assert_whole(server, empty, wanted)


def test_a_killed_worker_process_is_replaced(
    server: Server, empty: str, wanted: tuple[dict[str, str], dict[str, str]]
) -> None:
    killed = threading.Event()

    def kill_one() -> None:
        with server.connect(empty) as conn:
            wait_for(lambda: loaded_shards(conn) >= 1)
        workers = [
            child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())
        ]
        workers[0].send_signal(signal.SIGKILL)
        killed.set()

    killer = threading.Thread(target=kill_one)
    killer.start()
    load(server.conninfo(empty), PLAN, workers=2, executor=processes(2))
    killer.join()
    assert killed.is_set()
    assert_whole(server, empty, wanted)


def test_a_killed_server_is_told_and_the_load_goes_on_later(
    wanted: tuple[dict[str, str], dict[str, str]],
) -> None:
    with open_server(ServerSpec("embedded")) as own, base_database(own) as name:
        loader = start_load(own.conninfo(name))
        with own.connect(name) as conn:
            wait_for(lambda: loaded_shards(conn) >= 1)
            backend = conn.execute("SELECT pg_backend_pid()").fetchall()[0][0]
            # A killed backend makes the server go down at once, and come up by its log.
            os.kill(backend, signal.SIGKILL)
        _, printed = loader.communicate(timeout=DEADLINE_S)
        assert loader.returncode == ServerError.exit_code, printed
        assert b"start the same load again" in printed
        wait_for(lambda: answers(own, name))
        # What had been committed in the last moments may be lost, with its entries in the ledger.
        load(own.conninfo(name), PLAN, workers=2)
        assert_whole(own, name, wanted)


def answers(server: Server, name: str) -> bool:
    try:
        with server.connect(name):
            return True
    except (psycopg.OperationalError, ServerError):
        return False


def test_dask_workers_load_the_same_rows_though_one_is_killed(
    server: Server, empty: str, wanted: tuple[dict[str, str], dict[str, str]]
) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        pids = [worker.pid for worker in cluster.workers.values()]

        def kill_one() -> None:
            with server.connect(empty) as conn:
                wait_for(lambda: loaded_shards(conn) >= 1)
            os.kill(pids[0], signal.SIGKILL)

        killer = threading.Thread(target=kill_one)
        killer.start()
        load(server.conninfo(empty), PLAN, executor=dask(cluster.scheduler_address))
        killer.join()
        assert not psutil.pid_exists(pids[0]) or psutil.Process(pids[0]).status() == psutil.STATUS_ZOMBIE
    assert_whole(server, empty, wanted)


def test_a_shard_is_loaded_once_however_often_it_is_tried(server: Server, empty: str) -> None:
    warm_up(PLAN)
    with server.connect(empty) as conn:
        conn.execute("SET session_replication_role = replica")
        with conn.transaction():
            create_ledger(conn, PLAN, (), ())
        conn.execute("ALTER TABLE public.teams DISABLE TRIGGER ALL")
        shard = Shard("public.teams", 0, PLAN.rows["public.teams"] - 1)
        first = load_shard(server.conninfo(empty), PLAN, shard)
        assert load_shard(server.conninfo(empty), PLAN, shard) == first
        assert first.rows == shard.count
        assert conn.execute("SELECT count(*) FROM public.teams").fetchone() == (shard.count,)


def test_a_shard_is_begun_while_the_server_takes_the_one_before(server: Server, empty: str) -> None:
    with connect(server.conninfo(empty)) as loader, server.connect(empty) as conn:
        with conn.transaction():
            create_ledger(conn, PLAN, (), ())
        conn.execute("ALTER TABLE public.tasks DISABLE TRIGGER ALL")
        parts = [Shard("public.tasks", 0, 2), Shard("public.tasks", 2, 3), Shard("public.tasks", 5, 1)]
        copies_under_way = []

        def taken() -> Iterator[Shard]:
            for shard in parts:
                query = "SELECT count(*) FROM pg_stat_progress_copy WHERE pid = %s"
                copies_under_way.extend(conn.execute(query, [loader.info.backend_pid]).fetchone() or ())
                yield shard

        def send() -> list[ShardResult]:
            return list(send_shards(loader, PLAN, taken(), lambda rows, size: None, threading.Event()))

        sent = send()
        assert copies_under_way == [0, 1, 1]
        assert [(result.shard, result.rows) for result in sent] == [(part, part.count) for part in parts]
        assert send() == sent
        assert conn.execute("SELECT count(*) FROM public.tasks").fetchone() == (6,)


def test_another_plan_does_not_go_on_with_an_unfinished_load(server: Server, empty: str) -> None:
    with server.connect(empty) as conn, conn.transaction():
        create_ledger(conn, PLAN, (), ())
    with pytest.raises(UsageError, match="unfinished load of another plan"):
        load(server.conninfo(empty), CRM.plan(scale=0.03, dirt=0.2))


def test_two_loads_of_one_database_exclude_each_other(server: Server, empty: str) -> None:
    with server.connect(empty) as conn:
        lock_load(conn)
        with pytest.raises(UsageError, match="another load is at work"):
            load(server.conninfo(empty), PLAN)
