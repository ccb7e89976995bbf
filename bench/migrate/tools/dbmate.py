"""dbmate: ``-- migrate:up`` and ``migrate:down`` in one file, each with its own options.

Source: https://github.com/amacneil/dbmate, ``pkg/dbmate/migration.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bench.errors import UsageError
from bench.migrate.migration import Migration, Part
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, column, digits_of_name
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import others
from bench.migrate.tools.sections import holds_sql, left_out, sections
from bench.migrate.tools.shape import Evidence, Plan, Tool

_MARK = re.compile(r"^--\s*migrate:up(?:\s*$|\s+\S+)", re.MULTILINE)
_BLOCK = re.compile(r"--\s*migrate:(up|down)(?:\s*$|\s+(\S.*))")
_NAME = re.compile(r"\d+.*\.sql$", re.IGNORECASE)


def _recognise(folder: Folder) -> Evidence | None:
    marked = folder.marked(_MARK)
    return Evidence(f'"-- migrate:up" in {len(marked)} of its files', 3) if marked else None


def _read(folder: Folder) -> Plan:
    files = folder.named(_NAME)
    return Plan(
        tuple(migration for file in files for migration in _migrations(file)),
        remarks=left_out("dbmate", others(folder.files, files), "no number at the start of their names"),
    )


def _migrations(file: File) -> Iterator[Migration]:
    """Most files hold one pair of blocks; each further one is applied right after it."""
    options: dict[str, str] = {}
    ups = 0

    def begins(line: str) -> str | None:
        nonlocal ups
        match = _BLOCK.match(line)
        if match is None:
            return None
        ups += match[1] == "up"
        options[label := f"{match[1]} {ups}"] = match[2] or ""
        return label

    parts = sections(file.text, begins)
    if not ups or holds_sql(parts[""]):
        wrong = "has SQL above its first -- migrate:up" if ups else "has no -- migrate:up"
        raise UsageError(
            f"{file.path}: {wrong}, so dbmate refuses it", hint="write -- migrate:up above its SQL"
        )

    def part(label: str) -> Part:
        alone = "transaction:false" in options[label].split()
        return DBMATE.part(file, parts.get(label, ""), transaction="query" if alone else None)

    for number in range(1, ups + 1):
        down = f"down {number}"
        yield DBMATE.migration(
            file,
            id=file.stem if ups == 1 else f"{file.stem}-{number}",
            forward=part(f"up {number}"),
            back=part(down) if down in options else None,
        )


DBMATE = Tool(
    "dbmate",
    "dbmate",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch="write -- migrate:up transaction:false",
    bookkeeping=Bookkeeping("schema_migrations", ("version",), by_row(column("version"), digits_of_name)),
)
