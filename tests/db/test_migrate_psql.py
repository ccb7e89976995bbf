"""Splitting against psql itself: a recorder takes the server's place and keeps what psql sends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random

import pytest
from postgast import PgQueryError, scan
from postgast import pg_query_pb2 as tree
from psql_recorder import PROGRAMS, Recorder

from bench.migrate.pieces import split_script, statement_text

MARK = "SELECT 'end of file'"
MIGRATIONS = Path(__file__).parents[2] / "migrations"

Split = Callable[[Sequence[str]], list[list[str]]]


@pytest.fixture(params=PROGRAMS, scope="module")
def split_by_psql(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Split:
    """Runs psql on scripts, all in one session, and returns the queries that it sent for each."""
    directory = tmp_path_factory.mktemp("scripts")

    def split(scripts: Sequence[str]) -> list[list[str]]:
        arguments = []
        for number, script in enumerate(scripts):
            (directory / f"{number}.sql").write_bytes(script.encode())
            arguments += ["-f", str(directory / f"{number}.sql"), "-c", MARK]
        recorder = Recorder()
        session = recorder.record(PROGRAMS[request.param], arguments)
        recorder.close()
        assert session.returncode == 0, session.errors
        return list(_between_marks([each.query for each in session.sent]))

    return split


def _between_marks(queries: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for query in queries:
        if query == MARK:
            yield batch
            batch = []
        else:
            batch.append(query)


SPACE = " \t\n\r\f\v"
_OUTSIDE = re.compile(r"(?:\s+|--[^\n\r]*|/\*[^*/]*\*/)*", re.ASCII)
_NOTHING = {tree.SQL_COMMENT, tree.C_COMMENT, tree.ASCII_59}


def as_psql_sends(text: str) -> str:
    """Take away leading comments, of which psql sends some, empty lines and final semicolons."""
    sent = text[_OUTSIDE.match(text).end() :]  # type: ignore[union-attr]
    return re.sub(r"\n+", "\n", sent).rstrip(SPACE + ";")


def ours(script: str) -> list[str]:
    return [as_psql_sends(statement_text(each)) for each in split_script(script) if each.kind == "statement"]


def theirs(queries: Sequence[str]) -> list[str]:
    """What psql sent, without empty queries, which do nothing."""
    return [as_psql_sends(query) for query in queries if not _is_empty(query)]


def _is_empty(query: str) -> bool:
    try:
        return {token.token for token in scan(query).tokens} <= _NOTHING
    except PgQueryError:
        return False


SCRIPTS = {
    "plain": "SELECT 1; SELECT 2;\nSELECT 3",
    "empty": "",
    "only comments": "-- a\n/* b; */\n",
    "empty statements": ";;  ; SELECT 1;; -- x\n;",
    "byte order mark": "\ufeffSELECT 1; SELECT 2;",
    "windows line ends": "SELECT 1\r\n  ,2;\r\n-- c\r\nSELECT 'a\r\n;b';\r\n",
    "doubled quotes": "SELECT 'it''s; ok', \"a\"\";b\"; SELECT 2;",
    "escape string": "SELECT E'a\\';b', e'\\\\'; SELECT 'a\\'; SELECT 2;",
    "unicode string": "SELECT U&'d\\0061;', U&\"a;\"; SELECT N';', B'1', X'1';",
    "name that ends in e": "SELECT abcE'a\\'; SELECT 2;",
    "dollar quotes": "DO $$ a; 'b $x$ ; $$; DO $a_1$ $$ ; $b$ $a_1$; SELECT 2;",
    "dollar quote beyond ASCII": "DO $ä$ ; $a$ ; $ä$; SELECT 2;",
    "dollars that quote nothing": "SELECT $1, a$b$c, d$$ FROM $2$3; SELECT 1;",
    "nested dollar tags": "DO $$ $a$ ; $$; SELECT $a$;$a$;",
    "comments": "SELECT 1 -- ; '\n, /* ; /* ' ; */ ; */ 2; /* a */ SELECT /**/ 3; SELECT 4 /* b */;",
    "comment after operator": "SELECT 1 +/* ; */ 2, 3*/*;*/4, 5---;\n; SELECT 6 - -7;",
    "parentheses": "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT ')', (1);) SELECT 2;",
    "atomic body": "CREATE OR REPLACE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; "
    "SELECT CASE WHEN true THEN 1 END; END; SELECT 2;",
    "atomic procedure": "create /* x */ procedure p() begin atomic insert into t values (1); end; SELECT 2;",
    "old function": "CREATE FUNCTION f() RETURNS int AS 'BEGIN; END' LANGUAGE sql; BEGIN; END; SELECT 2;",
    "names like keywords": "CREATE FUNCTION begin_end(end_ int) RETURN case when a then 1 end; SELECT 2",
    "create function, then case": "CREATE FUNCTION f(a int DEFAULT (case when true then 1 end)) RETURNS int "
    "BEGIN ATOMIC SELECT 1; END; SELECT 2;",
    "begin of another statement": "CREATE TABLE begin (x int); SELECT CASE WHEN a THEN 1 END; SELECT 2;",
    "colons": "SELECT a::int, b[1:2], c := 3, :unset, :'unset', :\"unset;\"; SELECT 2;",
    "copy": "COPY t FROM stdin;\n1\t;'$$\n\\.\nSELECT 2;",
    "copy without rows": 'COPY t (a, "from") FROM /* c */ STDIN WITH (FORMAT csv); -- rows\n\\.\nSELECT 2;',
    "copy to the end of the file": "SELECT 1; COPY t FROM stdin;\n1\n2\n",
    "copy from stdout": "COPY t FROM stdout;\n1\n\\.\nSELECT 2;",
    "copy with a mark of Windows": "COPY t FROM stdin;\r\n1\r\n\\.\r\nSELECT 2;",
    "copy from a file": "COPY t FROM 'stdin'; SELECT 2; COPY t TO stdout; SELECT 3;",
    "meta-commands": "\\set ON_ERROR_STOP on\n\\echo it is; 'so; far' \\\\ SELECT 1;\n\\qecho \"a\n"
    "SELECT 2; \\echo b\n",
    "restrict": "\\restrict abc\nSELECT 1;\n\\unrestrict abc\n",
    "open quote": "SELECT 1; SELECT 'a; SELECT 2;\nSELECT 3;",
    "open comment": "SELECT 1; /* a; SELECT 2;",
    "open parenthesis": "SELECT 1; SELECT (2; SELECT 3;\n",
    "white space beyond ASCII": "SELECT\u00a01;\u2003SELECT 2; \u0085;",
    "comment up to a carriage return": "SELECT 1; -- a\rSELECT 2;\nSELECT 3 -- b\r; SELECT 4;",
    "case before begin": "CREATE FUNCTION f() RETURN case; SELECT 2;",
    "begin in parentheses": "CREATE FUNCTION f(begin int) RETURN 1; SELECT 2;",
    "number without its exponent": "SELECT 1e-- ; '\n; SELECT 2;",
}


def test_splits_known_scripts_as_psql_does(split_by_psql: Split) -> None:
    sent = split_by_psql(list(SCRIPTS.values()))
    assert {name: ours(script) for name, script in SCRIPTS.items()} == dict(
        zip(SCRIPTS, map(theirs, sent), strict=True)
    )


def test_splits_the_migrations_as_psql_does(split_by_psql: Split) -> None:
    paths = sorted(MIGRATIONS.rglob("*.sql"))
    assert paths
    sent = split_by_psql([path.read_text() for path in paths])
    for path, queries in zip(paths, sent, strict=True):
        assert ours(path.read_text()) == theirs(queries), path


FRAGMENTS = (
    "SELECT 1", "1", "a", "e", "E", "end", "BEGIN", "atomic", "case", "create", "or", "replace", "function",
    "procedure", "copy", "from", "_", "é", "'", "''", '"', '""', "E'", "e'\\'", "'\\'", "U&'", "$$", "$a$",
    "$é$", "$1", "$", "--", "-- ; '\n", "/*", "*/", "/* ; */", "-", "/", "*", "(", ")", ";", ";;", ":", "::",
    ":=", ":a", ":'a'", " ", "\n", "\n\n", "\t", "\r\n", "\\echo ; 'a'\n", "[", "]", ".", ",", "\u00a0",
    "create function f() begin atomic", "; ", " ", "\n", " 1",
)  # fmt: skip


def _is_lexed_alike(script: str) -> bool:
    """Whether psql reads it as the server does, and sends what it reads.

    Not where an escape string may go on in the next line, for psql ends it with its line; not where
    CREATE FUNCTION comes after something else than words, which psql ignores and the grammar refuses;
    and not with a meta-command inside a statement, which is refused before anything is sent.
    """
    pieces = split_script(script)
    statements = [piece for piece in pieces if piece.kind == "statement"]
    return not (
        any("create" in piece.text[piece.code + 1 :] for piece in statements)
        or any(not piece.closed for piece in pieces[:-1])
        or any(piece.kind == "command" and "\\echo" not in piece.text for piece in pieces)
        or re.search(r"[eE]'[^\n]*'\s*(--[^\n]*)?[\r\n]", script)
    )


def test_splits_any_text_as_psql_does(split_by_psql: Split) -> None:
    random = Random(20250831)
    made = ("".join(random.choices(FRAGMENTS, k=random.randrange(2, 24))) for _ in range(3000))
    scripts = list(filter(_is_lexed_alike, made))
    assert len(scripts) > 1500
    sent = split_by_psql(scripts)
    for script, queries in zip(scripts, sent, strict=True):
        assert ours(script) == theirs(queries), script
