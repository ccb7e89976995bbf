"""The files of a new cluster: made once, copied from then on."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from bench.errors import BenchError
from bench.pg import cluster as initialise
from bench.pg.opening import open_server
from bench.pg.spec import ServerSpec

SPEC = ServerSpec("embedded", durable=False)


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the copies are kept, empty."""
    tmp_path.chmod(0o755)
    monkeypatch.setattr(initialise, "shared_root", lambda: tmp_path)
    return tmp_path


def system_identifier() -> int:
    with open_server(SPEC) as server, server.connect() as conn:
        row = conn.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
        assert row is not None
        return int(row[0])


def test_a_second_cluster_starts_from_a_copy_and_shares_nothing_else(kept: Path) -> None:
    first = system_identifier()
    with open_server(SPEC) as one, one.connect() as conn, open_server(SPEC) as two:
        conn.execute("CREATE TABLE only_here ()")
        with two.connect() as other, pytest.raises(psycopg.errors.UndefinedTable):
            other.execute("SELECT FROM only_here")
    assert system_identifier() == first
    assert [path.name for path in kept.glob("*/*")] == [initialise.COMPLETE]


def test_a_copy_that_was_cut_off_is_not_used(kept: Path) -> None:
    first = system_identifier()
    (complete,) = kept.glob("*/*")
    complete.rename(complete.with_name("unfinished-0"))
    (complete.parent / "unfinished-0" / "PG_VERSION").unlink()
    assert system_identifier() != first
    assert [path.name for path in kept.glob("*/*")] == [initialise.COMPLETE]


def test_a_failure_names_the_program_and_what_to_look_at(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system_identifier()
    (complete,) = kept.glob("*/*")
    (complete / "PG_VERSION").unlink()
    (complete / "PG_VERSION").symlink_to(complete / "gone" / "gone")
    with pytest.raises(BenchError):
        system_identifier()
