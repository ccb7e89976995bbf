"""The same migrations over many schemas, as a runner of tenants sends them: in turn, or several at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.migrate.script import read_statements
from bench.migrate.suite import Suite
from bench.model.statement import Statement, StatementError
from bench.pg.catalog import load_query
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.execute import describe_error, execute, psql_variables
from bench.run.guard import check_file
from bench.run.progress import Loading, Progress, Step
from bench.run.scripts import Scripts, read_scripts
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template
from bench.sql.kinds import ENDS_OF_TRANSACTION, TRANSACTION_COMMANDS

OF_THE_DATABASE = frozenset(
    {"CREATE EXTENSION", "CREATE ROLE", "CREATE USER", "ALTER ROLE", "ALTER USER", "ALTER DATABASE"}
)
"""What the state before does once, and not in each schema."""
Outcome = Literal["applied", "failed", "cut off", "not begun"]


@dataclass(frozen=True, slots=True)
class TenantOptions:
    """Which schemas, and how they are gone through."""

    count: int | None = None
    """Make so many, each by the suite's base."""
    like: str | None = None
    """Else those of the state before whose names are LIKE this."""
    parallel: int = 1
    """Sessions beside each other, each with a schema of its own."""
    together: bool = False
    """All schemas in one transaction."""
    stop_at: int | None = None
    """Cut the session off in the middle of this schema, from 1, and deploy again."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """One schema, and what became of it."""

    schema: str
    outcome: Outcome
    duration_s: float | None = None
    """Of its statements and commits."""
    wal_bytes: int | None = None
    """Written meanwhile; None beside other sessions."""
    locks: int | None = None
    """Entries of the shared lock table, the most at the end of one of its transactions; None: it had none."""
    files: int = 0
    """Migrations that are through."""
    stays: int = 0
    """Statements that are committed."""
    error: StatementError | None = None
    file: str | None = None
    """That failed."""


@dataclass(frozen=True, slots=True)
class Tenancy:
    """The deploy over all schemas."""

    tenants: tuple[Tenant, ...]
    """In the order in which they come."""
    duration_s: float
    wal_bytes: int
    locks: int | None
    """The most that the sessions of the deploy held at the end of one of their transactions."""
    lock_table: int
    """About so many fit: max_locks_per_transaction times the sessions that may be.
    https://www.postgresql.org/docs/current/runtime-config-locks.html"""
    odd: tuple[str, ...]
    """Schemas whose objects differ from those of most, of the ones that the deploy went through."""
    options: TenantOptions
    resumed: tuple[Tenant, ...] | None = None
    """What became of the rest when the deploy that was cut off came again."""

    def of(self, outcome: Outcome) -> tuple[Tenant, ...]:
        """Those that this became of at last."""
        last = {tenant.schema: tenant for tenant in (*self.tenants, *(self.resumed or ()))}
        return tuple(tenant for tenant in last.values() if tenant.outcome == outcome)


def deploy_tenants(
    server: Server, suite: Suite, data: DataOptions, options: TenantOptions, progress: Progress
) -> Tenancy:
    """Make the schemas in a database of this run, deploy to each, and compare them.

    UsageError: no schema fits, the base names its schema itself, or what reading the files raises.
    """
    acting = replace(server, deploys_as=data.role)
    scripts = read_scripts(acting, suite, data)
    with _database(acting, suite, data, options, progress) as (dbname, schemas):
        if options.stop_at is not None and options.stop_at > len(schemas):
            raise UsageError(f"--stop-at {options.stop_at}: there are {len(schemas)} schemas")
        with acting.connect(dbname) as conn:
            deploy = _Deploy(acting, dbname, conn, scripts, options, progress)
            begin = _lsn(conn)
            tenants = deploy.run(schemas)
            duration_s, wal_bytes = deploy.duration_s, _since(conn, begin)
            resumed = None
            if options.stop_at is not None:
                deploy.stop_at = None
                done = {tenant.schema: tenant.files for tenant in tenants if tenant.outcome != "applied"}
                resumed = deploy.run(list(done), done)
            through = {t.schema for t in (*tenants, *(resumed or ())) if t.outcome == "applied"}
            query = load_query("tenant_objects", server.info.version_num)
            alike = {name: objects for name, objects in conn.execute(query).fetchall() if name in through}
            size = conn.execute(load_query("lock_table_size", server.info.version_num)).fetchone()
    assert size is not None
    locks = max((tenant.locks for tenant in tenants if tenant.locks is not None), default=None)
    return Tenancy(
        tenants, duration_s, wal_bytes, locks, size[0], _odd(alike), options, resumed
    )  # fmt: skip


