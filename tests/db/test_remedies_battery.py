"""Every remedy that gives SQL, run on planted rows: it ends as the original, and refuses what that does."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from remedy_trials import (
    Original,
    State,
    altered,
    copied,
    differences,
    original,
    planted,
    run_script,
    state_of,
)

import bench.analyse
from bench.analyse.remedies import choice
from bench.analyse.remedies.choice import (
    for_emptied,
    for_index,
    for_lock,
    for_reindex,
    for_rewrite,
    for_rows,
    for_scan,
)
from bench.analyse.remedies.offending import offending_rows
from bench.analyse.remedies.script import Remedy
from bench.pg.server import Server

BASE = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (
    id int PRIMARY KEY, customer_id int, total int, note text, "Order" text, spare int,
    placed_at timestamptz NOT NULL DEFAULT '2024-06-01'
);
CREATE TABLE lines (order_id int, line int, amount int, PRIMARY KEY (order_id, line));
CREATE TABLE heap (n int);
CREATE INDEX orders_total ON orders (total);
CREATE MATERIALIZED VIEW totals AS SELECT id, total FROM orders;
CREATE UNIQUE INDEX totals_id ON totals (id);
INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 100) AS i;
INSERT INTO orders SELECT i, 1 + i % 100, i, 'n' || i, 'o' || i FROM generate_series(1, 6000) AS i;
INSERT INTO lines SELECT i, n, i FROM generate_series(1, 3000) AS i, generate_series(1, 2) AS n;
INSERT INTO heap SELECT generate_series(1, 10);
CREATE TABLE parted (id int NOT NULL, placed_at timestamptz, n int CHECK (n > 0), PRIMARY KEY (id, placed_at))
    PARTITION BY RANGE (placed_at);
CREATE TABLE parted_2023 PARTITION OF parted FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE parted_default PARTITION OF parted DEFAULT;
CREATE INDEX parted_n ON parted (n);
CREATE TABLE may (LIKE parted INCLUDING ALL);
CREATE TABLE regions (id int, region text) PARTITION BY LIST (region);
CREATE TABLE regions_other PARTITION OF regions DEFAULT;
CREATE TABLE north (id int, region text);
CREATE TABLE numbers (id int NOT NULL, n int) PARTITION BY RANGE (n);
CREATE TABLE numbers_low PARTITION OF numbers FOR VALUES FROM (MINVALUE) TO (5000);
CREATE TABLE numbers_high PARTITION OF numbers FOR VALUES FROM (5000) TO (MAXVALUE);
INSERT INTO parted SELECT i, '2023-05-02', i FROM generate_series(1, 100) AS i;
INSERT INTO parted SELECT i, '2022-05-02', i FROM generate_series(1, 100) AS i;
INSERT INTO may SELECT i, '2024-05-02', i FROM generate_series(1, 100) AS i;
INSERT INTO regions SELECT i, 'x' FROM generate_series(1, 10) AS i;
INSERT INTO north SELECT i, 'n' FROM generate_series(1, 10) AS i;
INSERT INTO numbers SELECT i, i FROM generate_series(1, 9000, 90) AS i;
REFRESH MATERIALIZED VIEW totals;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
ALTER TABLE heap ADD COLUMN p positive;
CREATE INDEX spare_a ON orders (spare);
CREATE INDEX spare_b ON orders (note);
CREATE VIEW old_notes AS SELECT id, note FROM orders;
"""


@dataclass(frozen=True)
class Trial:
    """A statement, the remedy for it, and something that makes production's rows refuse it."""

    statement: str
    remedy: Callable[[str, Original], Remedy]
    violated: str | None = None
    any_values: bool = False
    """The new column's values are free to differ: random ones, or numbers in another order."""


def scan(table: str) -> Callable[[str, Original], Remedy]:
    return lambda text, known: for_scan(text, table, known.around)


def index(kind: str, table: str) -> Callable[[str, Original], Remedy]:
    return lambda text, known: for_index(
        kind, text, table, known.around, known.around.partitions.get(table, ())
    )


