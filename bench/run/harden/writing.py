"""The safe version as files of the suite's own tool: names, versions, marks, and the way back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.source import read_text
from bench.migrate.suite import Suite
from bench.run.harden.plan import Hardened, Unit, without_own_marks

_VERSION = re.compile(r"(?P<before>[A-Za-z]?)(?P<digits>\d[\d-]*\d|\d)(?P<after>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Format:
    """How a tool's file says what it is."""

    write: Callable[[str, str | None, bool], str]
    """The way forward, the way back and whether it is a transaction → the file's text."""
    many_outside: bool = False
    """A file outside a transaction may hold several statements, which commit one by one."""


def _raw(forward: str, back: str | None, transaction: bool) -> str:
    return forward


def _with(up: str, outside: str, down: str, head: str = "") -> Callable[[str, str | None, bool], str]:
    def write(forward: str, back: str | None, transaction: bool) -> str:
        mark = up if transaction else outside
        tail = f"\n{down}\n{back or 'SELECT 1;'}" if down else ""
        return f"{head if not transaction else ''}{mark}\n{forward}{tail}"

    return write


def _first_line(mark: str, gap: str = "") -> Callable[[str, str | None, bool], str]:
    return lambda forward, back, transaction: forward if transaction else f"{mark}\n{gap}{forward}"


def _goose(forward: str, back: str | None, transaction: bool) -> str:
    head = "" if transaction else "-- +goose NO TRANSACTION\n"
    return f"{head}-- +goose Up\n{forward}\n-- +goose Down\n{back or 'SELECT 1;'}"


FORMATS: Mapping[str, Format] = {
    "plain": Format(_raw, many_outside=True),
    "flyway": Format(_raw, many_outside=True),
    "golang-migrate": Format(_raw),
    "supabase": Format(_raw),
    "prisma": Format(_raw),
    "hasura": Format(_raw),
    "postgrator": Format(_raw),
    "goose": Format(_goose, many_outside=True),
    "dbmate": Format(_with("-- migrate:up", "-- migrate:up transaction:false", "-- migrate:down")),
    "sql-migrate": Format(
        _with("-- +migrate Up", "-- +migrate Up notransaction", "-- +migrate Down"), many_outside=True
    ),
    "sqlx": Format(_first_line("-- no-transaction")),
    "atlas": Format(_first_line("-- atlas:txmode none", "\n"), many_outside=True),
    "tern": Format(
        lambda forward, back, transaction: (
            ("" if transaction else "---- tern: disable-tx ----\n")
            + f"{forward}\n---- create above / drop below ----\n{back or 'SELECT 1;'}"
        ),
        many_outside=True,
    ),
}
"""By tool; the others cannot say in a file that it is no transaction, or have more than files."""


@dataclass(frozen=True, slots=True)
class Written:
    """A suite that was written."""

    directory: Path
    files: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def write_suite(suite: Suite, hardened: Sequence[Hardened], directory: Path) -> Written:
    """Write the safe version into a new directory; the original is only read.

    UsageError: the directory is not empty, or cannot be written.
    """
    tool = suite.runner.tool
    form = FORMATS.get(tool)
    remarks = []
    if form is None:
        remarks.append(
            f"{tool} has no mark in a file that switches its transaction off: the safe version is plain SQL, "
            "one file for each transaction, to be applied by psql."
        )
        form, tool = FORMATS["plain"], "plain"
    try:
        if directory.exists() and any(directory.iterdir()):
            raise UsageError(f"{directory} is not empty", "name a new directory, or empty this one")
        directory.mkdir(parents=True, exist_ok=True)
        _copy_beside(suite, directory)
        files = tuple(_write(suite, hardened, directory, form, plain=tool == "plain"))
        moved = [item.migration.file for item in hardened if item.migration.file not in files]
        if moved:
            remarks.append(f"Pushed on to make room, so that its version is another: {', '.join(moved)}.")
    except OSError as error:
        raise UsageError(f"{error.filename or directory}: cannot be written: {error.strerror}") from error
    return Written(directory, files, tuple(remarks))


def _copy_beside(suite: Suite, directory: Path) -> None:
    """What lies beside the migrations and belongs to the suite."""
    for name in ("suite.toml", "workload.toml", "queries.toml", "bench.toml", "base.sql"):
        if (suite.path / name).is_file():
            shutil.copy(suite.path / name, directory / name)
    if suite.base is not None and not (directory / "base.sql").exists():
        shutil.copy(suite.base, directory / "base.sql")


