"""Loading into a real server: the same rows by every way, and a schema that is left as it was."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pytest
from fix_crm import base_database
from fix_db import WaitUntil
from psycopg import sql

from bench.errors import ServerError, UsageError
from bench.pg.catalog import describe_schema
from bench.pg.server import Server
from datagen.__main__ import main
from datagen.crm import DATA_SET as CRM
from datagen.engine.encode import HEADER, TRAILER, encode_rows
from datagen.engine.load import LoadResult, Progress, load
from datagen.engine.parallel import run_jobs
from datagen.engine.values import Dates, Integers, Numerics, Pool, Texts, Timestamps, Uuids, Values, Words
from datagen.engine.write import write

TABLES = CRM.tables()

PLAN = CRM.plan(scale=0.01, rows={"activities": 20_000, "deals": 2000}, dirt=0.2)
"""Small, but with more than one shard of activities."""

SLEEPING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"

Conn = psycopg.Connection[Any]
Loaded = tuple[str, LoadResult]


@pytest.fixture(scope="module")
def loaded(server: Server) -> Iterator[tuple[str, LoadResult]]:
    """PLAN, loaded once for all the tests that only read it."""
    with base_database(server) as name:
        yield name, load(server.conninfo(name), PLAN, workers=2)


def digests(conn: Conn) -> dict[str, str]:
    """MD5 of each table's rows as text, in order of their keys."""
    query = "SELECT md5(string_agg(t::text, ',' ORDER BY t.id)) FROM {} AS t"
    return {
        name: conn.execute(sql.SQL(query).format(sql.Identifier(*name.split(".")))).fetchall()[0][0]
        for name in TABLES
    }


def test_every_row_arrives_and_is_counted(server: Server, loaded: Loaded) -> None:
    name, result = loaded
    assert {table: rows for table, rows, _ in result.tables} == dict(PLAN.rows)
    with server.connect(name) as conn:
        for table, rows, size in result.tables:
            count = sql.SQL("SELECT count(*), pg_total_relation_size({}) FROM {}")
            found = conn.execute(count.format(table, sql.Identifier(*table.split(".")))).fetchone()
            assert found == (rows, size)
    assert sum(result.phases_s.values()) <= result.load_s


def test_the_schema_is_left_as_it_was(server: Server, loaded: Loaded) -> None:
    with (
        base_database(server) as untouched,
        server.connect(untouched) as fresh,
        server.connect(loaded[0]) as conn,
    ):
        wanted, found = describe_schema(fresh), describe_schema(conn)
        assert len(wanted) > 200
        assert found == wanted
        invalid = "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"
        assert conn.execute(invalid).fetchone() == (0,)


def test_tables_are_vacuumed_and_analysed(server: Server, loaded: Loaded) -> None:
    with server.connect(loaded[0]) as conn:
        found = conn.execute(
            "SELECT oid::regclass::text, reltuples::int8, relallvisible > relpages / 2, EXISTS (SELECT FROM"
            " pg_statistic WHERE starelid = c.oid) FROM pg_class c WHERE oid = ANY (%s::text[]::regclass[])",
            [list(TABLES)],
        ).fetchall()
        # Since PostgreSQL 16 COPY leaves some pages at the end empty, which are never marked all-visible.
        large = [row for row in found if row[1] >= 1000]
        assert {row[0]: row[1] for row in found} == {
            name.removeprefix("public."): rows for name, rows in PLAN.rows.items()
        }
        assert len(large) >= 4
        assert all(analysed for *_, analysed in found)
        assert all(visible for _, _, visible, _ in large)


def test_binary_and_csv_hold_the_same_rows(server: Server, loaded: Loaded, tmp_path: Path) -> None:
    files = write(tmp_path / "csv", PLAN, form="csv")
    with base_database(server) as name, server.connect(name) as conn:
        conn.execute("SET session_replication_role = replica")  # the files come in no order of parents
        for file in files:
            columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in TABLES[file.table].columns)
            statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, HEADER)")
            with conn.cursor().copy(
                statement.format(sql.Identifier(*file.table.split(".")), columns)
            ) as copy:
                copy.write(file.path.read_bytes())
        with server.connect(loaded[0]) as other:
            assert digests(conn) == digests(other)


