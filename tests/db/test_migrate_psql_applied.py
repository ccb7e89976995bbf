"""A migration of several files, applied: what it leaves is what psql leaves, and errors name their file."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psycopg
import pytest
from fix_db import Connect
from psql_recorder import PROGRAMS

from bench.errors import UsageError
from bench.migrate.script import read_statements
from bench.migrate.suite import find_suite
from bench.model.run import MigrationRun
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.execute import COPY_BYTES, describe_error, execute
from bench.run.guard import refuse_server_wide
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.run.template.prepare import apply_file

FILES = {
    "001_all.sql": r"""
\set table people
\set index 'people name'
\set note 'it''s 100% \\ "so"'
CREATE TABLE :table (id int PRIMARY KEY, name text, note text DEFAULT :'note');
\ir parts/rows.sql
\if :{?unique}
\else
  \set unique UNIQUE
\endif
CREATE :unique INDEX
  \if true
    :"index"
  \else
    nowhere
  \endif
ON :table (name);
\copy people (id, name) from 'parts/rows.csv' with (format csv, header)
UPDATE :table SET name = name || ':table' WHERE id = 3 \g
""",
    "parts/rows.sql": "COPY people (id, name) FROM stdin;\n1\tone\n2\ttwo\n\\.\n\\ir more.sql\n",
    "parts/more.sql": "INSERT INTO :table (id, name) SELECT n, n::text FROM generate_series(10, 12) n;\n",
    "parts/rows.csv": 'id,name\n3,"thr,ee"\n4,\n',
}
LEFT = "SELECT array_agg(p ORDER BY id)::text, (SELECT array_agg(indexdef)::text FROM pg_indexes " \
    "WHERE tablename = 'people') FROM people p"  # fmt: skip


def write(directory: Path, files: dict[str, str]) -> Path:
    """The files, and the first one's path."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return directory / next(iter(files))


def run(server: Server, directory: Path) -> MigrationRun:
    suite = find_suite(str(directory), directory.parent)
    options = RunOptions(repeats=1, explain=False)
    done = rehearse(server, suite, options, run_id="test", save=lambda run: None, progress=silent)
    return done.passes[0].repeats[0].migrations[0]


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_leaves_what_psql_leaves(
    program: Path, server: Server, connect: Connect, database: str, tmp_path: Path
) -> None:
    path = write(tmp_path, FILES)
    apply_file(server, database, path)
    other = new_name("psql")
    create_database(server, other)
    try:
        done = subprocess.run(
            [program, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", path.name],
            env={**os.environ, **server.environ(other)}, cwd=tmp_path, check=False,
            capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        with server.connect(other) as conn:
            by_psql = conn.execute(LEFT).fetchone()
    finally:
        drop_database(server, other)
    ours = connect().execute(LEFT).fetchone()
    assert ours == by_psql
    assert ours is not None
    assert "thr,ee" in ours[0]


def test_statements_of_a_run_name_their_file(server: Server, tmp_path: Path) -> None:
    write(tmp_path / "suite", FILES)
    done = run(server, tmp_path / "suite")
    assert done.outcome == "applied", done.error
    assert [(each.file, each.line, each.rows) for each in done.statements] == [
        (None, 5, None),
        ("parts/rows.sql", 1, 2),
        ("parts/more.sql", 1, 3),
        (None, 11, None),
        (None, 18, 2),
        (None, 19, 1),
    ]


def test_the_version_of_the_server_is_known(server: Server, tmp_path: Path) -> None:
    name = "SERVER_VERSION_NUM"
    write(tmp_path / "suite", {"001.sql": f"SELECT 1 / (:{name} = current_setting('{name}')::int)::int;\n"})
    done = run(server, tmp_path / "suite")
    assert done.outcome == "applied", done.error


def test_an_error_in_an_included_file_has_its_place_there(server: Server, tmp_path: Path) -> None:
    write(
        tmp_path / "suite",
        {
            "001.sql": "SELECT 1;\n\\ir parts/a.sql\nSELECT 2;",
            "parts/a.sql": "SELECT 3;\n\nSELECT 4 + nosuch;",
        },
    )
    done = run(server, tmp_path / "suite")
    assert done.error is not None
    assert (done.error.line, done.error.column) == (3, 12)
    assert [each.file for each in done.statements] == [None, "parts/a.sql", "parts/a.sql", None]


def test_an_error_behind_a_variable_has_its_line_and_column(connect: Connect, tmp_path: Path) -> None:
    path = write(tmp_path, {"001.sql": "\\set n 'much\\nlonger'\nSELECT :'n',\n  :'n', 4 + nosuch;\n"})
    (statement,) = read_statements(path)
    with pytest.raises(psycopg.Error) as raised:
        execute(connect(), statement)
    error = describe_error(raised.value, statement)
    assert (error.line, error.column) == (3, 13)


def test_an_error_in_a_row_of_a_file_has_the_line_of_its_command(connect: Connect, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {"001.sql": "CREATE TABLE t (a int);\n\n\\copy t from 'rows.csv' csv\n", "rows.csv": "1\n2\nx\n"},
    )
    conn = connect()
    create, copy = read_statements(path)
    execute(conn, create)
    with pytest.raises(psycopg.Error) as raised:
        execute(conn, copy)
    error = describe_error(raised.value, copy)
    assert (error.line, error.sqlstate) == (3, "22P02")
    assert "line 3" in (error.context or "")


def test_a_long_file_is_sent_in_parts(connect: Connect, tmp_path: Path) -> None:
    path = write(tmp_path, {"001.sql": "CREATE TABLE t (a text);\n\\copy t from rows.txt\n"})
    with (tmp_path / "rows.txt").open("w") as file:
        for number in range(3 * COPY_BYTES // 100):
            file.write(f"{number:0100d}\n")
    conn = connect()
    create, copy = read_statements(path)
    execute(conn, create)
    assert execute(conn, copy) == 3 * COPY_BYTES // 100
    assert conn.execute("SELECT count(*), max(a::int) FROM t").fetchone() == (3932, 3931)


def test_a_file_that_has_gone_is_named(connect: Connect, tmp_path: Path) -> None:
    path = write(
        tmp_path, {"001.sql": "CREATE TABLE t (a int);\n\\copy t from rows.txt\n", "rows.txt": "1\n"}
    )
    conn = connect()
    create, copy = read_statements(path)
    execute(conn, create)
    (tmp_path / "rows.txt").unlink()
    with pytest.raises(UsageError, match=r"rows\.txt: cannot be read: No such file"):
        execute(conn, copy)
    assert conn.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_what_goes_wrong_before_a_run_names_the_included_file(
    server: Server, database: str, tmp_path: Path
) -> None:
    path = write(
        tmp_path, {"base.sql": "\\ir parts/a.sql\n", "parts/a.sql": "\nCREATE ROLE nosuch IN ROLE nosuch_2;"}
    )
    with pytest.raises(UsageError, match=r"/parts/a\.sql:2: CREATE ROLE acts on the whole server"):
        refuse_server_wide(path, read_statements(path))
    with pytest.raises(UsageError, match=r"/parts/a\.sql:2: role \"nosuch_2\" does not exist"):
        apply_file(server, database, path)
