"""graphile-migrate: ``committed/NNNNNN.sql`` in order, then ``current.sql``.

Source: https://github.com/graphile/migrate, ``src/migration.ts``, ``src/header.ts``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.migration import Migration, name_beside
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, column, file_name
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import by_number
from bench.migrate.tools.sections import end_of, holds_sql, left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool
from bench.model.statement import CURRENT_DATABASE

_HEADER = re.compile(r"^--! (?:Previous|Hash):", re.MULTILINE)
_HASH = re.compile(r"^--! Hash: *(\S+)", re.MULTILINE)
_NO_TRANSACTION = re.compile(r"^--! no-transaction\b", re.MULTILINE)
_INCLUDE = re.compile(r"--!\s*include\s+(\S+)")
_PLACEHOLDER = re.compile(r":[A-Z][A-Z0-9_]+\b")
_BUILT_IN = {"DATABASE_OWNER": "CURRENT_USER", "DATABASE_NAME": CURRENT_DATABASE}
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_NAME = re.compile(r"(\d{6,})(?:-.*)?\.sql$")


def _recognise(folder: Folder) -> Evidence | None:
    marked = [file for file in _committed(folder) if _HEADER.search(file.skimmed)]
    if marked:
        return Evidence(f'"--! Previous:" or "--! Hash:" in {len(marked)} of its files', 3)
    return Evidence("committed/ and .gmrc", 3) if _committed(folder) and folder.around(".gmrc") else None


def _committed(folder: Folder) -> list[File]:
    below = folder.path / "committed"
    return by_number(list(folder.files_in(below)) or folder.files, _NAME)


def _home(folder: Folder) -> Path:
    """The directory that holds ``committed``."""
    return folder.path.parent if folder.path.resolve().name == "committed" else folder.path


def _read(folder: Folder) -> Plan:
    committed, home = _committed(folder), _home(folder)
    current = [folder.file(home / "current.sql")] if (home / "current.sql").is_file() else []
    current += folder.files_in(home / "current")
    pending = [file for file in current if holds_sql(file.text)]
    known = {file.path.resolve() for file in (*committed, *current)}
    stray = [file for file in folder.files if file.path.resolve() not in known]
    return Plan(
        tuple(_migration(folder, file, home) for file in (*committed, *pending)),
        remarks=left_out("graphile-migrate", stray, "neither committed nor current"),
    )


def _migration(folder: Folder, file: File, home: Path) -> Migration:
    lines = list(_lines(file, file, home, (file.path,)))
    values = {**_BUILT_IN, **_configured(folder), **folder.placeholders}
    plain = bool(_NO_TRANSACTION.search(file.text))
    text = _filled("".join(line for line, _ in lines), values)
    part = GRAPHILE_MIGRATE.part(file, text, transaction="none" if plain else None)
    return GRAPHILE_MIGRATE.migration(
        file, forward=replace(part, origins=tuple(origin for _, origin in lines))
    )


def _lines(
    file: File, migration: File, home: Path, chain: tuple[Path, ...]
) -> Iterator[tuple[str, tuple[str | None, int]]]:
    """The lines of a file and of those that it includes from fixtures/, each with where it stands."""
    name = None if file is migration else name_beside(file.path, migration.path)
    for number, line in enumerate(file.text.splitlines(keepends=True), start=1):
        match = _INCLUDE.match(line)
        if match is None:
            yield line, (name, number)
            continue
        path = home / "fixtures" / match[1]
        if not path.is_file() or path in chain:
            wrong = "includes itself" if path in chain else "there is no such file"
            raise UsageError(f"{file.path}:{number}: --! include {match[1]}: {wrong}: {path}")
        yield from _lines(File(path, match[1]), migration, home, (*chain, path))
        yield end_of(line) or "\n", (name, number)


def _configured(folder: Folder) -> dict[str, str]:
    """The placeholders of .gmrc, which is JSON with comments; ``!ENV`` is a variable of the environment."""
    path = folder.around(".gmrc", ".gmrc.json")
    if path is None:
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        placeholders = json.loads(_COMMENT.sub("", text)).get("placeholders", {})
    except (ValueError, AttributeError):
        return {}
    named = {str(name).lstrip(":"): str(value) for name, value in placeholders.items()}
    return {name: os.environ.get(name, "") if value == "!ENV" else value for name, value in named.items()}


def _filled(text: str, values: Mapping[str, str]) -> str:
    """Placeholders that have a value are replaced, in quotes, too, as graphile-migrate does."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[0][1:], match[0]), text)


def _hash(migration: Migration) -> str:
    """By the file's header; graphile-migrate itself refuses a file whose body has another one."""
    match = _HASH.search(migration.path.read_text(encoding="utf-8", errors="replace"))
    return match[1] if match else ""


GRAPHILE_MIGRATE = Tool(
    "graphile-migrate",
    "graphile-migrate",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch="write --! no-transaction below the file's header, above its only statement",
    bookkeeping=Bookkeeping(
        "migrations",
        ("filename", "hash"),
        by_row(column("filename"), file_name, checksum=_hash, of_checksum="hash"),
    ),
)
