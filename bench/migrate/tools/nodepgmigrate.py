"""node-pg-migrate: ``-- Up Migration`` and ``-- Down Migration`` in one file; one transaction for all.

Source: https://github.com/salsita/node-pg-migrate, ``src/sqlMigration.ts``, ``src/runner.ts``.
"""

from __future__ import annotations

import re

from bench.migrate.migration import Migration
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, column, own_id
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.sections import left_out, sections
from bench.migrate.tools.shape import Evidence, Plan, Tool

_MARK = re.compile(r"^\s*--[\s-]*(?:up|down)\s+migration", re.MULTILINE | re.IGNORECASE)
_DIRECTION = re.compile(r"\s*--[\s-]*(up|down)\s+migration", re.IGNORECASE)
_NUMBER = re.compile(r"(\d+)")
_DOWN_FILE = re.compile(r".*\.down\.sql$")
_CODE = re.compile(r"\d+.*\.(?:[cm]?js|ts)$")


def _recognise(folder: Folder) -> Evidence | None:
    marked = folder.marked(_MARK)
    if marked and folder.mostly(marked):
        return Evidence(f'"-- Up Migration" or "-- Down Migration" in {len(marked)} of its files', 3)
    if folder.named(_NUMBER) and folder.project_says("package.json", "node-pg-migrate"):
        return Evidence("node-pg-migrate in package.json", 3)
    return None


def _read(folder: Folder) -> Plan:
    files = [file for file in folder.named(_NUMBER) if not _DOWN_FILE.match(file.path.name)]
    downs = {_stem(file): file for file in folder.files if _DOWN_FILE.match(file.path.name)}
    stray = [file for file in folder.files if file not in files and _stem(file) not in downs]
    return Plan(
        tuple(_migration(file, downs.get(_stem(file))) for file in sorted(files, key=_order)),
        tuple(downs.values()),
        left_out("node-pg-migrate", stray, "no number at the start of their names"),
        cannot=tuple(name for name in folder.others("js", "ts") if _CODE.match(name)),
    )


def _stem(file: File) -> str:
    return re.sub(r"\.(?:up|down)$", "", file.stem)


def _order(file: File) -> tuple[int, str]:
    """By number, of which one of 17 digits is a time in UTC, and one of 13 the milliseconds since 1970."""
    match = _NUMBER.match(file.path.name)
    return int(match[1]) if match else 0, file.path.name


def _migration(file: File, down: File | None) -> Migration:
    """Without a mark for the way up, the file up to the mark for the way down is the way up."""
    parts = sections(file.text, _direction, first="" if _has_up(file) else "up")
    back = NODE_PG_MIGRATE.part(down) if down else None
    if back is None and "down" in parts:
        back = NODE_PG_MIGRATE.part(file, parts["down"])
    return NODE_PG_MIGRATE.migration(
        file, id=_stem(file), forward=NODE_PG_MIGRATE.part(file, parts["up"]), back=back
    )


def _has_up(file: File) -> bool:
    return any(_direction(line) == "up" for line in file.text.splitlines())


def _direction(line: str) -> str | None:
    match = _DIRECTION.match(line)
    return match[1].lower() if match else None


NODE_PG_MIGRATE = Tool(
    "node-pg-migrate",
    "node-pg-migrate",
    _recognise,
    _read,
    transaction="all",
    keeps_session=True,
    bookkeeping=Bookkeeping("pgmigrations", ("name",), by_row(column("name"), own_id)),
)
