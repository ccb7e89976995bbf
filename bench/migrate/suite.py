"""Discovery of a suite: the migrations of one directory in version order, their rollbacks, its settings."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.accept import read_acceptances
from bench.migrate.budgets import find_budgets
from bench.migrate.config import (
    QuerySpec,
    SuiteConfig,
    read_queries,
    read_suite_config,
    suggest,
)
from bench.migrate.names import (
    ROLLBACK_DIRECTORIES,
    Version,
    is_repeatable,
    is_rollback,
    stem_of,
    version_of,
)
from bench.migrate.shipped import shipped_suites
from bench.migrate.source import read_text
from bench.model.budget import Budget
from bench.model.finding import Acceptance
from bench.model.run import MigrationFile, SuiteInfo

__all__ = ["Migration", "QuerySpec", "Suite", "find_suite", "list_suites"]

# Files that hold both directions; plain SQL would run the way back right after the way forward.
_TWO_WAY_MARKERS = (
    (re.compile(rb"^[ \t]*--[ \t]*migrate:(?:up|down)\b", re.MULTILINE), "-- migrate:up", "dbmate"),
    (re.compile(rb"^[ \t]*--[ \t]*\+goose[ \t]+\w+", re.MULTILINE | re.IGNORECASE), "-- +goose", "goose"),
    (re.compile(rb"^[ \t]*--[ \t]*\+migrate[ \t]+\w+", re.MULTILINE), "-- +migrate", "sql-migrate"),
    (re.compile(rb"^[ \t]*--[ \t]*rambler[ \t]+(?:up|down)\b", re.MULTILINE), "-- rambler up", "rambler"),
    (
        re.compile(rb"^[ \t]*--[ \t]*liquibase formatted sql", re.MULTILINE),
        "--liquibase formatted sql",
        "Liquibase",
    ),
    (re.compile(rb"^[ \t]*--[ \t]*//[ \t]*@UNDO", re.MULTILINE), "-- //@UNDO", "MyBatis Migrations"),
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One migration file of a suite."""

    id: str
    """The file's name without ``.sql``."""
    path: Path
    file: str
    """Path below the suite's directory."""
    sha256: str
    rollback: Path | None
    """The file that takes this migration back; never applied as a migration."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A directory of migrations in the order in which they are deployed."""

    name: str
    path: Path
    base: Path | None
    """SQL of the state before the suite."""
    data: str | None
    migrations: tuple[Migration, ...]
    rollbacks: tuple[Path, ...]
    """Every rollback file, paired with a migration or not."""
    queries: tuple[QuerySpec, ...]
    description: str = ""
    accepted: tuple[Acceptance, ...] = ()
    """The findings that ``suite.toml`` accepts."""
    rerunnable: bool = False
    """Each file may be run again from its start, after it stopped anywhere."""
    budgets: tuple[Budget, ...] = ()
    """What ``bench.toml`` allows the deploy."""
    deployed: tuple[Migration, ...] = ()
    """Migrations that production has had: part of the state before, as their files were then."""
    remarks: tuple[str, ...] = ()
    """What a reader must know of how its migrations were chosen."""

    @property
    def unpaired_rollbacks(self) -> tuple[Path, ...]:
        """Rollback files that belong to no migration."""
        paired = {migration.rollback for migration in self.migrations}
        return tuple(path for path in self.rollbacks if path not in paired)

    @property
    def info(self) -> SuiteInfo:
        """What the run file records of the suite; reads the base file for its checksum.

        UsageError: a migration cannot be read, or is not UTF-8.
        """
        return SuiteInfo(
            name=self.name,
            path=str(self.path),
            base_sha256=_sha256(self.base.read_bytes()) if self.base else None,
            migrations=tuple(
                MigrationFile(
                    migration.id,
                    migration.file,
                    migration.sha256,
                    self._below(migration.rollback) if migration.rollback else None,
                )
                for migration in self.migrations
            ),
            unpaired_rollbacks=tuple(self._below(path) for path in self.unpaired_rollbacks),
            accepted=(*self.accepted, *self._accepted_in_files()),
            budgets=self.budgets,
            deployed=tuple(MigrationFile(each.id, each.file, each.sha256, None) for each in self.deployed),
        )

    def _accepted_in_files(self) -> Iterator[Acceptance]:
        for migration in self.migrations:
            yield from read_acceptances(read_text(migration.path), migration.id, migration.file)

    def _below(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()


def find_suite(name_or_dir: str, root: Path = Path("migrations"), base: Path | None = None) -> Suite:
    """Find a suite by its name under ``root``, or by its directory, and read everything but the SQL.

    ``base`` replaces the suite's own base file. UsageError: no such suite or directory, nothing to apply,
    two files of one version, files without a version among files with one, a file of a two-way format,
    or a ``suite.toml``, ``queries.toml`` or ``bench.toml`` that cannot be used.
    """
    directory = _find_directory(name_or_dir, root)
    config = read_suite_config(directory / "suite.toml")
    base_file = _find_base(directory, config, base)
    files = [path for path in _list_sql(directory) if not (base_file and path.samefile(base_file))]
    rollbacks = [path for path in files if is_rollback(path.relative_to(directory))]
    forward = [path for path in files if path not in rollbacks]
    return Suite(
        name=directory.resolve().name,
        path=directory,
        base=base_file,
        data=config.data,
        migrations=_pair(directory, _in_version_order(directory, forward), rollbacks),
        rollbacks=tuple(sorted(rollbacks, key=_version_then_name)),
        queries=read_queries(directory / "queries.toml"),
        description=config.description,
        accepted=config.accepted,
        rerunnable=config.rerunnable,
        budgets=find_budgets(directory),
    )


def list_suites(root: Path = Path("migrations")) -> tuple[str, ...]:
    """Names of the directories under ``root`` that hold SQL files, sorted."""
    if not root.is_dir():
        return ()
    return tuple(sorted(path.name for path in root.iterdir() if path.is_dir() and any(path.glob("*.sql"))))


def _find_directory(name_or_dir: str, root: Path) -> Path:
    plain_name = Path(name_or_dir).name == name_or_dir and name_or_dir not in ("", ".", "..")
    if plain_name and (root / name_or_dir).is_dir():
        return root / name_or_dir
    directory = Path(name_or_dir)
    if name_or_dir and directory.is_dir():
        return directory
    if directory.is_file():
        raise UsageError(
            f"{directory} is a file, not a suite", hint="give the directory that holds the migrations"
        )
    if not plain_name:
        raise UsageError(f'there is no directory "{name_or_dir}"', hint="give a directory of .sql files")
    shipped = shipped_suites()
    if (shipped / name_or_dir).is_dir():
        return shipped / name_or_dir
    known = sorted({*list_suites(root), *list_suites(shipped)})
    raise UsageError(
        f'there is no suite "{name_or_dir}"',
        hint=f"{suggest(name_or_dir, known)}known suites: {', '.join(known)}; "
        "or give a directory of .sql files",
    )


def _find_base(directory: Path, config: SuiteConfig, override: Path | None) -> Path | None:
    if override is not None:
        if not override.is_file():
            raise UsageError(f"there is no base file {override}", hint="give --base a file of SQL")
        return override
    if config.base is None:
        default = directory / "base.sql"
        return default if default.is_file() else None
    below = os.path.normpath(config.base)
    if Path(below).is_absolute() or Path(below).parts[:2] == ("..", ".."):
        raise UsageError(
            f'{directory / "suite.toml"}: base = "{config.base}" leads out of the suites',
            hint="give a path in the suite's directory or in one beside it, or use --base FILE",
        )
    base = directory / below
    if not base.is_file():
        raise UsageError(f'{directory / "suite.toml"}: base = "{config.base}": there is no file {base}')
    return base


def _list_sql(directory: Path) -> list[Path]:
    """SQL files of the directory and of its rollback directories."""
    folders = sorted(
        path for path in directory.iterdir() if path.is_dir() and path.name.lower() in ROLLBACK_DIRECTORIES
    )
    return [
        path
        for folder in [directory, *folders]
        for path in sorted(folder.iterdir())
        if path.suffix.lower() == ".sql"
        and path.is_file()
        and not path.name.startswith(".")
        and path.name != "base.sql"
    ]


def _in_version_order(directory: Path, files: Sequence[Path]) -> list[Path]:
    if not files:
        nested = sorted({path.parent.name for path in directory.glob("*/*.sql")} - ROLLBACK_DIRECTORIES)
        raise UsageError(
            f"{directory} holds no migration: no .sql file that is neither base nor rollback",
            hint=f"SQL files are in its sub-directories: {', '.join(nested[:5])}; give one of them"
            if nested
            else "give a directory of .sql files named by version, for example 001_create.sql",
        )
    numbered = [path for path in files if version_of(path.name) is not None]
    unnumbered = [path for path in files if path not in numbered and not is_repeatable(path.name)]
    if numbered and unnumbered:
        raise UsageError(
            f"{directory}: no version in the name of {', '.join(path.name for path in unnumbered)}, "
            f"while {numbered[0].name} has one",
            hint="name it by its version, move it elsewhere, or give it as --base if it is the state before",
        )
    _refuse_duplicates(directory, numbered)
    repeatable = [path for path in files if is_repeatable(path.name)]
    return sorted(numbered + unnumbered, key=_version_then_name) + sorted(repeatable)


def _version_then_name(path: Path) -> tuple[Version, str]:
    return version_of(path.name) or (), path.name


def _refuse_duplicates(directory: Path, files: Sequence[Path]) -> None:
    seen: dict[Version, Path] = {}
    for path in files:
        version = version_of(path.name) or ()
        if version in seen:
            raise UsageError(
                f"{directory}: {seen[version].name} and {path.name} have one version, {_spell(version)}",
                hint="give each migration its own version, so that their order is certain",
            )
        seen[version] = path


def _pair(directory: Path, files: Sequence[Path], rollbacks: Sequence[Path]) -> tuple[Migration, ...]:
    by_key: dict[Version | str, Path] = {}
    for path in rollbacks:
        key = _pairing_key(path)
        if key in by_key:
            raise UsageError(
                f"{directory}: {by_key[key].relative_to(directory)} and {path.relative_to(directory)} "
                f"both take back {key if isinstance(key, str) else f'version {_spell(key)}'}",
                hint="keep one rollback for each migration",
            )
        by_key[key] = path
    return tuple(_read_migration(directory, path, by_key.get(_pairing_key(path))) for path in files)


def _pairing_key(path: Path) -> Version | str:
    """The version; without one the name, less what makes it a rollback."""
    return version_of(path.name) or re.sub(
        r"(?:^rollback[-_. ])|(?:[-_. ]rollback$)|(?:[.](?:up|down)$)",
        "",
        stem_of(path.name),
        flags=re.IGNORECASE,
    )


def _read_migration(directory: Path, path: Path, rollback: Path | None) -> Migration:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    for pattern, marker, tool in _TWO_WAY_MARKERS:
        if match := pattern.search(data):
            line = data.count(b"\n", 0, match.end()) + 1
            raise UsageError(
                f'{path}:{line}: "{marker}" makes this a file of {tool}, which holds both directions',
                hint="split it into plain SQL: one file for the way forward, one under rollback/",
            )
    file = path.relative_to(directory).as_posix()
    return Migration(stem_of(path.name), path, file, _sha256(data), rollback)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _spell(version: Version) -> str:
    return ".".join(str(number) for number in version)
