"""What runs inside statements, on real servers: seen with its plan, in a pass that stays bounded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from fix_tcp import TcpServer

from bench.errors import Interrupted
from bench.migrate.suite import find_suite
from bench.model.plan import NestedPlan
from bench.model.run import Run
from bench.model.statement import StatementRun
from bench.observe.nested import KEPT, NestedReader, threshold_ms
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.progress import Event, Progress, Step, silent
from bench.run.session import RunOptions, rehearse

BASE = """
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, total int);
INSERT INTO customers SELECT i, 'c' || i FROM generate_series(1, 100) AS i;
INSERT INTO orders SELECT i, 1 + i % 100, i FROM generate_series(1, 5000) AS i;
"""

LookInside = Callable[..., Run]


def look(
    server: Server,
    directory: Path,
    *files: str,
    explain: bool = True,
    repeats: int = 1,
    saved: list[Run] | None = None,
    progress: Progress = silent,
) -> Run:
    states: list[Run] = [] if saved is None else saved
    (directory / "base.sql").write_text(BASE)
    for number, text in enumerate(files, start=1):
        (directory / f"{number:03}_step.sql").write_text(text)
    return rehearse(
        server,
        find_suite(str(directory)),
        RunOptions(repeats=repeats, explain=explain),
        run_id="test",
        save=states.append,
        progress=progress,
    )


@pytest.fixture
def inside(server: Server, tmp_path: Path) -> LookInside:
    """Rehearse files given as text on the base above, plans inside statements included."""

    def run(*files: str, **options: object) -> Run:
        return look(server, tmp_path, *files, **options)  # type: ignore[arg-type]

    return run


def statements(run: Run, repeat: int = -1) -> tuple[StatementRun, ...]:
    return tuple(each for m in run.passes[0].repeats[repeat].migrations for each in m.statements)


def named(statement: StatementRun, beginning: str) -> NestedPlan:
    (found,) = [each for each in statement.nested if " ".join(each.text.split()).startswith(beginning)]
    return found


def said(run: Run) -> str:
    return " ".join(note.text for note in run.notes if note.subject == "statements inside")


def test_the_sql_of_a_do_block_has_its_plan_and_its_line(inside: LookInside) -> None:
    (block,) = statements(
        inside("DO $$\nBEGIN\n  UPDATE orders SET total = 0 WHERE customer_id = 7;\n  PERFORM 1;\nEND $$;")
    )
    update = named(block, "UPDATE orders")
    assert (update.calls, update.rows, update.level) == (1, 50, 1)
    assert update.context == "PL/pgSQL function inline_code_block line 3 at SQL statement"
    assert update.plan is not None
    assert update.plan["Node Type"] == "ModifyTable"
    assert update.plan["Plans"][0]["Rows Removed by Filter"] == 4950
    assert update.work == 5000
    assert 0 < update.duration_s < (block.explained_s or 0) + 0.001


def test_functions_in_both_languages_show_what_they_run(inside: LookInside) -> None:
    *_, both, again = statements(
        inside(
            "CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql AS"
            " $$ BEGIN RETURN (SELECT count(*) FROM orders); END $$;"
            "CREATE FUNCTION cleared(int) RETURNS bigint LANGUAGE sql AS"
            " $$ DELETE FROM orders WHERE id = $1; SELECT count(*) FROM customers $$;"
            "SELECT counted(), cleared(3);"
            "DO $$ BEGIN PERFORM counted(); END $$;"
        )
    )
    assert (
        named(both, "(SELECT count(*) FROM orders)").context == "PL/pgSQL function counted() line 1 at RETURN"
    )
    in_sql = named(both, "DELETE FROM orders")
    assert (in_sql.context or "").startswith('SQL function "cleared" statement')
    assert in_sql.calls == 2, "auto_explain gives each statement of the function the whole body's text"
    own = named(both, "SELECT counted(), cleared(3)")
    assert (own.level, own.context, own.text) == (0, None, both.text)
    assert {each.level for each in again.nested} == {1, 2}


def test_a_triggers_statements_are_added_up(inside: LookInside) -> None:
    *_, update = statements(
        inside(
            "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN PERFORM count(*) FROM customers; RETURN new; END $$;"
            "CREATE TRIGGER seen BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION seen();"
            "UPDATE orders SET total = 0 WHERE id <= 20;"
        )
    )
    fired = named(update, "SELECT count(*) FROM customers")
    assert (fired.calls, fired.rows, fired.level) == (20, 20, 1)
    assert "seen()" in (fired.context or "")
    assert named(update, "UPDATE orders").level == 0


def test_a_foreign_key_shows_its_validation(inside: LookInside) -> None:
    (added,) = statements(inside("ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers;"))
    query = named(added, 'SELECT fk."customer_id" FROM ONLY "public"."orders" fk LEFT OUTER JOIN')
    assert query.plan is not None
    assert "Join" in query.plan["Node Type"] or query.plan["Node Type"] == "Nested Loop"
    assert (query.work or 0) >= 5000


def test_an_update_has_its_own_plan(inside: LookInside) -> None:
    (update,) = statements(inside("-- why\nUPDATE orders SET total = 1 WHERE id < 11;"))
    (own,) = update.nested
    assert (own.level, own.rows, own.text) == (0, 10, update.text)


def test_commands_without_a_plan_are_counted(inside: LookInside) -> None:
    (block,) = statements(
        inside("DO $$ BEGIN EXECUTE 'CREATE INDEX orders_total ON orders (total)'; END $$;")
    )
    built = named(block, "CREATE INDEX orders_total")
    assert built.plan is None
    assert built.duration_s > 0


def test_what_commits_or_refuses_a_transaction_runs_in_the_pass_too(inside: LookInside) -> None:
    run = inside(
        "CREATE PROCEDURE steps() LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE orders SET total = 1 WHERE id = 1; COMMIT;"
        " UPDATE orders SET total = 2 WHERE id = 2; COMMIT; END $$;"
        "CALL steps();"
        "CREATE INDEX CONCURRENTLY later ON orders (total);"
        "VACUUM orders;"
        "COPY customers FROM stdin;\n901\tnew\n902\tnewer\n\\.\n"
        "BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE;"
        "UPDATE orders SET total = 3 WHERE id = 3; ROLLBACK;"
        "BEGIN READ ONLY; SELECT count(*) FROM orders; COMMIT;"
    )
    assert run.passes[0].repeats[0].migrations[0].outcome == "applied"
    ran = statements(run)
    assert named(ran[1], "UPDATE orders SET total").calls == 2
    assert all(each.explained_s is not None for each in ran)
    assert "ended at" not in said(run)


def test_ten_thousand_statements_in_a_loop_are_one_line(inside: LookInside) -> None:
    (loop,) = statements(
        inside(
            "DO $$ BEGIN FOR i IN 1..10000 LOOP UPDATE orders SET total = total + 1 WHERE id = i % 5000;"
            " END LOOP; END $$;"
        )
    )
    update = named(loop, "UPDATE orders")
    assert update.calls == 10_000
    assert update.plan is not None
    assert len(loop.nested) == 1
    assert loop.explained_s is not None
    assert update.duration_s <= loop.explained_s * 1.5 + 0.1, "the cost of looking is taken off"


def test_texts_without_end_are_bounded_and_said(inside: LookInside) -> None:
    """Constants are drawn together; names are not."""
    alike, apart = statements(
        inside(
            "DO $$ BEGIN FOR i IN 1..300 LOOP"
            " EXECUTE format('UPDATE orders SET total = %s WHERE id = %s', i, i); END LOOP; END $$;"
            "DO $$ BEGIN FOR i IN 1..1200 LOOP"
            " EXECUTE format('SELECT total AS name_%s FROM orders WHERE id = 1', i); END LOOP; END $$;"
        )
    )
    assert [each.calls for each in alike.nested] == [300]
    assert len(apart.nested) == KEPT
    assert apart.nested_left_out >= 1200 - KEPT


def test_a_long_statement_logs_only_what_matters_in_it() -> None:
    assert threshold_ms(None) == threshold_ms(2.0) == 0
    assert threshold_ms(2.1) == 1
    assert threshold_ms(600.0) == 60


def test_what_is_too_short_for_a_plan_is_counted(server: Server, database: str) -> None:
    with server.connect(database) as conn:
        conn.execute(BASE.encode())
        reader = NestedReader(conn)
        text = "DO $$ BEGIN FOR i IN 1..50 LOOP PERFORM FROM orders WHERE id = i; END LOOP; END $$"
        reader.begin(text, 100_000.0, counters=False)
        conn.execute(text.encode())
        assert reader.result(100_000.0, ()).nested == ()
        reader.begin(text, 0.01, counters=False)
        conn.execute(text.encode())
        (query,) = reader.result(0.01, ()).nested
        assert query.calls == 50


@pytest.mark.parametrize("setting", ["SET client_min_messages = error", "RESET ALL", "SET ROLE pg_monitor"])
def test_what_a_migration_sets_does_not_blind_the_pass(inside: LookInside, setting: str) -> None:
    ran = statements(inside(f"{setting};\nDO $$ BEGIN PERFORM count(*) FROM pg_class; END $$;"))
    assert named(ran[1], "SELECT count(*) FROM pg_class").calls == 1


def test_a_failure_half_way_keeps_what_was_seen_and_names_what_failed(inside: LookInside) -> None:
    run = inside(
        "UPDATE orders SET total = 1;\n"
        "DO $$ BEGIN UPDATE orders SET total = 2 WHERE id = 1;\n"
        "  INSERT INTO customers\n  SELECT 1, 'twice'; END $$;\nSELECT 1;",
        "SELECT 2;",
    )
    first, block, never = run.passes[0].repeats[0].migrations[0].statements
    assert first.nested
    assert block.outcome == "failed"
    assert named(block, "UPDATE orders").rows == 1
    failed = named(block, "INSERT INTO customers SELECT 1")
    assert failed.rows is None
    assert failed.plan is not None
    assert failed.plan["Node Type"] == "ModifyTable"
    assert "Actual Loops" not in failed.plan["Plans"][0], "what the planner expects: nothing ran to its end"
    assert "line 2" in (failed.context or "")
    assert never.explained_s is None
    assert "ended at" not in said(run), "it ended where the deploy does"


def test_a_pass_that_fails_alone_says_so(inside: LookInside) -> None:
    """The planted fault hits the clone of this pass, and only that."""
    run = inside(
        "DO $$ BEGIN IF current_database() LIKE '%plans%' THEN RAISE EXCEPTION 'only here'; END IF; END $$;"
        "SELECT 1;"
    )
    assert run.passes[0].repeats[0].migrations[0].outcome == "applied"
    assert "ended at 001_step.sql:1: only here" in said(run)


def test_the_last_repeat_has_it_and_no_explain_leaves_it_out(inside: LookInside) -> None:
    text = "DO $$ BEGIN PERFORM count(*) FROM orders; END $$;"
    run = inside(text, repeats=2)
    assert not statements(run, 0)[0].nested
    assert statements(run, 1)[0].nested
    plain = inside(text, explain=False)
    assert not statements(plain)[0].nested
    assert said(plain) == ""


def test_without_superuser_a_note_says_why(tcp: TcpServer, tmp_path: Path) -> None:
    tcp.create_role("guest", "CREATEDB")
    with open_server(ServerSpec("dsn", dsn=tcp.dsn("guest"))) as guest:
        run = look(guest, tmp_path, "DO $$ BEGIN PERFORM count(*) FROM orders; END $$;")
    (block,) = statements(run)
    assert block.outcome == "applied"
    assert block.nested == ()
    assert block.explained_s is None
    assert "not known" in said(run)
    assert "auto_explain" in said(run)


def test_ctrl_c_in_the_pass_keeps_the_solo_pass(server: Server, tmp_path: Path) -> None:
    saved: list[Run] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Step) and event.text.startswith("plans inside"):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        look(server, tmp_path, "UPDATE orders SET total = 1;", saved=saved, progress=interrupt)
    (update,) = statements(saved[-1])
    assert update.outcome == "applied"
    assert update.nested == ()


def test_no_time_of_the_pass_is_a_statements_own(inside: LookInside) -> None:
    """The planted delay happens where the pass looks, and only there."""
    (block,) = statements(
        inside("DO $$ BEGIN PERFORM pg_sleep(0.4) WHERE current_database() LIKE '%plans%'; END $$;")
    )
    assert block.duration_s is not None
    assert block.explained_s is not None
    assert block.duration_s < 0.4 <= block.explained_s


def test_the_server_death_is_no_finding(server: Server, database: str) -> None:
    """A broken connection leaves the pass as the error that it is."""
    with server.connect(database) as conn:
        reader = NestedReader(conn)
        reader.begin("SELECT 1", 0.0, counters=False)
        with server.connect(database) as killer:
            killer.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            conn.execute("SELECT 1")
