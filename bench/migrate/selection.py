"""Files of migrations named one by one, as a pre-commit hook names them: read as their tool reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.config import read_suite_config
from bench.migrate.filenames import ROLLBACK_DIRECTORIES
from bench.migrate.migration import Migration, Part, Transaction, digest
from bench.migrate.tools.choose import Chosen, choose
from bench.migrate.tools.folder import Folder
from bench.migrate.transactions import Statements, read_migrations

_OF_A_DIRECTORY = frozenset({"up.sql", "down.sql", "migration.sql"})
"""Names of files that are a migration together with the directory that they are in."""
_BELOW = ROLLBACK_DIRECTORIES | {"deploy", "revert", "verify"}


@dataclass(frozen=True, slots=True)
class Selection:
    """What of some files goes forward."""

    scripts: tuple[tuple[Path, Statements], ...]
    remarks: tuple[str, ...]
    """Which tool they are of, and what was left out."""
    keeps_session: bool


def read_given(
    paths: Sequence[Path],
    *,
    tool: str | None = None,
    transaction: Transaction | None = None,
    known: Mapping[str, str] | None = None,
) -> Selection:
    """Read files in the order in which they are named, those of a tool in its own order.

    A file that takes a migration back is left out, and said. With ``tool`` ``plain`` every file is read as it
    stands. UsageError: a file that cannot be used, or that its tool would refuse.
    """
    for path in paths:
        if not path.is_file():
            why = "Is a directory" if path.is_dir() else "No such file or directory"
            raise UsageError(
                f"{path}: cannot be read: {why}", hint="name files of SQL; bench run takes a directory"
            )
    if tool == "plain":
        plain = [_as_it_stands(path, transaction) for path in paths]
        return Selection(_scripts(plain, known), (), transaction == "all")
    read = {
        directory: _read(directory, paths, tool, transaction)
        for directory in dict.fromkeys(map(_home, paths))
    }
    remarks = [
        remark for chosen in read.values() if chosen.tool.name != "plain" for remark in chosen.remarks[:1]
    ]
    migrations: list[Migration] = []
    for path in paths:
        chosen = read[_home(path)]
        same = [migration for migration in chosen.plan.migrations if _same(migration.path, path)]
        migrations += [migration for migration in same if migration not in migrations]
        if not same and (back := _taken_back(chosen, path)) is not None:
            remarks.append(f"{path} takes {back} back: left out (--tool plain reads it as it stands).")
        elif not same:
            migrations.append(_as_it_stands(path, transaction))
            if chosen.tool.name != "plain":
                remarks.append(f"{path} is no migration of {chosen.tool.title}: read as plain SQL.")
    kept = any(chosen_of.tool.keeps_session for chosen_of in read.values()) or transaction == "all"
    return Selection(_scripts(_in_order(migrations, list(read.values())), known), tuple(remarks), kept)


def _home(path: Path) -> Path:
    """The directory that the file's tool would be given."""
    if path.name in _OF_A_DIRECTORY or path.parent.name.lower() in _BELOW:
        return path.parent.parent
    return path.parent


def _read(
    directory: Path, paths: Sequence[Path], tool: str | None, transaction: Transaction | None
) -> Chosen:
    """The directory as its tool reads it; where it cannot be read as a whole, the named files alone."""
    config = read_suite_config(directory / "suite.toml")
    whole = Folder(directory, placeholders=config.placeholders, on_data=True)
    tool, transaction = tool or config.tool, transaction or config.transaction
    try:
        return choose(whole, tool, transaction)
    except UsageError:
        return choose(replace(whole, only=frozenset(map(Path.resolve, paths))), tool, transaction)


def _as_it_stands(path: Path, transaction: Transaction | None) -> Migration:
    part = Part(path, transaction=transaction or "none")
    return Migration(path.stem, path, str(path), digest(path.read_bytes()), None, part)


def _taken_back(chosen: Chosen, path: Path) -> str | None:
    """What a file takes back: a migration's name, or where that is not known its version in words."""
    for migration in chosen.plan.migrations:
        if migration.rollback is not None and _same(migration.rollback, path):
            return migration.id
    return "a migration" if any(_same(file.path, path) for file in chosen.plan.rollbacks) else None


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _in_order(migrations: list[Migration], read: Sequence[Chosen]) -> list[Migration]:
    """Those of a tool take their places in its order; plain files stay where they were named."""
    ordered = list(migrations)
    for chosen in read:
        if chosen.tool.name == "plain":
            continue
        places = [place for place, migration in enumerate(ordered) if migration in chosen.plan.migrations]
        own = [migration for migration in chosen.plan.migrations if migration in migrations]
        for place, migration in zip(places, own, strict=True):
            ordered[place] = migration
    return ordered


def _scripts(
    migrations: Sequence[Migration], known: Mapping[str, str] | None
) -> tuple[tuple[Path, Statements], ...]:
    return tuple((migration.path, statements) for migration, statements in read_migrations(migrations, known))
