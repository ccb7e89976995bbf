"""What ``bench record`` has written: the statements of any command, as they were sent.

Transactions are in the text, as the command began and ended them. Files with ``-- transaction: all`` share
one with their neighbours that say so, too: the runner's BEGIN and COMMIT stand round them.
"""

from __future__ import annotations

import re

from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import by_number
from bench.migrate.tools.shape import Evidence, Plan, Tool

HEAD = "-- recorded from: "
MIGRATION = "-- migration: "
TOGETHER = "-- transaction: all"
_FILE = re.compile(r"(\d+)_.*\.sql$")
_MARK = re.compile(rf"\A{re.escape(HEAD)}")
_NAME = re.compile(rf"^{re.escape(MIGRATION)}(.+)$", re.MULTILINE)


def _recognise(folder: Folder) -> Evidence | None:
    marked = folder.marked(_MARK)
    return Evidence(f'"{HEAD.strip()}" in {len(marked)} files', 4) if marked else None


def _read(folder: Folder) -> Plan:
    return Plan(
        tuple(
            RECORDED.migration(
                file,
                id=_id(file),
                forward=RECORDED.part(
                    file, transaction="all" if TOGETHER in file.text.splitlines() else None
                ),
            )
            for file in by_number(folder.files, _FILE)
        )
    )


def _id(file: File) -> str:
    match = _NAME.search(file.text)
    return match[1].strip() if match else file.stem


RECORDED = Tool("recorded", "the recorded command", _recognise, _read, transaction="none", keeps_session=True)
