"""What is said of statements and transactions beforehand, against what the server says."""

from __future__ import annotations

from typing import Any

import psycopg
from fix_db import Connect

from bench.sql.kinds import classify

ACTIVE_TRANSACTION = "25001"
NO_ACTIVE_TRANSACTION = "25P01"
INVALID_TERMINATION = "2D000"

SCHEMA = """
CREATE TABLE t (a int PRIMARY KEY, b int);
CREATE INDEX i ON t (b);
CREATE TABLE whole (a int) PARTITION BY RANGE (a);
CREATE TABLE part PARTITION OF whole FOR VALUES FROM (0) TO (10);
CREATE MATERIALIZED VIEW v AS SELECT 1 AS a;
CREATE UNIQUE INDEX v_a ON v (a);
CREATE TYPE e AS ENUM ('x');
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""

STATEMENTS = (
    "ALTER TABLE t ADD c int",
    "ALTER TABLE whole DETACH PARTITION part",
    "ALTER TABLE whole DETACH PARTITION part CONCURRENTLY",
    "ALTER TYPE e ADD VALUE 'y'",
    "ALTER DATABASE bench_never SET TABLESPACE pg_default",
    "ALTER DATABASE bench_never SET work_mem = '5MB'",
    "ALTER SYSTEM SET work_mem = '5MB'",
    "ANALYZE",
    "CHECKPOINT",
    "CLUSTER",
    "CLUSTER t USING i",
    "COMMIT PREPARED 'none'",
    "CREATE DATABASE bench_never",
    "CREATE INDEX j ON t (b)",
    "CREATE INDEX CONCURRENTLY j ON t (b)",
    "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p",
    "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)",
    "CREATE TABLESPACE bench_never LOCATION '/nonexistent'",
    "DECLARE c CURSOR FOR SELECT 1",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "DISCARD ALL",
    "DISCARD TEMP",
    "DO $$ BEGIN COMMIT; END $$",
    "DO $$ BEGIN PERFORM 'COMMIT;'; END $$",
    "DROP DATABASE bench_never",
    "DROP INDEX i",
    "DROP INDEX CONCURRENTLY i",
    "DROP TABLESPACE bench_never",
    "INSERT INTO t VALUES (1)",
    "LOCK TABLE t IN SHARE MODE",
    "REFRESH MATERIALIZED VIEW v",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
    "REINDEX INDEX i",
    "REINDEX TABLE t",
    "REINDEX TABLE CONCURRENTLY t",
    "REINDEX SCHEMA public",
    "RELEASE x",
    "ROLLBACK PREPARED 'none'",
    "ROLLBACK TO x",
    "SAVEPOINT x",
    "SELECT f()",
    "SET LOCAL work_mem = '5MB'",
    "TRUNCATE t",
    "VACUUM t",
    "VACUUM (ANALYZE)",
)


def _sqlstate(conn: psycopg.Connection[Any], text: str) -> str | None:
    try:
        conn.execute(text.encode())
    except psycopg.Error as error:
        return error.sqlstate
    return None


def test_server_agrees_on_what_refuses_a_transaction(connect: Connect) -> None:
    conn = connect()
    conn.execute(SCHEMA.encode())
    refused = {}
    for text in STATEMENTS:
        conn.execute("BEGIN")
        refused[text] = _sqlstate(conn, text) in (ACTIVE_TRANSACTION, INVALID_TERMINATION)
        conn.execute("ROLLBACK")
    assert {text: classify(text).refuses_transaction for text in STATEMENTS} == refused


def test_server_agrees_on_what_needs_a_transaction(connect: Connect) -> None:
    conn = connect()
    needed = {}
    for text in STATEMENTS:
        if not classify(text).refuses_transaction and "SUBSCRIPTION" not in text:
            conn.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            conn.execute(SCHEMA.encode())
            needed[text] = _sqlstate(conn, text) == NO_ACTIVE_TRANSACTION
    assert {text: classify(text).needs_transaction for text in needed} == needed


def test_subscription_refuses_to_be_dropped_with_its_slot(connect: Connect) -> None:
    conn = connect()
    conn.execute(
        "CREATE SUBSCRIPTION bench_s CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)"
    )
    conn.execute("BEGIN")
    sqlstate = _sqlstate(conn, "DROP SUBSCRIPTION bench_s")
    conn.execute("ROLLBACK")
    conn.execute("ALTER SUBSCRIPTION bench_s SET (slot_name = NONE)")
    conn.execute("DROP SUBSCRIPTION bench_s")
    assert sqlstate == ACTIVE_TRANSACTION
    assert classify("DROP SUBSCRIPTION bench_s").refuses_transaction
