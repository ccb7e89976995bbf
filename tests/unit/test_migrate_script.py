from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bench.migrate.pieces
from bench.errors import UsageError
from bench.migrate import metacommand
from bench.migrate.metacommand import command_name
from bench.migrate.pieces import Piece, split_script, statement_text
from bench.migrate.script import read_statements
from bench.sql import lexer
from bench.sql.tree import error_in

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes) -> Path:
        path = tmp_path / "001_change.sql"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


FRAGMENTS = st.sampled_from(
    (
        "SELECT 1", "1e", "a", "E", "END", "BEGIN ATOMIC", "case when", "CREATE FUNCTION f()", "é", "'", "''",
        "COPY t FROM stdin", '"', "E'", "e'\\'", "'\\'", "U&'", "$$", "$a$", "$é$", "$1", "$", "--",
        "-- ; '\n", "/*", "*/", "-", "/", "(", ")", ";", ";\n", ":", "::", ":a", ":'a'", " ", "\n", "\r\n",
        "\t", "\\", "\\\\", "\\.\n", "\\echo ; 'a'\n", "\\;", "\u00a0", "𝄞",
    )
)  # fmt: skip
SCRIPTS = st.builds(
    "{}{}".format, st.sampled_from(["", "\ufeff"]), st.lists(FRAGMENTS, max_size=30).map("".join)
)


def test_every_character_is_a_letter_a_digit_or_neither_as_the_server_has_it() -> None:
    letters, digits = set(string.ascii_letters + "_"), set(string.digits)
    others = set("'\"$-/();\\:")
    classes = [lexer._LETTER, lexer._LETTER_OR_DIGIT, lexer._WITHIN_WORD, lexer._NO_WORD]
    for character in map(chr, (*range(0x300), 0x2003, 0xFFFF, 0x10000, 0x10FFFF)):
        letter, digit = character in letters or ord(character) >= 0x80, character in digits
        within = letter or digit or character == "$"
        expected = [letter, letter or digit, within, not within and character not in others]
        assert [bool(re.match(pattern, character)) for pattern in classes] == expected, hex(ord(character))


@given(SCRIPTS)
def test_pieces_joined_are_the_file(script: str) -> None:
    assert "".join(piece.text for piece in split_script(script)) == script


@given(SCRIPTS)
def test_a_statement_split_again_is_one_statement(script: str) -> None:
    pieces = split_script(script)
    for position, piece in enumerate(pieces):
        if piece.kind == "statement" and not _is_interrupted(pieces[:position]):
            again = [each for each in split_script(piece.text) if each.kind == "statement"]
            assert [(each.text, each.code, each.closed) for each in again] == [
                (piece.text, piece.code, piece.closed)
            ]


def _is_interrupted(pieces: list[Piece]) -> bool:
    """Whether the pieces end inside a statement, with meta-commands that stand in it."""
    before = [each for each in pieces if each.kind != "command"]
    return bool(before) and before[-1].kind == "statement" and not before[-1].closed


@given(SCRIPTS)
def test_only_statements_hold_code(script: str) -> None:
    for piece in split_script(script):
        if piece.kind == "space":
            rest = re.sub(r"--[^\n\r]*", "", piece.text).removeprefix("\ufeff")
            assert "/*" in rest or not rest.strip(" \t\n\r\f\v;") or rest.startswith("\\.")


@given(SCRIPTS)
def test_lines_and_columns_are_those_of_the_file(script: str) -> None:
    offset = 0
    for piece in split_script(script):
        before = script[:offset]
        assert (piece.line, piece.column) == (before.count("\n") + 1, offset - before.rfind("\n"))
        offset += len(piece.text)


def test_statement_is_the_file_s_own_text(write: Write) -> None:
    path = write(
        "-- header\n\n/* why */\r\nALTER TABLE a -- x ;\r\n  ADD b int ; -- trailing\n\tSELECT 'é;'\n"
    )
    first, second = read_statements(path)
    assert first.text == "-- header\n\n/* why */\r\nALTER TABLE a -- x ;\r\n  ADD b int"
    assert (first.index, first.line, first.kind, first.copy_data) == (0, 4, "ALTER TABLE", None)
    assert (second.index, second.line, second.text, second.kind) == (1, 6, "SELECT 'é;'", "SELECT")


def test_statement_locates_its_characters_in_the_file(write: Write) -> None:
    source = "\ufeffSELECT 'ä'; SELECT\n 'x' ; /* a\n b */ SELECT 𝄞,\n 3"
    lines = source.split("\n")
    for statement in read_statements(write(source)):
        for position, character in enumerate(statement.text, start=1):
            line, column = statement.locate(position)
            assert (lines[line - 1] + "\n")[column - 1] == character


