"""The safe version as files of the suite's own tool: names, versions, marks, and the way back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.suite import Suite
from bench.run.harden.plan import Hardened, Unit, without_own_marks

_VERSION = re.compile(
    r"(?P<before>[A-Za-z]?)(?P<digits>\d(?:[\d-]*\d)?)(?P<rest>(?:\.\d+)*)(?P<after>.*)", re.DOTALL
)
"""A version at the beginning of a name: digits, and further parts of it."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a tool's file says what it is."""

    write: Callable[[str, str | None, bool], str]
    """The way forward, the way back and whether it is a transaction → the file's text."""
    many_outside: bool = False
    """A file outside a transaction may hold several statements, which commit one by one."""
    around: tuple[str, str] | None = None
    """Marks round a statement that has a semicolon at the end of a line within it."""
    beside: tuple[str, str] | None = None
    """Of a file beside one that is outside a transaction: what is put after its name, or, after a slash, the
    name; and the text."""


_OF_TOOL = re.compile(r"^\s*(?:tool|transaction)\s*=.*\n?", re.MULTILINE)
"""Keys of suite.toml that say whose files these are."""


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


_ENDS_WITHIN = re.compile(r";[ \t]*(?:--[^\n]*)?\n")
_PLAIN = Format(_raw, many_outside=True)
FORMATS: Mapping[str, Format] = {
    "plain": _PLAIN,
    "flyway": Format(_raw, many_outside=True, beside=(".conf", "executeInTransaction=false\n")),
    "golang-migrate": Format(_raw),
    "supabase": Format(_raw),
    "prisma": Format(_raw),
    "hasura": Format(_raw),
    "diesel": Format(_raw, beside=("/metadata.toml", "run_in_transaction = false\n")),
    "postgrator": Format(_raw),
    "goose": Format(_goose, many_outside=True, around=("-- +goose StatementBegin", "-- +goose StatementEnd")),
    "dbmate": Format(_with("-- migrate:up", "-- migrate:up transaction:false", "-- migrate:down")),
    "sql-migrate": Format(
        _with("-- +migrate Up", "-- +migrate Up notransaction", "-- +migrate Down"),
        many_outside=True,
        around=("-- +migrate StatementBegin", "-- +migrate StatementEnd"),
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
    form = FORMATS.get(suite.runner.tool)
    plan = _in_order(hardened) if form is None else _in_place(hardened, form)
    remarks = list(_remarks(suite, plan, own=form is not None))
    try:
        if directory.exists() and any(directory.iterdir()):
            raise UsageError(f"{directory} is not empty", "name a new directory, or empty this one")
        directory.mkdir(parents=True, exist_ok=True)
        _copy_beside(suite, directory, own=form is not None)
        for item in plan:
            _write(item, suite, directory, form)
    except OSError as error:
        raise UsageError(f"{error.filename or directory}: cannot be written: {error.strerror}") from error
    return Written(directory, tuple(name for item in plan for name in item.names), tuple(remarks))


@dataclass(frozen=True, slots=True)
class _Files:
    """One migration and the files that it becomes."""

    hardened: Hardened
    names: tuple[str, ...]
    units: tuple[Unit, ...]
    """One for each name; none where its own file is copied."""


def _remarks(suite: Suite, plan: Sequence[_Files], *, own: bool) -> Iterator[str]:
    if not own:
        yield (
            f"{suite.runner.tool} cannot say in a file that it is no transaction, or has more than files: "
            "the safe version is plain SQL, one file for each transaction, to be applied by psql."
        )
        return
    moved = [item.hardened.migration.file for item in plan if item.names[0] != item.hardened.migration.file]
    if moved:
        yield f"Pushed on to make room, so that its version is another: {', '.join(moved)}."


def _copy_beside(suite: Suite, directory: Path, *, own: bool) -> None:
    """What lies beside the migrations and belongs to the suite."""
    for name in ("workload.toml", "queries.toml", "bench.toml", "base.sql", "migration_lock.toml"):
        if (suite.path / name).is_file():
            shutil.copy(suite.path / name, directory / name)
    if (suite.path / "suite.toml").is_file():
        text = (suite.path / "suite.toml").read_text(encoding="utf-8")
        kept = text if own else _OF_TOOL.sub("", text)
        (directory / "suite.toml").write_text(kept, encoding="utf-8")
    if suite.base is not None and not (directory / "base.sql").exists():
        shutil.copy(suite.base, directory / "base.sql")


def _in_order(hardened: Sequence[Hardened]) -> list[_Files]:
    """Plain files of all migrations, numbered from 1."""
    numbers = count(1)
    plan = []
    for item in hardened:
        units = tuple(map(without_own_marks, item.units))
        slug = re.sub(r"[^A-Za-z0-9._-]+", "_", item.migration.id)
        names = tuple(f"{next(numbers):04d}_{slug}{_part(step)}.sql" for step in range(len(units)))
        plan.append(_Files(item, names, units))
    return plan


def _in_place(hardened: Sequence[Hardened], form: Format) -> list[_Files]:
    """Files in the tool's own format, so that it applies them in this order.

    A migration keeps its version where that is free. A further file of it takes the next number, and pushes
    on those that have it. What has no version stays one file, or is refused.
    """
    last: tuple[int, ...] = ()
    plan = []
    for item in hardened:
        units = _parts(item, form) if item.changed else ()
        head = _head(item)
        if head is None:
            if len(units) > 1:
                raise UsageError(
                    f"{item.migration.file} has no version in its name, and would become {len(units)} files",
                    "name the files by versions, for example 001_create.sql",
                )
            plan.append(_Files(item, (item.migration.file,), units))
            continue
        names = []
        for step in range(len(units) or 1):
            own = tuple(map(int, re.findall(r"\d+", head["digits"].replace("-", "") + head["rest"])))
            if step == 0 and own > last:
                last = own
                names.append(item.migration.file)
            else:
                last = (last[0] + 1,)
                names.append(_renamed(item.migration.file, head, last[0], step))
        plan.append(_Files(item, tuple(names), units))
    return plan


def _head(item: Hardened) -> re.Match[str] | None:
    """The version in the name of the file, or of its directory."""
    path = Path(item.migration.file)
    return _VERSION.match(path.name) or _VERSION.match(path.parent.name)


def _renamed(path: str, head: re.Match[str], number: int, step: int) -> str:
    """A path with another version, in the form that it had, and the number of the part before the ending."""
    bare = head["digits"].replace("-", "")
    digits = iter(f"{number:0{len(bare)}d}")
    version = "".join(next(digits) if char.isdigit() else char for char in head["digits"]) + "".join(digits)
    stem, dot, ending = head["after"].partition(".")
    part = _part(step) if stem else ""  # 001.do.x.sql has its name behind its mark
    return path.replace(head.string, f"{head['before']}{version}{stem}{part}{dot}{ending}", 1)


def _part(step: int) -> str:
    return f"_part{step + 1}" if step else ""


def _parts(item: Hardened, form: Format) -> tuple[Unit, ...]:
    """Its units, each a file; where a tool's file outside sends one statement, each statement has one."""
    parts: list[Unit] = []
    for unit in map(without_own_marks, item.units):
        if unit.transaction or form.many_outside:
            parts.append(unit)
        else:
            parts += [Unit((text,), transaction=False) for text in unit.texts]
    return tuple(parts)


def _write(item: _Files, suite: Suite, directory: Path, form: Format | None) -> None:
    migration = item.hardened.migration
    plain = form is None or suite.runner.tool == "plain"
    for step, name in enumerate(item.names):
        target = directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if not item.units:
            shutil.copy(migration.path, target)
            continue
        back = _section_back(item.hardened) if step == 0 else None
        unit, used = item.units[step], form or _PLAIN
        target.write_text(
            used.write(_text(unit, used, plain=plain), back, unit.transaction), encoding="utf-8"
        )
        if used.beside is not None and not unit.transaction:
            ending, text = used.beside
            name = ending[1:] if ending.startswith("/") else target.name + ending
            target.with_name(name).write_text(text, encoding="utf-8")
    back = _section_back(item.hardened)
    if migration.rollback is not None and migration.rollback != migration.path:
        _write_back(item, suite, directory, numbered=form is None)
    elif form is None and back is not None:
        (directory / "rollback").mkdir(exist_ok=True)
        (directory / "rollback" / item.names[0]).write_text(back, encoding="utf-8")


def _text(unit: Unit, form: Format, *, plain: bool) -> str:
    texts = [_closed(text) for text in unit.texts]
    if form.around is not None:
        begin, end = form.around
        texts = [f"{begin}\n{text}\n{end}" if _ENDS_WITHIN.search(text) else text for text in texts]
    if plain and unit.transaction and len(texts) > 1:
        texts = ["BEGIN;", *texts, "COMMIT;"]
    return "\n".join(texts) + "\n"


def plain_text(unit: Unit) -> str:
    """The unit as psql takes it."""
    return _text(without_own_marks(unit), _PLAIN, plain=True)


def _closed(text: str) -> str:
    bare = text.rstrip().rstrip(";").rstrip()
    if bare.endswith("\\."):  # of rows
        return bare
    return f"{bare}\n;" if "--" in bare.splitlines()[-1] else f"{bare};"


def _section_back(item: Hardened) -> str | None:
    """The way back that stands in the migration's own file."""
    part = item.migration.backward
    if part is None or part.path != item.migration.path:
        return None
    return "\n".join(line for line in (part.text or "").splitlines() if line.strip()) + "\n"


def _write_back(item: _Files, suite: Suite, directory: Path, *, numbered: bool) -> None:
    """A way back that is a file, beside the first file of its migration, by the version that this has now."""
    rollback = item.hardened.migration.rollback
    assert rollback is not None
    inside = rollback.is_relative_to(suite.path)
    below = rollback.relative_to(suite.path) if inside else Path("rollback", rollback.name)
    old, new = Path(item.hardened.migration.file), Path(item.names[0])
    if numbered:
        below = Path("rollback", new.name)
    elif old.parent != new.parent:  # a directory for each migration
        below = new.parent / below.name
    elif old.name != new.name:
        before, after = _VERSION.match(old.name), _VERSION.match(new.name)
        assert before is not None
        assert after is not None
        version = f"{before['digits']}{before['rest']}"
        below = below.with_name(below.name.replace(version, after["digits"], 1))
    (directory / below).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(rollback, directory / below)
