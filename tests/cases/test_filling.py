"""Rows that a schema demands: checks with alternatives, and two sizes of a base of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.analyse.conclude import conclude
from bench.migrate.suite import Suite, find_suite
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.run.solo.inside import ONE_SIZE
from bench.run.template.options import DataOptions
from datagen.anyschema.load import fill

Rehearse = Callable[..., Run]


def test_real_suite_19_checks_with_alternatives(rehearse_case: Rehearse) -> None:
    data = DataOptions(fill=True, rows={"todos": 5000, "jobs": 100})
    run = rehearse_case("real-suite/19-fill-or-check", "m", data=data)
    assert run.dataset is not None
    assert {table.name: table.rows for table in run.dataset.tables} == {
        "public.jobs": 100,
        "public.todos": 5000,
    }


TABLES = {
    "one_of_three": "a int, b int, c text, CHECK (num_nonnulls(a, b, c) = 1)",
    "one_at_least": "a int, b text, CHECK (num_nonnulls(a, b) >= 1)",
    "either": "a int, b int, CHECK ((a IS NULL) <> (b IS NULL))",
    "both_or_none": "a int, b date, CHECK ((a IS NULL) = (b IS NULL))",
    "coalesced": "a int, b int, CHECK (COALESCE(a, b) IS NOT NULL)",
    "kinds": "kind text NOT NULL, a int, b int, CHECK ((kind = 'x' AND a IS NOT NULL AND b IS NULL) OR "
    "(kind = 'y' AND a IS NULL AND b IS NOT NULL))",
    "implied": "state text, paid_at timestamptz, CHECK (state <> 'paid' OR paid_at IS NOT NULL)",
    "ordered": "a date, b date, CHECK (b IS NULL OR a IS NULL OR b >= a)",
    "flagged": "done boolean NOT NULL, at date, CHECK (NOT done OR at IS NOT NULL)",
    "parents": "id int PRIMARY KEY",
    "referring": "p int REFERENCES parents, q int REFERENCES parents, t text, "
    "CHECK (p IS NOT NULL OR t IS NOT NULL), CHECK ((p IS NULL) <> (q IS NULL))",
    '"Odd"': '"A b" int, "c" int, CHECK ("A b" IS NOT NULL OR c IS NOT NULL)',
}


def test_each_kind_of_alternative(server: Server, database: str) -> None:
    with server.connect(database) as conn:
        for name, columns in TABLES.items():
            conn.execute(f"CREATE TABLE {name} ({columns})".encode())
        filled = fill(server.conninfo(database), rows={"parents": 20}, seed=1)
    assert {name for name, rows, _ in filled.tables if rows not in (20, 1000)} == set()
    assert len(filled.tables) == len(TABLES)


def test_a_check_that_nothing_satisfies_is_told(server: Server, database: str) -> None:
    with server.connect(database) as conn:
        conn.execute("CREATE TABLE t (a int, b int, CHECK (a * b = 12 OR a - b = 5))")
        conn.execute("CREATE TABLE u (a int NOT NULL, b int, CHECK (a IS NULL OR b IS NOT NULL))")
        filled = fill(server.conninfo(database), seed=1)
    assert [rows for _, rows, _ in filled.tables] == [1000, 1000]
    assert "not understood" in " ".join(filled.notes)


def test_fill_finds_its_names_whatever_the_search_path(server: Server, database: str) -> None:
    with server.connect(database) as conn:
        conn.execute(
            "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, n int); CREATE TABLE app.log (n int);"
            "CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN INSERT INTO log VALUES (new.n); RETURN new; END $$;"
            "CREATE TRIGGER noted BEFORE INSERT ON app.t FOR EACH ROW EXECUTE FUNCTION app.note()"
        )
        conn.execute(f'ALTER DATABASE "{database}" SET search_path = app'.encode())
    filled = fill(server.conninfo(database, "application"), rows={"t": 50}, seed=1)
    assert ("app.t", 50) in [(name, rows) for name, rows, _ in filled.tables]


def growth_of(run: Run) -> list[float | None]:
    statements = run.passes[0].repeats[0].migrations[0].statements
    return [plan.growth for statement in statements for plan in statement.nested if "UPDATE" in plan.text]


@pytest.fixture
def sized(tmp_path: Path) -> Suite:
    """The case, whose base makes as many rows as it is told."""
    case = Path(__file__).parent / "inputs" / "real-suite" / "04-own-base-growth"
    base = tmp_path / "base.sql"
    base.write_text((case / "base.sql").read_text().replace("4000", ":names"))
    return find_suite(str(case / "m"), base=base)


def rehearsed(server: Server, suite: Suite, data: DataOptions) -> Run:
    options = RunOptions(repeats=1, probe=False, data=data)
    return conclude(rehearse(server, suite, options, run_id="t", save=lambda _: None, progress=silent)).run


def test_real_suite_04_growth_of_a_base_of_two_sizes(server: Server, sized: Suite) -> None:
    run = rehearsed(server, sized, DataOptions(variables={"names": 800}))
    (growth,) = growth_of(run)
    assert growth is not None
    assert 1.7 < growth < 2.3
    assert run.dataset is not None
    assert [table.rows for table in run.dataset.tables] == [800]


def test_real_suite_04_growth_of_rows_that_are_filled(server: Server, sized: Suite) -> None:
    assert sized.base is not None
    sized.base.write_text("CREATE TABLE public.names (id int PRIMARY KEY, name text, twin int);\n")
    (growth,) = growth_of(rehearsed(server, sized, DataOptions(fill=True, rows={"names": 800})))
    assert growth is not None
    assert 1.7 < growth < 2.3


def test_real_suite_04_why_there_is_no_growth(server: Server, sized: Suite) -> None:
    assert sized.base is not None
    sized.base.write_text(sized.base.read_text().replace(":names", "100"))
    run = rehearsed(server, sized, DataOptions())
    assert growth_of(run) == [None]
    assert [note.text for note in run.notes if note.subject == "growth"] == [ONE_SIZE.text]
