"""The pytest plugin as an application uses it: its own tests, its own migrations, a pytest of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCHEMA = """
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, total int);
CREATE VIEW totals AS SELECT customer, sum(total) FROM orders GROUP BY customer;
INSERT INTO customers SELECT n, 'c' FROM generate_series(1, 50) AS n;
INSERT INTO orders SELECT n, n % 50 + 1, n FROM generate_series(1, 5000) AS n;
"""
ONLINE = "CREATE INDEX CONCURRENTLY orders_customer ON orders (customer);\n"
LOCKING = """
CREATE INDEX orders_customer ON orders (customer);
ALTER TABLE customers ALTER COLUMN id TYPE bigint;
CREATE VIEW of_one AS SELECT total FROM orders WHERE id = 7;
"""
TESTS = """
import pytest


def test_an_online_build_blocks_nobody(rehearsal):
    run = rehearsal("online", base="schema.sql")
    assert run.blocks("orders") is None
    assert run.rewrites == ()
    assert run.counters["wal_bytes"] > 0


def test_what_locks_is_found(rehearsal):
    run = rehearsal("locking", base="schema.sql", repeats=2)
    assert run.blocks("orders", "SELECT").by.line == 3
    insert = run.blocks("public.orders", "INSERT")
    assert insert.held_s > 0
    assert "SHARE" in {held.mode for held in run.locks("orders")}
    assert [held.by.line for held in run.locks("customers", "ACCESS EXCLUSIVE")] == [3]
    assert run.rewrites[0] == "public.customers"
    assert run.plan("of_one").seq_scans == ()
    assert run.plan("totals").seq_scans == ("orders",)
    assert run.findings("rewrite")
    assert not run.findings("data-loss")


def test_this_one_fails_and_says_why(rehearsal):
    assert rehearsal("locking", base="schema.sql", explain=False).blocks("orders", "INSERT") is None


def test_what_is_not_there_is_no_pass(rehearsal):
    run = rehearsal("online", base="schema.sql", explain=False)
    for ask in (lambda: run.blocks("ordres"), lambda: run.blocks("orders", "insert"),
                lambda: run.locks("orders", "EXCLUSVE"), lambda: run.plan("no_such_view")):
        with pytest.raises(LookupError):
            ask()


def test_a_migration_that_fails(rehearsal):
    with pytest.raises(Exception, match="001_no, line 1: 42P01"):
        rehearsal("failing", base="schema.sql")
    assert rehearsal("failing", base="schema.sql", check=False).error.sqlstate == "42P01"


def test_counters_stand_beside_the_times_of_pytest_benchmark(rehearsal, benchmark):
    benchmark.pedantic(rehearsal, ("online",), {"base": "schema.sql", "explain": False})
"""


def run_pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest with this plugin and pytest-benchmark alone, whether or not the plugin is installed."""
    plugins = ["-p", "bench.plugin", "-p", "pytest_benchmark.plugin"]
    # To a worker of pytest-xdist, pytest-benchmark measures nothing.
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-p", "no:cacheprovider", *arguments],
        cwd=directory, capture_output=True, text=True, timeout=120, check=False,
        env={**outside, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    top = tmp_path_factory.mktemp("application")
    (top / "schema.sql").write_text(SCHEMA)
    for name, text in (("online", ONLINE), ("locking", LOCKING), ("failing", "DROP TABLE nothing;")):
        (top / name).mkdir()
        (top / name / f"001_{name[:2] if name != 'failing' else 'no'}.sql").write_text(text)
    (top / "test_migrations.py").write_text(TESTS)
    return top


def test_an_application_asserts_on_locks_rewrites_plans_and_counters(application: Path) -> None:
    done = run_pytest(application, "--rehearsal-server=embedded", "--benchmark-json=times.json")
    assert "5 passed" in done.stdout, done.stdout + done.stderr
    assert "1 failed" in done.stdout
    assert "FAILED test_migrations.py::test_this_one_fails_and_says_why" in done.stdout
    assert "Blocked(op='INSERT', relation='public.orders'" in done.stdout
    (measured,) = json.loads((application / "times.json").read_text())["benchmarks"]
    assert measured["extra_info"]["wal_bytes"] > 0
    assert measured["extra_info"]["duration_s"] > 0


def test_the_plugin_is_installed_under_its_name_and_is_light() -> None:
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    assert entry == {"pgrehearse": "bench.plugin"}
    script = "import sys, pytest; old = set(sys.modules); import bench.plugin; print(*set(sys.modules) - old)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert set(done.stdout.split()) <= {"bench", "bench.plugin", "__future__"}
