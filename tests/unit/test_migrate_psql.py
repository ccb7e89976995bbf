"""Variables, conditionals, included files and \\copy of psql, as a migration is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UsageError
from bench.migrate.pieces import split_script, statement_text
from bench.migrate.script import read_statements
from bench.migrate.variables import Variables, parse_boolean
from bench.model.statement import Statement
from bench.sql.lexer import ReferenceForm
from bench.sql.tree import error_in

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the migration, and files beside it by name; returns the migration's path."""

    def write_files(content: str, files: Mapping[str, str] | None = None) -> Path:
        for name, text in {"001_change.sql": content, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        return tmp_path / "001_change.sql"

    return write_files


def texts(path: Path, variables: Mapping[str, str] | None = None) -> list[str]:
    return [statement.text for statement in read_statements(path, variables)]


def refused(path: Path) -> UsageError:
    with pytest.raises(UsageError) as error:
        read_statements(path)
    return error.value


def test_statement_has_the_values_and_the_places_of_the_file(write: Write) -> None:
    path = write("-- who\n\\set n 'a''b'\nSELECT :'n',\n  :\"n\" /* :n */\n  FROM t;\n")
    (statement,) = read_statements(path)
    assert statement.text == "SELECT 'a''b',\n  \"a'b\" /* :n */\n  FROM t"
    assert statement.line == 3
    place = {token: statement.locate(statement.text.index(token) + 1) for token in ("'a", '"a', "/*", "FROM")}
    assert place == {"'a": (3, 8), '"a': (4, 3), "/*": (4, 8), "FROM": (5, 3)}


def test_every_character_of_a_value_stands_where_its_reference_does(write: Write) -> None:
    path = write("\\set n '12\n34'\n".replace("\n3", "\\n3") + "SELECT :n,\n :n;")
    (statement,) = read_statements(path)
    assert statement.text == "SELECT 12\n34,\n 12\n34"
    assert [statement.locate(position) for position in range(8, 16)] == [
        *[(2, 8)] * 5, (2, 10), (2, 11), (3, 1),
    ]  # fmt: skip


def test_statement_that_begins_in_a_value_has_the_line_of_the_reference(write: Write) -> None:
    path = write("\\set q 'SELECT 1; SELECT 2; SELECT'\n\n:q 3,\n 4;\n")
    assert [(each.text.strip(), each.line) for each in read_statements(path)] == [
        ("SELECT 1", 3),
        ("SELECT 2", 3),
        ("SELECT 3,\n 4", 3),
    ]


def test_syntax_error_after_a_value_has_its_place_in_the_file(write: Write) -> None:
    path = write("\\set n 'a\\nmuch\\nlonger'\nSELECT :'n',\n  2 FORM t x;")
    (statement,) = read_statements(path)
    assert syntax_error(statement) == (3, 10, 'syntax error at or near "t"')


def test_syntax_error_in_an_included_file_names_it(write: Write) -> None:
    path = write("SELECT 1;\n\\ir parts/a.sql\n", {"parts/a.sql": "SELECT 2;\nSELECT 3 FORM t x;"})
    statement = read_statements(path)[-1]
    assert syntax_error(statement)[:2] == (2, 15)
    assert statement.path(path).name == "a.sql"


def syntax_error(statement: Statement) -> tuple[int, int, str]:
    error = error_in(statement.text)
    assert error is not None
    return (*statement.locate(error.cursorpos), error.message)


@pytest.mark.parametrize("source", ["SELECT\n:name;", "SELECT\n :'name';", 'SELECT 1 FROM\n:"name";'])
def test_variable_that_is_not_set_is_refused(write: Write, source: str) -> None:
    error = refused(write(source))
    assert error.message.endswith("001_change.sql:2: psql's variable :name is not set")
    assert "\\set name" in (error.hint or "")


def test_the_variable_that_the_grammar_stumbles_over_is_named(write: Write) -> None:
    assert refused(write("SELECT a[1:n],\n :m;")).message.endswith(":2: psql's variable :m is not set")
    path = write("SELECT a[1:n]\n FROM t WHERE;")
    (statement,) = read_statements(path)
    assert syntax_error(statement) == (2, 14, "syntax error at end of input")


def test_variable_not_set_in_a_value_is_named_at_the_reference(write: Write) -> None:
    assert refused(write("\\set a ':b'\nSELECT\n1, :a;")).message.endswith(
        ":3: psql's variable :b is not set"
    )


@pytest.mark.parametrize(
    "source",
    [
        "SELECT\n:SERVER_VERSION_NUM;",
        "SELECT\n:'DBNAME';",
        "\n\\if :SERVER_VERSION_NUM",
        "\n\\set v :VERSION",
    ],
)
def test_value_that_only_a_running_psql_has_is_refused(write: Write, source: str) -> None:
    error = refused(write(source))
    assert "001_change.sql:2: psql's" in error.message
    assert "not known before the migration runs" in error.message
    assert error.hint


def test_the_caller_may_know_values(write: Write) -> None:
    path = write("\\if :new\nSELECT :SERVER_VERSION_NUM;\n\\endif\n")
    assert texts(path, {"SERVER_VERSION_NUM": "180000", "new": "yes"}) == ["SELECT 180000"]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("'''open'", "ends inside a quote or comment"),
        ("'E''open\\\\\\\\'", "ends inside a quote or comment"),
        ("'\"open'", "ends inside a quote or comment"),
        ("'$x$ open $y$'", "ends inside a quote or comment"),
        ("'/* /* open */'", "ends inside a quote or comment"),
        ("'1 -- open'", "ends inside a quote or comment"),
        ("'1 \\\\echo x'", "holds a meta-command"),
    ],
)
def test_value_that_is_no_whole_part_of_a_statement_is_refused(write: Write, value: str, why: str) -> None:
    error = refused(write(f"\\set n {value}\nSELECT\n 1, :n;"))
    assert error.message.endswith(f"001_change.sql:3: the value of psql's variable :n {why}")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("\\set n 'open", r"\set has an open quote"),
        ('\\set n "open', r"\set has an open quote"),
        ("\\set n 'open\\", r"\set has an open quote"),
        ("\\set n `date`", r"\set has a command for the shell"),
        ("\\if `true`", r"\if has a command for the shell"),
        ("\\set n '\\377'", r"\set has bytes that are not UTF-8"),
        ("\\set n 'a\\000b'", r"\set has a NUL"),
        ("\\i 'open", r"\i has an open quote"),
    ],
)
def test_argument_that_psql_or_a_rehearsal_cannot_take(write: Write, command: str, message: str) -> None:
    assert refused(write(f"SELECT 1;\n{command}\n")).message.endswith(f"001_change.sql:2: psql's {message}")


