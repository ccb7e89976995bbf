"""Drizzle: the journal says which files and in which order; all pending ones are one transaction.

Source: https://github.com/drizzle-team/drizzle-orm, ``src/migrator.ts``, ``pg-core/dialect.ts``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.filenames import version_of
from bench.migrate.migration import Migration
from bench.migrate.tools.bookkeeping import Applied, Bookkeeping, Row
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import others
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool
from bench.migrate.tools.updown import folders_with, id_of

_BREAKPOINT = "--> statement-breakpoint"


def _recognise(folder: Folder) -> Evidence | None:
    if _journal(folder).is_file():
        return Evidence("meta/_journal.json", 3)
    if any((path / "snapshot.json").is_file() for path, _ in folders_with(folder, "migration.sql")):
        return Evidence("directories with migration.sql and snapshot.json", 3)
    marked = [file for file in folder.files if _BREAKPOINT in file.skimmed]
    return Evidence(f'"{_BREAKPOINT}" in {len(marked)} of its files', 3) if marked else None


def _journal(folder: Folder) -> Path:
    return folder.path / "meta" / "_journal.json"


def _read(folder: Folder) -> Plan:
    nested = sorted(folders_with(folder, "migration.sql"), key=lambda pair: id_of(pair[0]))
    if nested:
        return Plan(tuple(DRIZZLE.migration(file, id=id_of(path)) for path, file in nested))
    if not _journal(folder).is_file():
        by_version = sorted(folder.files, key=lambda file: (version_of(file.path.name) or (), file.name))
        return Plan(
            tuple(DRIZZLE.migration(file) for file in by_version),
            remarks=(
                "There is no meta/_journal.json, without which Drizzle applies nothing: the files are taken "
                "in the order of their versions.",
            ),
        )
    files = [_file(folder, tag) for tag in _tags(_journal(folder))]
    return Plan(
        tuple(DRIZZLE.migration(file) for file in files),
        remarks=left_out("Drizzle", others(folder.files, files), "not in meta/_journal.json"),
    )


def _tags(journal: Path) -> list[str]:
    try:
        return [str(entry["tag"]) for entry in json.loads(journal.read_bytes())["entries"]]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{journal}: not a journal of Drizzle: {error}", hint="drizzle-kit generate writes it"
        ) from error


def _file(folder: Folder, tag: str) -> File:
    path = folder.path / f"{tag}.sql"
    if not path.is_file():
        raise UsageError(
            f"{_journal(folder)}: names {tag}, and there is no file {path}",
            hint="put the file back, or take its entry out of the journal",
        )
    return folder.file(path)


def _applied(migrations: Sequence[Migration], rows: Sequence[Row]) -> Applied:
    """All that the journal dates up to the newest row; the hash tells whether a file is as it was."""
    newest = max((int(row["created_at"] or 0) for row in rows), default=-1)
    hashes = {row["hash"] for row in rows}
    dates = _dates(migrations[0].path) if migrations else {}
    done = [migration for migration in migrations if dates.get(migration.id, 0) <= newest]
    edited = frozenset(migration.id for migration in done if migration.sha256 not in hashes)
    return Applied(frozenset(migration.id for migration in done), edited=edited)


def _dates(file: Path) -> dict[str, int]:
    """Milliseconds since 1970 by migration: from the journal, or from the directories' names."""
    journal = file.parent / "meta" / "_journal.json"
    if not journal.is_file():
        return {}
    return {str(entry["tag"]): int(entry["when"]) for entry in json.loads(journal.read_bytes())["entries"]}


DRIZZLE = Tool(
    "drizzle",
    "Drizzle",
    _recognise,
    _read,
    transaction="all",
    keeps_session=True,
    bookkeeping=Bookkeeping("__drizzle_migrations", ("id", "hash", "created_at"), _applied),
)
