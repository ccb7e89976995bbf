"""Rehearsals of the small inputs from the field, in this process and on the session's server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from field import folder

from bench.analyse.conclude import conclude
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.session import RunOptions, rehearse


@pytest.fixture
def rehearse_case(server: Server) -> Callable[..., Run]:
    """Rehearses ``suite`` (a directory below a case's folder) and concludes: the run as it would be stored.

    ``base`` is a file of the case, where it has one of that name; further options are those of RunOptions.
    Without any: one solo repeat, neither probe nor explain nor traffic.
    """

    def rehearsed(case: str, suite: str = "mig", *, base: str = "base.sql", **options: Any) -> Run:
        path = folder(case)
        base_file = path / base
        found = find_suite(str(path / suite), base=base_file if base_file.is_file() else None)
        wanted = RunOptions(**{"repeats": 1, "explain": False, "probe": False, **options})
        run = rehearse(server, found, wanted, run_id="case", save=lambda _: None, progress=silent)
        return conclude(run).run

    return rehearsed


@pytest.fixture
def rehearse_files(server: Server, tmp_path: Path) -> Callable[..., Run]:
    """Rehearses files that the test writes, by name, on the SQL of ``base``; else as ``rehearse_case``."""

    def rehearsed(files: dict[str, str], base: str = "", **options: Any) -> Run:
        suite = tmp_path / "mig"
        suite.mkdir()
        for name, text in files.items():
            (suite / name).write_text(text, encoding="utf-8")
        base_file = tmp_path / "base.sql"
        base_file.write_text(base, encoding="utf-8")
        wanted = RunOptions(**{"repeats": 1, "explain": False, "probe": False, **options})
        found = find_suite(str(suite), base=base_file if base else None)
        run = rehearse(server, found, wanted, run_id="case", save=lambda _: None, progress=silent)
        return conclude(run).run

    return rehearsed
