"""Play evolutions: ``!Ups`` and ``!Downs`` in ``N.sql``; each statement commits, and ``;;`` stands for ``;``.

Source: https://github.com/playframework/playframework, ``EvolutionsApi.scala``, ``Evolutions.scala``.
"""

from __future__ import annotations

import re

from bench.migrate.migration import Migration
from bench.migrate.tools.bookkeeping import Bookkeeping, Row, by_row, number, number_of_name
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import by_number, others, refuse_same_number
from bench.migrate.tools.sections import fill_in, left_out, sections
from bench.migrate.tools.shape import Evidence, Plan, Tool

_MARK = re.compile(r"^(?:#|--).*!(?:Ups|Downs)", re.MULTILINE)
_DIRECTION = re.compile(r"(?:#|--).*!(Ups|Downs)")
_NAME = re.compile(r"0*(\d+)(?:[_-].*)?\.sql$")
_VALUE = re.compile(r"\$evolutions\{\{\{(.+?)\}\}\}")


def _recognise(folder: Folder) -> Evidence | None:
    marked = folder.marked(_MARK)
    return Evidence(f'"!Ups" or "!Downs" in {len(marked)} of its files', 3) if marked else None


def _read(folder: Folder) -> Plan:
    files = by_number(folder.files, _NAME)
    refuse_same_number(PLAY.title, files, _NAME)
    return Plan(
        tuple(_migration(folder, file) for file in files),
        remarks=left_out("Play", others(folder.files, files), "no number as their names"),
    )


def _migration(folder: Folder, file: File) -> Migration:
    text = fill_in(file, file.text, _VALUE, folder.placeholders, tool="Play", where="")
    parts = {name: _without_hashes(part) for name, part in sections(text, _direction).items()}
    back = PLAY.part(file, parts["Downs"]) if "Downs" in parts else None
    return PLAY.migration(file, forward=PLAY.part(file, parts.get("Ups", "")), back=back)


def _direction(line: str) -> str | None:
    match = _DIRECTION.match(line)
    return match[1] if match else None


def _without_hashes(text: str) -> str:
    """Lines that begin with # are comments to Play; so they are made ones of SQL."""
    return re.sub(r"^#", "--", text, flags=re.MULTILINE)


def _id(row: Row) -> str | None:
    return number("id")(row) if row.get("state") == "applied" else None


PLAY = Tool(
    "play",
    "Play evolutions",
    _recognise,
    _read,
    transaction="none",
    keeps_session=True,
    cutting="play",
    bookkeeping=Bookkeeping("play_evolutions", ("id", "state"), by_row(_id, number_of_name)),
)