@contextmanager
def _database(
    server: Server, suite: Suite, data: DataOptions, options: TenantOptions, progress: Progress
) -> Iterator[tuple[str, list[str]]]:
    """A database with the state before, and the schemas that the deploy goes through."""
    if options.count is None:
        with (
            template(server, suite, data, progress) as prepared,
            temporary_database(server, "tenants", prepared.dbname) as dbname,
            server.connect(dbname) as conn,
        ):
            found = conn.execute(
                "SELECT nspname FROM pg_namespace WHERE nspname LIKE %s AND nspname !~ '^pg_' ORDER BY 1",
                [options.like],
            ).fetchall()
            if not found:
                raise UsageError(f"no schema of the state before is LIKE '{options.like}'")
            yield dbname, [name for (name,) in found]
        return
    with temporary_database(server, "tenants") as dbname:
        yield dbname, _make_schemas(server, dbname, suite, options.count, progress)


def _make_schemas(
    server: Server, dbname: str, suite: Suite, count: int, progress: Progress
) -> list[str]:  # fmt: skip
    if suite.base is None:
        raise UsageError("--tenants makes each schema by the suite's base, and there is none", "--base FILE")
    statements = read_statements(suite.base, psql_variables(server.info))
    check_file(server, suite.base, statements, before=True)
    width = len(str(count))
    schemas = [f"tenant_{number:0{width}}" for number in range(1, count + 1)]
    progress(Step(f"{count} schemas, each by {suite.base.name}"))
    with server.connect(dbname, application_name="pgrehearse base", kind="base") as conn:
        for number, schema in enumerate(schemas):
            conn.execute("RESET ALL")  # a dump of pg_dump empties search_path
            conn.execute("SET synchronous_commit = off")
            for statement in statements:
                if number and statement.kind in OF_THE_DATABASE:
                    continue
                try:
                    execute(conn, statement)
                except psycopg.Error as error:
                    said = error.diag.message_primary or str(error)
                    where = f"{suite.base}:{statement.line}"
                    raise UsageError(f"{where}: {said} ({error.sqlstate}), for {schema}", _OWN) from error
            if not number and not _has_tables(conn):
                raise UsageError(f"{suite.base} makes no table in the schema public", _OWN)
            _set_apart(conn, schema)
            progress(Loading("schemas", number + 1, count))
        conn.execute("VACUUM (ANALYZE)")
    return schemas


_OWN = "where the base makes the schemas itself, say --schemas 'tenant_%'"


def _set_apart(conn: psycopg.Connection[TupleRow], schema: str) -> None:
    """Make what is in public a schema of its own, but for extensions, which all schemas share.

    So a base may name its tables with public, as pg_dump writes them, or not.
    """
    conn.execute(sql.SQL("ALTER SCHEMA public RENAME TO {}").format(sql.Identifier(schema)))
    conn.execute("CREATE SCHEMA public")
    conn.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
    query = "SELECT extname FROM pg_extension WHERE extnamespace = %s::regnamespace"
    for (name,) in conn.execute(query, [sql.Identifier(schema).as_string(conn)]).fetchall():
        conn.execute(sql.SQL("ALTER EXTENSION {} SET SCHEMA public").format(sql.Identifier(name)))


def _has_tables(conn: psycopg.Connection[TupleRow]) -> bool:
    query = (
        "SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') LIMIT 1"
    )
    return conn.execute(query).fetchone() is not None


def _enter(conn: psycopg.Connection[TupleRow], schema: str, *, local: bool = False) -> None:
    """Make a schema the one in which names without a schema are looked for, and public after it."""
    text = "SET LOCAL search_path TO {}, public" if local else "SET search_path TO {}, public"
    conn.execute(sql.SQL(text).format(sql.Identifier(schema)))


