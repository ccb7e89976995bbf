"""Each proposed script ends in the same schema as the statement, with no work under a strong lock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.analyse.conclude import conclude
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.catalog import describe_schema
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.run.template.prepare import apply_file

BASE = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int, total int, note text, "Order" text,
    placed_at timestamptz NOT NULL DEFAULT '2024-06-01'
);
CREATE TABLE lines (order_id int, line int, amount int, PRIMARY KEY (order_id, line));
CREATE INDEX orders_total ON orders (total);
CREATE MATERIALIZED VIEW totals AS SELECT id, total FROM orders;
CREATE UNIQUE INDEX totals_id ON totals (id);
INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 100) AS i;
INSERT INTO orders SELECT i, 1 + i % 100, i, 'n' || i, 'o' || i FROM generate_series(1, 12000) AS i;
INSERT INTO lines SELECT i, n, i FROM generate_series(1, 6000) AS i, generate_series(1, 2) AS n;
CREATE TABLE parted (id int, placed_at timestamptz NOT NULL) PARTITION BY RANGE (placed_at);
CREATE TABLE may (id int, placed_at timestamptz NOT NULL);
CREATE TABLE regions (id int, region text) PARTITION BY LIST (region);
CREATE TABLE north (id int, region text);
CREATE TABLE numbers (id int, n int) PARTITION BY RANGE (n);
CREATE TABLE numbers_low PARTITION OF numbers FOR VALUES FROM (MINVALUE) TO (5000);
CREATE TABLE numbers_high PARTITION OF numbers FOR VALUES FROM (5000) TO (MAXVALUE);
INSERT INTO may SELECT i, '2024-05-02' FROM generate_series(1, 9000) AS i;
INSERT INTO north SELECT i, 'n' FROM generate_series(1, 9000) AS i;
INSERT INTO numbers SELECT i, i FROM generate_series(1, 9000) AS i;
REFRESH MATERIALIZED VIEW totals;
"""
WORK = {"rewrite", "scan-under-lock", "index-built-under-lock"}

STATEMENTS = {
    "foreign key": "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) "
    "REFERENCES customers (id)",
    "foreign key without a name": "ALTER TABLE orders ADD FOREIGN KEY (customer_id) "
    "REFERENCES customers ON DELETE CASCADE",
    "checks": "ALTER TABLE public.orders ADD CHECK (total > 0), ADD CHECK (total > 0 AND id > 0), "
    "ADD CONSTRAINT c CHECK (id > 0)",
    "quoted": 'ALTER TABLE orders ADD CHECK ("Order" <> \'\'), ADD UNIQUE ("Order")',
    "unique": "ALTER TABLE orders ADD CONSTRAINT u UNIQUE (id, total) DEFERRABLE INITIALLY DEFERRED",
    "unique that includes": "ALTER TABLE orders ADD UNIQUE (total) INCLUDE (note) WITH (fillfactor = 70)",
    "primary key": "ALTER TABLE may ADD PRIMARY KEY (id)",
    "not null": "ALTER TABLE orders ALTER COLUMN customer_id SET NOT NULL, ALTER total SET NOT NULL",
    "checked column": "ALTER TABLE orders ADD COLUMN score numeric(4, 1) DEFAULT 1 CHECK (score > 0)",
    "checked column if missing": "ALTER TABLE orders ADD COLUMN IF NOT EXISTS score numeric(4, 1) "
    "CHECK (score > 0), ADD COLUMN b int",
    "referring column": "ALTER TABLE orders ADD COLUMN buyer int NOT NULL DEFAULT 1 "
    "REFERENCES customers (id) DEFERRABLE",
    "unique column": "ALTER TABLE orders ADD COLUMN code text UNIQUE",
    "random default": "ALTER TABLE orders ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid(), "
    "ADD COLUMN plain int DEFAULT 1",
    "random default, two keys": "ALTER TABLE lines ADD COLUMN token uuid DEFAULT gen_random_uuid()",
    "serial": "ALTER TABLE orders ADD COLUMN number bigserial",
    "identity": "ALTER TABLE orders ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
    "type": "ALTER TABLE orders ALTER COLUMN note TYPE int USING substr(note, 2)::int + id",
    "type without using": 'ALTER TABLE orders ALTER COLUMN "Order" TYPE varchar(30) COLLATE "C"',
    "index": "CREATE INDEX orders_note ON public.orders (lower(note), total DESC) WHERE total > 5",
    "index if missing": "CREATE UNIQUE INDEX IF NOT EXISTS orders_note ON orders (note)",
    "index without a name": "CREATE INDEX ON orders (customer_id, lower(note))",
    "index of a partitioned table": "CREATE INDEX numbers_n ON numbers (n)",
    "reindex": "REINDEX TABLE orders",
    "reindex index": "REINDEX (VERBOSE) INDEX orders_total",
    "refresh": "REFRESH MATERIALIZED VIEW totals",
    "partition": "ALTER TABLE parted ATTACH PARTITION may FOR VALUES FROM ('2024-05-01') TO ('2024-06-01')",
    "open partition": "ALTER TABLE parted ATTACH PARTITION may FOR VALUES FROM (MINVALUE) TO ('2024-06-01')",
    "listed partition": "ALTER TABLE regions ATTACH PARTITION north FOR VALUES IN ('n', 's', NULL)",
}  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_way_out_reaches_the_same_schema_without_work_under_a_lock(
    name: str, server: Server, tmp_path: Path
) -> None:
    text = STATEMENTS[name]
    found = [
        each for each in conclude(run(server, tmp_path / "as-it-is", text)).findings if each.code in WORK
    ]
    assert found, "the danger is there to begin with"
    sql = found[0].sql
    assert sql, found[0]
    better = run(server, tmp_path / "better", sql)
    failed = [m.error for repeat in better.passes[0].repeats for m in repeat.migrations if m.error]
    assert not failed, (failed, sql)
    assert [each for each in conclude(better).findings if each.code in WORK] == [], sql
    assert schema_after(server, tmp_path, sql) == schema_after(server, tmp_path, text), sql


def run(server: Server, directory: Path, text: str) -> Run:
    directory.mkdir()
    (directory / "base.sql").write_text(BASE)
    (directory / "001_step.sql").write_text(text + "\n")
    options = RunOptions(repeats=1, explain=False)
    suite = find_suite(str(directory))
    return rehearse(server, suite, options, run_id="test", save=lambda _: None, progress=silent)


def schema_after(server: Server, directory: Path, text: str) -> dict[str, str]:
    with database_after(server, directory, text) as name, server.connect(name) as conn:
        described = describe_schema(conn)
    return {name: "\n".join(map(_without_order, text.split("\n"))) for name, text in described.items()}


def _without_order(line: str) -> str:
    """A column that took another's place is the last one."""
    return ", ".join(sorted(line.split(", "))) if line.startswith("columns ") else line


@contextmanager
def database_after(server: Server, directory: Path, text: str) -> Iterator[str]:
    name = new_name("test")
    create_database(server, name)
    try:
        for position, part in enumerate((BASE, text)):
            file = directory / f"{position}.sql"
            file.write_text(part)
            apply_file(server, name, file)
        yield name
    finally:
        drop_database(server, name)
