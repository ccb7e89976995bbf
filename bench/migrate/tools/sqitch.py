"""sqitch: ``sqitch.plan`` says which changes and in which order; psql runs each script of deploy/.

Source: https://github.com/sqitchers/sqitch, ``lib/App/Sqitch/Engine/pg.pm``, ``lib/App/Sqitch/Plan.pm``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.migration import Migration
from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, column
from bench.migrate.tools.folder import Folder
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool

_SKIPPED = re.compile(r"\s*(?:%|@|#|$)")
_CHANGE = re.compile(r"\s*([+-]?)\s*([^\s\[@#]+)")
_TAG = re.compile(r"\s*@(\S+)")
_TOP = re.compile(r"^\s*top_dir\s*=\s*(\S+)", re.MULTILINE)
_SECTION = re.compile(r'^\[(?:deploy|core) "variables"\]\n((?:[ \t].*\n?)*)', re.MULTILINE)
_SETTING = re.compile(r'^\s*([\w-]+)\s*=\s*"?(.*?)"?\s*$', re.MULTILINE)
_EXTENSION = ".sql"


def _plan(folder: Folder) -> Path | None:
    """The plan here, one level up, or where sqitch.conf puts it."""
    for directory in (folder.path, folder.path.resolve().parent):
        if (directory / "sqitch.plan").is_file():
            return directory / "sqitch.plan"
    return None


def _top(folder: Folder, plan: Path) -> Path:
    """The directory that holds deploy/."""
    configured = plan.parent / "sqitch.conf"
    if configured.is_file():
        match = _TOP.search(configured.read_text(encoding="utf-8", errors="replace"))
        if match and (plan.parent / match[1] / "deploy").is_dir():
            return plan.parent / match[1]
    return folder.path.parent if plan.parent != folder.path and folder.path.name == "deploy" else plan.parent


def _recognise(folder: Folder) -> Evidence | None:
    plan = _plan(folder)
    return Evidence(str(folder.file(plan).name), 3) if plan else None


def _read(folder: Folder) -> Plan:
    plan = _plan(folder)
    if plan is None:
        raise UsageError(f"{folder.path}: there is no sqitch.plan here or above", hint="sqitch init makes it")
    top = _top(folder, plan)
    migrations = tuple(
        _change(folder, plan, top, line, script, name) for line, script, name in _changes(plan)
    )
    known = {migration.path.resolve() for migration in migrations}
    stray = [file for file in folder.files_in(top / "deploy") if file.path.resolve() not in known]
    return Plan(
        migrations,
        tuple(folder.files_in(top / "revert")),
        (
            *left_out("sqitch", stray, "not in sqitch.plan"),
            "Where a change fails, sqitch itself goes back with the revert scripts to where it began (--mode "
            "all, its default); here what was deployed before the failure stays, as with --mode change.",
        ),
    )


def _changes(plan: Path) -> Iterator[tuple[int, str, str]]:
    """Line, script and name of each change; one that was reworked has its older script as ``name@tag``."""
    lines = plan.read_text(encoding="utf-8", errors="replace").splitlines()
    entries = [(number, line) for number, line in enumerate(lines, start=1)]
    for position, (number, line) in enumerate(entries):
        match = None if _SKIPPED.match(line) else _CHANGE.match(line)
        if match is None or match[1] == "-":
            continue
        name = match[2]
        later = [other for _, other in entries[position + 1 :]]
        yield number, _script(name, later), name


def _script(name: str, later: list[str]) -> str:
    tag = None
    for line in later:
        if match := _TAG.match(line):
            tag = tag or match[1]
        elif not _SKIPPED.match(line) and (change := _CHANGE.match(line)) and change[2] == name:
            return f"{name}@{tag}" if tag else name
    return name


def _change(folder: Folder, plan: Path, top: Path, line: int, script: str, name: str) -> Migration:
    path = top / "deploy" / f"{script}{_EXTENSION}"
    if not path.is_file():
        raise UsageError(
            f"{plan}:{line}: names the change {name}, and there is no file {path}",
            hint="put the file back, or take the change out of the plan",
        )
    back = top / "revert" / f"{script}{_EXTENSION}"
    file = folder.file(path)
    variables = tuple({**_variables(plan), **folder.placeholders}.items())
    verify = top / "verify" / f"{script}{_EXTENSION}"
    migration = SQITCH.migration(
        file,
        id=script.replace("/", "-"),
        forward=replace(SQITCH.part(file), variables=variables),
        back=replace(SQITCH.part(folder.file(back)), variables=variables) if back.is_file() else None,
    )
    if not verify.is_file():
        return migration
    return replace(migration, verify=replace(SQITCH.part(folder.file(verify)), variables=variables))


def _variables(plan: Path) -> dict[str, str]:
    """Those of ``[deploy "variables"]`` in sqitch.conf."""
    configured = plan.parent / "sqitch.conf"
    if not configured.is_file():
        return {}
    section = _SECTION.search(configured.read_text(encoding="utf-8", errors="replace"))
    return dict(_SETTING.findall(section[1])) if section else {}


def _name(migration: Migration) -> str:
    """The change's name, also of a script that was kept when it was reworked."""
    return migration.path.stem.partition("@")[0]


SQITCH = Tool(
    "sqitch",
    "sqitch",
    _recognise,
    _read,
    transaction="none",
    keeps_session=False,
    cutting="psql",
    bookkeeping=Bookkeeping("changes", ("committed_at", "change"), by_row(column("change"), _name)),
)
