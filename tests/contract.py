"""What every kind of server must do: the tests of a kind inherit it, and say how theirs is opened."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Any, ClassVar

import pytest

from bench.errors import ServerError, UsageError
from bench.pg.database import clone_database, create_database, drop_database, new_name, seal_template
from bench.pg.lease import read_leases, this_process
from bench.pg.server import Server

Opener = Callable[[], AbstractContextManager[Server]]


class ServerContract:
    """Subclasses override the fixture ``opener``, and ``traces`` for what a kind leaves while it runs."""

    kind: ClassVar[str]
    settings: ClassVar[dict[str, str]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def opener(cls) -> Opener:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def opened(cls, opener: Opener) -> Iterator[Server]:
        with opener() as server:
            yield server

    @pytest.fixture
    def name(self, opened: Server) -> Iterator[str]:
        chosen = new_name("contract")
        yield chosen
        drop_database(opened, chosen)

    def traces(self, server: Server) -> Callable[[], list[str]]:
        """Return a function that lists what is left of an open server: processes, sockets, directories …"""
        raise NotImplementedError

    def test_says_what_it_is(self, opened: Server) -> None:
        with opened.connect() as conn:
            assert opened.info.version_num == conn.info.server_version
            assert (opened.info.version,) == conn.execute("SHOW server_version").fetchone()
        assert opened.kind == opened.info.kind == self.kind
        assert "plpgsql" in opened.info.extensions

    def test_has_the_settings_that_it_records(self, opened: Server) -> None:
        recorded = opened.info.settings
        assert {"shared_buffers", "fsync", "autovacuum", "work_mem", "TimeZone", "lc_collate"} <= set(
            recorded
        )
        with opened.connect() as conn:
            for setting, value in {**recorded, **self.settings}.items():
                if setting not in ("lc_collate", "lc_ctype", "locale", "locale_provider"):
                    shown = conn.execute("SELECT current_setting(%s)", [setting]).fetchone()
                    assert (setting, shown) == (setting, (value,))

    def test_autovacuum_can_be_switched_while_it_runs(self, opened: Server, wait_until: Any) -> None:
        if not opened.superuser:
            pytest.skip("ALTER SYSTEM needs a superuser")
        with opened.connect() as conn:
            conn.execute("ALTER SYSTEM SET autovacuum = on")
            conn.execute("SELECT pg_reload_conf()")
            wait_until(lambda: conn.execute("SHOW autovacuum").fetchone() == ("on",))
            conn.execute("ALTER SYSTEM SET autovacuum = off")
            conn.execute("SELECT pg_reload_conf()")
            wait_until(lambda: conn.execute("SHOW autovacuum").fetchone() == ("off",))

    def test_other_programs_get_in_by_the_environment(self, opened: Server) -> None:
        code = "import psycopg; print(psycopg.connect('').execute('SELECT current_database()').fetchone()[0])"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **opened.environ("template1")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout.strip(), done.stderr) == ("template1", "")

    @pytest.mark.parametrize("in_kernel", ["clone", "not known"])
    def test_creates_clones_and_drops_databases(
        self, opened: Server, name: str, in_kernel: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("bench.pg.database._IN_KERNEL", in_kernel)
        template = new_name("template")
        create_database(opened, template)
        with opened.connect(template) as conn:
            conn.execute("CREATE TABLE t AS SELECT 42 AS answer")
        seal_template(opened, template)
        clone_database(opened, template, name)
        with opened.connect(name) as conn:
            assert conn.execute("SELECT answer FROM t").fetchone() == (42,)
            conn.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(ServerError):
            opened.connect(template)
        drop_database(opened, template)
        drop_database(opened, template)  # gone already: no error
        with opened.connect() as conn:
            row = conn.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [template]).fetchone()
        assert row == (0,)

    def test_a_taken_name_is_an_error(self, opened: Server, name: str) -> None:
        create_database(opened, name)
        with pytest.raises(ServerError, match=f"{name} exists already"):
            create_database(opened, name)

    def test_touches_only_databases_with_our_prefix(self, opened: Server) -> None:
        for act in (create_database, drop_database, seal_template):
            with pytest.raises(UsageError, match="not one of ours"):
                act(opened, "postgres")
        with pytest.raises(UsageError, match="not one of ours"):
            clone_database(opened, "template1", "bench_copy")

    def test_two_sessions_conflict_over_a_lock(self, opened: Server, name: str, wait_until: Any) -> None:
        create_database(opened, name)
        with opened.connect(name) as holder, opened.connect(name) as waiter, opened.connect(name) as observer:
            holder.execute("CREATE TABLE t (id int)")
            with holder.transaction():
                holder.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
                reading = threading.Thread(target=waiter.execute, args=("SELECT FROM t",))
                reading.start()
                blocked_by = "SELECT pg_blocking_pids(%s)"
                wait_until(
                    lambda: (
                        observer.execute(blocked_by, [waiter.info.backend_pid]).fetchone()
                        == ([holder.info.backend_pid],)
                    )
                )
            reading.join(timeout=20)
            assert not reading.is_alive()

    @pytest.mark.parametrize("error", [None, KeyboardInterrupt])
    def test_leaves_nothing_behind(
        self, opener: Opener, error: type[BaseException] | None, wait_until: Any
    ) -> None:
        before = {lease.path for lease in read_leases()}
        traces: Callable[[], list[str]] | None = None
        with suppress(*([error] if error else [])), opener() as server:
            create_database(server, new_name("left"))
            traces = self.traces(server)
            assert traces()
            if error:
                raise error
        assert traces is not None
        wait_until(lambda: not traces())
        assert [
            lease for lease in read_leases() if lease.path not in before and lease.owner == this_process()
        ] == []

    def test_a_failing_connection_does_not_show_the_password(self, opened: Server) -> None:
        with pytest.raises(ServerError, match="no_such_database") as caught:
            opened.connect("no_such_database")
        password = opened.endpoint.parameters.get("password")
        assert not password or password not in f"{caught.value.message}{caught.value.hint}{opened!r}"