@pytest.mark.parametrize("workers", [1, 7])
def test_rows_do_not_depend_on_the_number_of_workers(server: Server, loaded: Loaded, workers: int) -> None:
    with base_database(server) as name:
        result = load(server.conninfo(name), PLAN, workers=workers)
        with server.connect(name) as conn, server.connect(loaded[0]) as other:
            assert digests(conn) == digests(other)
        assert result.dirt == loaded[1].dirt
        assert result.pools_sha256 == loaded[1].pools_sha256


def test_dirt_is_counted_as_planted(server: Server, loaded: Loaded) -> None:
    name, result = loaded
    with server.connect(name) as conn:
        found = conn.execute(
            "SELECT count(*) FILTER (WHERE value = 0), count(*) FILTER (WHERE value < 0),"
            " count(*) FILTER (WHERE expected_close_date = '9999-12-31'),"
            " count(*) FILTER (WHERE company = '') FROM deals"
        ).fetchone()
    kinds = ("zero_value", "negative_value", "year_9999", "empty_text")
    assert found == tuple(result.dirt[f"deals.{kind}"] for kind in kinds)
    assert sum(result.dirt.values()) > 0.15 * (2000 + 500 + 250)


MATCHES = """
SELECT n, count(*)
FROM (SELECT count(c.id) AS n FROM deals d LEFT JOIN companies c ON c.name ILIKE d.company
      WHERE d.company_id IS NULL GROUP BY d.id) AS m
GROUP BY n ORDER BY n
"""
EXTRACT_COMPANIES = """
INSERT INTO companies (name, domain, owner_id)
SELECT DISTINCT ON (lower(d.company)) d.company, split_part(d.contact_email, '@', 2), d.owner_id FROM deals d
WHERE d.company_id IS NULL AND NOT EXISTS (SELECT FROM companies c WHERE c.name ILIKE d.company)
"""
EXTRACT_CONTACTS = """
INSERT INTO contacts (email, first_name)
SELECT DISTINCT d.contact_email, d.contact_name FROM deals d
WHERE d.company_id IS NULL AND NOT EXISTS (SELECT FROM contacts c WHERE c.email = d.contact_email)
"""


def test_clean_legacy_text_matches_at_most_one_company(server: Server) -> None:
    with base_database(server) as name:
        load(server.conninfo(name), CRM.plan(scale=0.005, dirt=0))
        with server.connect(name) as conn:
            assert [n for n, _ in conn.execute(MATCHES).fetchall()] == [0, 1]
            assert conn.execute(EXTRACT_COMPANIES).rowcount > 10
            assert conn.execute(EXTRACT_CONTACTS).rowcount > 50


EXTRAS = """
CREATE TABLE public.notes (id int PRIMARY KEY, deal_id uuid REFERENCES public.deals);
ALTER TABLE public.tasks ADD CONSTRAINT later FOREIGN KEY (deal_id) REFERENCES public.deals NOT VALID;
COMMENT ON CONSTRAINT deals_pkey ON public.deals IS 'it''s {the} key';
CREATE INDEX "Odd {name}" ON public.deals (lower(company)) WHERE company <> 'a%b{}';
COMMENT ON INDEX public."Odd {name}" IS 'odd';
ALTER TABLE public.companies ADD CONSTRAINT no_clash EXCLUDE (id WITH =) DEFERRABLE INITIALLY DEFERRED;
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
CREATE TRIGGER on_row BEFORE INSERT ON public.deals FOR EACH ROW EXECUTE FUNCTION public.refuse();
CREATE TRIGGER on_row BEFORE INSERT ON public.tasks FOR EACH ROW EXECUTE FUNCTION public.refuse();
ALTER TABLE public.tasks DISABLE TRIGGER on_row;
CREATE TRIGGER always BEFORE INSERT ON public.teams FOR EACH ROW EXECUTE FUNCTION public.refuse();
ALTER TABLE public.teams ENABLE ALWAYS TRIGGER always;
"""