@pytest.mark.parametrize("between", ["\n", " \r\n\t", " -- ; '\n", "\n-- ;\n\n  "])
def test_escape_string_goes_on_after_a_line_end(write: Write, between: str) -> None:
    source = rf"SELECT E'a'{between}'b\'; c'"
    assert [statement.text for statement in read_statements(write(f"{source}; SELECT 2"))] == [
        source,
        "SELECT 2",
    ]


@pytest.mark.parametrize("between", [" ", " /* */\n", ",\n"])
def test_escape_string_ends_without_one(write: Write, between: str) -> None:
    source = rf"SELECT E'a'{between}'b\'"
    assert [piece.text for piece in split_script(f"{source}; SELECT 2")] == [f"{source};", " ", "SELECT 2"]


def test_rows_of_copy_belong_to_its_statement(write: Write) -> None:
    path = write("COPY t FROM stdin; -- two rows\n1\ta;b\n2\t'\n\\.\nCOPY u FROM STDIN;\n\\.\nSELECT 1;")
    assert [(s.text, s.line, s.copy_data) for s in read_statements(path)] == [
        ("COPY t FROM stdin", 1, "1\ta;b\n2\t'\n"),
        ("COPY u FROM STDIN", 5, ""),
        ("SELECT 1", 7, None),
    ]


def test_text_after_copy_on_its_line_is_refused(write: Write) -> None:
    path = write("SELECT 1;\nCOPY t FROM stdin; SELECT 2;\n1\n\\.\n")
    with pytest.raises(UsageError, match=r"001_change\.sql:2: text after COPY"):
        read_statements(path)


@pytest.mark.parametrize(
    "source", ["", "\n\n", "-- nothing\n/* at /* all */ */", ";;\n;", "\ufeff", "\ufeff-- x"]
)
def test_file_without_statements(write: Write, source: str) -> None:
    assert read_statements(write(source)) == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"SELECT 'caf\xe9';", r"001_change\.sql: not UTF-8 at byte 11 \(0xe9\)"),
        ("SELECT 1;".encode("utf-16"), r"not UTF-8 at byte 0 \(0xff\)"),
        (b"SELECT 'a\0b';", r"001_change\.sql: NUL at byte 9"),
    ],
)
def test_unreadable_bytes_are_named(write: Write, content: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_statements(write(content))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"absent\.sql: cannot be read: No such file"):
        read_statements(tmp_path / "absent.sql")


@pytest.mark.parametrize(
    "command",
    [
        "\\echo it is; 'so; far'", '\\qecho "open', "\\warn x", "\\echo `date`", "\\set ON_ERROR_STOP on",
        "\\set ON_ERROR_STOP", "\\set ON_ERROR_STOP 1", "\\set VERBOSITY verbose", "\\set n 3", "\\unset n",
        "\\timing on", "\\pset pager off", "\\x", "\\restrict abc", "\\unrestrict abc", "\\o /dev/null",
        "\\encoding UTF8", "\\d deals", "\\echo a \\\\", "\\t \\a",
    ],
)  # fmt: skip
def test_meta_commands_without_effect_are_passed_over(write: Write, command: str) -> None:
    path = write(f"SELECT 1;\n{command}\nSELECT 2; {command}\n")
    assert [statement.text for statement in read_statements(path)] == ["SELECT 1", "SELECT 2"]


