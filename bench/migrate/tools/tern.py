"""tern: what stands above the divider goes forward, what stands below goes back.

Source: https://github.com/jackc/tern, ``migrate/migrate.go``.
"""

from __future__ import annotations

import re

from bench.errors import UsageError
from bench.migrate.migration import Migration
from bench.migrate.tools.bookkeeping import Bookkeeping, number, number_of_name, up_to
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import by_number, number_of, others
from bench.migrate.tools.sections import fill_in, left_out, line_of, sections
from bench.migrate.tools.shape import Evidence, Plan, Tool

DIVIDER = "---- create above / drop below ----"
_NAME = re.compile(r"(\d+)_.+\.sql$")
_PLAIN = re.compile(r"^---- tern: disable-tx ----$", re.MULTILINE)
_VALUE = re.compile(r"\{\{-?\s*\.([\w.]+)\s*-?\}\}")
_ACTION = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def _recognise(folder: Folder) -> Evidence | None:
    marked = [file for file in folder.files if DIVIDER in file.skimmed or _PLAIN.search(file.skimmed)]
    if marked:
        return Evidence(f'"{DIVIDER}" in {len(marked)} of its files', 3)
    return Evidence("tern.conf", 3) if folder.named(_NAME) and folder.around("tern.conf") else None


def _read(folder: Folder) -> Plan:
    files = by_number(folder.files, _NAME)
    for expected, file in enumerate(files if folder.only is None else (), start=1):
        if (number := number_of(file.path, _NAME)) != expected:
            raise UsageError(
                f"{folder.path}: {file.name} is number {number}, where tern expects {expected}",
                hint="tern's numbers begin with 1 and leave none out; none is there twice",
            )
    return Plan(
        tuple(_migration(folder, file) for file in files),
        remarks=left_out("tern", others(folder.files, files), "no number before _ in their names"),
    )


def _migration(folder: Folder, file: File) -> Migration:
    text = file.text
    if _ACTION.search(text):
        text = fill_in(file, text, _VALUE, folder.placeholders, tool="tern", where="")
        if action := _ACTION.search(text):
            raise UsageError(
                f"{file.path}:{line_of(text, action.start())}: tern's template {action[0]} is not run here",
                hint="only {{ .name }} is replaced, by [placeholders] in suite.toml",
            )
    parts = sections(text, lambda line: "down" if line.strip() == DIVIDER else None, first="up")
    mode = "none" if _PLAIN.search(text) else None
    up = TERN.part(file, parts["up"], transaction="none" if mode else None)
    down = TERN.part(file, parts["down"], transaction="none" if mode else None) if "down" in parts else None
    return TERN.migration(file, forward=up, back=down)


TERN = Tool(
    "tern",
    "tern",
    _recognise,
    _read,
    transaction="file",
    keeps_session=False,
    switch="write ---- tern: disable-tx ---- into the file, on a line of its own",
    bookkeeping=Bookkeeping("schema_version", ("version",), up_to(number("version"), number_of_name)),
)
