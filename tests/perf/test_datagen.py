"""How near the generator comes to COPY of ready files, all figures in one run, as ratios.

``make perf`` takes BENCH_PERF_SCALE (0.3 unless given; 10 is 8 million rows) and six rounds; without it every
way is tried on a few rows.
"""

from __future__ import annotations

import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, LiteralString

import pytest
from faker import Faker
from fix_crm import base_database
from fix_db import chosen_spec
from psycopg import sql

from bench.pg.opening import open_server
from bench.pg.server import Server
from datagen.crm import DATA_SET as CRM
from datagen.engine.blocks import SHARD_ROWS, Shard, binary_block, blocks, shards, shards_of, whole_tables
from datagen.engine.catalog import Key, qualified, read_keys
from datagen.engine.encode import HEADER, TRAILER
from datagen.engine.executors import threads
from datagen.engine.keys import drop_keys, foreign_key_statements, index_jobs, validation_jobs
from datagen.engine.ledger import create_ledger
from datagen.engine.load import load
from datagen.engine.parallel import Connection, connect, run_jobs
from datagen.engine.plan import Plan
from datagen.engine.warm import warm_up

TABLES = CRM.tables()

ROUNDS = 6
STREAMS = 2
CONTACTS_ROWS = {1: 500_000, STREAMS: 2 * STREAMS * SHARD_ROWS}
"""The contacts of scale 10 for one stream, and two of the largest shards for each of several."""
PAIRS_A_ROUND = {1: 40, STREAMS: 10}
"""A shared machine changes its pace within seconds: many short pairs tell more than few long ones."""
FORMATS = ("text", "binary")
CONTACTS = "public.contacts"
FAKER_ROWS = 2000
INSERT_CONTACT = """
INSERT INTO public.contacts (email, first_name, last_name, company, phone, title, linkedin_url, is_primary)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
LOAD_AND_TELL_PEAK = """
import re, sys
from pathlib import Path
from datagen.__main__ import main
assert main(sys.argv[1:]) == 0
print(re.search("VmHWM:\\\\s+([0-9]+)", Path("/proc/self/status").read_text())[1])
"""
"""getrusage would tell the memory of the process that forked it, where that had more."""
Files = dict[str, list[tuple[Shard, Path]]]


@pytest.fixture(scope="module")
def durable() -> Iterator[Server]:
    """A server with the settings of a measured run: fsync on."""
    with open_server(replace(chosen_spec(), durable=True)) as server:
        yield server


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where the server, another user, reads files."""
    path = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="bench_perf_"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@contextmanager
def tables(server: Server) -> Iterator[tuple[str, Connection, list[Key]]]:
    """The CRM's tables, empty and without keys, as a dump's pre-data section makes them."""
    with base_database(server) as name, connect(server.conninfo(name)) as conn:
        keys = read_keys(conn, list(TABLES))
        drop_keys(conn, keys, ())
        conn.execute("CHECKPOINT")
        yield server.conninfo(name), conn, keys


def ready_files(plan: Plan, directory: Path, parts: Sequence[Shard]) -> Files:
    """The shards' rows in COPY's binary format, a file for each."""
    warm_up(plan)
    files: Files = defaultdict(list)
    for shard in parts:
        path = directory / f"{shard.table}.{shard.first}"
        with path.open("wb") as file:
            file.write(HEADER)
            file.writelines(piece for block in blocks(plan, shard) for piece in binary_block(block))
            file.write(TRAILER)
        files[shard.table].append((shard, path))
    return files


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def middle_95(values: Sequence[float]) -> tuple[float, float]:
    """Between which of the values the median of all possible ones is, in 95 of 100 cases.

    The sign test's interval, its ranks by the normal approximation (W. J. Conover, Practical Nonparametric
    Statistics, 3.2); the extremes where they are few.
    """
    n = len(values)
    below = max(0, math.floor(n / 2 - 0.98 * math.sqrt(n)) - 1)
    return sorted(values)[below], sorted(values)[n - 1 - below]


def in_turn(times: int, ready: Callable[[], float], generated: Callable[[], float]) -> list[float]:
    """Seconds of both ways, in turn the first one: what one leaves to be written slows the next one."""
    ways = [ready, generated]
    took = {}
    for way in ways if times % 2 else reversed(ways):
        os.sync()
        took[way] = way()
    return [took[way] for way in ways]


