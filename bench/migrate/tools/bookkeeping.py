"""What a tool's own table says of the migrations that a database has had."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.migrate.migration import Migration

Row = Mapping[str, str | None]
"""Column → value as text; a column that the table does not have is not there."""
KeyOfRow = Callable[[Row], str | None]
"""What a row notes as applied; None: it notes something else."""
KeyOfMigration = Callable[[Migration], str]
TRUE = frozenset({"t", "true", "1"})


@dataclass(frozen=True, slots=True)
class Applied:
    """What of a directory's migrations a database has had."""

    ids: frozenset[str]
    gone: tuple[str, ...] = ()
    """What the table notes and the directory does not have, as the table has it."""
    edited: frozenset[str] = frozenset()
    """Ids of those whose files are otherwise by the checksum of the table."""
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """The table in which a tool notes what it has applied."""

    table: str
    """Without its schema, which may be configured."""
    columns: tuple[str, ...]
    """Those to read, in the order of the first one; one that is not there is left out."""
    applied: Callable[[Sequence[Migration], Sequence[Row]], Applied]
    checksum_unread: bool = False
    """It has a checksum of each file in the tool's own way, which is not worked out here."""


def by_row(
    of_row: KeyOfRow,
    of_migration: KeyOfMigration,
    *,
    checksum: Callable[[Migration], str] | None = None,
    of_checksum: str = "checksum",
) -> Callable[[Sequence[Migration], Sequence[Row]], Applied]:
    """Each migration has a row; ``checksum`` says what the column ``of_checksum`` has for a file as it is."""

    def applied(migrations: Sequence[Migration], rows: Sequence[Row]) -> Applied:
        noted = {key: row for row in rows if (key := of_row(row)) is not None}
        keys = {migration.id: of_migration(migration) for migration in migrations}
        done = {name for name, key in keys.items() if key in noted}
        edited = {
            migration.id
            for migration in migrations
            if migration.id in done
            and checksum is not None
            and (then := noted[keys[migration.id]].get(of_checksum)) is not None
            and then != checksum(migration)
        }
        known = set(keys.values())
        return Applied(frozenset(done), tuple(key for key in noted if key not in known), frozenset(edited))

    return applied


def up_to(
    of_row: KeyOfRow, of_migration: KeyOfMigration
) -> Callable[[Sequence[Migration], Sequence[Row]], Applied]:
    """The table has the number of the last one; all up to it have been applied."""

    def applied(migrations: Sequence[Migration], rows: Sequence[Row]) -> Applied:
        numbers = [int(key) for row in rows if (key := of_row(row)) is not None and key.isdecimal()]
        last = max(numbers, default=-1)
        return Applied(
            frozenset(migration.id for migration in migrations if int(of_migration(migration) or 0) <= last)
        )

    return applied


def column(name: str) -> KeyOfRow:
    """A row's value in one column."""
    return lambda row: row.get(name)


def where(name: str, flag: str, default: str = "true") -> KeyOfRow:
    """A row's value in one column, where another one says that it has been applied."""
    return lambda row: row.get(name) if (row.get(flag) or default).lower() in TRUE else None


def number(name: str, flag: str | None = None) -> KeyOfRow:
    """As a number, without zeros before it."""
    plain = column(name) if flag is None else where(name, flag)

    def of(row: Row) -> str | None:
        value = plain(row)
        return str(int(value)) if value is not None and value.isdecimal() else value

    return of


def number_of_name(migration: Migration) -> str:
    """The number at the start of its file's or directory's name; empty where there is none."""
    match = re.match(r"[VU]?0*(\d+)", migration.path.name) or re.match(r"0*(\d+)", migration.path.parent.name)
    return match[1] if match else ""


def digits_of_name(migration: Migration) -> str:
    """The digits at the start of its name, as written."""
    match = re.match(r"\d+", migration.path.name) or re.match(r"\d+", migration.path.parent.name)
    return match[0] if match else ""


def file_name(migration: Migration) -> str:
    """The name of its file."""
    return migration.path.name


def stem(migration: Migration) -> str:
    """The name of its file without the last ending."""
    return migration.path.stem


def own_id(migration: Migration) -> str:
    """What the tool calls it."""
    return migration.id


def directory_name(migration: Migration) -> str:
    """The name of the directory that holds its file."""
    return migration.path.parent.name
