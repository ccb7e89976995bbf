"""What a command sent, read from log entries and divided into migrations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.migrate.suite import find_suite
from bench.migrate.transactions import read_migrations
from bench.run.record.command import Address
from bench.run.record.divide import LAST, Recorded, applied_by, divide
from bench.run.record.folder import EndState, Recording, differences, read_recording, write_recording
from bench.run.record.serverlog import Sent, entries_in, parameters_in, sent_in, with_literals


def entry(message: str, at: str = "00.000", session: str = "a", **more: Any) -> dict[str, Any]:
    moment = f"2026-01-01 00:00:{at} UTC"
    return {"session_id": session, "timestamp": moment, "error_severity": "LOG", "message": message} | more


def sent(*texts: str, session: str = "a", away_s: float = 0.0) -> list[Sent]:
    """Queries of one session, each of which takes no time, with pauses between them."""
    return [Sent(session, text, n * (1 + away_s), n * (1 + away_s) + 1) for n, text in enumerate(texts)]


def texts(migration: Recorded) -> list[str]:
    return [line.text for line in migration.lines if line.pause_s is None]


def note(name: str) -> str:
    return f"INSERT INTO knex_migrations (name, batch) VALUES ('{name}', 1)"  # noqa: S608  # names of tests


def test_statements_come_with_parameters_as_literals_and_their_times() -> None:
    log = [
        entry("statement: SELECT 1", "01.000"),
        entry("duration: 0.1 ms", "01.500"),
        entry("execute S_1: SELECT $1, '$2'", "02.000", detail="Parameters: $1 = 'it''s', $2 = NULL"),
        entry("duration: 0.1 ms", "02.250"),
    ]
    one, two = sent_in(log)
    assert (one.text, two.text) == ("SELECT 1", "SELECT 'it''s', '$2'")
    assert two.began_s - one.ended_s == pytest.approx(0.5)
    assert two.ended_s - two.began_s == pytest.approx(0.25)


def test_a_statement_that_failed_has_its_code() -> None:
    log = [entry("statement: SELECT 1/0"), entry("division", error_severity="ERROR", state_code="22012")]
    assert [query.sqlstate for query in sent_in(log)] == ["22012"]


def test_what_is_fetched_from_a_portal_is_not_sent_again() -> None:
    assert list(sent_in([entry("execute fetch from S_1: SELECT 1")])) == []


@pytest.mark.parametrize(
    ("detail", "values"),
    [
        ("parameters: $1 = 'a, $2 = ''b''', $2 = NULL", {1: "'a, $2 = ''b'''", 2: "NULL"}),
        ("Parameters: $1 = 'back\\slash'", {1: " E'back\\\\slash'"}),
        ("something else", {}),
    ],
)
def test_parameters_are_read_as_literals(detail: str, values: dict[int, str]) -> None:
    assert parameters_in(detail) == values


def test_a_parameter_in_quotes_and_comments_is_none() -> None:
    text = "SELECT é, $1, '$1', \"$1\", $x$ $1 $x$ -- $1"
    assert with_literals(text, {1: "'v'"}) == text.replace("$1", "'v'", 1)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("INSERT INTO django_migrations (app, name, applied) VALUES ('shop', '0001', now())", "shop.0001"),
        ("UPDATE alembic_version SET version_num='b' WHERE version_num = 'a'", "b"),
        ("INSERT INTO schema_migrations (version) VALUES ('2024')", "2024"),
        ("INSERT INTO schema_migrations (version, dirty) VALUES ('2024', true)", None),
        ("INSERT INTO orders (name) VALUES ('x')", None),
        ("SELECT name FROM knex_migrations", None),
    ],
)
def test_a_row_of_the_bookkeeping_table_names_its_migration(text: str, name: str | None) -> None:
    assert applied_by(text) == name


def test_a_migration_ends_with_the_transaction_in_which_it_is_noted() -> None:
    one, two = divide(
        sent("BEGIN", "CREATE TABLE a ()", note("1"), "COMMIT", "CREATE TABLE b ()", note("2"))
    )[0]
    assert texts(one) == ["BEGIN", "CREATE TABLE a ()", note("1"), "COMMIT"]
    assert texts(two) == ["CREATE TABLE b ()", note("2")]
    assert not one.together


def test_migrations_of_one_transaction_are_cut_after_their_notes() -> None:
    found = divide(sent("BEGIN", "CREATE TABLE a ()", note("1"), "CREATE TABLE b ()", note("2"), "COMMIT"))[0]
    assert [migration.name for migration in found] == ["1", "2"]
    assert all(migration.together for migration in found)


def test_what_comes_after_the_last_note_has_a_file_of_its_own_unless_it_only_reads() -> None:
    assert [found.name for found in divide(sent(note("1"), "SELECT a FROM b"))[0]] == ["1"]
    assert [found.name for found in divide(sent(note("1"), "CREATE TABLE b ()"))[0]] == ["1", LAST]


def test_the_client_is_away_inside_transactions_only() -> None:
    (found,) = divide(sent("CREATE TABLE c ()", "BEGIN", note("1"), "COMMIT", away_s=0.25))[0]
    assert [line.pause_s for line in found.lines if line.pause_s] == pytest.approx([0.25, 0.25])


def test_several_statements_in_one_query_are_one_transaction() -> None:
    (found,) = divide(sent("CREATE TABLE a (); CREATE TABLE b ()"))[0]
    assert [text.split(" /*")[0] for text in texts(found)] == [
        "BEGIN", "CREATE TABLE a ()", "CREATE TABLE b ()", "COMMIT",
    ]  # fmt: skip


def test_what_cannot_be_repeated_is_left_out_with_its_reason() -> None:
    failed = Sent("a", "SELECT 1/0", 5, 5, "22012")
    (found,) = divide([*sent("CREATE TABLE a ()", "COPY a FROM STDIN"), failed])[0]
    assert [bool(line.left_out) for line in found.lines] == [False, True, True]


def test_a_session_that_only_reads_is_left_out_and_told() -> None:
    found, remarks = divide([*sent("CREATE TABLE a ()"), *sent("SELECT 1", session="b")])
    assert [texts(migration) for migration in found] == [["CREATE TABLE a ()"]]
    assert remarks == ("1 more session only read, and left out.",)


def test_new_keys_that_the_command_may_have_sent_back_are_named() -> None:
    _, remarks = divide(sent("INSERT INTO a (b) VALUES (1) RETURNING id", "INSERT INTO c (a_id) VALUES (1)"))
    assert remarks[0].startswith("1 statement returns what was written (RETURNING)")


def write(directory: Path, *queries: Sent) -> Recording:
    recording = Recording("npx knex migrate:latest", EndState({}, {}), "key", ())
    write_recording(directory, recording, divide(queries)[0])
    return recording


def test_a_recording_is_a_suite_whose_statements_are_those_that_were_sent(tmp_path: Path) -> None:
    queries = sent("BEGIN", "CREATE TABLE a () -- ;", note("1"), "CREATE TABLE b ()", note("2"), "COMMIT")
    recording = write(tmp_path, *queries)
    suite = find_suite(str(tmp_path))
    assert suite.runner.tool == "recorded"
    assert [migration.id for migration in suite.migrations] == ["1", "2"]
    statements = [statement for _, part in read_migrations(suite.migrations) for statement in part]
    assert [statement.kind for statement in statements if statement.by_tool] == ["BEGIN", "COMMIT"]
    own = [statement.text for statement in statements if not statement.by_tool]
    for text, query in zip(own, queries[1:-1], strict=True):
        assert query.text.removesuffix(" -- ;") in text
    assert read_recording(tmp_path) == recording


def test_a_directory_with_files_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(UsageError, match="not empty"):
        write(tmp_path, *sent("CREATE TABLE a ()"))


def test_a_client_that_goes_away_in_its_transaction_has_rolled_it_back() -> None:
    """Else the BEGIN of the next session would stand inside it."""
    queries = [*sent("BEGIN", "CREATE TABLE a ()", note("1")), *sent(note("2"), session="b")]
    (found,) = divide(queries)[0]
    assert found.name == "2"
    assert texts(found)[:4] == ["BEGIN", "CREATE TABLE a ()", note("1"), "ROLLBACK"]


def test_a_line_separator_of_unicode_ends_no_entry() -> None:
    line = json.dumps({"message": "statement: SELECT '\u2028'"}, ensure_ascii=False)
    assert entries_in(f"{line}\n{{cut o".encode()) == [{"message": "statement: SELECT '\u2028'"}]


def test_ends_differ_by_objects_rows_and_values() -> None:
    wanted = EndState({"table a": "x", "table b": "x"}, {"a": (1, "1"), "b": (2, "1")})
    found = EndState({"table a": "y", "table c": "x"}, {"a": (1, "2"), "b": (3, "1")})
    assert list(differences(wanted, found)) == [
        "table a is otherwise",
        "table b is not there",
        "table c is there, and the command did not leave it",
        "a has other values in its 1 rows",
        "b has 3 rows, and the command left 2",
    ]
    assert list(differences(wanted, wanted)) == []


def test_the_address_is_put_into_the_command_quoted_and_taken_out_of_what_it_says() -> None:
    address = Address("127.0.0.1", "5433", "me", "p'w/", "it's")
    assert address.put_into("x {dbname} {unknown} {port}") == "x 'it'\"'\"'s' {unknown} 5433"
    assert "p'w/" not in address.scrub(f"{address.dsn} p'w/")
    assert "p'w" not in repr(address)
