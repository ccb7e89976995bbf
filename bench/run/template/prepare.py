"""The state before the deploy: base schema and data in a sealed template that every repeat is cloned from."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import msgspec
import psycopg
from psycopg.rows import TupleRow, class_row

from bench.errors import ServerError, UsageError
from bench.migrate.script import read_statements
from bench.migrate.suite import Suite
from bench.migrate.transactions import read_migrations
from bench.model.run import Dataset, Note, TableKey, TableSize
from bench.model.statement import Statement
from bench.pg.catalog import load_query
from bench.pg.database import create_database, discard_database, new_name, roles_of, seal_template
from bench.pg.locale import Locale, locale_of
from bench.pg.server import Server
from bench.pg.templates import kept_name, mark_used, reserve
from bench.run.execute import describe_error, execute, psql_variables
from bench.run.guard import check_file
from bench.run.progress import Loading, Progress, Said, Step
from bench.run.scripts import sessions
from bench.run.template.dump import (
    Dump,
    database_in,
    described,
    outline,
    require_dump,
    restore,
    written_by_dump,
)
from bench.run.template.extensions import hint_for
from bench.run.template.keep import NO_VARIABLES, Template, keep_template, template_key, why_unkeepable
from bench.run.template.options import DataOptions
from bench.run.template.roles import Roles, take_role
from bench.sql.reach import for_database


@contextmanager
def template(server: Server, suite: Suite, options: DataOptions, progress: Progress) -> Iterator[Template]:
    """The template of a suite: from the cache, or built, and then kept or dropped at the end."""
    key = template_key(suite, options) if options.cache else None
    if key is None:
        with _built(server, suite, options, progress) as built:
            yield built
        return
    name = kept_name(key, server)
    with reserve(server, name, lambda: progress(Step("waiting for a run that makes the same template"))) as (
        conn,
        kept,
    ):
        if kept is not None:
            mark_used(conn, kept)
            dataset = msgspec.convert(kept.about["dataset"], Dataset)
            progress(Step(f"template from the cache, {dataset.rows:,} rows"))
            notes = msgspec.convert(kept.about["notes"], tuple[Note, ...])
            yield Template(name, replace(dataset, from_template=True), notes)
            return
        with _built(server, suite, options, progress) as built:
            yield keep_template(server, conn, built, key, suite.name, progress)


@contextmanager
def _built(server: Server, suite: Suite, options: DataOptions, progress: Progress) -> Iterator[Template]:
    """Build the template of a suite, and drop it at the end."""
    before = roles_of(server)
    dbname = new_name("template")
    try:
        yield StateBefore(server, dbname, suite, options, progress).build(before)
        return
    except _HeldAlreadyError as error:
        held = error
    finally:
        discard_database(server, dbname)
    note = Note(
        "deployed",
        f"None of the {len(suite.deployed)} was applied: the base holds what they do already ({held}).",
    )
    progress(Said(note.text))
    with _built(server, replace(suite, deployed=()), options, progress) as built:
        yield replace(built, notes=(*built.notes, note))


class _HeldAlreadyError(Exception):
    """A migration that was deployed before finds its own work in the base, as in a dump of production."""


_THERE_ALREADY = frozenset({"42701", "42P06", "42P07", "42710", "42723"})
"""duplicate_column, duplicate_schema, duplicate_table, duplicate_object, duplicate_function.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_NO_LONGER_THERE = frozenset({"42703", "42704", "42883", "42P01"})
"""undefined_column, undefined_object, undefined_function, undefined_table: what a later one has renamed or
dropped. In a file that pg_dump did not write it may be a base of something else."""