def filled(text: str, known: Original) -> Remedy:
    return for_rewrite("ALTER TABLE", text, "public.orders", known.around, known.hanging)


def lock(text: str, known: Original) -> Remedy:
    return for_lock(" ".join(text.split()[:2]), text, known.around)


def rows(table: str) -> Callable[[str, Original], Remedy]:
    return lambda text, known: for_rows(text, table, known.around)


TRIALS = {
    "foreign key": Trial(
        "ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (customer_id) REFERENCES customers "
        "ON DELETE CASCADE", scan("public.orders"), "UPDATE orders SET customer_id = 7777 WHERE id = 5"),
    "foreign key of a partitioned table": Trial(
        "ALTER TABLE parted ADD FOREIGN KEY (id) REFERENCES customers ON UPDATE CASCADE",
        scan("public.parted"), "INSERT INTO parted VALUES (7777, '2023-03-03', 5)"),
    "check": Trial("ALTER TABLE orders ADD CHECK (total > 0)", scan("public.orders"),
                   "UPDATE orders SET total = 0 WHERE id = 5"),
    "check of a partitioned table": Trial(
        "ALTER TABLE parted ADD CONSTRAINT few CHECK (n < 1000)", scan("public.parted"),
        "UPDATE parted SET n = 5000 WHERE id = 5"),
    "not null": Trial("ALTER TABLE orders ALTER COLUMN total SET NOT NULL", scan("public.orders"),
                      "UPDATE orders SET total = NULL WHERE id = 5"),
    "check of a domain": Trial("ALTER DOMAIN positive ADD CONSTRAINT few CHECK (VALUE < 1000)",
                               scan("public.heap"), "UPDATE heap SET p = 5000"),
    "unique": Trial("ALTER TABLE orders ADD CONSTRAINT u UNIQUE (total) DEFERRABLE",
                    index("ALTER TABLE", "public.orders"), "UPDATE orders SET total = 1 WHERE id = 5"),
    "primary key": Trial("ALTER TABLE north ADD PRIMARY KEY (id)", index("ALTER TABLE", "public.north"),
                         "UPDATE north SET id = NULL WHERE id = 5"),
    "unique of a partitioned table": Trial(
        "ALTER TABLE numbers ADD UNIQUE (id, n)", index("ALTER TABLE", "public.numbers"),
        "INSERT INTO numbers SELECT * FROM numbers"),
    "key of a partitioned table": Trial(
        "ALTER TABLE numbers ADD CONSTRAINT k PRIMARY KEY (n)", index("ALTER TABLE", "public.numbers"),
        "INSERT INTO numbers SELECT * FROM numbers"),
    "index": Trial("CREATE UNIQUE INDEX orders_note ON orders (lower(note)) WHERE total > 5",
                   index("CREATE INDEX", "public.orders"), "UPDATE orders SET note = 'n6' WHERE id = 7"),
    "index if missing": Trial("CREATE INDEX IF NOT EXISTS orders_note ON orders (note)",
                              index("CREATE INDEX", "public.orders")),
    "index of a partitioned table": Trial("CREATE INDEX numbers_n ON numbers (n)",
                                          index("CREATE INDEX", "public.numbers")),
    "indexes in a block": Trial(
        "DO $$ BEGIN CREATE INDEX orders_a ON public.orders (note); "
        "EXECUTE 'CREATE INDEX orders_b ON orders (spare)'; END $$", index("DO", "public.orders")),
    "random default": Trial("ALTER TABLE orders ADD COLUMN token float8 NOT NULL DEFAULT random()", filled,
                            any_values=True),
    "random default, two keys": Trial(
        "ALTER TABLE lines ADD COLUMN token uuid DEFAULT gen_random_uuid()",
        lambda text, known: for_rewrite("ALTER TABLE", text, "public.lines", known.around), any_values=True),
    "serial": Trial("ALTER TABLE orders ADD COLUMN number bigserial", filled, any_values=True),
    "identity": Trial(
        "ALTER TABLE orders ADD COLUMN number bigint GENERATED BY DEFAULT AS IDENTITY "
        "(START 100 INCREMENT 3)", filled, any_values=True),
    "type": Trial("ALTER TABLE orders ALTER COLUMN spare TYPE bigint",
                  lambda text, known: for_rewrite("ALTER TABLE", text, "public.orders", known.around,
                                                  known.hanging)),
    "reindex": Trial("REINDEX TABLE orders", lambda text, _: for_reindex(text, "public.orders", ())),
    "reindex index": Trial("REINDEX (VERBOSE) INDEX orders_total",
                           lambda text, _: for_reindex(text, "public.orders", ())),
    "refresh": Trial(
        "REFRESH MATERIALIZED VIEW totals",
        lambda text, known: for_rewrite("REFRESH MATERIALIZED VIEW", text, "public.totals", known.around)),
    "partition": Trial(
        "ALTER TABLE parted ATTACH PARTITION may FOR VALUES FROM ('2024-05-01') TO ('2024-06-01')",
        scan("public.may"), "INSERT INTO parted VALUES (1, '2024-05-03', 1)"),
    "partition whose own rows do not fit": Trial(
        "ALTER TABLE parted ATTACH PARTITION may FOR VALUES FROM ('2024-05-01') TO ('2024-06-01')",
        scan("public.parted_default"), "INSERT INTO may VALUES (1, '2024-07-03', 1)"),
    "listed partition": Trial(
        "ALTER TABLE regions ATTACH PARTITION north FOR VALUES IN ('n', 's')", scan("public.north"),
        "INSERT INTO regions VALUES (1, 's')"),
    "listed partition with NULL": Trial(
        "ALTER TABLE regions ATTACH PARTITION north FOR VALUES IN ('n', 's', NULL)", scan("public.north")),
    "new partition": Trial(
        "CREATE TABLE parted_2024 PARTITION OF parted FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        scan("public.parted_default"), "INSERT INTO parted VALUES (1, '2024-05-03', 1)"),
    "new partition of a list": Trial(
        "CREATE TABLE regions_west PARTITION OF regions FOR VALUES IN ('w')", lock,
        "INSERT INTO regions VALUES (1, 'w')"),
    "update": Trial("UPDATE orders SET total = total + 1, note = 'x' || note WHERE total > 10",
                    rows("public.orders")),
    "update of two keys": Trial("UPDATE lines l SET amount = o.total FROM orders o WHERE o.id = l.order_id",
                                rows("public.lines")),
    "block of updates": Trial(
        "DO $$ DECLARE n int; BEGIN UPDATE orders SET total = total + 1 WHERE total > 10; "
        "GET DIAGNOSTICS n = ROW_COUNT; DELETE FROM orders WHERE total % 7 = 0; RAISE NOTICE '%', n; END $$",
        rows("public.orders")),
    "delete": Trial("DELETE FROM orders WHERE total % 3 = 0", rows("public.orders")),
    "drop index": Trial("DROP INDEX orders_total, spare_a", lock),
    "drop table": Trial("DROP TABLE north", lock),
    "rename": Trial("ALTER TABLE orders RENAME COLUMN note TO remark", lock),
    "truncate": Trial("TRUNCATE heap", lock),
}  # fmt: skip


BY_A_CHECK = ("23502", "23514")
"""A NULL that is refused by the constraint that NOT NULL is proved with."""


@pytest.fixture(scope="module")
def base(server: Server) -> Iterator[str]:
    with planted(server, BASE) as name:
        yield name


def remedy_of(trial: Trial, known: Original) -> Remedy:
    return trial.remedy(trial.statement, known)


@pytest.mark.parametrize("name", TRIALS)
def test_the_end_is_the_originals_schema_and_rows(name: str, server: Server, base: str) -> None:
    trial = TRIALS[name]
    known = original(server, base, trial.statement)
    script = remedy_of(trial, known).sql
    assert script, remedy_of(trial, known)
    with copied(server, base) as conn:
        assert run_script(conn, script) == [], script
        ended = state_of(conn)
    if trial.any_values:
        assert differences(schema_of(known.state), schema_of(ended)) == [], script
        assert filled_alike(known.state, ended)
    else:
        assert differences(known.state, ended) == [] or own_rules(known.state, ended), script


def own_rules(one: State | None, other: State) -> bool:
    """Whether nothing differs but that a partition's NOT NULL, from 18 on, is its own and its parent's."""
    different = differences(one, other)
    return all("not_null" in each and "local false" in each for each in different)


@pytest.mark.parametrize("goes_on", [False, True])
@pytest.mark.parametrize("name", [name for name, trial in TRIALS.items() if trial.violated])
def test_what_the_original_refuses_is_refused_and_no_row_is_lost(
    name: str, goes_on: bool, server: Server, base: str
) -> None:
    trial = TRIALS[name]
    assert trial.violated is not None
    script = remedy_of(trial, original(server, base, trial.statement)).sql
    assert script is not None
    with altered(server, base, trial.violated) as violating:
        refused = original(server, violating, trial.statement)
        assert refused.state is None
        with copied(server, violating) as conn:
            before = state_of(conn)[1]
            errors = run_script(conn, script, goes_on=goes_on)
            assert errors, script
            assert refused.sqlstate in errors or (refused.sqlstate, errors[0]) == BY_A_CHECK, script
            after = state_of(conn)[1]
    assert {table: after.get(table) for table in before} == before, script


@pytest.mark.parametrize(
    "name", ["update", "update of two keys", "delete", "random default", "truncate", "type"]
)
def test_a_second_run_after_a_failure_changes_no_row_twice(name: str, server: Server, base: str) -> None:
    trial = TRIALS[name]
    known = original(server, base, trial.statement)
    script = remedy_of(trial, known).sql
    assert script is not None
    stopping = script.replace("COMMIT;\n", "COMMIT; IF random() < 2 THEN RAISE 'cut off'; END IF;\n", 1)
    with copied(server, base) as conn:
        assert run_script(conn, stopping) in ([], ["P0001"])
        if run_script(conn, script, goes_on=True):
            assert name == "random default", "what is there already is refused, and no more"
        ended = state_of(conn)
    if trial.any_values:
        assert filled_alike(known.state, ended)
    else:
        assert differences(known.state, ended) == []


@pytest.mark.parametrize("taken", [False, True])
def test_rows_are_copied_before_they_go_and_stay_where_they_cannot_be(
    taken: bool, server: Server, base: str
) -> None:
    """The table of that name may be there from a run before: the rows then stay where they are."""
    tables = ["public.customers", "public.heap"]
    remedy = for_emptied("TRUNCATE heap, customers CASCADE", "public.heap", tables)
    assert remedy.sql is not None
    with copied(server, base) as conn:
        before = state_of(conn)[1]
        if taken:
            conn.execute("CREATE TABLE heap_before ()")
        errors = run_script(conn, remedy.sql, goes_on=True)
        after = state_of(conn)[1]
    for table in tables:
        assert after[table if taken else f"{table}_before"] == before[table]
        assert bool(after[table]) == taken
    assert bool(errors) == taken


def schema_of(state: State | None) -> State:
    assert state is not None
    return state[0], {}


def filled_alike(one: State | None, other: State) -> bool:
    """As many values, all of them different, in the column that was added."""
    assert one is not None
    added = ("number", "token")
    return all(_different(one[1][table], added) == _different(other[1][table], added) for table in one[1])


def _different(rows: list[str], columns: Sequence[str]) -> int:
    documents = [json.loads(row) for row in rows]
    return len(
        {
            row[column]
            for row in documents
            if isinstance(row, dict)
            for column in columns
            if row.get(column) is not None
        }
    )


def test_every_function_that_gives_a_remedy_is_tried() -> None:
    """A new one must be added to the trials, or to those that are tried where they belong."""
    given = {
        f"{path.stem}.{function.name}"
        for path in sorted(Path(choice.__file__).parent.glob("*.py"))
        for function in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(function, ast.FunctionDef)
        and not function.name.startswith("_")
        and ast.unparse(function.returns or ast.Constant(None)) in GIVES_SQL
    }
    assert given == TRIED.keys()
    assert {name for names in TRIED.values() for name in names} <= {*TRIALS, *ELSEWHERE}


def test_every_place_that_writes_sql_itself_is_known() -> None:
    """Short statements beside their finding; what the findings' test plants is executed there."""
    written = {
        f"{path.stem}.{function.name}"
        for path in sorted(Path(bench.analyse.__path__[0]).rglob("*.py"))
        if path.parent != Path(choice.__file__).parent
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        for call in ast.walk(function)
        if isinstance(call, ast.Call) and _gives_sql(call)
    }
    assert written == WRITTEN


def _gives_sql(call: ast.Call) -> bool:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    return (name == "Remedy" and len(call.args) > 1) or (
        name == "Finding" and any(keyword.arg == "sql" for keyword in call.keywords)
    )


WRITTEN = {
    "access.access_opened", "amounts._advisory", "amounts._lock_table_full", "blocks._no_lock_timeout",
    "changes._kept_name", "changes._restored", "changes.foreign_key_unindexed",
    "copies._missed", "evidence.finding", "failures._for_rows_refused", "failures._not_installed",
    "losses._columns", "losses._deleted", "losses._invalid", "losses._tables", "outcome._goes_on",
    "outcome._lost_at_end", "outcome._non_transactional", "queues._stop_finding", "spoken._over_invalid",
}  # fmt: skip
GIVES_SQL = {"Remedy", "Remedy | None", "Safer | None", "str | None"}
ELSEWHERE = {"swap", "offending", "emptied", "stopped", "text"}
"""Columns that are swapped: test_remedies_swap; below: queries for rows that are refused, copies of what is
emptied; what was cut off: tests/cases; or no SQL to run."""
TRIED: dict[str, tuple[str, ...]] = {
    "alter.safer_alter": ("foreign key", "check", "not null", "unique", "primary key", "serial", "identity"),
    "alter.safer_domain": ("check of a domain",),
    "batches.block_in_batches": ("block of updates",),
    "batches.change_in_batches": ("update", "update of two keys", "delete"),
    "choice.for_emptied": ("emptied",),
    "choice.for_index": ("index", "indexes in a block", "unique of a partitioned table"),
    "choice.for_lock": ("drop index", "drop table", "rename"),
    "choice.for_reindex": ("reindex", "reindex index"),
    "choice.for_rewrite": ("type", "random default", "random default, two keys", "refresh"),
    "choice.for_rows": ("update", "delete"),
    "choice.for_scan": ("check", "partition", "new partition"),
    "columns.serial_type": ("text",),
    "indexes.create_concurrently": ("index", "index if missing", "index of a partitioned table"),
    "indexes.drop_concurrently": ("drop index",),
    "indexes.indexes_in_block": ("indexes in a block",),
    "indexes.name_of_index": ("text",),
    "indexes.refresh_concurrently": ("refresh",),
    "offending.offending_rows": ("offending",),
    "partitions.attach_checked": ("partition", "listed partition", "listed partition with NULL"),
    "partitions.create_and_attach": ("new partition", "new partition of a list"),
    "choice.for_refused": ("stopped",),
    "choice.for_stopped": ("stopped",),
    "choice.invalid_index": ("stopped",),
    "swap.why_not": ("swap",),
}


@pytest.mark.parametrize(
    "name",
    ["foreign key", "check", "not null", "unique", "primary key", "index"],
)
def test_the_query_for_refused_rows_finds_the_row_that_is_refused(
    name: str, server: Server, base: str
) -> None:
    trial = TRIALS[name]
    assert trial.violated is not None
    with altered(server, base, trial.violated) as violating:
        refused = original(server, violating, trial.statement)
        assert refused.sqlstate is not None
        with copied(server, violating) as conn:
            version = conn.info.server_version
            query = offending_rows(trial.statement, refused.sqlstate, refused.around.keys, version)
            assert query is not None
            assert len(conn.execute(query.encode()).fetchall()) == 1, query
