"""A command recorded: run once against a clone on a server of ours that logs what it is sent."""

from __future__ import annotations

import secrets
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from psycopg import sql

from bench.errors import MigrationError, UsageError
from bench.migrate.suite import Suite
from bench.model.printable import without_passwords
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import ServerSpec
from bench.run.clones import clone
from bench.run.progress import Progress, Said, Step
from bench.run.record.command import Address, run_command
from bench.run.record.divide import Recorded, divide
from bench.run.record.folder import EndState, Recording, read_end
from bench.run.record.serverlog import DATABASE_SETTINGS, OLDEST, SERVER_SETTINGS, Sent, read_log
from bench.run.template.keep import template_key
from bench.run.template.options import DataOptions
from bench.run.template.prepare import template

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run."""

    text: str
    """For a shell; ``{dsn}``, ``{host}``, ``{port}``, ``{dbname}``, ``{user}``, ``{password}`` are put in."""
    workdir: Path = Path()


def state_before(base: Path | None) -> Suite:
    """What the command finds: the base and nothing else."""
    return Suite("command", Path(), base, None, (), (), ())


def record(
    spec: ServerSpec, command: Command, base: Path | None, data: DataOptions, progress: Progress
) -> tuple[Recording, tuple[Recorded, ...]]:
    """Run the command once, and return what it sent as migrations.

    Raises UsageError for a server that is not ours and for a command that sends nothing, MigrationError for
    one that fails, with its last lines, ServerError where the server cannot log or goes away.
    """
    if spec.kind == "dsn":
        raise UsageError(
            "a command is recorded on a server of ours, never on one that runs already",
            "choose another --server; --from-dsn copies schema and data from yours",
        )
    settings = {**spec.settings, **SERVER_SETTINGS}
    if spec.kind != "container":
        settings |= {"listen_addresses": LOOPBACK, "port": str(_free_port())}
    before = state_before(base)
    spec = replace(spec, settings=settings)
    with open_server(spec, lambda text: progress(Said(text))) as server:
        if server.info.version_num < OLDEST:
            raise UsageError(
                f"PostgreSQL {server.info.version} cannot log as JSON", "record on PostgreSQL 15 or newer"
            )
        server = replace(server, deploys_as=data.role)
        with (
            template(server, before, data, progress) as prepared,
            clone(server, prepared.dbname, "command") as dbname,
        ):
            sent, end = _sent(server, dbname, command, data.role, progress)
    migrations, remarks = divide(sent)
    if not migrations:
        raise UsageError(
            "the command ended well, but wrote nothing to the database that it was given",
            "it finds the address in DATABASE_URL and in PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE; "
            "or write {dsn}, or {host}, {port}, {dbname}, {user} and {password}, into the command",
        )
    remarks += tuple(_about(migrations))
    return Recording(without_passwords(command.text), end, template_key(before, data), remarks), migrations


def _about(migrations: Sequence[Recorded]) -> Iterator[str]:
    reasons = Counter(line.left_out for migration in migrations for line in migration.lines if line.left_out)
    for reason, count in reasons.items():
        statements = "1 statement is" if count == 1 else f"{count} statements are"
        yield f"{statements} not repeated, as {reason}."


def _sent(
    server: Server, dbname: str, command: Command, role: str | None, progress: Progress
) -> tuple[tuple[Sent, ...], EndState]:
    with _logged(server, dbname), _login(server, dbname, role) as address:
        progress(Step(f"recording: {without_passwords(command.text)}"))
        outcome = run_command(command.text, address, command.workdir, lambda line: progress(Said(line)))
    with server.connect() as conn:
        sent = read_log(conn, dbname)
    if outcome.code != 0:
        failed = [query for query in sent if query.sqlstate is not None]
        where = (
            f" The last statement that failed ({failed[-1].sqlstate}): {failed[-1].text[:300]}"
            if failed
            else ""
        )
        raise MigrationError(
            f"the command {without_passwords(command.text)} {outcome.describe()}{where}",
            "run it by hand against a database in the state before, and see what it lacks",
        )
    with server.connect(dbname) as conn:
        return sent, read_end(conn)


@contextmanager
def _logged(server: Server, dbname: str) -> Iterator[None]:
    """Log every statement that is sent to the database."""
    name = sql.Identifier(dbname)
    with server.connect() as conn:
        for setting, value in DATABASE_SETTINGS.items():
            conn.execute(
                sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                    name, sql.Identifier(setting), sql.Literal(value)
                )
            )
        yield
        for setting in DATABASE_SETTINGS:
            conn.execute(sql.SQL("ALTER DATABASE {} RESET {}").format(name, sql.Identifier(setting)))


@contextmanager
def _login(server: Server, dbname: str, role: str | None) -> Iterator[Address]:
    """The address for the command, with a password that holds as long as it runs."""
    parameters = server.endpoint.parameters
    user = role or parameters["user"]
    if role is None and "password" in parameters:  # of a container, whose superuser has one
        yield Address(parameters["host"], parameters["port"], user, parameters["password"], dbname)
        return
    password = secrets.token_urlsafe(18)
    with server.connect() as conn:
        who = sql.Identifier(user)
        able = conn.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", (user,)).fetchone()
        conn.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(who, sql.Literal(password)))
        try:
            host = LOOPBACK if server.endpoint.local else parameters["host"]
            yield Address(host, parameters["port"], user, password, dbname)
        finally:
            login = sql.SQL("LOGIN" if able and able[0] else "NOLOGIN")
            conn.execute(sql.SQL("ALTER ROLE {} {} PASSWORD NULL").format(who, login))


def _free_port() -> int:
    """A port of the loopback that nobody listens on at the moment."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        return int(listening.getsockname()[1])
