"""golang-migrate: ``N_x.up.sql`` and ``N_x.down.sql``; each file is sent as one query.

Source: https://github.com/golang-migrate/migrate, ``source/parse.go``, ``database/postgres/postgres.go``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from bench.migrate.migration import Migration
from bench.migrate.tools.bookkeeping import TRUE, Applied, Bookkeeping, Row, number, number_of_name, up_to
from bench.migrate.tools.folder import Folder
from bench.migrate.tools.numbers import by_number, others, refuse_same_number
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool
from bench.migrate.tools.updown import UP, pair_files

_DOWN = re.compile(r"(\d+)_.*\.down\.sql$")


def _recognise(folder: Folder) -> Evidence | None:
    named = folder.named(UP)
    if not folder.mostly([*named, *folder.named(_DOWN)]) or not named:
        return None
    if folder.project_says("go.mod", "github.com/golang-migrate/migrate/v4"):
        return Evidence("golang-migrate in go.mod", 3)
    return Evidence(f"names such as {named[0].name}", 1)


def _read(folder: Folder) -> Plan:
    files, downs = by_number(folder.files, UP), folder.named(_DOWN)
    refuse_same_number(GOLANG_MIGRATE.title, files, UP)
    return Plan(
        pair_files(GOLANG_MIGRATE, files, downs),
        downs,
        left_out("golang-migrate", others(folder.files, files, downs), "neither .up.sql nor .down.sql"),
    )


def _applied(migrations: Sequence[Migration], rows: Sequence[Row]) -> Applied:
    """One row has the last version, and whether it failed half-way."""
    applied = up_to(number("version"), number_of_name)(migrations, rows)
    dirty = [row["version"] for row in rows if (row.get("dirty") or "").lower() in TRUE]
    said = tuple(
        f"The database is dirty at version {version}: golang-migrate refuses to go on until it is forced."
        for version in dirty
    )
    return replace(applied, remarks=said)


GOLANG_MIGRATE = Tool(
    "golang-migrate",
    "golang-migrate",
    _recognise,
    _read,
    transaction="query",
    keeps_session=True,
    switch="give the statement a file of its own",
    bookkeeping=Bookkeeping("schema_migrations", ("version", "dirty"), _applied),
)
