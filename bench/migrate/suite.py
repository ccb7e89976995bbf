"""Discovery of a suite, also of the program's own: migrations in order, rollbacks, settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.accept import read_acceptances
from bench.migrate.budgets import find_budgets
from bench.migrate.config import QuerySpec, SuiteConfig, read_queries, read_suite_config, suggest
from bench.migrate.migration import PSQL, Migration, Runner, Transaction, digest, read_text
from bench.migrate.tools.choose import choose
from bench.migrate.tools.folder import Folder, readable
from bench.migrate.transactions import way_outside
from bench.model.budget import Budget
from bench.model.finding import Acceptance
from bench.model.run import MigrationFile, SuiteInfo

__all__ = ["Migration", "QuerySpec", "Suite", "find_suite", "list_suites"]


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
    runner: Runner = PSQL
    """Who sends them."""

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
            base_sha256=digest(self.base.read_bytes()) if self.base else None,
            migrations=tuple(
                MigrationFile(
                    migration.id,
                    migration.file,
                    migration.sha256,
                    self._below(migration.rollback) if migration.rollback else None,
                    migration.forward.transaction,
                    way_outside(migration.forward),
                )
                for migration in self.migrations
            ),
            unpaired_rollbacks=tuple(self._below(path) for path in self.unpaired_rollbacks),
            accepted=(*self.accepted, *self._accepted_in_files()),
            budgets=self.budgets,
            deployed=tuple(
                MigrationFile(migration.id, migration.file, migration.sha256, None)
                for migration in self.deployed
            ),
            tool=self.runner.tool,
        )

    def _accepted_in_files(self) -> Iterator[Acceptance]:
        for migration in self.migrations:
            text = migration.forward.text
            text = read_text(migration.path) if text is None else text
            yield from read_acceptances(text, migration.id, migration.file)

    def _below(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.path)).as_posix()


def find_suite(
    name_or_dir: str,
    root: Path = Path("migrations"),
    base: Path | None = None,
    *,
    tool: str | None = None,
    transaction: Transaction | None = None,
    on_data: bool = False,
) -> Suite:
    """Find a suite by its name under ``root``, or by its directory, and read everything but the SQL.

    ``base`` replaces the suite's own base file, ``tool`` and ``transaction`` what is told from the files and
    what ``suite.toml`` says; ``on_data``: the state before is not empty, whatever the base says.

    UsageError: no such suite or directory, nothing to apply, files that their tool
    would refuse, two tools that fit, or a ``suite.toml``, ``queries.toml`` or ``bench.toml`` that cannot be
    used.
    """
    directory = _find_directory(name_or_dir, root)
    with readable(directory):
        return _read_suite(directory, base, tool, transaction, on_data=on_data)


def _read_suite(
    directory: Path, base: Path | None, tool: str | None, transaction: Transaction | None, *, on_data: bool
) -> Suite:
    config = read_suite_config(directory / "suite.toml")
    base_file = _find_base(directory, config, base)
    folder = Folder(directory, base_file, config.placeholders, on_data)
    transaction = transaction or config.transaction
    chosen = choose(folder, tool or config.tool, transaction)
    together = any(migration.forward.transaction == "all" for migration in chosen.plan.migrations)
    runner = Runner(chosen.tool.name, chosen.tool.keeps_session or together, transaction, on_data)
    return Suite(
        name=directory.resolve().name,
        path=directory,
        base=base_file,
        data=config.data,
        migrations=chosen.plan.migrations,
        rollbacks=tuple(file.path for file in chosen.plan.rollbacks),
        queries=read_queries(directory / "queries.toml"),
        description=config.description,
        accepted=config.accepted,
        rerunnable=config.rerunnable,
        budgets=find_budgets(directory),
        remarks=chosen.remarks,
        runner=runner,
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


_INSTALLED = "share/pgrehearse/migrations"
"""Below the prefix that pip installs into, see ``data-files`` in pyproject.toml."""
_CHECKOUT = Path(__file__).parents[2] / "migrations"


def shipped_suites() -> Path:
    """The directory of the suites that come with the program; it may not be there."""
    if _CHECKOUT.is_dir():
        return _CHECKOUT
    try:
        files = distribution("pgrehearse").files or []
    except PackageNotFoundError:
        return _CHECKOUT
    for file in files:
        if file.as_posix().endswith(f"{_INSTALLED}/crm/base.sql"):
            return Path(str(file.locate())).resolve().parents[1]
    return _CHECKOUT
