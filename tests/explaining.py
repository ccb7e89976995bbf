"""A small suite whose queries differ by role, by kind of plan and by what the cache holds."""

from __future__ import annotations

from pathlib import Path

ROLE = "bench_test_asker"
BASE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bench_test_asker') THEN
    CREATE ROLE bench_test_asker;
  END IF;
END $$;
CREATE TABLE accounts (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
    id int PRIMARY KEY, account_id int NOT NULL REFERENCES accounts, state text NOT NULL,
    note text NOT NULL, placed_on date NOT NULL
);
INSERT INTO accounts SELECT n, 'account ' || n FROM generate_series(1, 200) AS n;
INSERT INTO orders
SELECT n, n % 200 + 1, CASE WHEN n % 4000 = 0 THEN 'open' ELSE 'done' END, repeat('x', 100),
       date '2026-01-01' + n % 300
FROM generate_series(1, 20000) AS n;
CREATE INDEX orders_open ON orders (id) WHERE state = 'open';
ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON orders USING (account_id = (SELECT current_setting('app.account')::int));
GRANT SELECT, INSERT, UPDATE ON orders, accounts TO bench_test_asker;
"""
MIGRATION = """
CREATE INDEX orders_account ON orders (account_id);
CREATE VIEW open_orders AS SELECT id, account_id, note FROM orders WHERE state = 'open';
GRANT SELECT ON open_orders TO bench_test_asker;
CREATE FUNCTION orders_of(wanted int) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
  RETURN (SELECT count(*) FROM orders WHERE account_id = wanted);
END $$;
"""
QUERIES = """
[[query]]
name = "orders_of"
kind = "function"
sql = "SELECT orders_of(%(account)s)"
params.account = "SELECT 7"

[[query]]
name = "by_state"
sql = "SELECT count(note) FROM orders WHERE state = %(state)s"
params.state = "SELECT 'open'::text"
"""
WORKLOAD = """
[[class]]
name = "my orders"
tables = ["public.orders"]
role = "bench_test_asker"
settings = { "app.account" = "%(account)s" }
draw = "SELECT 7 AS account"
sql = "SELECT id, note FROM orders WHERE account_id >= 0"

[[class]]
name = "note"
tables = ["public.orders"]
access = "write"
role = "bench_test_asker"
settings = { "app.account" = "%(account)s" }
draw = "SELECT account_id AS account, id FROM orders ORDER BY id LIMIT 500"
sql = "UPDATE orders SET note = 'seen' WHERE id = %(id)s"
"""


def small_suite(directory: Path, migration: str = MIGRATION) -> Path:
    """Write the suite, and return its directory."""
    suite = directory / "shop"
    suite.mkdir()
    for name, text in {
        "base.sql": BASE, "001_orders.sql": migration, "queries.toml": QUERIES, "workload.toml": WORKLOAD,
    }.items():  # fmt: skip
        (suite / name).write_text(text)
    return suite
