"""Whether two versions of a suite come to the same: every object and every row, on clones of one template."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from bench.migrate.suite import Suite
from bench.pg.catalog import describe_schema
from bench.pg.contents import Sum, Volatile, column_sums, read_contents, read_tables
from bench.pg.server import Server
from bench.run.clones import clone, own_roles
from bench.run.execute import describe_error, first_failure
from bench.run.progress import Progress, Step, silent
from bench.run.scripts import Scripts, read_scripts, sessions, together
from bench.run.template.options import DataOptions

_ORDER = re.compile(r"^columns [^\n]*$\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Ends:
    """What two versions of a suite come to."""

    differences: tuple[str, ...]
    """Objects and tables that are otherwise; none: they come to the same."""
    apart: tuple[str, ...] = ()
    """Columns whose values no two runs of the original have in common, such as the time of the deploy."""
    reordered: tuple[str, ...] = ()
    """Tables whose columns stand in another order."""


@dataclass(frozen=True, slots=True)
class _End:
    schema: Mapping[str, str]
    tables: Mapping[str, Sum]
    """Count and checksum of the rows, without the columns that are told apart."""
    columns: Mapping[str, Mapping[str, str]]
    """Table → column → checksum of its values."""
    failed: str | None = None


def compare_ends(
    server: Server,
    template: str,
    original: Suite,
    other: Suite,
    data: DataOptions,
    progress: Progress = silent,
) -> Ends:
    """Apply the original twice and the other version once, and compare what is left, row by row.

    Where the two times of the original do not agree on a column, rows are compared without it.
    """
    progress(Step("what the original comes to, twice"))
    with _applied(server, template, original, data) as first:
        sums = _column_sums(server, first.dbname)
        with _applied(server, template, original, data) as second:
            again = _column_sums(server, second.dbname)
        volatile = {
            table: frozenset(apart)
            for table, columns in sums.items()
            if (apart := {name for name in columns if again.get(table, {}).get(name) != columns[name]})
        }
        wanted = _end_of(server, first, volatile)
    progress(Step("what the safe version comes to"))
    with _applied(server, template, other, data) as safe:
        end = _end_of(server, safe, volatile)
    return Ends(
        tuple(_differences(wanted, end, volatile)),
        tuple(sorted(f"{table}.{column}" for table, apart in volatile.items() for column in apart)),
        tuple(_reordered(wanted, end)),
    )


def _differences(wanted: _End, found: _End, volatile: Volatile) -> Iterator[str]:
    if wanted.failed != found.failed:
        yield f"the original {_ended(wanted.failed)}, and the safe version {_ended(found.failed)}"
        return
    for name in sorted({*wanted.schema, *found.schema}):
        one, other = (_ORDER.sub("", end.schema.get(name, "")) for end in (wanted, found))
        if name not in found.schema:
            yield f"{name} is not there"
        elif name not in wanted.schema:
            yield f"{name} is there, and the original does not leave it"
        elif one != other:
            yield f"{name} is otherwise: {_first_difference(one, other)}"
    for table in sorted({*wanted.tables} & {*found.tables}):
        one_sum, other_sum = wanted.tables[table], found.tables[table]
        if one_sum.rows != other_sum.rows:
            yield f"{table} has {other_sum.rows:,} rows, and the original leaves {one_sum.rows:,}"
        elif one_sum.checksum != other_sum.checksum:
            yield f"{table} has other values{_in_columns(table, wanted, found, volatile)}"


def _in_columns(table: str, wanted: _End, end: _End, volatile: Volatile) -> str:
    """The columns that differ by themselves; none where the same values stand in other rows."""
    apart = volatile.get(table, ())
    theirs = end.columns[table]
    names = [
        name
        for name, total in wanted.columns[table].items()
        if name not in apart and theirs.get(name) != total
    ]
    return f" in {', '.join(names)}" if names else " in its rows"


def _ended(failed: str | None) -> str:
    return "is applied" if failed is None else f"fails ({failed})"


def _first_difference(one: str, other: str) -> str:
    mine, theirs = set(one.splitlines()), set(other.splitlines())
    gone, new = sorted(mine - theirs), sorted(theirs - mine)
    return f"{'; '.join(gone) or 'nothing'} became {'; '.join(new) or 'nothing'}"


def _reordered(wanted: _End, end: _End) -> Iterator[str]:
    for name, text in wanted.schema.items():
        other = end.schema.get(name)
        if other is not None and other != text and _ORDER.sub("", other) == _ORDER.sub("", text):
            yield name.removeprefix("table ")


@dataclass(frozen=True, slots=True)
class _Applied:
    """A clone to which a suite was applied."""

    dbname: str
    failed: str | None


@contextmanager
def _applied(server: Server, template: str, suite: Suite, data: DataOptions) -> Iterator[_Applied]:
    scripts = read_scripts(server, suite, data)
    with own_roles(server), clone(server, template, "harden") as dbname:
        yield _Applied(dbname, _apply(server, dbname, suite, scripts))


def _column_sums(server: Server, dbname: str) -> dict[str, dict[str, str]]:
    with server.connect(dbname, application_name="pgrehearse compare") as conn:
        return {name: column_sums(conn, table) for name, table in read_tables(conn).items()}


def _end_of(server: Server, applied: _Applied, volatile: Volatile) -> _End:
    columns = _column_sums(server, applied.dbname)
    with server.connect(applied.dbname, application_name="pgrehearse compare") as conn:
        return _End(describe_schema(conn), read_contents(conn, volatile).tables, columns, applied.failed)


def _apply(server: Server, dbname: str, suite: Suite, scripts: Scripts) -> str | None:
    """Apply all files with nothing in between; the first error's SQLSTATE and message, or None."""
    connect = partial(server.connect, dbname, application_name="pgrehearse harden", kind="deploy")
    named = [(migration.id, statements) for migration, statements in scripts]
    with sessions(connect, kept=suite.runner.keeps_session) as session:
        for group in together(named):
            with session() as conn:
                failure = first_failure(
                    conn, (statement for _, statements in group for statement in statements)
                )
            if failure is not None:
                said = describe_error(failure[1], failure[0])
                return f"{said.sqlstate}: {said.message}"
    return None
