"""Prisma: a directory for each migration, with migration.sql, which is sent as one query.

Source: https://github.com/prisma/prisma-engines, ``apply_migration_script``: ``simple_query(script)``.
"""

from __future__ import annotations

from bench.migrate.tools.bookkeeping import Bookkeeping, Row, by_row, directory_name
from bench.migrate.tools.folder import Folder
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool
from bench.migrate.tools.updown import folders_with, id_of, outnumbered


def _recognise(folder: Folder) -> Evidence | None:
    folders = list(folders_with(folder, "migration.sql"))
    if (
        not folders
        or outnumbered(folder, folders)
        or any((path / "snapshot.json").is_file() for path, _ in folders)
    ):
        return None
    return Evidence(
        f"migration.sql in {len(folders)} {'directory' if len(folders) == 1 else 'directories'}", 3
    )


def _read(folder: Folder) -> Plan:
    folders = sorted(folders_with(folder, "migration.sql"), key=lambda pair: id_of(pair[0]))
    known = {file.path for _, file in folders}
    stray = [file for file in folder.files if file.path not in known]
    return Plan(
        tuple(PRISMA.migration(file, id=id_of(path)) for path, file in folders),
        remarks=left_out("Prisma", stray, "not a migration.sql in a directory"),
    )


def _finished(row: Row) -> str | None:
    return row.get("migration_name") if row.get("finished_at") and not row.get("rolled_back_at") else None


PRISMA = Tool(
    "prisma",
    "Prisma",
    _recognise,
    _read,
    transaction="query",
    keeps_session=True,
    switch="give the statement a migration of its own",
    bookkeeping=Bookkeeping(
        "_prisma_migrations",
        ("started_at", "migration_name", "finished_at", "rolled_back_at", "checksum"),
        by_row(_finished, directory_name, checksum=lambda migration: migration.sha256),
    ),
)
