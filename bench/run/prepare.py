"""The state before the deploy: base schema and data in a sealed template that every repeat is cloned from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import psycopg
from psycopg.rows import TupleRow, class_row

from bench.errors import UsageError
from bench.migrate.script import read_statements
from bench.migrate.suite import Suite
from bench.model.run import Dataset, Note, TableKey, TableSize
from bench.pg.catalog import load_query
from bench.pg.database import create_database, drop_database, new_name, roles_of, seal_template
from bench.pg.endpoint import SessionKind
from bench.pg.keeping import kept_name, mark_used, reserve
from bench.pg.server import Server
from bench.run.dataoptions import DataOptions
from bench.run.dump import Dump, described, require_dump, restore
from bench.run.execute import describe_error, execute, psql_variables
from bench.run.filling import fill_tables
from bench.run.keep import Template, keep_template, why_unkeepable
from bench.run.progress import Loading, Progress, Step
from bench.run.templates import template_key


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
            progress(Step(f"template from the cache, {_rows(dataset):,} rows"))
            notes = msgspec.convert(kept.about["notes"], tuple[Note, ...])
            yield Template(name, replace(dataset, from_template=True), notes)
            return
        with _built(server, suite, options, progress) as built:
            yield keep_template(server, conn, built, key, suite.name, progress)


def _rows(dataset: Dataset) -> int:
    return sum(table.rows for table in dataset.tables)


@contextmanager
def _built(server: Server, suite: Suite, options: DataOptions, progress: Progress) -> Iterator[Template]:
    """Build the template of a suite, and drop it at the end."""
    dbname = new_name("template")
    before = roles_of(server)
    try:
        create_database(server, dbname)
        if suite.base is not None:
            progress(Step(f"base schema from {suite.base}"))
            apply_file(server, dbname, suite.base)
        if options.fill:  # whatever tables there are when the deploy begins
            apply_deployed(server, dbname, suite, progress)
        dataset, notes = _filled(server, dbname, suite, options, progress)
        if not options.fill:  # on rows, as it was in production
            apply_deployed(server, dbname, suite, progress)
        with server.connect(dbname, application_name="pgrehearse base") as conn:
            # What the first reader of a page would otherwise do in the middle of a measurement: hint bits,
            # visibility map, statistics.
            conn.execute("VACUUM (FREEZE, ANALYZE)")
            found = _filled_by_base(conn)
            if dataset is None:
                dataset = found
            elif not dataset.tables or suite.deployed:  # of a dump, or as those left them
                dataset = replace(dataset, tables=found.tables)
            dataset = replace(dataset, keys=_keys(conn))
            unkeepable = why_unkeepable(conn, server, dataset)
        seal_template(server, dbname)
        yield Template(dbname, dataset, (*notes, *_stay(server, roles_of(server) - before)), unkeepable)
    finally:
        drop_database(server, dbname)


def _stay(server: Server, made: Set[str]) -> Iterator[Note]:
    """The roles that outlive the run, because other databases may use them by now."""
    if made and not server.managed:
        yield Note(
            "roles",
            f"The state before made roles, which belong to the whole server and stay there: "
            f"{', '.join(sorted(made))}.",
        )


def _filled(
    server: Server, dbname: str, suite: Suite, options: DataOptions, progress: Progress
) -> tuple[Dataset | None, tuple[Note, ...]]:
    if options.dump is not None:
        return _dumped(server, dbname, require_dump(options.dump), progress)
    if options.fill:
        return fill_tables(server, dbname, options, progress)
    return (_load(server, dbname, suite.data, options, progress) if suite.data else None), ()


def _dumped(server: Server, dbname: str, dump: Dump, progress: Progress) -> tuple[Dataset, tuple[Note, ...]]:
    if dump.archive:
        return restore(server, dbname, dump, progress)
    started = time.perf_counter()
    progress(Step(f"data from {dump.path}"))
    apply_file(server, dbname, dump.path)
    return described(dump, time.perf_counter() - started)


def apply_deployed(server: Server, dbname: str, suite: Suite, progress: Progress) -> None:
    """Run the migrations that production has had, unwatched. Raises UsageError where one fails."""
    for position, each in enumerate(suite.deployed, start=1):
        progress(Step(f"deployed before, {position} of {len(suite.deployed)}: {each.file}"))
        apply_file(server, dbname, each.path, f"deployed before: {each.file}", "deploy")


def apply_file(
    server: Server, dbname: str, path: Path, shown: str | None = None, kind: SessionKind = "base"
) -> None:
    """Run a file as psql would, unwatched; ``shown`` is what an error calls it.

    Raises UsageError with file:line, sqlstate, message and hint of the first statement that fails.
    """
    with server.connect(dbname, application_name="pgrehearse base", kind=kind) as conn:
        for statement in read_statements(path, psql_variables(server.info)):
            try:
                execute(conn, statement)
            except psycopg.Error as raised:
                error = describe_error(raised, statement)
                raise UsageError(
                    f"{shown or statement.path(path)}:{error.line}: {error.message} ({error.sqlstate})",
                    hint=error.hint or error.detail or "the state before the suite must apply without errors",
                ) from raised


def _filled_by_base(conn: psycopg.Connection[TupleRow]) -> Dataset:
    """The tables of a suite without generated data, as its base left them."""
    with conn.cursor(row_factory=class_row(TableSize)) as cursor:
        tables = cursor.execute(load_query("table_sizes", conn.info.server_version)).fetchall()
    return Dataset(None, None, None, None, from_template=False, tables=tuple(tables))


def _keys(conn: psycopg.Connection[TupleRow]) -> tuple[TableKey, ...]:
    rows = conn.execute(load_query("table_keys", conn.info.server_version)).fetchall()
    return tuple(TableKey(name, tuple(columns), partitioned_by) for name, columns, partitioned_by in rows)


def _load(server: Server, dbname: str, data: str, options: DataOptions, progress: Progress) -> Dataset:
    # numpy, pyarrow and Faker take a second to load, which a suite without data need not pay.
    from datagen.load import load
    from datagen.spec import DEFAULT_DIRT, make_plan

    dirt = DEFAULT_DIRT if options.dirt is None else options.dirt
    plan = make_plan(
        data,
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
