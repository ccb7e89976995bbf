"""Options of the loaded pass, and what they mean."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.options import positive_count, positive_number

if TYPE_CHECKING:
    from bench.model.load import Arrivals
    from bench.run.loaded import LoadOptions


def add_load_options(parser: argparse.ArgumentParser) -> None:
    """``--no-load``, ``--workload``, ``--rate``, ``--arrivals``, ``--connections``."""
    group = parser.add_argument_group("traffic of the loaded pass")
    group.add_argument(
        "--no-load", action="store_true", help="do not apply the migrations once more under traffic"
    )
    group.add_argument(
        "--workload",
        action="append",
        default=[],
        metavar="FILE|pgbench:FILE@N",
        help="classes of requests, or a pgbench script with its weight, which may be repeated (default: "
        "workload.toml of the suite, else reads and writes by key on its tables)",
    )
    group.add_argument(
        "--rate",
        type=positive_number,
        default=None,
        metavar="N",
        help="requests per second (default: half of what the server can do)",
    )
    group.add_argument(
        "--arrivals",
        choices=["poisson", "fixed"],
        default="poisson",
        help="at random or at even distances (default: poisson)",
    )
    group.add_argument(
        "--connections",
        type=positive_count,
        default=40,
        metavar="N",
        help="that the application's pool has (default: 40)",
    )


def load_options(
    suite: Path,
    *,
    seed: int,
    no_load: bool,
    workload: Sequence[str],
    rate: float | None,
    arrivals: Arrivals,
    connections: int,
) -> LoadOptions | None:
    """How to load the suite in this directory; None: not at all. UsageError for an unusable file."""
    from bench.run.loaded import LoadOptions
    from bench.workload.choose import given_mix

    mix = given_mix(suite, workload)
    if no_load:
        return None
    return LoadOptions(mix=mix, rate_per_s=rate, arrivals=arrivals, connections=connections, seed=seed)
