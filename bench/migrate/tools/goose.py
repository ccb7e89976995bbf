"""goose: ``-- +goose Up`` and ``Down`` in one file, each file in a transaction unless it says otherwise.

Source: https://github.com/pressly/goose, ``internal/sqlparser/parser.go``, ``migrate.go``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace

from bench.errors import UsageError
from bench.migrate.migration import Migration
from bench.migrate.tools.bookkeeping import Applied, Bookkeeping, Row, by_row, number, number_of_name
from bench.migrate.tools.folder import Folder
from bench.migrate.tools.numbers import by_number, others, refuse_same_number
from bench.migrate.tools.sections import end_of, left_out, sections
from bench.migrate.tools.shape import Evidence, Plan, Tool

_MARK = re.compile(r"^--[ \t]*\+goose\b", re.MULTILINE | re.IGNORECASE)
_DIRECTION = re.compile(r"[ \t]*--[ \t]*\+goose[ \t]+(up|down)\s*$", re.IGNORECASE)
_NO_TRANSACTION = re.compile(r"^--[ \t]*\+goose[ \t]+no[ \t]+transaction\s*$", re.MULTILINE | re.IGNORECASE)
_ENVSUB = re.compile(r"[ \t]*--[ \t]*\+goose[ \t]+envsub[ \t]+(on|off)\s*$", re.IGNORECASE)
_NAME = re.compile(r"(\d+)_")
_GO = re.compile(r"\d+_.*(?<!_test)\.go$")
_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)")


def _recognise(folder: Folder) -> Evidence | None:
    marked = folder.marked(_MARK)
    return Evidence(f'"-- +goose" in {len(marked)} of its files', 3) if marked else None


def _read(folder: Folder) -> Plan:
    files = by_number(folder.files, _NAME)
    refuse_same_number(GOOSE.title, files, _NAME)
    migrations = []
    for file in files:
        parts = sections(_with_environment(file.text), _direction)
        if "up" not in parts:
            raise UsageError(
                f"{file.path}: has no -- +goose Up, so goose refuses it",
                hint="write -- +goose Up above its SQL; --tool plain if these are no files of goose",
            )
        up = GOOSE.part(file, parts["up"], transaction="none" if _NO_TRANSACTION.search(file.text) else None)
        down = replace(up, text=parts["down"]) if "down" in parts else None
        migrations.append(GOOSE.migration(file, forward=up, back=down))
    return Plan(
        tuple(migrations),
        remarks=left_out("goose", others(folder.files, files), "no number before _ in their names"),
        cannot=tuple(name for name in folder.others(".go") if _GO.match(name)),
    )


def _direction(line: str) -> str | None:
    match = _DIRECTION.match(line)
    return match[1].lower() if match else None


def _with_environment(text: str) -> str:
    """The text with environment variables replaced where ENVSUB is on, as ``os.Expand`` does."""
    if "envsub" not in text.lower():
        return text
    lines, on = [], False
    for line in text.splitlines(keepends=True):
        if switch := _ENVSUB.match(line):
            on = switch[1].lower() == "on"
            lines.append(end_of(line))
        else:
            lines.append(_VARIABLE.sub(_value, line) if on else line)
    return "".join(lines)


def _value(match: re.Match[str]) -> str:
    return os.environ.get(match[1] or match[3], match[2] or "")


def _applied(migrations: Sequence[Migration], rows: Sequence[Row]) -> Applied:
    """The last row of a version says whether it is there; the first row of the table is no migration."""
    last = {row["version_id"]: row for row in rows if row["version_id"] != "0"}
    return by_row(number("version_id", "is_applied"), number_of_name)(migrations, list(last.values()))


GOOSE = Tool(
    "goose",
    "goose",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch="write -- +goose NO TRANSACTION into the file",
    cutting="line ends",
    bookkeeping=Bookkeeping("goose_db_version", ("id", "version_id", "is_applied"), _applied),
)