@dataclass(slots=True)
class StateBefore:
    """Makes the state before the deploy in a database of its own."""

    server: Server
    dbname: str
    suite: Suite
    options: DataOptions
    progress: Progress
    notes: list[Note] = field(default_factory=list)

    def build(self, before: Set[str]) -> Template:
        """Make the database, fill it, seal it; ``before`` are the roles that there were."""
        server, dbname, suite, options = self.server, self.dbname, self.suite, self.options
        dump = require_dump(options.dump) if options.dump is not None else None
        about = outline(dump) if dump is not None and dump.archive else None
        self._create(about)
        if suite.base is not None:
            self.progress(Step(f"base schema from {suite.base}"))
            if Dump(suite.base).cut_off:
                text = f"{suite.base.name} begins as one of pg_dump, without its last line: was it cut off?"
                self.notes.append(Note("data", text))
            self.notes += apply_file(server, dbname, suite.base, variables=options.psql_variables)
        if about is not None:
            self._take_settings(about)
        if options.fill:  # whatever tables there are when the deploy begins
            self._deployed()
        dataset = self._filled(dump, about)
        if not options.fill:  # on rows, as it was in production
            self._deployed()
        with server.connect(dbname, application_name="pgrehearse base") as conn:
            # What the first reader of a page would otherwise do in the middle of a measurement: hint bits,
            # visibility map, statistics.
            conn.execute("VACUUM (FREEZE, ANALYZE)")
            filled = _filled_by_base(conn)
            if dataset is None:
                dataset = filled
            elif not dataset.tables or suite.deployed:  # of a dump, or as those left them
                dataset = replace(dataset, tables=filled.tables)
            if options.measures_scales:
                dataset = replace(dataset, scale=options.scale)
            dataset = replace(dataset, keys=read_keys(conn))
            unkeepable = why_unkeepable(conn, server, dataset)
        seal_template(server, dbname)
        stay = _stay(server, roles_of(server) - before)
        return Template(dbname, dataset, (*self.notes, *stay), unkeepable)

    def _create(self, about: Sequence[str] | None) -> None:
        """The database, in the locale that is asked for, else that of the dump where the server has it."""
        if about is None:
            files = (self.options.dump, self.suite.base)
            about = [text for file in files if file is not None and (text := database_in(file))]
        locale = self.options.locale or (next(filter(None, map(locale_of, about or ())), None))
        try:
            create_database(self.server, self.dbname, locale)
        except (ServerError, UsageError) as error:
            if self.options.locale is not None or locale is None:
                raise
            create_database(self.server, self.dbname)
            self.notes.append(_other_locale(locale, _locale_now(self.server, self.dbname), error.message))
            return
        if locale is None and self.suite.data is not None and self._encoding() != "UTF8":
            # Generated names are of the whole world, as the databases are that the suite is made for.
            discard_database(self.server, self.dbname)
            create_database(self.server, self.dbname, Locale("C", "C", "UTF8"))
        if locale is None and self.server.managed:
            self.notes.append(_locale_unknown(_locale_now(self.server, self.dbname)))

    def _encoding(self) -> str:
        with self.server.connect(self.dbname, application_name="pgrehearse base") as conn:
            return conn.info.parameter_status("server_encoding") or "UTF8"

    def _take_settings(self, about: Sequence[str]) -> None:
        """What the dump says of its database, beside its contents: settings and grants."""
        roles = Roles(self.server)
        with self.server.connect(application_name="pgrehearse base") as conn:
            for text in about:
                own = for_database(text, self.dbname)
                if own is None or not roles.provide(own):
                    continue
                try:
                    conn.execute(own.encode())
                except psycopg.Error as error:
                    told = error.diag.message_primary
                    self.notes.append(Note("data", f"Left out of the dump's settings: {text}: {told}."))
        self.notes += roles.notes()

    def _deployed(self) -> None:
        """The role that deploys is there from here on: it made what was deployed before."""
        if self.server.deploys_as is not None:
            self.notes += take_role(self.server, self.dbname, self.server.deploys_as)
        try:
            self.notes += apply_deployed(self.server, self.dbname, self.suite, self.progress)
        except UsageError as error:
            cause, base = error.__cause__, self.suite.base
            signs = _THERE_ALREADY | (
                _NO_LONGER_THERE if base is not None and written_by_dump(base) else set()
            )
            if base is None or not isinstance(cause, psycopg.Error) or cause.sqlstate not in signs:
                raise
            raise _HeldAlreadyError(error.message) from error

    def _filled(self, dump: Dump | None, about: Sequence[str] | None) -> Dataset | None:
        dataset: Dataset | None = None
        if dump is not None:
            dataset, notes = self._dumped(dump, about)
            self.notes += notes
        elif self.options.fill:
            dataset, notes = fill_tables(self.server, self.dbname, self.options, self.progress)
            self.notes += notes
        elif self.suite.data:
            dataset = _load(self.server, self.dbname, self.suite.data, self.options, self.progress)
        return dataset

    def _dumped(self, dump: Dump, about: Sequence[str] | None) -> tuple[Dataset, tuple[Note, ...]]:
        if about is None:
            started = time.perf_counter()
            self.progress(Step(f"data from {dump.path}"))
            made = apply_file(self.server, self.dbname, dump.path)
            dataset, notes = described(dump, time.perf_counter() - started)
            return dataset, (*notes, *made)
        roles, leave_out = Roles(self.server), []
        for text in about:
            roles.provide(text)
        if not self.server.managed:
            leave_out = ["--no-owner", *(["--no-privileges"] if roles.missing else [])]
            roles.left_out = 0
        dataset, notes = restore(self.server, self.dbname, dump, self.progress, leave_out=leave_out)
        return dataset, (*notes, *roles.notes(), *_without_owners(roles, leave_out))


