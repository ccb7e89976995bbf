"""Options that say what the tables hold before the migrations, and where that comes from."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.migrate.suite import Suite
    from bench.run.dataoptions import DataOptions


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """``--fill``, ``--columns``, ``--no-cache``."""
    parser.add_argument(
        "--fill",
        action="store_true",
        help="fill the empty tables of a suite that has no data of its own as their schema demands: 1,000 "
        "rows each, or as --rows says",
    )
    parser.add_argument(
        "--columns", type=Path, default=None, metavar="FILE", help="TOML for --fill: rows and values"
    )
    parser.add_argument(
        "--no-cache",
        action="store_true",
        help="load the data again, and do not keep them (see bench templates)",
    )


def data_options(
    found: Suite,
    *,
    scale: float,
    rows: Sequence[tuple[str, int]],
    seed: int,
    dirt: float | None,
    workers: int | None,
    no_cache: bool,
    fill: bool,
    columns: Path | None,
) -> DataOptions:
    """The options as the run takes them; UsageError for ones that have no effect on the suite."""
    from bench.run.dataoptions import DataOptions

    if fill and found.data is not None:
        raise UsageError(
            f"{found.name} has data of its own", hint="--fill is for suites that have none; leave it out"
        )
    if columns is not None and not fill:
        raise UsageError("--columns has no effect without --fill", hint="add --fill")
    require_data(found, found.name, scale=scale, rows=() if fill else rows, dirt=dirt)
    return DataOptions(
        scale=scale,
        rows=dict(rows),
        seed=seed,
        dirt=dirt,
        workers=workers,
        fill=fill,
        columns=columns,
        cache=not no_cache,
    )


def require_data(
    found: Suite, suite: str, *, scale: float, rows: Sequence[tuple[str, int]], dirt: float | None
) -> None:
    """Raise UsageError for options about generated data where the suite has none."""
    if found.data is None and (scale != 1.0 or rows or dirt is not None):
        raise UsageError(
            f"{suite} has no generated data, so --scale, --rows and --dirt have no effect",
            hint="fill the tables in its base file, or with bench run --fill",
        )