class _Deploy:
    """Goes through the schemas, each as the runner of the suite sends it."""

    def __init__(
        self,
        server: Server,
        dbname: str,
        beside: psycopg.Connection[TupleRow],
        scripts: Scripts,
        options: TenantOptions,
        progress: Progress,
    ) -> None:
        self.server, self.dbname, self.beside, self.scripts = server, dbname, beside, scripts
        self.options, self.progress = options, progress
        self.stop_at = options.stop_at
        self.duration_s = 0.0
        self._stopped = threading.Event()

    def run(self, schemas: Sequence[str], done: dict[str, int] | None = None) -> tuple[Tenant, ...]:
        """All of them; ``done``: of which so many migrations are through already."""
        self._stopped.clear()
        self.progress(Step(f"the deploy, over {len(schemas)} schemas"))
        begin = time.perf_counter()
        if self.options.together:
            tenants = self._together(schemas)
        elif self.options.parallel == 1:
            tenants = [self._one(number, schema, done) for number, schema in enumerate(schemas, 1)]
        else:
            with ThreadPoolExecutor(self.options.parallel) as pool:
                try:
                    played = pool.map(lambda item: self._one(item[0], item[1], done), enumerate(schemas, 1))
                    tenants = list(played)
                except BaseException:
                    self._stopped.set()  # so that no more are begun
                    raise
        self.duration_s = time.perf_counter() - begin
        return tuple(tenants)

    def _connect(self) -> psycopg.Connection[TupleRow]:
        return self.server.connect(self.dbname, application_name="pgrehearse tenants", kind="deploy")

    def _one(self, number: int, schema: str, done: dict[str, int] | None) -> Tenant:
        """One schema on a session of its own; none is begun once another has failed."""
        if self._stopped.is_set():
            return Tenant(schema, "not begun")
        with self._connect() as conn:
            _enter(conn, schema)
            begin = _lsn(self.beside)
            play = _Play(conn, schema, self.beside, middle=number == self.stop_at)
            tenant = play.files(self.scripts, (done or {}).get(schema, 0))
            if self.options.parallel == 1:
                tenant = replace(tenant, wal_bytes=_since(self.beside, begin))
        if tenant.outcome != "applied":
            self._stopped.set()
        return tenant

    def _together(self, schemas: Sequence[str]) -> list[Tenant]:
        """All of them in one transaction: where one fails, none is through."""
        tenants: list[Tenant] = []
        with self._connect() as conn:
            conn.execute("BEGIN")
            for number, schema in enumerate(schemas, 1):
                _enter(conn, schema, local=True)
                play = _Play(conn, schema, self.beside, middle=number == self.stop_at, whole=True)
                tenants.append(play.files(self.scripts, 0))
                if tenants[-1].outcome != "applied":
                    break
            else:
                conn.execute("COMMIT")
                return tenants
        back = [replace(tenant, outcome="not begun", files=0) for tenant in tenants[:-1]]
        rest = [Tenant(schema, "not begun") for schema in schemas[len(tenants) :]]
        return [*back, replace(tenants[-1], files=0), *rest]


class _Play:
    """The statements of the suite, sent in one schema."""

    def __init__(
        self,
        conn: psycopg.Connection[TupleRow],
        schema: str,
        beside: psycopg.Connection[TupleRow],
        *,
        middle: bool,
        whole: bool = False,
    ) -> None:
        self.conn, self.schema, self.beside, self.middle, self.whole = conn, schema, beside, middle, whole
        self.duration_s = 0.0
        self.stays = self.open = 0
        """Statements that are committed, and that may be yet."""
        self.locks: int | None = None

    def files(self, scripts: Scripts, done: int) -> Tenant:
        """From the first migration that is not ``done``."""
        sent = [(file, statement) for file in range(done, len(scripts)) for statement in scripts[file][1]]
        half = len(sent) // 2 if self.middle else None
        for position, (file, statement) in enumerate(sent):
            if position == half:
                self.conn.pgconn.finish()
                return self._ended("cut off", file)
            if self.whole and statement.kind in TRANSACTION_COMMANDS:
                continue
            if statement.kind in ENDS_OF_TRANSACTION:
                self._count()
            begin = time.perf_counter()
            try:
                execute(self.conn, statement)
            except psycopg.Error as error:
                self.duration_s += time.perf_counter() - begin
                failed = self._ended("failed", file)
                migration = scripts[file][0]
                return replace(failed, error=describe_error(error, statement), file=migration.file)
            self.duration_s += time.perf_counter() - begin
            self._keep(statement)
        if self.whole:
            self._count()
        return self._ended("applied", len(scripts))

    def _keep(self, statement: Statement) -> None:
        """Count a statement among those that stay, or may stay yet."""
        if statement.kind == "ROLLBACK":
            self.open = 0
        elif statement.kind not in TRANSACTION_COMMANDS and statement.kind != "SET":
            self.open += 1
        if self.conn.info.transaction_status == TransactionStatus.IDLE:
            self.stays, self.open = self.stays + self.open, 0

    def _count(self) -> None:
        """The locks of all sessions of the deploy that are in the shared table, from beside."""
        row = self.beside.execute(load_query("tenant_locks", self.beside.info.server_version)).fetchone()
        assert row is not None
        self.locks = max(self.locks or 0, row[0])

    def _ended(self, outcome: Outcome, files: int) -> Tenant:
        return Tenant(self.schema, outcome, self.duration_s, None, self.locks, files, self.stays)


def _lsn(conn: psycopg.Connection[TupleRow]) -> str:
    row = conn.execute("SELECT pg_current_wal_insert_lsn()::text").fetchone()
    assert row is not None
    return str(row[0])


def _since(conn: psycopg.Connection[TupleRow], begin: str) -> int:
    row = conn.execute(
        "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), %s::pg_lsn)::bigint", [begin]
    ).fetchone()
    assert row is not None
    return int(row[0])


def _odd(objects: dict[str, str]) -> tuple[str, ...]:
    """The schemas whose objects are not those of most."""
    if not objects:
        return ()
    every = list(objects.values())
    usual = max(dict.fromkeys(every), key=every.count)
    return tuple(name for name, own in objects.items() if own != usual)