@pytest.mark.parametrize("condition", ["maybe", "", ":unset", "o", "true false", "2", "'true '", "'' "])
def test_condition_that_is_neither_true_nor_false_is_refused(write: Write, condition: str) -> None:
    error = refused(write(f"SELECT 1;\n\\if {condition}\n\\endif\n"))
    assert "001_change.sql:2: psql's \\if has no condition that is true or false" in error.message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\\if true\nSELECT 1;\n", r":1: psql's \if has no \endif"),
        ("\\if true\n\\if false\n\\endif\n", r":1: psql's \if has no \endif"),
        ("\\if false\nSELECT 'open;\n\\endif\n", r":1: psql's \if has no \endif"),
        ("SELECT 1;\n\\endif\n", r":2: psql's \endif is out of place"),
        ("SELECT 1;\n\\else\n", r":2: psql's \else is out of place"),
        ("SELECT 1;\n\\elif true\n", r":2: psql's \elif is out of place"),
        ("\\if true\n\\else\n\\else\n\\endif\n", r":3: psql's \else is out of place"),
        ("\\if true\n\\else\n\\elif true\n\\endif\n", r":3: psql's \elif is out of place"),
        ("\\if false\nCOPY t FROM stdin;\n1\n\\.\n\\endif\n", r":4: psql's \. cannot be rehearsed"),
        ("\\if true;\n\\endif\n", ':1: psql\'s \\if has no condition that is true or false: "true;"'),
        ("\\if true\n\\endif;\n", r":2: psql's \endif; cannot be rehearsed"),
    ],
)
def test_conditionals_out_of_place_are_refused(write: Write, source: str, message: str) -> None:
    assert refused(write(source)).message.endswith(f"001_change.sql{message}")