@pytest.mark.parametrize(
    ("command", "name", "hint"),
    [
        ("\\! rm -rf x", "!", "shell"),
        ("\\!ls", "!", "shell"),
        ("\\copy t to 'x'", "copy", "writes a file"),
        ("\\copy (select 1) to 'x'", "copy", "writes a file"),
        ("\\copy t to stdout", "copy", "writes a file"),
        ("\\copy t from program 'ls'", "copy", "programs"),
        ("\\copy t from pstdin", "copy", "name a file"),
        ("\\copy t", "copy", "from 'file'"),
        ("\\copy", "copy", "from 'file'"),
        ("\\copy t from", "copy", "from 'file'"),
        ("\\copy t (from", "copy", "from 'file'"),
        ("\\c other", "c", "one database"),
        ("\\connect other", "connect", "one database"),
        ("\\q", "q", "remove"),
        ("\\set AUTOCOMMIT off", "set", "AUTOCOMMIT on"),
        ("\\set ON_ERROR_STOP 0", "set", "ON_ERROR_STOP on"),
        ("\\set ON_ERROR_ROLLBACK on", "set", "ON_ERROR_ROLLBACK off"),
        ("\\unset ON_ERROR_STOP", "unset", "ON_ERROR_STOP on"),
        ("\\unset AUTOCOMMIT", "unset", "AUTOCOMMIT on"),
        ("\\set ON_ERROR_ROLLBACK", "set", "ON_ERROR_ROLLBACK off"),
        ("\\set SINGLELINE maybe", "set", "SINGLELINE off"),
        ("\\set a-b 1", "set", "letters, digits"),
        ("\\unset a;", "unset", "letters, digits"),
        ("\\unset", "unset", "letters, digits"),
        ("\\gset", "gset", "DO block"),
        ("\\gset prefix_", "gset", "DO block"),
        ("\\gexec", "gexec", "EXECUTE"),
        ("\\gdesc", "gdesc", "remove"),
        ("\\watch 1", "watch", "semicolon"),
        ("\\crosstabview", "crosstabview", "semicolon"),
        ("\\bind 1 2", "bind", "into the statement"),
        ("\\parse name", "parse", "into the statement"),
        ("\\prompt 'n?' n", "prompt", "\\set"),
        ("\\getenv n HOME", "getenv", "\\set"),
        ("\\cd /", "cd", "names of the files"),
        ("\\pset pager `which less`", "pset", "shell"),
        ("\\r", "r", "remove"),
        ("\\quit", "quit", "remove"),
        ("\\; SELECT 1", ";", "plain semicolon"),
        ("\\g", "g", "write out the statement"),
        ("\\o |cat", "o", "only SQL"),
        ("\\encoding LATIN1", "encoding", "UTF-8"),
        ("\\frobnicate", "frobnicate", "only SQL"),
        ("\\.", ".", "only SQL"),
        ("\\", "", "only SQL"),
    ],
)
def test_meta_commands_with_effect_are_refused(write: Write, command: str, name: str, hint: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_statements(write(f"SELECT 1;\n\n{command}\nSELECT 2;\n"))
    assert refused.value.message.endswith(f"001_change.sql:3: psql's \\{name} cannot be rehearsed")
    assert hint in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        ("\\gexec", "cannot be rehearsed", "EXECUTE"),
        ("\\gset", "cannot be rehearsed", "DO block"),
        ("\\; SELECT 2", "cannot be rehearsed", "plain semicolon"),
        ("\\! ls", "cannot be rehearsed", "shell"),
        ("\\watch", "cannot be rehearsed", "semicolon"),
        ("\\g rows.txt", "with arguments cannot be rehearsed", "semicolon"),
        ("\\g |cat", "with arguments cannot be rehearsed", "semicolon"),
        ("\\gx (format=csv)", "with arguments cannot be rehearsed", "semicolon"),
        ("\\i other.sql", "cannot be rehearsed inside a statement", "between"),
        ("\\ir other.sql", "cannot be rehearsed inside a statement", "between"),
        ("\\copy t from x", "cannot be rehearsed inside a statement", "between"),
    ],
)
def test_meta_command_inside_a_statement_is_refused(
    write: Write, command: str, message: str, hint: str
) -> None:
    with pytest.raises(UsageError) as refused:
        read_statements(write(f"SELECT 1\n {command}\n;\n"))
    name = command_name(command)
    assert refused.value.message.endswith(f"001_change.sql:2: psql's \\{name} {message}")
    assert hint in (refused.value.hint or "")


@pytest.mark.parametrize(
    "source",
    [
        "SELECT a::int, '10:30'::time, b[1:2], b[:x]",
        "SELECT JSON_OBJECT('a':b)",
        "SELECT ':name', \":name\", $$ :name $$ -- :name\n /* :name */",
        "CALL p(a := b, c => d)",
    ],
)
def test_colons_of_sql_are_no_variables(write: Write, source: str) -> None:
    assert [statement.text for statement in read_statements(write(source))] == [source]


@pytest.mark.parametrize(
    ("source", "place", "token"),
    [
        ("CREATE tabel x (a int);", "1:8", 'syntax error at or near "tabel"'),
        ("SELECT 1; SELECT 'ä' FORM t x;", "1:27", 'syntax error at or near "t"'),
        ("-- é\n/* é */ SELECT 1;\n  SELECT é\n  FROM 𝄞 WHERE;\n", "4:15", "syntax error at end of input"),
        ("SELECT 1;\nSELECT 'open;\n", "2:8", 'unterminated quoted string at or near "\'open;"'),
    ],
)
def test_syntax_error_has_its_place_in_the_file(write: Write, source: str, place: str, token: str) -> None:
    statement = read_statements(write(source))[-1]
    error = error_in(statement.text)
    assert error is not None
    line, column = statement.locate(error.cursorpos)
    assert (f"{line}:{column}", error.message) == (place, token)