def copy_files(conninfo: str, streams: int, plan: Plan, files: Sequence[tuple[Shard, Path]]) -> None:
    """The limit: the server reads the files itself; whole tables frozen, as the generator loads them."""

    def copy(conn: Connection, job: tuple[Shard, Path], _: object) -> None:
        shard, path = job
        names = sql.SQL(", ").join(sql.Identifier(column.name) for column in TABLES[shard.table].columns)
        whole = shard.count == plan.rows[shard.table]
        options = sql.SQL("FORMAT binary, FREEZE" if whole else "FORMAT binary")
        with conn.transaction():
            if whole:
                conn.execute(sql.SQL("TRUNCATE {}").format(qualified(shard.table)))
            statement = sql.SQL("COPY {} ({}) FROM {} ({})")
            conn.execute(statement.format(qualified(shard.table), names, sql.Literal(str(path)), options))

    run_jobs(conninfo, streams, files, copy)


def run_all(conninfo: str, jobs: Sequence[Any]) -> None:
    def execute(conn: Connection, job: Any, _: object) -> None:
        for statement in job[1]:
            conn.execute(statement)

    run_jobs(conninfo, STREAMS, jobs, execute)


def reference(server: Server, plan: Plan, files: Files) -> float:
    """Seconds for COPY of ready files, keys, foreign keys and ANALYZE; creating the tables is not counted."""
    by_size = sorted((each for group in files.values() for each in group), key=lambda f: -f[1].stat().st_size)
    with tables(server) as (conninfo, conn, keys):

        def everything() -> None:
            copy_files(conninfo, STREAMS, plan, by_size)
            run_all(conninfo, index_jobs(keys))
            for statement in foreign_key_statements(keys):
                conn.execute(statement)
            run_all(conninfo, validation_jobs(keys))
            run_all(conninfo, [("", [sql.SQL("ANALYZE {}").format(qualified(name))]) for name in TABLES])

        return seconds(everything)


