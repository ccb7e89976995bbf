"""rambler: ``-- rambler up`` and ``down`` in one file. Source: https://github.com/elwinar/rambler."""

from __future__ import annotations

import re

from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, column, file_name
from bench.migrate.tools.folder import Folder
from bench.migrate.tools.numbers import by_number, others
from bench.migrate.tools.sections import left_out, sections
from bench.migrate.tools.shape import Evidence, Plan, Tool

_MARK = re.compile(r"^[ \t]*--[ \t]*rambler[ \t]+(?:up|down)\b", re.MULTILINE)
_DIRECTION = re.compile(r"[ \t]*--[ \t]*rambler[ \t]+(up|down)\b")
_NAME = re.compile(r"(\d+)_")


def _recognise(folder: Folder) -> Evidence | None:
    marked = folder.marked(_MARK)
    return Evidence(f'"-- rambler" in {len(marked)} of its files', 3) if marked else None


def _read(folder: Folder) -> Plan:
    files = by_number(folder.files, _NAME)
    migrations = []
    for file in files:
        parts = sections(file.text, _direction)
        down = RAMBLER.part(file, parts["down"]) if "down" in parts else None
        migrations.append(RAMBLER.migration(file, forward=RAMBLER.part(file, parts.get("up", "")), back=down))
    return Plan(
        tuple(migrations), remarks=left_out("rambler", others(folder.files, files), "no number before _")
    )


def _direction(line: str) -> str | None:
    match = _DIRECTION.match(line)
    return match[1] if match else None


RAMBLER = Tool(
    "rambler",
    "rambler",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    bookkeeping=Bookkeeping("migrations", ("migration",), by_row(column("migration"), file_name)),
)
