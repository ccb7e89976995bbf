"""Templates that are kept: the same rows without the generator, on our own servers and on those of others."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fix_crm import checksums
from fix_db import WaitUntil, chosen_spec
from fix_tcp import TcpServer

from bench.migrate.suite import Suite, find_suite
from bench.pg.database import clone_database, drop_database, new_name
from bench.pg.datacache import entries
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.pg.templates import list_kept, prune_kept
from bench.run.progress import Event, Said, Step
from bench.run.template.keep import template_key
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template

DATA = DataOptions(scale=0.002, cache=True)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def crm() -> Suite:
    return find_suite("crm", Path(__file__).parents[2] / "migrations")


@pytest.fixture
def dsn(tcp: TcpServer) -> Iterator[ServerSpec]:
    spec = ServerSpec("dsn", dsn=tcp.dsn("postgres"))
    yield spec
    with open_server(spec) as server:
        prune_kept(server, 0)


def read(server: Server, suite: Suite, said: list[Event], data: DataOptions = DATA) -> tuple[Any, Any]:
    """The checksums of a clone of the template, and its description."""
    with template(server, suite, data, said.append) as prepared:
        name = new_name("read")
        clone_database(server, prepared.dbname, name)
        try:
            with server.connect(name) as conn:
                return checksums(conn), prepared.dataset
        finally:
            drop_database(server, name)


def run(spec: ServerSpec, suite: Suite, data: DataOptions = DATA) -> tuple[Any, Any, list[Event]]:
    said: list[Event] = []
    with open_server(replace(spec, data_key=template_key(suite, data))) as server:
        return (*read(server, suite, said, data), said)


def steps(said: list[Event]) -> str:
    return "\n".join(event.text for event in said if isinstance(event, Step | Said))


def test_a_second_server_starts_from_the_directory_that_the_first_one_left(crm: Suite, cache: Path) -> None:
    spec = chosen_spec()
    first, loaded, said = run(spec, crm)
    assert "keeping the template" in steps(said)
    again, cached, said = run(spec, crm)
    assert again == first
    assert "data at scale" not in steps(said)
    assert not loaded.from_template
    assert cached == replace(loaded, from_template=True)
    (entry,) = entries()
    wal = sum(path.stat().st_size for path in (entry.path / "data" / "pg_wal").iterdir() if path.is_file())
    assert wal <= 3 * 16 * 1024**2
    other, _, said = run(spec, crm, replace(DATA, seed=2))
    assert "data at scale" in steps(said)
    assert other != first
    assert len(entries()) == 2


def test_a_damaged_directory_is_told_and_made_again(crm: Suite, cache: Path) -> None:
    spec = chosen_spec()
    first, _, _ = run(spec, crm)
    (entry,) = entries()
    largest = max((entry.path / "data" / "base").rglob("*"), key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    told: list[str] = []
    with open_server(replace(spec, data_key=template_key(crm, DATA)), told.append) as server:
        said: list[Event] = []
        again, dataset = read(server, crm, said)
    assert any("damaged" in text for text in told)
    assert again == first
    assert not dataset.from_template
    assert len(entries()) == 1


def test_unlogged_tables_keep_a_template_out_of_the_cache(tmp_path: Path, crm: Suite) -> None:
    base = tmp_path / "base.sql"
    assert crm.base is not None
    base.write_text(crm.base.read_text() + "\nCREATE UNLOGGED TABLE jobs AS SELECT 1 AS id;\n")
    suite = replace(crm, base=base)
    run(chosen_spec(), suite)
    assert entries() == []


def test_on_a_server_that_lives_on_the_template_stays_there(dsn: ServerSpec, crm: Suite) -> None:
    first, loaded, _ = run(dsn, crm)
    again, cached, said = run(dsn, crm)
    assert again == first
    assert cached == replace(loaded, from_template=True)
    assert "data at scale" not in steps(said)
    with open_server(dsn) as server, server.connect() as conn:
        (kept,) = list_kept(conn)
        with template(server, crm, DATA, said.append) as prepared:
            assert prepared.dbname == kept.name
            assert prune_kept(server, 0) == []
        assert [each.name for each in prune_kept(server, 0)] == [kept.name]
        assert list_kept(conn) == []


def test_of_two_runs_at_once_one_loads_and_the_other_waits(
    dsn: ServerSpec, crm: Suite, wait_until: WaitUntil
) -> None:
    said: list[Event] = []
    results: list[Any] = []
    with open_server(dsn) as one, open_server(dsn) as two:
        building = threading.Event()
        go_on = threading.Event()

        def first_says(event: Event) -> None:
            if isinstance(event, Step) and event.text.startswith("data at scale"):
                building.set()
                assert go_on.wait(30)

        def build() -> None:
            with template(one, crm, DATA, first_says) as prepared:
                results.append(prepared.dataset)

        def wait() -> None:
            results.append(read(two, crm, said)[1])

        threads = [threading.Thread(target=build), threading.Thread(target=wait)]
        threads[0].start()
        assert building.wait(30)
        threads[1].start()
        wait_until(lambda: "waiting for a run" in steps(said))
        go_on.set()
        for thread in threads:
            thread.join(60)
    assert [dataset.from_template for dataset in results] == [False, True]
    assert "data at scale" not in steps(said)


def test_without_the_cache_nothing_stays(dsn: ServerSpec, crm: Suite) -> None:
    _, dataset, _ = run(dsn, crm, replace(DATA, cache=False))
    assert not dataset.from_template
    with open_server(dsn) as server, server.connect() as conn:
        assert list_kept(conn) == []
    run(chosen_spec(), crm, replace(DATA, cache=False))
    assert entries() == []


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 0.003},
        {"seed": 2},
        {"dirt": 0.5},
        {"dirt_kinds": ("bad_email",)},
        {"rows": {"deals": 9}},
    ],
)
def test_the_key_changes_with_what_the_rows_depend_on(crm: Suite, change: dict[str, Any]) -> None:
    assert template_key(crm, replace(DATA, **change)) != template_key(crm, DATA)
    assert template_key(crm, replace(DATA, workers=7)) == template_key(crm, DATA)


def test_the_key_changes_with_the_base_and_with_a_file_that_it_reads(tmp_path: Path, crm: Suite) -> None:
    base, part = tmp_path / "base.sql", tmp_path / "part.sql"
    keys = set()
    for lines, included in (
        ("SELECT 1;", ""),
        ("\\ir part.sql", "SELECT 1;"),
        ("\\ir part.sql", "SELECT 2;"),
    ):
        base.write_text(lines)
        part.write_text(included)
        keys.add(template_key(replace(crm, base=base), DATA))
    keys.add(template_key(crm, DATA))
    assert len(keys) == 4
    assert None not in keys