def test_unusual_keys_and_triggers_come_back_as_they_were(server: Server) -> None:
    with base_database(server, EXTRAS) as name, server.connect(name) as conn:
        before = describe_schema(conn)
        load(server.conninfo(name), CRM.plan(scale=0.001))
        assert describe_schema(conn) == before


DISK_FULL = """
CREATE FUNCTION public.full_disk(t text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
END $$;
ALTER TABLE public.deals ADD CHECK (status <> 'won' OR public.full_disk(status));
"""


def assert_untouched(conn: Conn, before: dict[str, str]) -> None:
    for table in TABLES:
        exists = sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(*table.split(".")))
        assert conn.execute(exists).fetchone() == (False,), table
    assert describe_schema(conn) == before


def test_full_disk_names_the_table_and_leaves_no_trace(server: Server) -> None:
    with base_database(server, DISK_FULL) as name, server.connect(name) as conn:
        before = describe_schema(conn)
        with pytest.raises(
            ServerError, match=r"loading public\.deals after .* No space left .*\(53100\)"
        ) as caught:
            load(server.conninfo(name), CRM.plan(scale=0.005), workers=3)
        assert caught.value.hint is not None
        assert "--scale" in caught.value.hint
        assert_untouched(conn, before)


@pytest.mark.parametrize("phase", ["copy", "index", "foreign key", "vacuum"])
def test_interruption_leaves_no_trace(server: Server, phase: str) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.phase == phase and progress.done:
            raise KeyboardInterrupt

    with base_database(server) as name, server.connect(name) as conn:
        before = describe_schema(conn)
        with pytest.raises(KeyboardInterrupt):
            load(server.conninfo(name), CRM.plan(scale=0.001), workers=2, progress=interrupt)
        assert_untouched(conn, before)


@pytest.mark.parametrize("begun", ["before the failure", "after its cancel request"])
def test_first_failure_cancels_what_the_others_do(
    server: Server, database: str, wait_until: WaitUntil, begun: str
) -> None:
    ready = threading.Event()
    failing: list[threading.Thread] = []
    cancelled = threading.Event()

    def fail(conn: Conn) -> None:
        failing.append(threading.current_thread())
        assert ready.wait(20)
        if begun == "before the failure":
            wait_until(lambda: conn.execute(SLEEPING).fetchone())
        raise UsageError("as planned")

    def sleep(conn: Conn, stop: threading.Event) -> None:
        ready.set()
        if begun == "after its cancel request":
            assert stop.wait(20)
            failing[0].join(20)
        try:
            conn.execute("SELECT pg_sleep(60)")
        except psycopg.errors.QueryCanceled:
            cancelled.set()

    def work(conn: Conn, job: str, stop: threading.Event) -> None:
        return fail(conn) if job == "fail" else sleep(conn, stop)

    with pytest.raises(UsageError, match="as planned"):
        run_jobs(server.conninfo(database), 2, ["sleep", "fail", "never"], work)
    assert cancelled.is_set()


def refusals() -> list[tuple[str, Callable[[Conn], object], str]]:
    return [
        ("missing table", lambda conn: conn.execute("DROP TABLE tasks"), "lacks the tables public.tasks"),
        ("rows", lambda conn: conn.execute("INSERT INTO teams (name) VALUES ('x')"), "holds rows already"),
        (
            "missing column",
            lambda conn: conn.execute("ALTER TABLE deals DROP value CASCADE"),
            "no column value",
        ),
        (
            "unknown column",
            lambda conn: conn.execute("ALTER TABLE deals ADD region text NOT NULL"),
            "column region of table public.deals needs a value",
        ),
    ]


@pytest.mark.parametrize(("change", "message"), [r[1:] for r in refusals()], ids=[r[0] for r in refusals()])
def test_databases_that_do_not_fit_are_refused(
    server: Server, change: Callable[[Conn], object], message: str
) -> None:
    with base_database(server) as name, server.connect(name) as conn:
        change(conn)
        before = describe_schema(conn)
        with pytest.raises(UsageError, match=message) as caught:
            load(server.conninfo(name), CRM.plan(scale=0.001))
        assert caught.value.hint
        assert describe_schema(conn) == before


