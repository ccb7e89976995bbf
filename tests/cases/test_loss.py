"""What ends a session of ours or the migration's, and what is said of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest

from bench.errors import ServerError
from bench.model.run import Run
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.sessions import describe_loss
from bench.pg.spec import parse_server
from bench.run.session import ending_in_words

Rehearse = Callable[..., Run]
CASE = "faults/26-server-went-away-that-did-not"


@pytest.fixture
def own_server() -> Iterator[Server]:
    """One that may be killed, of the kind that the tests run on."""
    kind = os.environ.get("BENCH_TEST_SERVER", "embedded")
    spec = parse_server(kind if kind in ("embedded", "cluster") else "embedded")
    with open_server(replace(spec, durable=False)) as server:
        yield server


def test_faults_26_server_went_away_that_did_not(rehearse_case: Rehearse) -> None:
    """ALTER DATABASE … SET in a migration holds for its next sessions, not for ours."""
    run = rehearse_case(CASE, "timeout", probe=True, explain=True)
    (migration,) = run.passes[0].repeats[0].migrations
    assert migration.outcome == "applied", migration.error
    assert migration.statements[2].blocks
    assert run.queries


def test_faults_26_a_locked_catalog_ends_no_run(rehearse_case: Rehearse) -> None:
    run = rehearse_case(CASE, "lockclass", probe=True)
    (migration,) = run.passes[0].repeats[0].migrations
    assert migration.outcome == "applied", migration.error
    assert migration.statements[2].blocks is None
    (note,) = (note for note in run.notes if note.subject == "who would wait")
    assert "001 line 1" in note.text


def test_faults_26_a_migration_that_ends_its_own_session_fails_there(rehearse_case: Rehearse) -> None:
    run = rehearse_case(CASE, "myself", probe=True, explain=True)
    (migration,) = run.passes[0].repeats[0].migrations
    assert migration.outcome == "failed"
    assert migration.error is not None
    assert (migration.error.sqlstate, migration.error.line) == ("57P01", 2)
    assert [each.outcome for each in migration.statements] == ["applied", "failed", "skipped"]


def test_faults_26_settings_of_the_whole_server_end_no_query_of_ours(own_server: Server) -> None:
    with own_server.connect() as conn:
        conn.execute("ALTER SYSTEM SET statement_timeout = '200ms'")
        conn.execute("ALTER SYSTEM SET idle_session_timeout = '200ms'")
        conn.execute("SELECT pg_reload_conf()")
        conn.execute("SELECT pg_sleep(0.3)")
        with own_server.connect(application_name="pgrehearse observer") as other:
            other.execute("SELECT pg_sleep(0.3)")
        with own_server.connect(application_name="pgrehearse migration", kind="deploy") as client:
            assert client.execute("SHOW statement_timeout").fetchone() == ("200ms",)
            assert client.execute("SHOW idle_session_timeout").fetchone() == ("0",)


def ask(server: Server, *texts: str) -> None:
    with ending_in_words(server), server.connect() as conn:
        for text in texts:
            conn.execute(text.encode())


def test_only_a_server_that_does_not_answer_went_away(
    own_server: Server, wait_until: Callable[..., object]
) -> None:
    with pytest.raises(ServerError, match="a query of ours was refused: canceling statement"):
        ask(own_server, "SET statement_timeout = '1ms'", "SELECT pg_sleep(1)")
    with pytest.raises(ServerError, match="a session of ours was ended: terminating connection"):
        ask(own_server, "SELECT pg_terminate_backend(pg_backend_pid())")
    with own_server.connect() as conn:
        (text,) = conn.execute("SELECT pg_read_file('postmaster.pid')").fetchone() or ("",)
    os.kill(int(text.split()[0]), signal.SIGKILL)
    wait_until(lambda: not own_server.endpoint.answers())
    with pytest.raises(ServerError, match="the server went away: "):
        ask(own_server)


def test_a_password_is_no_part_of_what_is_said(server: Server) -> None:
    secret = replace(server.endpoint, parameters={**server.endpoint.parameters, "password": "pass-1"})
    error = describe_loss(secret, psycopg.OperationalError("connection of pass-1 lost"))
    assert "pass-1" not in error.message
