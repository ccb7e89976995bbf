"""postgrator: ``N.do.x.sql`` and ``N.undo.x.sql``; each file is sent as one query.

Source: https://github.com/rickbergfalk/postgrator, ``postgrator.js``.
"""

from __future__ import annotations

import hashlib
import re

from bench.migrate.migration import Migration
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, number, number_of_name
from bench.migrate.tools.folder import Folder
from bench.migrate.tools.numbers import by_number, number_of, others, refuse_same_number
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool

_DO = re.compile(r"(\d+)\.do(?:\..*)?\.sql$", re.IGNORECASE)
_UNDO = re.compile(r"(\d+)\.undo(?:\..*)?\.sql$", re.IGNORECASE)
_CODE = re.compile(r"\d+\.(?:un)?do\b.*\.[cm]?js$")


def _recognise(folder: Folder) -> Evidence | None:
    named = folder.named(_DO)
    return Evidence(f"names such as {named[0].name}", 3) if named else None


def _read(folder: Folder) -> Plan:
    files, undos = by_number(folder.files, _DO), by_number(folder.files, _UNDO)
    refuse_same_number(POSTGRATOR.title, files, _DO)
    backs = {number_of(file.path, _UNDO): file for file in undos}
    return Plan(
        tuple(POSTGRATOR.migration(file, back=backs.get(number_of(file.path, _DO))) for file in files),
        tuple(undos),
        left_out("postgrator", others(folder.files, files, undos), "neither .do nor .undo"),
        tuple(name for name in folder.others("js") if _CODE.match(name)),
    )


def _md5(migration: Migration) -> str:
    return hashlib.md5(migration.path.read_bytes(), usedforsecurity=False).hexdigest()


POSTGRATOR = Tool(
    "postgrator",
    "postgrator",
    _recognise,
    _read,
    transaction="query",
    keeps_session=True,
    switch="give the statement a file of its own",
    bookkeeping=Bookkeeping(
        "schemaversion",
        ("version", "md5"),
        by_row(number("version"), number_of_name, checksum=_md5, of_checksum="md5"),
    ),
)
