"""yoyo: in the order of ``-- depends:``, ``x.rollback.sql`` beside ``x.sql``.

Source: yoyo-migrations 8.2.0, ``yoyo/migrations.py``.
"""

from __future__ import annotations

import graphlib
import re

from bench.errors import UsageError
from bench.migrate.migration import Migration, Transaction
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, column, own_id
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.shape import Evidence, Plan, Tool

_MARK = re.compile(r"^\s*--\s*(?:depends|transactional)\s*:", re.MULTILINE)
_DIRECTIVE = re.compile(r"\s*--\s*([\w-]+)\s*:\s*(.*?)\s*$")
_ROLLBACK = ".rollback"
_CODE = re.compile(r".*\.py$")


def _recognise(folder: Folder) -> Evidence | None:
    if not folder.files:
        return None
    if folder.around("yoyo.ini") is not None:
        return Evidence("yoyo.ini", 3)
    stems = {file.stem for file in folder.files}
    marked = [file for file in folder.marked(_MARK) if _is_marked(_directives(file), stems)]
    return (
        Evidence(f'"-- depends:" or "-- transactional:" in {len(marked)} of its files', 3) if marked else None
    )


def _read(folder: Folder) -> Plan:
    backs = {
        file.stem.removesuffix(_ROLLBACK): file for file in folder.files if file.stem.endswith(_ROLLBACK)
    }
    forward = {file.stem: file for file in folder.files if not file.stem.endswith(_ROLLBACK)}
    return Plan(
        tuple(_migration(forward[name], backs.get(name)) for name in _ordered(forward)),
        tuple(backs.values()),
        cannot=tuple(
            name for name in folder.others(".py") if _CODE.match(name) and not name.startswith("__")
        ),
    )


def _ordered(files: dict[str, File]) -> list[str]:
    """What a migration depends on comes before it; else they go by their names."""
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for name, file in files.items():
        needed = _directives(file).get("depends", "").split()
        sorter.add(name, *(file for file in needed if file in files))
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        chain = " → ".join(error.args[1])
        culprit = files[error.args[1][0]]
        line = next(n for n, text in enumerate(culprit.skimmed.splitlines(), 1) if "depends" in text.lower())
        raise UsageError(
            f"{culprit.path}:{line}: migrations depend on each other in a circle: {chain}",
            hint="take one of the -- depends: lines away",
        ) from error
    order: list[str] = []
    ready: set[str] = set()
    while sorter.is_active():
        ready |= set(sorter.get_ready())
        first = min(ready)
        ready.remove(first)
        order.append(first)
        sorter.done(first)
    return order


def _directives(file: File) -> dict[str, str]:
    """``-- name: value`` of the comments before the first statement."""
    directives: dict[str, str] = {}
    for line in file.skimmed.splitlines():
        if line.strip() and not line.lstrip().startswith("--"):
            break
        if directive := _DIRECTIVE.match(line):
            directives[directive[1].lower()] = directive[2]
    return directives


def _is_marked(directives: dict[str, str], stems: set[str]) -> bool:
    """Whether the comments are yoyo's, and not a person's words."""
    depends = directives.get("depends")
    return "transactional" in directives or (depends is not None and set(depends.split()) <= stems)


def _migration(file: File, back: File | None) -> Migration:
    plain = _directives(file).get("transactional", "true").lower() == "false"
    mode: Transaction | None = "none" if plain else None
    return YOYO.migration(
        file,
        forward=YOYO.part(file, transaction=mode),
        back=YOYO.part(back, transaction=mode) if back else None,
    )


YOYO = Tool(
    "yoyo",
    "yoyo",
    _recognise,
    _read,
    transaction="file",
    keeps_session=True,
    switch="write -- transactional: false at the top of the file",
    bookkeeping=Bookkeeping("_yoyo_migration", ("migration_id",), by_row(column("migration_id"), own_id)),
)