def test_block_does_not_go_on_after_an_included_file(write: Write) -> None:
    error = refused(write("\\ir a.sql\n\\endif\n", {"a.sql": "\n\\if true\n"}))
    assert error.message.endswith("/a.sql:2: psql's \\if has no \\endif")


def test_statements_of_included_files_name_them(write: Write) -> None:
    path = write(
        "SELECT 1;\n\\ir parts/a.sql\nSELECT 4;",
        {"parts/a.sql": "\nSELECT 2;\n\\ir ../b.sql", "b.sql": "SELECT 3"},
    )
    statements = read_statements(path)
    assert [(each.index, each.file, each.line, each.text) for each in statements] == [
        (0, None, 1, "SELECT 1"),
        (1, "parts/a.sql", 2, "SELECT 2"),
        (2, "b.sql", 1, "SELECT 3"),
        (3, None, 3, "SELECT 4"),
    ]
    assert statements[1].path(path) == path.parent / "parts" / "a.sql"


def test_files_are_looked_for_in_the_working_directory_then_beside(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("\\i a.sql\n\\i b.sql\n\\ir a.sql\n", {"a.sql": "SELECT 'beside'", "b.sql": "SELECT 'b'"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.sql").write_text("SELECT 'here'")
    monkeypatch.chdir(elsewhere)
    assert texts(path) == ["SELECT 'here'", "SELECT 'b'", "SELECT 'beside'"]
    assert [each.file for each in read_statements(path)] == ["elsewhere/a.sql", "b.sql", "a.sql"]


@pytest.mark.parametrize(
    "command", ["\\i absent.sql", "\\ir absent.sql", "\\i", "\\i ''", "\\copy t from absent.sql"]
)
def test_missing_file_is_refused_by_name_and_line(write: Write, command: str) -> None:
    error = refused(write(f"SELECT 1;\n{command}\n"))
    assert f"001_change.sql:2: psql's {command.split()[0]} cannot find" in error.message
    assert "absent.sql" in error.message or '""' in error.message
    assert "beside" in (error.hint or "")


def test_files_that_include_each_other_are_refused_with_their_chain(write: Write) -> None:
    path = write("\\ir a.sql", {"a.sql": "SELECT 1;\n\\ir b.sql", "b.sql": "\n\n\\ir a.sql"})
    error = refused(path)
    a, b = path.parent / "a.sql", path.parent / "b.sql"
    assert error.message == f"{b}:3: psql's \\ir includes {a} again, without end"
    assert error.hint == f"{path}:1 → {a}:2 → {b}:3 → {a}"


def test_file_that_includes_itself_is_refused(write: Write) -> None:
    assert "again, without end" in refused(write("\\ir 001_change.sql")).message


def test_included_file_that_is_not_utf8_is_named(write: Write, tmp_path: Path) -> None:
    path = write("\\ir bad.sql")
    (tmp_path / "bad.sql").write_bytes(b"SELECT 'caf\xe9'")
    assert re.search(r"/bad\.sql: not UTF-8 at byte 11", refused(path).message)


def test_file_of_copy_is_named_and_not_read(write: Write, tmp_path: Path) -> None:
    path = write("SELECT 1;\n  \\copy t (a) from 'rows.csv' with (format csv)\n")
    (tmp_path / "rows.csv").write_bytes(b"\xff\n")
    statement = read_statements(path)[1]
    assert (statement.text, statement.kind, statement.line) == (
        "COPY t (a) FROM STDIN with (format csv)", "COPY", 2,
    )  # fmt: skip
    assert (statement.copy_file, statement.copy_data) == (str(tmp_path / "rows.csv"), None)
    assert statement.locate(6) == (2, 3)


def test_text_of_a_copy_by_value_on_its_line_is_refused(write: Write) -> None:
    error = refused(write("\\set c 'COPY t FROM stdin; SELECT 1;'\n:c\n1\n\\.\n"))
    assert ":2: text after COPY … FROM stdin on the same line" in error.message


@pytest.mark.parametrize(
    ("text", "value"),
    [(word[:length], word in ("true", "yes", "on"))
     for word in ("true", "false", "yes", "no", "on", "off") for length in range(1, len(word) + 1)
     if word[:length] != "o"]
    + [("1", True), ("0", False), ("TRUE", True), ("o", None), ("", None), ("2", None), ("truer", None)],
)  # fmt: skip
def test_booleans_are_those_of_psql(text: str, value: bool | None) -> None:
    assert parse_boolean(text) is value


class Some:
    """Variables of which a few are set."""

    values: Mapping[str, str] = {
        "a": "1", "b": "'q;'", "c": "; SELECT 1;", "d": "(", "e": ":a, :'b' :", "f": "", "g": ";",
        "n": " /* ; */ ",
    }  # fmt: skip

    def __contains__(self, name: object) -> bool:
        return name in self.values

    def replacement(self, name: str, form: ReferenceForm) -> str:
        return self.values.get(name, "TRUE") if form == "plain" else "TRUE"


PARTS = st.sampled_from(
    (
        "SELECT 1", ":a", ":b", ":c", ":d", ":e", ":f", ":g", ":n", ":unset", ":'a'", ':"b"', ":{?zz}", "::a",
        "\\:a", ";", ";\n", "(", ")", "'", '"', "$$", "E'", "--", "/*", "*/", "\n", " ", "\r\n",
        "\\if true\n",
        "\\endif\n", "\\else ", "\\set n 3\n", "\\i x.sql\n", "\\g\n", "\\; ", "\\copy t from stdin\n",
        "\\copy t from x\\y\n", "COPY t FROM stdin", "\\.\n", "CREATE FUNCTION f() BEGIN ATOMIC", "END", "é",
        "𝄞",
    )
)  # fmt: skip


@given(st.lists(PARTS, max_size=25).map("".join))
def test_pieces_joined_are_the_file_with_variables_too(script: str) -> None:
    try:
        pieces = split_script(script, Some())
    except UsageError:
        return
    assert "".join(piece.text for piece in pieces) == script


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_pieces_of_any_text_are_the_text(script: str) -> None:
    assert "".join(piece.text for piece in split_script(script)) == script


@given(st.lists(PARTS, max_size=25).map("".join))
def test_what_stands_as_it_is_stands_where_it_says(script: str) -> None:
    try:
        pieces = split_script(script, Some())
    except UsageError:
        return
    lines = script.split("\n")
    for piece in pieces:
        for stretch in piece.stretches:
            if stretch.verbatim and stretch.text:
                line, column = stretch.locate(len(stretch.text) - 1)
                assert (lines[line - 1] + "\n")[column - 1] == stretch.text[-1]


@given(st.lists(PARTS, max_size=12).map("".join))
def test_any_file_is_read_or_refused_with_its_line(
    tmp_path_factory: pytest.TempPathFactory, script: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "001.sql"
    path.write_bytes(script.encode())
    try:
        statements = read_statements(path, {"a": "1", "d": "("})
    except UsageError as error:
        said = error.message
    else:
        said = ""
        _stand_inside(statements, script.split("\n"))
    assert not said or re.search(r"001\.sql:\d+: ", said)


def _stand_inside(statements: Sequence[Statement], lines: Sequence[str]) -> None:
    for statement in statements:
        assert 1 <= statement.line <= len(lines)
        for position in range(1, len(statement.text) + 1):
            line, column = statement.locate(position)
            assert 1 <= line <= len(lines)
            assert 1 <= column <= len(lines[line - 1]) + 1


def test_reading_takes_time_in_proportion_to_the_variables(write: Write) -> None:
    path = write("\\set n 1234567890\nSELECT " + ":n, " * 100_000 + ":n;\n" + "SELECT :n;\n" * 2_000)
    statements = read_statements(path)
    assert len(statements) == 2_001
    assert len(statements[0].text) > 1_200_000


def test_values_beside_each_other_make_one_word() -> None:
    variables = Variables({"a": "ab", "b": "cd"})
    assert [statement_text(piece) for piece in split_script("SELECT :a:b", variables)] == ["SELECT abcd"]
