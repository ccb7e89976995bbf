"""refinery: ``V1__x.sql`` and ``U2__x.sql`` both go forward, in one order of numbers.

Source: https://github.com/rust-db/refinery, ``refinery_core/src/util.rs``.
"""

from __future__ import annotations

import re

from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, number, number_of_name
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import by_number, refuse_same_number
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool

_NAME = re.compile(r"[UV](\d+)(?:\.\d+)?__(\w+)\.sql$")
_CODE = re.compile(r"[UV]\d+(?:\.\d+)?__\w+\.rs$")


def _recognise(folder: Folder) -> Evidence | None:
    files = _files(folder)
    if not files or not folder.mostly(files):
        return None
    if folder.around("refinery.toml") or folder.project_says("Cargo.toml", "refinery"):
        return Evidence("refinery in Cargo.toml, or refinery.toml", 4)
    versions = {
        letter: {_number(file) for file in files if file.path.name.startswith(letter)} for letter in "UV"
    }
    alone = [file for file in files if file.path.name.startswith("U") and _number(file) not in versions["V"]]
    if not alone or not versions["V"]:
        return None
    return Evidence(
        f"{alone[0].name} without a V{_number(alone[0])}__… that it could take back",
        3,
    )


def _files(folder: Folder) -> list[File]:
    return by_number(folder.every_file, _NAME)


def _number(file: File) -> int:
    match = _NAME.match(file.path.name)
    return int(match[1]) if match else 0


def _read(folder: Folder) -> Plan:
    files = _files(folder)
    refuse_same_number(REFINERY.title, files, _NAME)
    stray = [file for file in folder.every_file if file not in files]
    return Plan(
        tuple(REFINERY.migration(file) for file in files),
        remarks=left_out("refinery", stray, "no V or U and number before __ in their names"),
        cannot=tuple(sorted(path.name for path in folder.path.rglob("*.rs") if _CODE.match(path.name))),
    )


REFINERY = Tool(
    "refinery",
    "refinery",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    bookkeeping=Bookkeeping(
        "refinery_schema_history",
        ("version",),
        by_row(number("version"), number_of_name),
        checksum_unread=True,
    ),
)
