"""Atlas: ``N_x.sql`` and atlas.sum; the newest checkpoint replaces what comes before it.

Source: https://github.com/ariga/atlas, ``sql/migrate/dir.go``, ``cmd/atlas/internal/cmdapi/migrate.go``.
"""

from __future__ import annotations

import re

from bench.migrate.migration import Migration, Transaction
from bench.migrate.tools.bookkeeping import Bookkeeping, Row, by_row
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.sections import list_names
from bench.migrate.tools.shape import Evidence, Plan, Tool

_CHECKPOINT = re.compile(r"^--\s*atlas:checkpoint\b", re.MULTILINE)
_TXMODE = re.compile(r"^--\s*atlas:txmode\s+(none|file|all)\b", re.MULTILINE)
_MARK = re.compile(r"^--\s*atlas:\w+", re.MULTILINE)
_OTHERS = re.compile(r".*\.(?:up|down)\.sql$|[VUR]\d*.*__")
_OTHER_MARKS = re.compile(
    r"^--[ \t]*(?:\+goose|\+migrate|migrate:up|liquibase formatted sql)", re.MULTILINE | re.IGNORECASE
)


def _recognise(folder: Folder) -> Evidence | None:
    """Where the files are in another tool's format, atlas.sum only watches over them."""
    if folder.named(_OTHERS) or folder.marked(_OTHER_MARKS):
        return None
    if (folder.path / "atlas.sum").is_file():
        return Evidence("atlas.sum", 3)
    marked = folder.marked(_MARK)
    return Evidence(f'"-- atlas:" in {len(marked)} of its files', 3) if marked else None


def _read(folder: Folder) -> Plan:
    files = sorted(folder.files, key=lambda file: file.path.name)
    checkpoints = [file for file in files if _CHECKPOINT.search(_head(file))]
    remarks: tuple[str, ...] = ()
    if checkpoints and folder.starts_empty:
        covered = files[: files.index(checkpoints[-1])]
        files = files[len(covered) :]
        if covered:
            remarks = (
                f"On an empty database Atlas begins with {checkpoints[-1].name}, which takes the place of "
                f"{list_names(covered)}.",
            )
    elif checkpoints:
        files = [file for file in files if file not in checkpoints]
        remarks = (f"Left out, as the database is not empty: the checkpoint {list_names(checkpoints)}.",)
    return Plan(
        tuple(ATLAS.migration(file, forward=ATLAS.part(file, transaction=_mode(file))) for file in files),
        remarks=remarks,
    )


def _head(file: File) -> str:
    """The comments before the first statement, where Atlas looks for its directives."""
    lines = []
    for line in file.text.splitlines():
        if line.strip() and not line.startswith("--"):
            break
        lines.append(line)
    return "\n".join(lines)


def _mode(file: File) -> Transaction | None:
    match = _TXMODE.search(_head(file))
    modes: dict[str, Transaction] = {"none": "none", "file": "file", "all": "all"}
    return modes[match[1]] if match else None


def _version_of_row(row: Row) -> str | None:
    return None if row.get("error") else row.get("version")


def _version(migration: Migration) -> str:
    return re.split(r"[_.]", migration.path.name, maxsplit=1)[0]


ATLAS = Tool(
    "atlas",
    "Atlas",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch="write -- atlas:txmode none as the file's first line, and an empty line after it",
    bookkeeping=Bookkeeping(
        "atlas_schema_revisions",
        ("version", "error"),
        by_row(_version_of_row, _version),
        checksum_unread=True,
    ),
)
