"""The script for production: any role may run it, it reads no row of a table, and says how large they are."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from fix_db import Connect
from psycopg import sql

from bench.pg.server import Server
from bench.run.scales import calibrate_as_probe, probe

TABLES = b"""
CREATE SCHEMA sales;
CREATE TABLE sales.orders (id int PRIMARY KEY, note text);
INSERT INTO sales.orders SELECT n, 'note ' || n FROM generate_series(1, 5000) AS n;
CREATE TABLE sales.parted (id int, part int) PARTITION BY LIST (part);
CREATE TABLE sales.parted_0 PARTITION OF sales.parted FOR VALUES IN (0);
CREATE TABLE sales.parted_1 PARTITION OF sales.parted FOR VALUES IN (1);
INSERT INTO sales.parted SELECT n, n % 2 FROM generate_series(1, 300) AS n;
ANALYZE;
"""


@pytest.fixture
def reader(server: Server, database: str, connect: Connect) -> Iterator[psycopg.Connection[object]]:
    """A session of a role that has no right on any of the tables, and may write nothing."""
    role = sql.Identifier(f"{database}_reader")
    with connect() as conn, server.connect(database) as session:
        conn.execute(TABLES)
        conn.execute(sql.SQL("CREATE ROLE {}").format(role))
        session.execute(sql.SQL("SET ROLE {}").format(role))
        session.execute("SET default_transaction_read_only = on")
        yield session
        session.execute("RESET ROLE")
        conn.execute(sql.SQL("DROP ROLE {}").format(role))


def test_a_role_without_rights_reads_the_sizes_of_all_tables(reader: psycopg.Connection[object]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT * FROM sales.orders")
    found = probe(reader)
    assert found.tables["sales.orders"].rows == 5000
    assert found.tables["sales.orders"].bytes > 5000 * 20
    assert found.tables["sales.parted"].rows == 300
    assert "sales.parted_1" not in found.tables
    assert found.settings["work_mem"]
    assert 0 < (found.calibration_s or 0) < 1
    assert not reader.info.transaction_status


def test_the_work_is_done_while_the_clock_runs(server: Server) -> None:
    """Summing 100,000 numbers takes milliseconds; worked out before its clock started, it would take none."""
    assert (calibrate_as_probe(server) or 0) > 0.001
