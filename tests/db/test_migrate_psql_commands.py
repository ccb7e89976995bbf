"""Variables, conditionals, included files and \\copy against psql itself: what it sends and refuses."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from postgast import PgQueryError, scan
from postgast import pg_query_pb2 as tree
from psql_recorder import PROGRAMS, Recorder, Sent, Session

from bench.errors import UsageError
from bench.migrate.script import read_statements
from bench.model.statement import Statement

CORPUS = Path(__file__).parents[1] / "data" / "psql"
CASES = {
    f"{path.stem}: {name}": text
    for path in sorted(CORPUS.glob("*.toml"))
    for name, text in tomllib.loads(path.read_text()).items()
}
FILES = CORPUS / "files"

Send = Callable[[Path], Session]
Query = tuple[str, bytes | None]

_COMMENT = re.compile(r"--[^\n\r]*|/\*[^*/]*\*/")
_MARK = re.compile(r" ?([(),.]) ?")
_NOTHING = {tree.SQL_COMMENT, tree.C_COMMENT, tree.ASCII_59}


@pytest.fixture(scope="module")
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture(params=PROGRAMS)
def send(request: pytest.FixtureRequest, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Send:
    """Runs ``psql -f`` on a file, beside the files of the corpus."""
    monkeypatch.chdir(FILES)

    def send_file(path: Path) -> Session:
        return recorder.record(
            PROGRAMS[request.param], ["-f", str(path)], directory=FILES, variables={"ON_ERROR_STOP": "1"}
        )

    return send_file


def as_compared(text: str) -> str:
    """Without comments, of which psql sends some, and with one space for any white space.

    psql puts spaces round the parentheses of \\copy.
    """
    return _MARK.sub(r"\1", " ".join(_COMMENT.sub(" ", text).split())).rstrip("; ")


def ours(path: Path) -> list[Query]:
    return [(as_compared(each.text), _rows(each)) for each in read_statements(path)]


def _rows(statement: Statement) -> bytes | None:
    if statement.copy_file is not None:
        return Path(statement.copy_file).read_bytes()
    return None if statement.copy_data is None else statement.copy_data.encode()


def theirs(session: Session) -> list[Query]:
    """What psql sent, without the line that ends the rows, which psql 15 sends, and what \\encoding sets."""
    return [
        (as_compared(each.query), each.rows if each.rows is None else each.rows.removesuffix(b"\\.\n"))
        for each in session.sent
        if not _is_empty(each) and each.query != "set client_encoding to 'UTF8'"
    ]


def _is_empty(sent: Sent) -> bool:
    try:
        return {token.token for token in scan(sent.query).tokens} <= _NOTHING
    except PgQueryError:
        return False


@pytest.mark.parametrize("name", CASES)
def test_sends_what_psql_sends(name: str, send: Send, tmp_path: Path) -> None:
    path = tmp_path / "main.sql"
    path.write_bytes(CASES[name].encode())
    session = send(path)
    assert session.returncode == 0, session.errors
    assert ours(path) == theirs(session)


REFUSED_BY_PSQL = {
    "\\if without end": "\\if true\nSELECT 1;\n",
    "\\endif alone": "SELECT 1;\n\\endif\n",
    "\\else alone": "SELECT 1;\n\\else\n",
    "\\elif alone": "SELECT 1;\n\\elif true\n",
    "\\else twice": "\\if true\n\\else\n\\else\n\\endif\n",
    "\\elif after \\else": "\\if true\n\\else\n\\elif true\n\\endif\n",
    "\\endif of another file": "\\if true\n\\i endif.sql\n",
    "file that is not there": "\\i absent.sql\n",
    "file relative to this": "\\ir absent.sql\n",
    "no file": "\\i\n",
    "name of a variable": "\\set a-b 1\n",
    "setting": "\\set AUTOCOMMIT maybe\n",
    "rows that are not there": "\\copy t from absent.csv\n",
    "\\copy of nothing": "\\copy\n",
    "\\copy without from": "\\copy t\n",
    "rows of a skipped COPY": "\\if false\nCOPY t FROM stdin;\n1\n\\.\n\\endif\n",
    "unknown command": "\\frobnicate\n",
}


@pytest.mark.parametrize("name", REFUSED_BY_PSQL)
def test_refuses_what_psql_refuses(name: str, send: Send, tmp_path: Path) -> None:
    path = tmp_path / "main.sql"
    path.write_text(REFUSED_BY_PSQL[name])
    assert send(path).returncode == 3
    with pytest.raises(UsageError, match=r"\.sql:\d: psql's "):
        read_statements(path)


PARTS = (
    "SELECT 1", ", 2", " + 3", ";", ";", ";\n", ";\n", "\n", "\n", " ", "(", ")", "'a;b'", "'it''s'", '"q;"',
    "$$ ; :n $$", "/* ; :n */", "-- ; :n\n ", "::int", ":n", ":n", ":s", ":'s'", ':"s"', ":{?n}", ":{?zz}",
    ":'zz'", ":q", ":e", ":o", ":x", "x[1:n]", "x[1:zz]", "\\: ",
    "\n\\if true\n", "\n\\if false\n", "\n\\if :flag\n", "\n\\elif true\n", "\n\\elif :flag\n", "\n\\else\n",
    "\n\\endif\n", "\n\\endif\n", "\\if 0 \\\\ ", "\\endif \\\\ ", "\\else \\\\ ",
    "\n\\set n 1\n", "\n\\set n :n:n\n", "\n\\set s 'a ''b'' \\n;'\n", "\n\\set s \"x\"'y' z\n",
    "\n\\set q 'SELECT 7;'\n", "\n\\set q '; SELECT 8; SELECT 9'\n", "\n\\set e ':n + :q'\n", "\n\\set o (\n",
    "\n\\set flag off\n", "\n\\set flag on\n", "\n\\set x :'s'\n", "\n\\set x :{?n}\n", "\n\\unset n\n",
    "\\set n 5 \\\\ ", "\n\\echo :n 'a' \"b\n", "\\echo ; ' \\\\ ", "\n\\g\n", " \\g\n", "\\gx \\\\ ",
    ";\n\\i one_and_two.sql\n", ";\n\\i conditional.sql\n", ";\n\\ir deep/relative.sql\n",
    ";\n\\i no_semicolon.sql \\\\ ", ";\n\\i uses_variables.sql\n", ";\n\\copy t from two.tsv\n",
    ";\n\\copy t (a) from 'two.csv' csv;\n", ";\n\\copy t from stdin\n1\n:n\n\\.\nSELECT 6;\n",
    ";\nCOPY t FROM stdin;\n1\n:n\n\\.\nSELECT 6;\n",
    ";\nCREATE FUNCTION f() RETURNS int BEGIN ATOMIC ", " END ", " CASE ",
)  # fmt: skip
"""Rows are followed by a statement: psql 18 ends its file after a line that begins with a semicolon there.
A comment is followed by a space: psql takes the line's end away where a command begins the next line, and
what stands after the command is then part of the comment."""
SCRIPTS = 800
BEGINNING = "\\set n 3\n\\set s 'a b'\n\\set q 4\n\\set e 5\n\\set o 6\n\\set x 7\n\\set flag on\n"


def test_any_file_that_is_accepted_is_sent_as_psql_sends_it(send: Send, tmp_path: Path) -> None:
    random = Random(20260110)
    accepted = 0
    for number in range(SCRIPTS):
        path = tmp_path / f"{number}.sql"
        script = BEGINNING + "".join(random.choices(PARTS, k=random.randrange(3, 16)))
        for closed in (script, f"{script}\n\\endif\n", f"{script}\n\\endif\n\\endif\n"):
            path.write_text(closed)
            try:
                expected = ours(path)
            except UsageError:
                continue
            accepted += 1
            session = send(path)
            assert (session.returncode, theirs(session)) == (0, expected), (closed, session.errors)
            break
    assert accepted > SCRIPTS / 4
