"""MyBatis Migrations: ``-- //@UNDO`` divides ``<timestamp>_x.sql``. Source: https://github.com/mybatis/migrations."""

from __future__ import annotations

import re

from bench.migrate.migration import Migration
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, number, number_of_name
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import by_number, others
from bench.migrate.tools.sections import fill_in, left_out, sections
from bench.migrate.tools.shape import Evidence, Plan, Tool

_UNDO = re.compile(r"[ \t]*--[ \t]*//[ \t]*@UNDO\b")
_MARK = re.compile(r"^[ \t]*--[ \t]*//[ \t]*@UNDO\b", re.MULTILINE)
_NAME = re.compile(r"(\d+)_.*\.sql$")
_VALUE = re.compile(r"\$\{([\w.]+)\}")


def _recognise(folder: Folder) -> Evidence | None:
    marked = folder.marked(_MARK)
    return Evidence(f'"-- //@UNDO" in {len(marked)} of its files', 3) if marked else None


def _read(folder: Folder) -> Plan:
    files = by_number(folder.files, _NAME)
    return Plan(
        tuple(_migration(folder, file) for file in files),
        remarks=left_out(
            "MyBatis Migrations", others(folder.files, files), "no number before _ in their names"
        ),
    )


def _migration(folder: Folder, file: File) -> Migration:
    text = fill_in(file, file.text, _VALUE, folder.placeholders, tool="MyBatis Migrations", where="")
    parts = sections(text, lambda line: "undo" if _UNDO.match(line) else None, first="do")
    back = MYBATIS.part(file, parts["undo"]) if "undo" in parts else None
    return MYBATIS.migration(file, forward=MYBATIS.part(file, parts["do"]), back=back)


MYBATIS = Tool(
    "mybatis",
    "MyBatis Migrations",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch="say auto_commit=true in the environment's properties",
    bookkeeping=Bookkeeping("changelog", ("id",), by_row(number("id"), number_of_name)),
)