def test_syntax_of_deep_and_valid_statements_passes(write: Write) -> None:
    path = write("SELECT " + " || ".join(["'a'"] * 5000) + "; DO $$ not checked $$; SELECT 1")
    assert not [each for each in read_statements(path) if error_in(each.text)]


def test_ten_thousand_statements(write: Write) -> None:
    path = write(
        "".join(f"ALTER TABLE t ADD COLUMN c{number} text DEFAULT 'a;b';\n" for number in range(10_000))
    )
    statements = read_statements(path)
    assert len(statements) == 10_000
    assert (statements[-1].line, statements[-1].index) == (10_000, 9_999)
    assert {statement.kind for statement in statements} == {"ALTER TABLE"}


WORDS = "INSERT INTO t VALUES (1, 'a''b', E'\\'', $$ ; $$, \"q\", a - b / c) /* c */ -- d\n"
LONG_TEXTS = {
    "statements": lambda size: (WORDS + ";") * (size // len(WORDS)),
    "one statement": lambda size: WORDS * (size // len(WORDS)),
    "quotes": lambda size: "SELECT " + "'" * size,
    "one string": lambda size: "SELECT '" + "x" * size + "'",
    "one escape string": lambda size: "SELECT E'" + "\\'" * (size // 2) + "'",
    "strings on lines": lambda size: "SELECT " + "E'a'\n" * (size // 5),
    "white space after strings": lambda size: "SELECT " + ("E'a'" + " " * 1000) * (size // 1000),
    "open comments": lambda size: "SELECT 1; " + "/* " * (size // 3),
    "closed comments": lambda size: "/* a */ " * (size // 8) + "/*",
    "tags that never close": lambda size: "".join(f"$a{number} " for number in range(size // 8)),
    "body": lambda size: "DO $a$" + "$b$ $ $$ " * (size // 9) + "$a$",
    "atomic body": lambda size: "CREATE FUNCTION f() BEGIN ATOMIC " + "SELECT CASE END; " * (size // 17),
    "rows": lambda size: "COPY t FROM stdin;\n" + "1\t2\n" * (size // 4),
    "copies": lambda size: "COPY t FROM stdin;\n\\.\n" * (size // 22),
    "from upon from": lambda size: "COPY t " + "from /* x */ " * (size // 13),
    "quotes in a meta-command": lambda size: "\\echo " + "'a \"b `c " * (size // 9),
    "variables": lambda size: "SELECT " + ":a " * (size // 3),
    "semicolons": lambda size: ";" * size,
}


@pytest.mark.parametrize("make", LONG_TEXTS.values(), ids=LONG_TEXTS)
def test_splitting_looks_at_each_character_a_bounded_number_of_times(
    make: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = make(200_000)
    looked_at = 0

    class Counting:
        """A pattern that counts the characters that its matches go over."""

        def __init__(self, pattern: re.Pattern[str]) -> None:
            self._pattern = pattern

        def match(self, text: str, position: int = 0) -> re.Match[str] | None:
            nonlocal looked_at
            found = self._pattern.match(text, position)
            looked_at += found.end() - position if found else 1
            return found

        def search(self, text: str, position: int) -> re.Match[str] | None:
            nonlocal looked_at
            found = self._pattern.search(text, position)
            looked_at += (found.end() if found else len(text)) - position
            return found

        def finditer(self, text: str, position: int = 0) -> Iterator[re.Match[str]]:
            nonlocal looked_at
            for found in self._pattern.finditer(text, position):
                looked_at += found.end() - position
                position = found.end()
                yield found

    for module in (lexer, metacommand, bench.migrate.pieces):
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                monkeypatch.setattr(module, name, Counting(value))
    pieces = split_script(text)
    assert sum(len(piece.text) for piece in pieces) == len(text)
    assert looked_at < 8 * len(text)


def test_ten_megabytes(write: Write) -> None:
    row = "(1, 'it''s', E'a\\'b', null),\n"
    path = write("INSERT INTO t VALUES\n" + row * 350_000 + "(2, '', '', null);\nSELECT 1;")
    insert, select = read_statements(path)
    assert (insert.kind, insert.line, len(insert.text)) == ("INSERT", 1, 21 + len(row) * 350_000 + 17)
    assert (select.kind, select.line) == ("SELECT", 350_003)


def test_text_of_a_statement_has_neither_semicolon_nor_outer_space() -> None:
    (piece,) = split_script("SELECT 1 /* ; */ \n;")
    assert statement_text(piece) == "SELECT 1 /* ; */"
