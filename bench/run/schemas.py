"""The deploy applied to many schemas, as a tool does it for each tenant: in turn, in parallel, or at once.

It is applied to one database, and nothing is watched between its statements. A tool writes down which files a
schema has had, so that a second start goes on at the file that failed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.migrate.script import read_statements
from bench.migrate.suite import Suite
from bench.migrate.transactions import read_migrations
from bench.model.schemas import LocksHeld, Passed, SchemaFailure, Schemas
from bench.model.statement import Statement, StatementError
from bench.pg.catalog import load_query
from bench.pg.database import temporary_database
from bench.pg.server import Server
from bench.run.execute import describe_error, first_failure, psql_variables
from bench.run.progress import Progress, Step
from bench.run.scripts import Scripts, name_of, together
from bench.run.template.keep import Template
from bench.run.template.prepare import apply_file
from bench.run.template.roles import take_role
from bench.sql.kinds import classify

clock = time.perf_counter
LOOKS = 20
"""How often the locks of one transaction over all schemas are counted, evenly."""
EIGHTHS = 8
SAY_EVERY = 50
Connection = psycopg.Connection[TupleRow]


@dataclass(frozen=True, slots=True)
class SchemaOptions:
    """Which schemas, and how the deploy goes over them."""

    like: str | None = None
    """Schemas of the base whose name is LIKE this."""
    copies: int | None = None
    """So many copies of the base's schema ``public``, made by us; one of the two is given."""
    workers: int = 1
    one_transaction: bool = False
    cut: int | None = None
    """End the session in the schema of this number, before the last statement of its last file."""


CUT = StatementError(None, "the session was ended here on purpose")
LEFT_OPEN = StatementError(None, "the file ends inside a transaction, so the server rolled its work back")


def schemas_like(server: Server, dbname: str, like: str) -> tuple[str, ...]:
    """The schemas of a database whose name is LIKE this. UsageError where there is none."""
    with server.connect(dbname, application_name="pgrehearse observer") as conn:
        rows = conn.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE %s ORDER BY 1", (like,))
        names = tuple(str(name) for (name,) in rows.fetchall())
    if not names:
        raise UsageError(
            f"--schemas {like}: no schema of the state before is called like that",
            "% stands for any characters; --tenants N makes copies of the base's schema",
        )
    return names


def within(server: Server, schema: str) -> Server:
    """The same server, whose new sessions look for names in this schema first."""
    quoted = '"' + schema.replace('"', '""') + '"'
    return server.with_settings({"search_path": f"{quoted}, public"})


def over_schemas(
    server: Server,
    suite: Suite,
    scripts: Scripts,
    prepared: Template,
    options: SchemaOptions,
    progress: Progress,
) -> Schemas:
    """Apply the scripts to every schema of a copy of the template, or to copies of the base's schema."""
    template = prepared.dbname if options.copies is None else None
    with temporary_database(server, "tenants", template) as dbname:
        if options.copies is not None:
            names = tuple(_copies(server, dbname, suite, options.copies, progress))
        else:
            names = schemas_like(server, dbname, options.like or "%")
        named = [(migration.id, statements) for migration, statements in scripts]
        files = [
            (name_of(group), [statement for _, statements in group for statement in statements])
            for group in together(named)
        ]
        return _Applying(server, dbname, suite.runner.keeps_session, files, options, names, progress).run()


