"""Hasura: a directory with a number for each migration, with up.sql and down.sql, below one for each source.

Source: https://hasura.io/docs/2.0/migrations-metadata-seeds/migration-file-format-v3/.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, number, number_of_name
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import number_of
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool
from bench.migrate.tools.updown import folders_with, id_of, outnumbered

_NAME = re.compile(r"(\d+)_")


def _recognise(folder: Folder) -> Evidence | None:
    migrations = _migrations(folder)
    if not migrations or outnumbered(folder, migrations):
        return None
    if folder.around("config.yaml") is not None and folder.project_says("config.yaml", "metadata_directory"):
        return Evidence("directories with up.sql, and Hasura's config.yaml", 3)
    return Evidence(f"up.sql in directories such as {id_of(migrations[0][0])}", 2)


def _migrations(folder: Folder) -> list[tuple[Path, File]]:
    """Directories with a number; where there are none, those of the one source below."""
    folders = [pair for pair in folders_with(folder, "up.sql") if _NAME.match(id_of(pair[0]))]
    sources = [path for path in folder.folders if any(path.glob("*/up.sql"))]
    if not folders and len(sources) == 1:
        below = Folder(sources[0], folder.base)
        pairs = [(path, folder.file(up.path)) for path, up in folders_with(below, "up.sql")]
        folders = [pair for pair in pairs if _NAME.match(id_of(pair[0]))]
    elif not folders and sources:
        raise UsageError(
            f"{folder.path} holds the migrations of several databases: {', '.join(p.name for p in sources)}",
            hint=f"give one of them, for example {sources[0]}",
        )
    return sorted(folders, key=lambda pair: (number_of(pair[0].resolve(), _NAME), id_of(pair[0])))


def _read(folder: Folder) -> Plan:
    migrations = _migrations(folder)
    downs = {path: folder.file(path / "down.sql") for path, _ in migrations if (path / "down.sql").is_file()}
    known = {up.path for _, up in migrations} | {file.path for file in downs.values()}
    stray = [file for file in folder.files if file.path not in known]
    return Plan(
        tuple(HASURA.migration(up, id=id_of(path), back=downs.get(path)) for path, up in migrations),
        tuple(downs.values()),
        left_out("Hasura", stray, "not in a directory with up.sql"),
    )


HASURA = Tool(
    "hasura",
    "Hasura",
    _recognise,
    _read,
    transaction="query",
    keeps_session=True,
    switch="give the statement a migration of its own",
    bookkeeping=Bookkeeping(
        "schema_migrations", ("version", "dirty"), by_row(number("version"), number_of_name)
    ),
)
