"""sqlx: ``N_x.sql``, or ``N_x.up.sql`` and ``N_x.down.sql``; a mark at a file's top.

Source: https://github.com/launchbadge/sqlx, ``sqlx-core/src/migrate/source.rs``,
``sqlx-postgres/src/migrate.rs``.
"""

from __future__ import annotations

import hashlib
import re

from bench.migrate.migration import Migration, Transaction
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, number, number_of_name
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import by_number, others, refuse_same_number
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool
from bench.migrate.tools.updown import pair_files

_FORWARD = re.compile(r"(\d+)_.*(?<!\.down)\.sql$")
_DOWN = re.compile(r"(\d+)_.*\.down\.sql$")
_MARK = "-- no-transaction"


def _recognise(folder: Folder) -> Evidence | None:
    if not folder.named(_FORWARD):
        return None
    if folder.project_says("Cargo.toml", "sqlx"):
        return Evidence("sqlx in Cargo.toml", 3)
    if any((directory / ".sqlx").is_dir() for directory in (folder.path, folder.path.resolve().parent)):
        return Evidence(".sqlx/", 3)
    marked = [file for file in folder.named(_FORWARD) if _mode(file)]
    return Evidence(f'"{_MARK}" at the top of {marked[0].name}', 2) if marked else None


def _read(folder: Folder) -> Plan:
    files, downs = by_number(folder.files, _FORWARD), folder.named(_DOWN)
    refuse_same_number(SQLX.title, files, _FORWARD)
    return Plan(
        pair_files(SQLX, files, downs, _mode),
        downs,
        left_out("sqlx", others(folder.files, files, downs), "no number before _ in their names"),
    )


def _mode(file: File) -> Transaction | None:
    return "query" if file.skimmed.startswith(_MARK) else None


def _sha384(migration: Migration) -> str:
    """Of the file's bytes, as the server writes bytea."""
    return "\\x" + hashlib.sha384(migration.path.read_bytes()).hexdigest()


SQLX = Tool(
    "sqlx",
    "sqlx",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch=f"write {_MARK} as the file's very first characters",
    bookkeeping=Bookkeeping(
        "_sqlx_migrations",
        ("version", "success", "checksum"),
        by_row(number("version", "success"), number_of_name, checksum=_sha384),
    ),
)