def _locale_now(server: Server, dbname: str) -> str:
    """In which locale a database compares text."""
    with server.connect(dbname, application_name="pgrehearse base") as conn:
        said: dict[str, str | None] = dict(
            conn.execute(load_query("locale", server.info.version_num)).fetchall()
        )
    return said.get("locale") or said.get("lc_collate") or "the locale of the server"


def _other_locale(wanted: Locale, now: str, why: str) -> Note:
    return Note(
        "locale",
        f"The dump's database was in {wanted.describe()}; this server could not make one ({why}), so text is "
        f"compared and sorted as in {now}. Statements that compare text may take another time in production, "
        "and sort otherwise.",
    )


def _locale_unknown(now: str) -> Note:
    return Note(
        "locale",
        f"Text was compared and sorted as in {now}, as neither a dump nor --locale said otherwise. In the "
        "locale of a language, comparing text takes longer.",
    )


def _without_owners(roles: Roles, leave_out: Sequence[str]) -> Iterator[Note]:
    if "--no-privileges" in leave_out:
        yield Note("roles", "Restored without owners and grants, as roles are missing on this server.")
    elif leave_out:
        yield Note("roles", "Restored without owners: everything is owned by the role that restored it.")


def _stay(server: Server, made: Set[str]) -> Iterator[Note]:
    """The roles that outlive the run, because other databases may use them by now."""
    if made and not server.managed:
        yield Note(
            "roles",
            f"The state before made roles, which belong to the whole server and stay there: "
            f"{', '.join(sorted(made))}.",
        )


_COMMENTS = re.compile(r"\A(?:\s+|--[^\n]*\n)+")
_OF_DATABASE = re.compile(
    r"(?:(?:CREATE|DROP|ALTER|COMMENT\s+ON)\s+DATABASE|ALTER\s+ROLE\s+\S+\s+IN\s+DATABASE"
    r"|(?:GRANT|REVOKE)\s[^;]*\sON\s+DATABASE|SECURITY\s+LABEL\s[^;]*\sON\s+DATABASE)\s"
)


def _bare(statement: Statement) -> str:
    """Its text without the comments before it."""
    return _COMMENTS.sub("", statement.text)


def apply_deployed(server: Server, dbname: str, suite: Suite, progress: Progress) -> tuple[Note, ...]:
    """Run the migrations that production has had, unwatched. Raises UsageError where one fails."""
    roles = Roles(server)
    deployed = read_migrations(suite.deployed, psql_variables(server.info))
    connect = partial(server.connect, dbname, application_name="pgrehearse base", kind="deploy")
    with sessions(connect, kept=suite.runner.keeps_session) as session:
        for position, (migration, statements) in enumerate(deployed, start=1):
            progress(Step(f"deployed before, {position} of {len(deployed)}: {migration.file}"))
            with session() as conn:
                _send(conn, roles, migration.path, statements, f"deployed before: {migration.file}")
    return tuple(roles.notes())


def apply_file(
    server: Server, dbname: str, path: Path, variables: Mapping[str, str] = NO_VARIABLES
) -> tuple[Note, ...]:
    """Run a file as psql would, unwatched. Returns what to know of it.

    The roles that it names are provided for, as :class:`bench.run.template.roles.Roles` has it.

    Raises UsageError with file:line, sqlstate, message and hint of the first statement that fails.
    """
    roles = Roles(server)
    whole = database_in(path) is not None
    known = psql_variables(server.info) | dict(variables)
    statements = read_statements(path, known, of_database=whole)
    of_database = [statement for statement in statements if whole and _OF_DATABASE.match(_bare(statement))]
    rest = [statement for statement in statements if statement not in of_database]
    check_file(server, path, rest, before=True)
    own = [
        replace(statement, text=text)
        for statement in of_database
        if (text := for_database(_bare(statement), dbname)) is not None
    ]
    with server.connect(dbname, application_name="pgrehearse base", kind="base") as conn:
        _send(conn, roles, path, rest)
        _send(conn, roles, path, own)
    return tuple(roles.notes())


def _send(
    conn: psycopg.Connection[TupleRow],
    roles: Roles,
    path: Path,
    statements: Sequence[Statement],
    shown: str | None = None,
) -> None:
    """Send a file's statements up to the first that fails; ``shown`` is what an error calls the file."""
    for statement in statements:
        if not roles.provide(statement.text):
            continue
        try:
            with roles.allowing(conn, statement):
                execute(conn, statement, roles_stay=True)
        except psycopg.Error as raised:
            error = describe_error(raised, statement)
            raise UsageError(
                f"{shown or statement.path(path)}:{error.line}: {error.message} ({error.sqlstate})",
                hint=hint_for(path, error.message)
                or error.hint
                or error.detail
                or "the state before the suite must apply without errors",
            ) from raised


