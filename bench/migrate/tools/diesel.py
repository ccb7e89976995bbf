"""diesel: a directory for each migration, with up.sql and down.sql, and metadata.toml for its transaction.

Source: https://github.com/diesel-rs/diesel, ``migrations_internals/src/lib.rs``, ``migration_harness.rs``.
"""

from __future__ import annotations

import re
from pathlib import Path

from bench.migrate.config import read_toml
from bench.migrate.migration import Migration, Transaction
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, column
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool
from bench.migrate.tools.updown import folders_with, id_of, outnumbered

_DATED = re.compile(r"\d{4}-\d\d-\d\d-\d{4,6}_")


def _recognise(folder: Folder) -> Evidence | None:
    ups = list(folders_with(folder, "up.sql"))
    if not ups or outnumbered(folder, ups):
        return None
    if folder.around("diesel.toml") or any((path / "metadata.toml").is_file() for path, _ in ups):
        return Evidence("directories with up.sql, and diesel.toml or metadata.toml", 3)
    if folder.project_says("Cargo.toml", "diesel"):
        return Evidence("directories with up.sql, and diesel in Cargo.toml", 3)
    dated = [path for path, _ in ups if _DATED.match(id_of(path))]
    if dated:
        return Evidence(f"up.sql in directories such as {id_of(dated[0])}", 2)
    return Evidence(f"up.sql in {len(ups)} directories", 1)


def _read(folder: Folder) -> Plan:
    folders = sorted(folders_with(folder, "up.sql"), key=lambda pair: _version(pair[0]))
    downs = tuple(folder.file(path / "down.sql") for path, _ in folders if (path / "down.sql").is_file())
    known = {file.path for _, file in folders} | {file.path for file in downs}
    stray = [file for file in folder.files if file.path not in known]
    return Plan(
        tuple(_migration(folder, path, up) for path, up in folders),
        downs,
        left_out("diesel", stray, "not in a directory with up.sql"),
    )


def _version(directory: Path) -> str:
    return id_of(directory).partition("_")[0].replace("-", "")


def _migration(folder: Folder, directory: Path, up: File) -> Migration:
    mode, down = _mode(directory / "metadata.toml"), directory / "down.sql"
    return DIESEL.migration(
        up,
        id=id_of(directory),
        forward=DIESEL.part(up, transaction=mode),
        back=DIESEL.part(folder.file(down), transaction=mode) if down.is_file() else None,
    )


def _mode(metadata: Path) -> Transaction | None:
    """A file without the key switches the transaction off, as its default there is false."""
    if not metadata.is_file():
        return None
    return None if read_toml(metadata).get("run_in_transaction", False) is True else "query"


def _noted(migration: Migration) -> str:
    return _version(migration.path.parent)


DIESEL = Tool(
    "diesel",
    "diesel",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch="write run_in_transaction = false into a metadata.toml beside its up.sql",
    bookkeeping=Bookkeeping("__diesel_schema_migrations", ("version",), by_row(column("version"), _noted)),
)
