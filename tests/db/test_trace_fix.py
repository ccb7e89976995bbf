"""Scripts written otherwise by a trace: they run, end where the scripts end, and what is safe stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.analyse.findings import traced
from bench.migrate.script import read_statements
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.harden.unmeasured import fixed
from bench.run.progress import silent
from bench.run.prove.play import play
from bench.run.prove.states import compare, read_state
from bench.run.trace import trace

BASE = """
CREATE TABLE people (id bigint PRIMARY KEY);
INSERT INTO people SELECT n FROM generate_series(1, 50) n;
CREATE TABLE orders (id bigint PRIMARY KEY, state text, amount int, person bigint);
INSERT INTO orders SELECT n, 'new', n, n FROM generate_series(1, 50) n;
"""
UNSAFE = {
    "CREATE INDEX orders_state ON orders (state);": "CREATE INDEX CONCURRENTLY",
    "CREATE UNIQUE INDEX once ON orders (amount);": "CREATE UNIQUE INDEX CONCURRENTLY",
    "ALTER TABLE orders ADD CONSTRAINT pos CHECK (amount > 0);": "VALIDATE CONSTRAINT pos",
    "ALTER TABLE orders ALTER state SET NOT NULL;": "NOT VALID",
    "ALTER TABLE orders ADD CONSTRAINT who FOREIGN KEY (person) REFERENCES people;": "VALIDATE CONSTRAINT",
    "ALTER TABLE orders ADD CONSTRAINT once UNIQUE (amount);": "USING INDEX",
    "BEGIN; ALTER TABLE orders ADD note text; CREATE INDEX n ON orders (note); COMMIT;": "CONCURRENTLY",
}


def written(server: Server, directory: Path, text: str) -> tuple[str, Path]:
    path, base = directory / "script.sql", directory / "base.sql"
    path.write_text(text)
    base.write_text(BASE)
    scripts = [(path, read_statements(path))]
    runs = trace(server, scripts, before=[base], probe=False, kept=False, disposable=False, progress=silent)
    (said,) = fixed(traced(runs, server.info), scripts)
    return said, path


@pytest.mark.parametrize("text", UNSAFE)
def test_what_is_written_otherwise_runs_and_ends_where_the_script_ends(
    server: Server, tmp_path: Path, text: str
) -> None:
    said, path = written(server, tmp_path, text)
    assert said.startswith("-- Not measured")
    assert UNSAFE[text] in said
    (tmp_path / "safer.sql").write_text(said)
    with (
        temporary_database(server, "script") as one,
        temporary_database(server, "safer") as other,
    ):
        for dbname, script in ((one, path), (other, tmp_path / "safer.sql")):
            for file in (tmp_path / "base.sql", script):
                assert play(server, dbname, read_statements(file)).error is None
        assert list(compare(server, read_state(server, one), read_state(server, other))) == []


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE notes (id int);\nCREATE INDEX n ON notes (id);\n",
        "SET lock_timeout = '2s';\nALTER TABLE orders ADD note text;\n",
        "CREATE INDEX CONCURRENTLY orders_state ON orders (state);\n",
    ],
)
def test_what_is_safe_stays_as_it_is(server: Server, tmp_path: Path, text: str) -> None:
    said, _ = written(server, tmp_path, text)
    assert said == text