def _write(
    suite: Suite, hardened: Sequence[Hardened], directory: Path, form: Format, *, plain: bool
) -> Iterator[str]:
    names = _names(hardened, form)
    for item, own in zip(hardened, names, strict=True):
        if not item.changed and own[0] == item.migration.file:
            yield _copy(item, directory, suite)
            continue
        back = read_text(item.migration.rollback) if plain and item.migration.rollback else _back(item)
        for position, (name, unit) in enumerate(zip(own, _parts(item, form), strict=True)):
            path = directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            mine = back if position == 0 else None
            path.write_text(_text(unit, form, mine, plain=plain), encoding="utf-8")
            yield name
        if item.migration.rollback is not None and item.migration.rollback != item.migration.path:
            _write_back(item, own[0], directory)


def _parts(item: Hardened, form: Format) -> list[Unit]:
    """Its units, each a file; where a tool's file outside sends one statement, each statement has one."""
    parts: list[Unit] = []
    for unit in map(without_own_marks, item.units):
        if unit.transaction or form.many_outside:
            parts.append(unit)
        else:
            parts += [Unit((text,), transaction=False) for text in unit.texts]
    return parts


def _text(unit: Unit, form: Format, back: str | None, *, plain: bool) -> str:
    texts = [_closed(text) for text in unit.texts]
    if plain and unit.transaction and len(texts) > 1:
        texts = ["BEGIN;", *texts, "COMMIT;"]
    return form.write("\n".join(texts) + "\n", back, unit.transaction)


def _closed(text: str) -> str:
    bare = text.rstrip().rstrip(";").rstrip()
    return f"{bare}\n;" if "--" in bare.splitlines()[-1] else f"{bare};"


def _back(item: Hardened) -> str | None:
    part = item.migration.backward
    if part is None or part.path != item.migration.path:
        return None
    return "\n".join(line for line in (part.text or "").splitlines() if line.strip()) + "\n"


def _copy(item: Hardened, directory: Path, suite: Suite) -> str:
    target = directory / item.migration.file
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(item.migration.path, target)
    rollback = item.migration.rollback
    if rollback is not None and rollback != item.migration.path:
        below = (
            rollback.relative_to(suite.path) if rollback.is_relative_to(suite.path) else Path(rollback.name)
        )
        (directory / below).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(rollback, directory / below)
    return item.migration.file


def _write_back(item: Hardened, name: str, directory: Path) -> None:
    """The way back beside its first file, by the name that its tool or the plain rule looks for."""
    rollback = item.migration.rollback
    assert rollback is not None
    old, new = item.migration.path, Path(name)
    if rollback.name == "down.sql":
        target = directory / new.parent / "down.sql"
    else:
        ending = rollback.name.removeprefix(_common(old.name, rollback.name))
        head = _common(old.name, rollback.name)
        kept = new.name[: len(head)] if old.name == new.name else _renumbered(head, old.name, new.name)
        folder = rollback.parent.name if rollback.parent != old.parent else ""
        target = directory / new.parent / folder / f"{kept}{ending}"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(rollback, target)


def _common(one: str, other: str) -> str:
    length = next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return one[:length]


def _renumbered(head: str, old: str, new: str) -> str:
    before, after = _VERSION.match(old), _VERSION.match(new)
    assert before is not None
    assert after is not None
    return head.replace(before["digits"], after["digits"], 1)


def _names(hardened: Sequence[Hardened], form: Format) -> list[list[str]]:
    """Names for all files, so that the tool applies them in this order.

    The first file of a migration keeps its version where that is free; a further one takes the next number,
    and pushes those behind it on where there is no gap.
    """
    last = -1
    names: list[list[str]] = []
    for item in hardened:
        head = _head(item)
        found = _VERSION.match(head)
        if found is None:  # a repeatable one has no version
            names.append([item.migration.file])
            continue
        own: list[str] = []
        for step in range(len(_parts(item, form)) if item.changed else 1):
            last = max(int(found["digits"].replace("-", "")), last + 1)
            own.append(_named(item, head, found, last, step))
        names.append(own)
    return names


def _named(item: Hardened, head: str, found: re.Match[str], number: int, step: int) -> str:
    """The path of a part: the version in the form that it had, and the part's number before the ending."""
    bare = found["digits"].replace("-", "")
    moved = iter(f"{number:0{len(bare)}d}")
    digits = "".join(next(moved) if char.isdigit() else char for char in found["digits"]) + "".join(moved)
    return item.migration.file.replace(head, f"{found['before']}{digits}{_part(found['after'], step)}", 1)


def _head(item: Hardened) -> str:
    """The name that has the version: the file's, or its directory's."""
    path = Path(item.migration.file)
    return path.name if _VERSION.match(path.name) else path.parent.name


def _part(after: str, step: int) -> str:
    """What comes after the version, with the number of the part before the ending."""
    if step == 0:
        return after
    stem, dot, ending = after.partition(".")
    return f"{stem}_part{step + 1}{dot}{ending}"