def _filled_by_base(conn: psycopg.Connection[TupleRow]) -> Dataset:
    """The tables of a suite without generated data, as its base left them."""
    with conn.cursor(row_factory=class_row(TableSize)) as cursor:
        tables = cursor.execute(load_query("table_sizes", conn.info.server_version)).fetchall()
    return Dataset(None, None, None, None, from_template=False, tables=tuple(tables))


def read_keys(conn: psycopg.Connection[TupleRow]) -> tuple[TableKey, ...]:
    """The users' tables, and by what their rows are found and parted."""
    rows = conn.execute(load_query("table_keys", conn.info.server_version)).fetchall()
    return tuple(
        TableKey(
            name,
            tuple(columns),
            partitioned_by,
            tuple(partitions),
            default_partition,
            tuple(effects),
            forced,
            tuple(by_statement),
            populated,
        )
        for (
            name,
            columns,
            partitioned_by,
            partitions,
            default_partition,
            effects,
            forced,
            by_statement,
            populated,
        ) in rows
    )


def _load(server: Server, dbname: str, data: str, options: DataOptions, progress: Progress) -> Dataset:
    # numpy, pyarrow and Faker take a second to load, which a suite without data need not pay.
    from datagen import data_set
    from datagen.engine.load import load
    from datagen.engine.plan import DEFAULT_DIRT

    dirt = DEFAULT_DIRT if options.dirt is None else options.dirt
    plan = data_set(data).plan(
        scale=options.scale,
        rows=options.rows,
        seed=options.seed,
        dirt=dirt,
        dirt_kinds=options.dirt_kinds,
    )
    progress(Step(f"data at scale {options.scale:g}, seed {options.seed}"))
    loaded = load(
        server.conninfo(dbname),
        plan,
        workers=options.workers,
        progress=lambda done: progress(Loading(done.phase, done.done, done.total)),
    )
    return Dataset(
        seed=loaded.seed,
        scale=loaded.scale,
        generator_version=loaded.generator_version,
        load_s=loaded.load_s,
        from_template=False,
        tables=tuple(TableSize(*table) for table in loaded.tables),
        dirt=dict(loaded.dirt),
        pools_sha256=loaded.pools_sha256,
        faker_version=loaded.faker_version,
    )


def fill_tables(
    server: Server, dbname: str, options: DataOptions, progress: Progress
) -> tuple[Dataset, tuple[Note, ...]]:
    """Fill the empty tables of a database, and say what could not be as asked, by column."""
    from datagen import GENERATOR_VERSION
    from datagen.anyschema.load import DEFAULT_ROWS, fill, read_overrides

    wanted, columns = read_overrides(options.columns) if options.columns is not None else ({}, {})
    rows = {table: options.shared(count) for table, count in (wanted | dict(options.rows)).items()}
    progress(Step(f"rows for every empty table, seed {options.seed}"))
    filled = fill(
        server.conninfo(dbname, "application"),
        rows=rows,
        like={table: options.shared(count) for table, count in options.like.items()},
        default_rows=options.shared(DEFAULT_ROWS),
        columns=columns,
        seed=options.seed,
        say=lambda text: progress(Said(text)),
        progress=lambda done: progress(Loading(done.phase, done.done, done.total)),
    )
    dataset = Dataset(
        seed=filled.seed,
        scale=None,
        generator_version=GENERATOR_VERSION,
        load_s=filled.load_s,
        from_template=False,
        tables=tuple(TableSize(*table) for table in filled.tables),
    )
    notes = [Note("data", "Filled by what the schema demands: no table or column is as in production.")]
    return dataset, (*notes, *(Note("data", text) for text in filled.notes))


def fill_added_columns(server: Server, before: str, after: str, seed: int) -> tuple[Note, ...]:
    """Fill the columns that a suite has added to tables with rows and left at their defaults; say which.

    ``before`` and ``after`` are databases with the schema before and after the suite.
    """
    from datagen.anyschema.complete import columns_of, fill_new_columns

    filled = fill_new_columns(
        server.conninfo(after, "application"), columns_of(server.conninfo(before)), seed
    )
    if not filled:
        return ()
    tables = ", ".join(f"{len(table.columns)} of {table.table}" for table in filled)
    text = (
        "Costed with the columns that the suite added filled as in use, not at their defaults: "
        f"{tables}. These tables are without bloat."
    )
    return (Note("queries", text),)
