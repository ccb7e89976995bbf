"""sql-migrate: ``-- +migrate Up`` and ``Down`` in one file; one number may be there twice.

Source: https://github.com/rubenv/sql-migrate, ``sqlparse/sqlparse.go``, ``migrate.go``.
"""

from __future__ import annotations

import re

from bench.errors import UsageError
from bench.migrate.migration import Transaction
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, column, file_name
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.sections import sections
from bench.migrate.tools.shape import Evidence, Plan, Tool

_MARK = re.compile(r"^--[ \t]*\+migrate[ \t]+(?:Up|Down)\b", re.MULTILINE)
_DIRECTION = re.compile(r"--[ \t]*\+migrate[ \t]+(Up|Down)\b(.*)")
_NUMBER = re.compile(r"\d+")


def _recognise(folder: Folder) -> Evidence | None:
    marked = folder.marked(_MARK)
    return Evidence(f'"-- +migrate" in {len(marked)} of its files', 3) if marked else None


def _read(folder: Folder) -> Plan:
    migrations = []
    for file in sorted(folder.files, key=_order):
        parts = sections(file.text, _direction)
        if "Up" not in parts and "Down" not in parts:
            raise UsageError(
                f"{file.path}: has neither -- +migrate Up nor Down, so sql-migrate refuses it",
                hint="write -- +migrate Up above its SQL",
            )
        down = (
            SQL_MIGRATE.part(file, parts["Down"], transaction=_mode(file, "Down"))
            if "Down" in parts
            else None
        )
        up = SQL_MIGRATE.part(file, parts.get("Up", ""), transaction=_mode(file, "Up"))
        migrations.append(SQL_MIGRATE.migration(file, forward=up, back=down))
    return Plan(tuple(migrations))


def _order(file: File) -> tuple[bool, int, str]:
    """The leading number, then the whole name; those without a number come after, as their names do."""
    match = _NUMBER.match(file.path.name)
    return match is None, int(match[0]) if match else 0, file.path.name


def _direction(line: str) -> str | None:
    match = _DIRECTION.match(line)
    return match[1] if match else None


def _mode(file: File, direction: str) -> Transaction | None:
    for line in file.text.splitlines():
        match = _DIRECTION.match(line)
        if match and match[1] == direction and "notransaction" in match[2].split():
            return "none"
    return None


SQL_MIGRATE = Tool(
    "sql-migrate",
    "sql-migrate",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch="write -- +migrate Up notransaction",
    cutting="line ends",
    bookkeeping=Bookkeeping("gorp_migrations", ("id",), by_row(column("id"), file_name)),
)
