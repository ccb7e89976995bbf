"""A command recorded against a real server, and rehearsed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.errors import MigrationError, UsageError
from bench.model.statement import IS_PAUSE, PAUSE
from bench.pg.spec import ServerSpec
from bench.run.progress import silent
from bench.run.record.divide import Recorded
from bench.run.record.folder import Recording
from bench.run.record.record import Command, record
from bench.run.template.options import DataOptions

RUNNER = """
import os, time, psycopg
with psycopg.connect(os.environ["DATABASE_URL"]) as conn:
    conn.execute("CREATE TABLE knex_migrations (name text)")
    conn.execute("CREATE TABLE parent (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)")
    keys = conn.execute("INSERT INTO parent (name) VALUES ('x'), ('y'), ('z') RETURNING id").fetchall()
    time.sleep(0.2)  # what is recorded: a client that thinks with its transaction open
    for (key,) in keys:
        conn.execute("UPDATE parent SET name = %s WHERE id = %s", (f"é {key} \\\\ '", key))
    conn.execute("INSERT INTO knex_migrations VALUES (%s)", ("001_parent.js",))
"""


def recorded(command: str, tmp_path: Path, role: str | None = None) -> tuple[Recording, tuple[Recorded, ...]]:
    spec = ServerSpec("embedded", durable=False)
    return record(spec, Command(command, tmp_path), None, DataOptions(role=role), silent)


def runner(tmp_path: Path, text: str = RUNNER) -> str:
    (tmp_path / "runner.py").write_text(text, encoding="utf-8")
    return f"{sys.executable} runner.py"


def test_a_command_is_recorded_with_its_values_and_its_pauses(tmp_path: Path) -> None:
    recording, (migration,) = recorded(runner(tmp_path), tmp_path)
    assert migration.name == "001_parent.js"
    assert [line.pause_s for line in migration.lines if line.pause_s and line.pause_s >= 0.2]
    assert recording.end.rows["public.parent"][0] == 3


def test_a_role_of_its_own_is_no_superuser(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="42501"):
        recorded('psql -v ON_ERROR_STOP=1 -c "CREATE ROLE other"', tmp_path, role="deploy")


@pytest.mark.parametrize(
    ("command", "words"),
    [("echo oh no; exit 3", "ended with code 3. It said last:\n  oh no"), ("kill -9 $$", "signal 9")],
)
def test_a_command_that_fails_is_told_with_its_last_lines(command: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError) as raised:
        recorded(command, tmp_path)
    assert words in raised.value.message


def test_a_command_that_talks_to_nothing_is_told_where_the_address_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        recorded("true", tmp_path)
    assert "DATABASE_URL" in (raised.value.hint or "")


def test_a_pause_is_recognised_by_its_text() -> None:
    assert IS_PAUSE.match(PAUSE.format(1.25))