def _copies(server: Server, dbname: str, suite: Suite, number: int, progress: Progress) -> Iterator[str]:
    """Make the base's schema again and again, and name each like a tenant.

    What refers to its objects goes with the name; texts of functions that name the schema do not.
    """
    if suite.base is None:
        raise UsageError("--tenants copies the schema of --base, and there is none", "add --base schema.sql")
    known = psql_variables(server.info)
    statements = [*read_statements(suite.base, known)]
    for _, script in read_migrations(suite.deployed, known):
        statements += script
    width = len(str(number))
    with server.connect(dbname, application_name="pgrehearse base", kind="base") as conn:
        for position in range(1, number + 1):
            if position % SAY_EVERY == 1:
                progress(Step(f"schema {position} of {number}"))
            name = f"tenant_{position:0{width}}"
            if position == 1:
                apply_file(server, dbname, suite.base)  # which provides for the roles that it names
                conn.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            conn.execute("SET synchronous_commit = off")
            failed = first_failure(conn, statements)
            if failed is not None:
                raise UsageError(
                    f"--tenants: the base cannot be applied again, {suite.base.name}:{failed[0].line}: "
                    f"{str(failed[1]).splitlines()[0]}",
                    "take a base that has the schemas, and name them: --schemas 'tenant_%'",
                )
            conn.execute("DISCARD ALL")
            conn.execute(sql.SQL("ALTER SCHEMA public RENAME TO {}").format(sql.Identifier(name)))
            conn.execute("CREATE SCHEMA public; GRANT USAGE ON SCHEMA public TO PUBLIC")
            yield name
    if server.deploys_as is not None:
        list(take_role(server, dbname, server.deploys_as))


@dataclass(slots=True)
class _Applying:
    """One start over the schemas, and a second one where that stopped."""

    server: Server
    dbname: str
    kept: bool
    files: Sequence[tuple[str, Sequence[Statement]]]
    """Those that are one transaction of their tool as one."""
    options: SchemaOptions
    names: tuple[str, ...]
    progress: Progress
    done: dict[str, int] = field(default_factory=dict)
    """Files that a schema has had, as a tool's own table has it."""
    ends_s: list[float] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    locks: list[LocksHeld] = field(default_factory=list)
    cut: int | None = None

    def run(self) -> Schemas:
        with self.server.connect(self.dbname, application_name="pgrehearse observer") as observer:
            before, began_lsn = _prints(observer), _lsn(observer)
            self.cut = self.options.cut
            began = clock()
            failures = self._start()
            duration_s = clock() - began
            wal_bytes, applied = _lsn(observer) - began_lsn, self._applied
            ends_s, took_s = tuple(self.ends_s), tuple(self.took_s)
            failed = _judged(failures, before, observer)
            again: tuple[SchemaFailure, ...] = ()
            resumed = None
            if failed:
                self.cut = None
                again = _judged(self._start(), before, observer)
                resumed = self._applied
        return Schemas(
            self.names,
            self.options.copies is not None,
            self.options.workers,
            self.options.one_transaction,
            applied,
            duration_s,
            max(took_s, default=0.0),
            tuple(_eighths(ends_s, began)),
            wal_bytes,
            tuple(self.locks),
            self.options.cut,
            failed,
            resumed,
            again,
        )

    @property
    def _applied(self) -> int:
        return sum(count == len(self.files) for count in self.done.values())

    def _start(self) -> tuple[SchemaFailure, ...]:
        """Take the schemas that are left, until one fails."""
        left = [
            (number, name)
            for number, name in enumerate(self.names, start=1)
            if self.done.get(name, 0) < len(self.files)
        ]
        if self.options.one_transaction:
            failure = self._at_once(left)
            return (failure,) if failure else ()
        queue, stop = iter(left), threading.Event()
        turn = threading.Lock()
        with ThreadPoolExecutor(self.options.workers) as pool:
            working = [pool.submit(self._in_turn, queue, turn, stop) for _ in range(self.options.workers)]
            try:
                return tuple(failure for work in working if (failure := work.result()) is not None)
            finally:
                stop.set()  # after Ctrl-C, too, each ends with the schema that it is at

    def _in_turn(
        self, queue: Iterator[tuple[int, str]], turn: threading.Lock, stop: threading.Event
    ) -> SchemaFailure | None:
        """One session, or one for each schema where the tool opens a new one."""
        with self._session() as kept:
            while not stop.is_set():
                with turn:
                    number, name = next(queue, (0, ""))
                if not number:
                    return None
                self._say(number)
                failure = self._one(kept, number, name)
                if failure is not None:
                    stop.set()
                    return failure
        return None

    @contextmanager
    def _session(self) -> Iterator[Connection | None]:
        if not self.kept:
            yield None
            return
        with self._connect(self.server) as conn:
            yield conn

    def _connect(self, server: Server) -> Connection:
        return server.connect(self.dbname, application_name="pgrehearse migration", kind="deploy")

    def _one(self, kept: Connection | None, number: int, name: str) -> SchemaFailure | None:
        """Apply to one schema the files that it has not had."""
        began = clock()
        for position in range(self.done.get(name, 0), len(self.files)):
            migration, statements = self.files[position]
            last = position == len(self.files) - 1
            using: AbstractContextManager[Connection]
            using = self._connect(within(self.server, name)) if kept is None else nullcontext(kept)
            with using as conn:
                if kept is not None:
                    _look_in(conn, name, local=False)
                cut = number == self.cut and last
                failed = self._sent(conn, statements[:-1] if cut else statements)
                if cut and failed is None:
                    conn.close()
                    failed = statements[-1].line, CUT
                elif failed is None and conn.info.transaction_status != TransactionStatus.IDLE:
                    failed = statements[-1].line, LEFT_OPEN
            if failed is not None:
                return SchemaFailure(name, number, migration, *failed, partial=False)
            self.done[name] = position + 1
        self.took_s.append(clock() - began)
        self.ends_s.append(clock())
        return None

    def _sent(
        self, conn: Connection, statements: Sequence[Statement]
    ) -> tuple[int | None, StatementError] | None:
        failed = first_failure(conn, statements)
        if failed is None:
            return None
        error = describe_error(failed[1], failed[0])
        return error.line, error

    def _at_once(self, left: Sequence[tuple[int, str]]) -> SchemaFailure | None:
        """All in one transaction, with the files' own BEGIN and COMMIT left out."""
        looks = {round(part * len(left) / LOOKS) for part in range(1, LOOKS + 1)} | {1}
        self.locks.clear()
        with self._connect(self.server) as conn:
            conn.execute("BEGIN")
            for passed, (number, name) in enumerate(left, start=1):
                self._say(number)
                began = clock()
                _look_in(conn, name, local=True)
                for migration, statements in self.files:
                    inner = [one for one in statements if not classify(one.text).transaction_control]
                    failed = self._sent(conn, inner[:-1] if number == self.cut else inner)
                    if number == self.cut and failed is None:
                        conn.close()
                        failed = inner[-1].line, CUT
                    if failed is not None:
                        return SchemaFailure(name, number, migration, *failed, partial=False)
                self.took_s.append(clock() - began)
                self.ends_s.append(clock())
                if passed in looks:
                    self.locks.append(LocksHeld(passed, _held(conn)))
            conn.execute("COMMIT")
        self.done.update((name, len(self.files)) for _, name in left)
        return None

    def _say(self, number: int) -> None:
        if number % SAY_EVERY == 1:
            self.progress(Step(f"the deploy over the schemas, {number} of {len(self.names)}"))