def test_load_command_shows_rate_and_time_left(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    with base_database(server) as name:
        assert main(["load", server.conninfo(name), "--scale", "0.002"]) == 0
    printed = capsys.readouterr()
    assert "rows/s" in printed.err
    assert "s left" in printed.err
    assert "\x1b" not in printed.err
    assert "public.meeting_action_items" in printed.out


def test_empty_database_is_a_plain_error(
    server: Server, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["load", server.conninfo(database), "--quiet"]) == 2
    printed = capsys.readouterr()
    assert "lacks the tables auth.users" in printed.err
    assert "hint: create the schema first" in printed.err
    assert printed.out == ""


def test_server_reads_every_type_as_it_was_meant(server: Server, database: str) -> None:
    numbers = np.array([0, 1, -1, 100, 9999, 10_000, 12_345_678, -(10**17) - 1, 10**18 - 1], dtype=np.int64)
    n = len(numbers)
    index = np.arange(n, dtype=np.int64)
    texts = ("", "a", 'q"uo\\te', "tab\tand\nline", "ü – 🚀", "x" * 5000, " ", "NULL", "\\N")
    columns: tuple[Values, ...] = (
        Integers(index),
        Numerics(numbers, 2),
        Numerics(numbers, 4),
        Numerics(numbers, 0, index % 2 == 0),
        Timestamps(numbers // 1000),
        Dates(np.clip(numbers, -10_000, 2_000_000), index % 3 == 0),
        Uuids(index.astype(np.uint64), numbers.astype(np.uint64)),
        Texts((Words(Pool(texts), index),), index % 4 == 3),
    )
    with server.connect(database) as conn:
        conn.execute("SET TIME ZONE 'UTC'")
        conn.execute(
            "CREATE TABLE t (i int, n2 numeric, n4 numeric, n0 numeric, ts timestamptz, d date, u uuid,"
            " s text)"
        )
        with conn.cursor().copy("COPY t FROM STDIN (FORMAT binary)") as copy:
            copy.write(HEADER + b"".join(map(bytes, encode_rows(columns))) + TRAILER)
        rows = conn.execute(
            "SELECT n2::text, n4::text, n0::text, s, u, d - '2000-01-01',"
            " (extract(epoch FROM ts - '2000-01-01') * 1000000)::int8 FROM t ORDER BY i"
        ).fetchall()
        for i, row in enumerate(rows):
            value = int(numbers[i])
            sign, whole = "-" if value < 0 else "", abs(value)
            assert row == (
                f"{sign}{whole // 100}.{whole % 100:02}",
                f"{sign}{whole // 10_000}.{whole % 10_000:04}",
                None if i % 2 == 0 else str(value),
                None if i % 4 == 3 else texts[i],
                UUID(int=i << 64 | value & (2**64 - 1)),
                None if i % 3 == 0 else min(max(value, -10_000), 2_000_000),
                value // 1000,
            )


def test_a_plan_tries_the_server_and_leaves_nothing(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with base_database(server) as name, server.connect(name) as conn:
        before = describe_schema(conn)
        arguments = ["--scale", "0.01", "--rows", "activities=100k", "--workers", "2", "--json", "-"]
        assert main(["plan", server.conninfo(name), *arguments]) == 0
        plan = json.loads(capsys.readouterr().out)
        tables = {table["name"]: table for table in plan["tables"]}
        assert tables.keys() == TABLES.keys()
        assert all(table["copy_s"] > 0 and table["index_s"] > 0 for table in tables.values())
        work = sum(table["encode_s"] + table["copy_s"] + table["index_s"] for table in tables.values())
        assert plan["expected_s"] >= work / 2 * 0.999
        assert describe_schema(conn) == before
        assert conn.execute("SELECT count(*) FROM public.activities").fetchone() == (0,)
        conn.execute("DROP TABLE public.meeting_attendees")
        assert main(["plan", server.conninfo(name)]) == 2
        assert "lacks the tables public.meeting_attendees" in capsys.readouterr().err
