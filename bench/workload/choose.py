"""Which traffic a suite is rehearsed under."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.workload.config import read_workload
from bench.workload.derived import derive
from bench.workload.pgbench import read_scripts
from bench.workload.spec import TrafficMix

PGBENCH = "pgbench:"


def given_mix(suite: Path, given: Sequence[str]) -> TrafficMix | None:
    """The traffic that ``--workload`` names, else the suite's own; None where there is neither.

    UsageError for a file that cannot be used.
    """
    scripts = [each.removeprefix(PGBENCH) for each in given if each.startswith(PGBENCH)]
    files = [each for each in given if not each.startswith(PGBENCH)]
    if len(files) > 1 or (files and scripts):
        raise UsageError(
            f"--workload is given {len(given)} times, with a file of classes among them",
            hint="give one workload.toml, or any number of pgbench:file.sql@weight",
        )
    if scripts:
        return read_scripts(scripts)
    if files:
        if not Path(files[0]).is_file():
            raise UsageError(f"--workload {files[0]}: no such file", hint="name a workload.toml")
        return read_workload(Path(files[0]))
    own = suite / "workload.toml"
    return read_workload(own) if own.is_file() else None


def mix_for(
    conn: psycopg.Connection[TupleRow],
    given: TrafficMix | None,
    *,
    touched: Sequence[str] = (),
    even_empty: bool = False,
) -> TrafficMix | None:
    """The given traffic, else one derived from the tables, ``touched`` first; None where no table has rows.

    ``even_empty``: tables without rows are read all the same; None then where there is no table.
    """
    return given if given is not None else derive(conn, touched=touched, even_empty=even_empty)