def full_load(server: Server, plan: Plan) -> float:
    """Seconds of the whole load, dropping the keys included."""
    with base_database(server, "CHECKPOINT") as name:
        return seconds(lambda: load(server.conninfo(name), plan, workers=STREAMS))


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts in the shards in which a large load sends them over so many streams, and ready in files."""

    streams: int
    plan: Plan
    files: Sequence[tuple[Shard, Path]]


def contacts(streams: int, rows: int, directory: Path) -> Contacts:
    plan = CRM.plan(scale=0.01, rows={"contacts": rows})
    parts = shards(plan, whole=whole_tables(plan, streams))
    directory.mkdir()
    files = ready_files(plan, directory, [part for part in parts if part.table == CONTACTS])
    return Contacts(streams, plan, files[CONTACTS])


def in_pairs(server: Server, sent: Contacts, pairs: int) -> Iterator[list[float]]:
    """Seconds of COPY from files and of the generator, one after the other into the same emptied table."""
    parts = [shard for shard, _ in sent.files]
    with tables(server) as (conninfo, conn, keys):
        with conn.transaction():
            create_ledger(conn, sent.plan, keys, ())

        def emptied(work: Callable[[], object]) -> float:
            conn.execute(sql.SQL("TRUNCATE {}").format(qualified(CONTACTS)))
            conn.execute("DELETE FROM pgrehearse_ledger.shards")
            conn.execute("CHECKPOINT")
            return seconds(work)

        copied = partial(copy_files, conninfo, sent.streams, sent.plan, sent.files)
        generated = partial(threads(sent.streams), conninfo, sent.plan, parts, lambda rows, size: None)
        for number in range(pairs):
            yield in_turn(number, partial(emptied, copied), partial(emptied, generated))


def text_over_binary(server: Server, plan: Plan, directory: Path) -> dict[str, tuple[float, float]]:
    """Bytes and seconds that each table takes in COPY's text format, as multiples of the binary one's."""
    directory.chmod(0o777)  # the server, another user, writes there
    with base_database(server) as name:
        load(server.conninfo(name), plan, workers=STREAMS)
        with server.connect(name) as conn:
            for table, form in product(TABLES, FORMATS):
                conn.execute(_copy("COPY {} TO {} (FORMAT {})", table, form, directory))
    return {table: _text_over_binary(server, table, directory) for table in TABLES}


def _text_over_binary(server: Server, table: str, directory: Path) -> tuple[float, float]:
    took: dict[str, list[float]] = defaultdict(list)
    with tables(server) as (_, conn, _keys):
        for form in FORMATS * 3:
            conn.execute(sql.SQL("TRUNCATE {}").format(qualified(table)))
            statement = _copy("COPY {} FROM {} (FORMAT {})", table, form, directory)
            took[form].append(seconds(partial(conn.execute, statement)))
    sizes = [(directory / f"{table}.{form}").stat().st_size for form in FORMATS]
    return sizes[0] / sizes[1], statistics.median(took["text"]) / statistics.median(took["binary"])


def _copy(statement: LiteralString, table: str, form: str, directory: Path) -> sql.Composed:
    file = sql.Literal(f"{directory}/{table}.{form}")
    return sql.SQL(statement).format(qualified(table), file, sql.Identifier(form))


def by_faker(server: Server) -> float:
    """Seconds per contact made by Faker and sent by executemany."""
    faker = Faker("en_US")
    faker.seed_instance(1)

    def row(number: int) -> tuple[object, ...]:
        email = f"{number}{faker.email()}"
        person = (faker.first_name(), faker.last_name(), faker.company(), faker.phone_number(), faker.job())
        return (email, *person, faker.url(), faker.boolean())

    with tables(server) as (_, conn, _keys), conn.cursor() as cursor:
        defaults = "ALTER TABLE public.contacts ALTER id SET DEFAULT gen_random_uuid()"
        conn.execute(defaults)
        took = seconds(lambda: cursor.executemany(INSERT_CONTACT, map(row, range(FAKER_ROWS))))
    return took / FAKER_ROWS


def peak_bytes(server: Server, scale: float) -> int:
    """Largest resident memory of a loading process with one stream, the first one on a machine."""
    with base_database(server) as name, tempfile.TemporaryDirectory() as nothing_compiled:
        options = ["load", server.conninfo(name), "--workers", "1", "--quiet", "--scale", str(scale)]
        done = subprocess.run(
            [sys.executable, "-c", LOAD_AND_TELL_PEAK, *options],
            env=os.environ | {"NUMBA_CACHE_DIR": nothing_compiled},
            check=True,
            capture_output=True,
            text=True,
        )
    return int(done.stdout) * 1024


def test_ratios_to_copy(
    benchmark: Any, request: pytest.FixtureRequest, durable: Server, directory: Path
) -> None:
    measured = request.config.getoption("benchmark_enable")
    scale = float(os.environ.get("BENCH_PERF_SCALE", "0.3")) if measured else 0.01
    plan = CRM.plan(scale=scale)
    (directory / "all").mkdir()
    files = ready_files(plan, directory / "all", shards_of(plan, STREAMS, whole_tables(plan, STREAMS)))
    alone = [
        contacts(streams, int(rows * min(scale, 1)), directory / str(streams))
        for streams, rows in CONTACTS_ROWS.items()
    ]
    taken: dict[str, list[float]] = defaultdict(list)

    def round_of_all() -> None:
        loads = taken["full_load_over_ready_files"]
        copied, loaded = in_turn(
            len(loads), partial(reference, durable, plan, files), partial(full_load, durable, plan)
        )
        loads.append(loaded / copied)
        for each in alone:
            rates = taken[f"rate_{each.streams}_streams_over_copy"]
            for copied, generated in in_pairs(durable, each, PAIRS_A_ROUND[each.streams] if measured else 1):
                rates.append(copied / generated)
        rows = each.plan.rows[CONTACTS]
        taken["times_faster_than_faker"].append(by_faker(durable) / (generated / rows))

    benchmark.pedantic(round_of_all, rounds=ROUNDS, iterations=1)
    (directory / "formats").mkdir()
    formats = text_over_binary(durable, CRM.plan(scale=min(scale, 1)), directory / "formats")
    # Why every table is sent in the binary format: none is narrower as text.
    assert all(size > 1 for size, _ in formats.values())
    assert len(taken) == 4
    assert all(value > 0 for values in taken.values() for value in values)
    benchmark.extra_info.update(
        scale=scale,
        rows=plan.total_rows,
        n={name: len(values) for name, values in taken.items()},
        text_over_binary_seconds={
            table: round(took, 2) for table, (_, took) in formats.items() if plan.rows[table] >= 10_000
        },
        text_over_binary_bytes=[round(f(size for size, _ in formats.values()), 2) for f in (min, max)],
        peak_memory_mb=round(peak_bytes(durable, scale) / 1e6),
        server_version=durable.info.version,
        **{
            name: [round(f(values), 3) for f in (statistics.median, min, max)]
            for name, values in taken.items()
        },
        **{
            f"middle_95_{each}": [round(end, 3) for end in middle_95(taken[each])]
            for each in taken
            if each.startswith("rate")
        },
    )
    print(benchmark.extra_info)
