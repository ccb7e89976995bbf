"""Every rule of advice finds its planted fault in a real plan, and says nothing of the way without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from bench.analyse.advice.nodes import Executed, read_plan
from bench.analyse.advice.rules import RULES, advise_query
from bench.analyse.plans import plan_rows
from bench.observe.explain import Way, cost
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.costs import table_indexes, user_functions

SCHEMA = """
CREATE TABLE people (id int PRIMARY KEY, name text, code text, city int, team int, made_at timestamp, x int);
INSERT INTO people
SELECT n, 'name ' || n, 'c' || n, n % 1000, n % 1000, timestamp '2026-01-01' + n * interval '1 minute', n % 2
FROM generate_series(1, 20000) AS n;
CREATE INDEX people_city ON people (city);
CREATE INDEX people_made_at ON people (made_at);
CREATE INDEX people_city_id ON people (city, id);
CREATE TABLE small (id int PRIMARY KEY, a int, b int);
INSERT INTO small SELECT n, n % 50, n % 50 FROM generate_series(1, 10000) AS n;
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int PRIMARY KEY, parent_id int REFERENCES parent);
INSERT INTO parent SELECT generate_series(1, 400);
INSERT INTO child SELECT n, 400 FROM generate_series(1, 20000) AS n;
CREATE TABLE keyed (id int PRIMARY KEY);
CREATE TABLE refers (id int PRIMARY KEY, keyed_id int REFERENCES keyed);
CREATE INDEX ON refers (keyed_id);
INSERT INTO keyed SELECT generate_series(1, 400);
INSERT INTO refers SELECT n, 400 FROM generate_series(1, 2000) AS n;
CREATE FUNCTION is_even(n int) RETURNS bool LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN n % 2 = 0; END $$;
CREATE FUNCTION is_even_inline(n int) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT n % 2 = 0 $$;
CREATE FUNCTION many() RETURNS SETOF int LANGUAGE plpgsql STABLE AS $$
BEGIN RETURN QUERY SELECT id FROM people; END $$;
CREATE FUNCTION inlined() RETURNS SETOF int LANGUAGE sql STABLE AS $$ SELECT id FROM people $$;
CREATE TABLE stale (id int PRIMARY KEY, pad text);
INSERT INTO stale SELECT n, 'x' FROM generate_series(1, 5000) AS n;
"""
UNVACUUMED = "UPDATE stale SET pad = 'y'"


@dataclass(frozen=True)
class Case:
    """A rule, a query that it must find something in, and one that it must not."""

    rule: str
    faulty: str
    clean: str
    settings: dict[str, str]
    names: str
    """What the message or the fix of the finding must name."""


def case(rule: str, faulty: str, clean: str, names: str, **settings: str) -> Case:
    return Case(rule, faulty, clean, settings, names)


LONG_LIST = "SELECT * FROM people WHERE id IN (LIST)".replace("LIST", ",".join(map(str, range(1, 400))))
CASES = [
    case(
        "seq-scan-selective",
        "SELECT * FROM people WHERE team = 7",
        "SELECT * FROM people WHERE city = 7",
        "ON public.people (team)",
    ),
    case(
        "filter-after-index",
        "SELECT * FROM people WHERE made_at >= '2026-01-02' AND code = 'c9000'",
        "SELECT * FROM people WHERE made_at >= '2026-01-02' AND made_at < '2026-01-03'",
        "(code)",
        enable_seqscan="off",
    ),
    case(
        "late-limit",
        "SELECT * FROM people WHERE code = 'c15000' ORDER BY made_at LIMIT 1",
        "SELECT * FROM people WHERE x = 1 ORDER BY made_at LIMIT 5",
        "(code)",
        enable_seqscan="off",
        enable_sort="off",
    ),
    case(
        "deep-offset",
        "SELECT * FROM people ORDER BY id LIMIT 10 OFFSET 15000",
        "SELECT * FROM people WHERE id > 15000 ORDER BY id LIMIT 10",
        "page by key",
    ),
    case(
        "heap-fetches",
        "SELECT count(id) FROM stale WHERE id > 0",
        "SELECT count(city) FROM people WHERE city > 0",
        "VACUUM public.stale",
        enable_seqscan="off",
        enable_bitmapscan="off",
    ),
    case(
        "bitmap-lossy",
        "SELECT count(name) FROM wide WHERE spread < 200",
        "SELECT count(name) FROM people WHERE city < 50",
        "work_mem",
        enable_seqscan="off",
        enable_indexscan="off",
        work_mem="64kB",
    ),
    case(
        "cast-on-column",
        "SELECT * FROM people WHERE made_at::date = '2026-01-05'",
        "SELECT * FROM people WHERE made_at >= '2026-01-05' AND made_at < '2026-01-06'",
        "made_at",
    ),
    case(
        "cast-on-column",
        "SELECT * FROM people WHERE id = 7.0",
        "SELECT * FROM people WHERE id = 7",
        "numeric",
    ),
    case(
        "leading-wildcard",
        "SELECT * FROM people WHERE name LIKE '%e 1999'",
        "SELECT * FROM people WHERE name LIKE 'name 1999'",
        "gin_trgm_ops",
    ),
    case(
        "long-in-list",
        LONG_LIST,
        "SELECT * FROM people WHERE id IN (1, 2, 3)",
        "399 values",
    ),
    case(
        "nested-loop-scan",
        "SELECT sum(c) FROM parent AS p, LATERAL (SELECT count(*) FROM people WHERE team = p.id) AS o(c) "
        "WHERE p.id < 20",
        "SELECT sum(c) FROM parent AS p, LATERAL (SELECT count(*) FROM people WHERE city = p.id) AS o(c) "
        "WHERE p.id < 20",
        "public.people",
        enable_hashjoin="off",
        enable_mergejoin="off",
        enable_material="off",
        enable_memoize="off",
    ),
    case(
        "nested-loop-many",
        "SELECT count(*) FROM many() AS m(id) JOIN people USING (id)",
        "SELECT count(*) FROM small AS m JOIN people USING (id)",
        "times as often",
        enable_hashjoin="off",
        enable_mergejoin="off",
    ),
    case(
        "join-without-equality",
        "SELECT count(*) FROM parent AS p JOIN small AS s ON s.a + p.id = 3",
        "SELECT count(*) FROM parent AS p JOIN small AS s ON s.id = p.id",
        "pairs",
        enable_hashjoin="off",
        enable_mergejoin="off",
    ),
    case(
        "or-across-tables",
        "SELECT count(*) FROM parent AS p JOIN small AS s ON s.a = p.id OR p.id + s.b = 3",
        "SELECT count(*) FROM parent AS p JOIN small AS s ON s.a = p.id",
        "UNION",
    ),
    case(
        "correlated-subquery",
        "SELECT id, (SELECT max(s.a) FROM small AS s WHERE s.id = p.id) FROM people AS p",
        "SELECT p.id, m FROM people AS p LEFT JOIN (SELECT id, max(a) AS m FROM small GROUP BY id) AS s "
        "ON s.id = p.id",
        "20 k times",
    ),
    case(
        "cte-filtered-late",
        "WITH w AS MATERIALIZED (SELECT * FROM people) SELECT * FROM w WHERE id = 7",
        "WITH w AS (SELECT * FROM people) SELECT * FROM w WHERE id = 7",
        "NOT MATERIALIZED",
    ),
    case(
        "estimate-off",
        "SELECT * FROM small WHERE a = 7 AND b = 7",
        "SELECT * FROM small WHERE a = 7",
        "CREATE STATISTICS ON a, b FROM public.small",
    ),
    case(
        "sort-spill",
        "SELECT * FROM people ORDER BY code",
        "SELECT * FROM people WHERE city = 7 ORDER BY code",
        "work_mem",
        work_mem="64kB",
    ),
    case(
        "hash-batches",
        "SELECT count(a.name) FROM people AS a JOIN people AS b ON a.code = b.code",
        "SELECT count(a.name) FROM people AS a JOIN small AS b ON a.x = b.id WHERE b.id < 20",
        "batches",
        work_mem="64kB",
        enable_mergejoin="off",
    ),
    case(
        "aggregate-spill",
        "SELECT code, count(*) FROM people GROUP BY code",
        "SELECT x, count(*) FROM people GROUP BY x",
        "temporary files",
        work_mem="64kB",
        enable_sort="off",
    ),
    case(
        "workers-not-launched",
        "SELECT count(*) FROM people",
        "SELECT count(*) FROM people WHERE id < 0",
        "0 of 2",
        max_parallel_workers="0",
        max_parallel_workers_per_gather="2",
        min_parallel_table_scan_size="0",
        parallel_setup_cost="0",
        parallel_tuple_cost="0",
    ),
    case(
        "policy-per-row",
        "SELECT * FROM people WHERE team = current_setting('app.user')::int",
        "SELECT * FROM people WHERE team = (SELECT current_setting('app.user')::int)",
        "current_setting()",
        **{"app.user": "7"},
    ),
    case(
        "function-per-row",
        "SELECT count(*) FROM people WHERE is_even(id)",
        "SELECT count(*) FROM people WHERE is_even_inline(id)",
        "is_even() (plpgsql, STABLE)",
    ),
    case(
        "function-not-inlined",
        "SELECT count(*) FROM many()",
        "SELECT count(*) FROM inlined()",
        "ROWS 20000",
    ),
    case(
        "jit-cost",
        "SELECT count(*), sum(id), max(team) FROM people WHERE team > 3 AND id > 5",
        "SELECT count(*) FROM people WHERE id = 5",
        "jit = off",
        jit="on",
        jit_above_cost="500",
        jit_optimize_above_cost="500",
        jit_inline_above_cost="500",
    ),
    case(
        "foreign-key-without-index",
        "DELETE FROM parent WHERE id < 50",
        "DELETE FROM keyed WHERE id < 50",
        "child_parent_id_fkey",
    ),
    case(
        "disabled-node",
        "SELECT * FROM people WHERE team = 7",
        "SELECT * FROM people WHERE city = 7",
        "enable_",
        enable_seqscan="off",
    ),
]
NO_JIT = "this build of PostgreSQL has no JIT"


@pytest.fixture(scope="module")
def planted(server: Server) -> Iterator[psycopg.Connection[Any]]:
    name = new_name("advice")
    create_database(server, name)
    with server.connect(name) as conn:
        conn.execute(SCHEMA)
        conn.execute(
            "CREATE TABLE wide AS SELECT *, id * 7919 % 1000 AS spread, repeat('x', 500) AS pad FROM people"
        )
        conn.execute("CREATE INDEX ON wide (spread)")
        conn.execute("CHECKPOINT")  # commits that are not on disk yet leave no page all-visible
        conn.execute("VACUUM (ANALYZE)")
        conn.execute(UNVACUUMED)
        yield conn
    drop_database(server, name)


def advised(conn: psycopg.Connection[Any], text: str, settings: dict[str, str]) -> dict[str, str]:
    """Rule → node, message and fix."""
    found = cost(conn, Way(text, settings), executions=1)
    assert found.error is None, found.error
    return {
        each.rule: f"{each.node} {each.message}; {each.fix}"
        for each in advise_query(found, user_functions(conn), table_indexes(conn))
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.rule)
def test_a_rule_finds_its_fault_and_nothing_without_it(case: Case, planted: psycopg.Connection[Any]) -> None:
    if case.rule == "jit-cost" and not _has_jit(planted):
        pytest.skip(NO_JIT)
    faulty = advised(planted, case.faulty, case.settings)
    assert case.rule in faulty, faulty
    assert case.names in faulty[case.rule]
    assert case.rule not in advised(planted, case.clean, case.settings)


def test_every_rule_has_a_planted_fault() -> None:
    assert len({case.rule for case in CASES}) == len(RULES)


@pytest.mark.parametrize(
    ("query", "indexed"),
    [
        ("SELECT * FROM people WHERE team = 7 AND x = 1", "(team)"),
        ("SELECT * FROM people WHERE team = 7 AND x = 1", "(team, code)"),
        ("SELECT * FROM people p JOIN small s ON p.x = 1 AND p.team = s.a WHERE s.id < 90", "(team)"),
    ],
)
def test_no_index_is_advised_that_is_there_already(
    query: str, indexed: str, planted: psycopg.Connection[Any]
) -> None:
    settings = {"enable_indexscan": "off", "enable_bitmapscan": "off", "enable_hashjoin": "off",
                "enable_mergejoin": "off", "enable_material": "off", "enable_memoize": "off"}  # fmt: skip
    without = advised(planted, query, settings)
    assert [text for text in without.values() if "CREATE INDEX" in text]
    planted.execute(f"CREATE INDEX there_already ON people {indexed}".encode())
    there = advised(planted, query, settings)
    planted.execute("DROP INDEX there_already")
    assert [text for text in there.values() if "CREATE INDEX" in text] == []


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM people WHERE name ILIKE '%e 1999'",
        "SELECT * FROM people WHERE name ILIKE 'NAME 1999'",
        "SELECT * FROM people WHERE name ~ 'e 1999$'",
    ],
)
def test_a_pattern_is_given_trigrams_and_no_b_tree(query: str, planted: psycopg.Connection[Any]) -> None:
    planted.execute("CREATE INDEX plain ON people (name)")
    said = advised(planted, query, {})
    planted.execute("DROP INDEX plain")
    assert "gin_trgm_ops" in said["leading-wildcard"]
    assert "seq-scan-selective" not in said


def test_a_condition_that_no_index_serves_is_given_none(planted: psycopg.Connection[Any]) -> None:
    assert "seq-scan-selective" not in advised(planted, "SELECT * FROM people WHERE x <> 1 AND x <> 0", {})


def test_bitmaps_put_together_say_nothing_of_rows(planted: psycopg.Connection[Any]) -> None:
    query = "SELECT * FROM people WHERE city = 7 OR made_at < '2026-01-04'"
    settings = {"enable_seqscan": "off", "enable_indexscan": "off"}
    assert "BitmapOr" not in str(advised(planted, query, settings))
    bitmaps = {"Node Type": "BitmapAnd", "Plan Rows": 90_000, "Actual Rows": 0, "Actual Loops": 1}
    (row,) = plan_rows(bitmaps)
    assert (row.rows, row.estimate_factor) == (None, None)


def test_a_plan_that_never_ran_is_given_no_advice() -> None:
    plan = {"Node Type": "Seq Scan", "Relation Name": "t", "Plan Rows": 10**6, "Filter": "(t.a = 1)"}
    root = Executed(read_plan(plan))
    assert [each for rule in RULES for each in rule(root)] == []


def _has_jit(conn: psycopg.Connection[Any]) -> bool:
    row = conn.execute("SELECT set_config('jit', 'on', false), pg_jit_available()").fetchone()
    conn.execute("RESET jit")
    return row is not None and row[1]