def _look_in(conn: Connection, name: str, *, local: bool) -> None:
    word = sql.SQL("LOCAL ") if local else sql.SQL("")
    conn.execute(sql.SQL("SET {}search_path = {}, public").format(word, sql.Identifier(name)))


def _held(conn: Connection) -> int:
    """Entries of the shared table; those of the fast path stand elsewhere."""
    row = conn.execute(
        "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND NOT fastpath"
    ).fetchone()
    return int(row[0]) if row else 0


def _lsn(conn: Connection) -> int:
    row = conn.execute("SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint").fetchone()
    return int(row[0]) if row else 0


def _prints(conn: Connection) -> Mapping[str, str]:
    """A checksum of the objects of each schema."""
    return dict(conn.execute(load_query("schema_prints", conn.info.server_version)).fetchall())


def _judged(
    failures: Sequence[SchemaFailure], before: Mapping[str, str], observer: Connection
) -> tuple[SchemaFailure, ...]:
    """The failures, and whether each has left a part of the deploy."""
    if not failures:
        return ()
    now = _prints(observer)
    return tuple(
        replace(failure, partial=now.get(failure.schema) != before.get(failure.schema))
        for failure in failures
    )


def _eighths(ends_s: Sequence[float], began_s: float) -> Iterator[Passed]:
    ends = sorted(ends_s)
    for count in sorted({round(part * len(ends) / EIGHTHS) for part in range(1, EIGHTHS + 1)} - {0}):
        yield Passed(count, ends[count - 1] - began_s)
