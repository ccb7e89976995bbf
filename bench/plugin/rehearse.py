"""What the ``rehearsal`` fixture does when it is called."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bench.analyse.conclude import conclude
from bench.errors import MigrationError
from bench.migrate.suite import find_suite
from bench.model.run import MigrationRun
from bench.pg.server import Server
from bench.plugin.rehearsed import Rehearsal
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse
from bench.run.template.options import DataOptions
from bench.store.results import create_directory, new_run_id


@dataclass(frozen=True, slots=True)
class Rehearse:
    """Rehearses suites on one server; each run's file stays in the session's temporary directory."""

    server: Server
    directories: pytest.TempPathFactory
    extra_info: MutableMapping[str, Any] | None
    """pytest-benchmark's, where the test uses it."""

    def __call__(
        self,
        suite: str | Path,
        *,
        base: str | Path | None = None,
        repeats: int = 1,
        scale: float = 0.02,
        fill: bool = False,
        rows: Mapping[str, int] | None = None,
        seed: int = 1,
        explain: bool = True,
        check: bool = True,
    ) -> Rehearsal:
        """Apply the migrations of a directory, or of a suite below ``migrations/``, to fresh clones.

        ``base``: SQL of the state before. ``scale``: of generated data, where the suite has any, 1 being
        100 k deals. ``fill``: fill the empty tables of the base, ``rows`` saying how many of which.
        ``explain``: cost views, functions and queries. Raises UsageError for what cannot be rehearsed;
        MigrationError where a migration fails, unless ``check`` is False: then :attr:`Rehearsed.error` says
        how.
        """
        found = find_suite(str(suite), base=None if base is None else Path(base))
        data = DataOptions(
            scale=scale if found.data else 1.0, rows=dict(rows or {}), seed=seed, fill=fill, cache=True
        )
        options = RunOptions(repeats=repeats, explain=explain, data=data)
        run_id = new_run_id(found.name, datetime.now(UTC))
        directory = create_directory(self.directories.mktemp("rehearsal") / run_id, lambda text: None)
        measured = rehearse(self.server, found, options, run_id=run_id, save=directory.save, progress=silent)
        run = conclude(measured).run
        directory.save(run)
        rehearsed = Rehearsal(run, directory.path)
        if check and rehearsed.failed is not None:
            raise MigrationError(_failure(rehearsed.failed), f"see the run: bench report {directory.path}")
        if self.extra_info is not None:
            self.extra_info.update(rehearsed.counters)
        return rehearsed


def _failure(migration: MigrationRun) -> str:
    error = migration.error
    if error is None:
        return f"{migration.id} failed"
    place = migration.id if error.line is None else f"{migration.id}, line {error.line}"
    return f"{place}: {error.sqlstate}: {error.message}"
