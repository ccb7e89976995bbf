"""Options of the loaded pass, and what they mean."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.options import duration, gather, positive_count, positive_number, take
from bench.errors import UsageError
from bench.model.deploy import HAZARDS, HazardName

if TYPE_CHECKING:
    from bench.model.load import Arrivals
    from bench.run.traffic.onepass import TrafficOptions
    from bench.run.traffic.passes import HazardOptions


@dataclass(frozen=True, slots=True)
class TrafficChoice:
    """The application's traffic, and what stands in the deploy's way."""

    no_load: bool = False
    workload: Sequence[str] = ()
    rate: float | None = None
    arrivals: Arrivals = "poisson"
    connections: int | None = None
    hazard: Sequence[HazardName] = ()
    hazard_length: float = 30.0
    lock_timeout: float | None = None
    retries: int | None = None


def add_traffic_options(parser: argparse.ArgumentParser) -> None:
    """``--no-load``, ``--workload``, ``--rate``, ``--arrivals``, ``--connections``, and for hazards
    ``--hazard``, ``--hazard-length``, ``--lock-timeout``, ``--retries``."""
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
        type=request_rate,
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
        default=None,
        metavar="N",
        help="that the application's pool has (default: 40, or as many as the server has room for)",
    )
    _add_hazard_options(parser)
    gather(parser, "traffic", lambda options: take(TrafficChoice, options))


def _add_hazard_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what stands in the way of the deploy, under the same traffic")
    group.add_argument(
        "--hazard",
        type=hazards,
        action="extend",
        default=[],
        metavar="NAME[,…]|all",
        help=f"apply the migrations once more beside each of {', '.join(HAZARDS)}",
    )
    group.add_argument(
        "--hazard-length",
        type=duration,
        default=30.0,
        metavar="S",
        help="how long it lasts from before the first statement (default: 30 s; a backup has its own time)",
    )
    group.add_argument(
        "--lock-timeout",
        type=duration,
        default=None,
        metavar="TIME",
        help="and once more with this lock_timeout, for example 2s: the deploy gives up its place in the "
        "queue and tries again",
    )
    group.add_argument(
        "--retries",
        type=positive_count,
        default=None,
        metavar="N",
        help="after a lock timeout, of each migration, with ever longer pauses (default: 20)",
    )


def request_rate(text: str) -> float:
    """Requests per second: a number above 0 that one generator can make."""
    from bench.workload.traffic import MOST_PER_S

    rate = positive_number(text)
    if rate > MOST_PER_S:
        raise argparse.ArgumentTypeError(f"{text} is more than can be made: {MOST_PER_S:,.0f} a second")
    return rate


def hazards(text: str) -> list[HazardName]:
    """``long-reader,backup`` as names in the order of :data:`HAZARDS`; ``all`` is every one."""
    words = [word.strip() for word in text.split(",")]
    for word in words:
        if word not in (*HAZARDS, "all"):
            close = difflib.get_close_matches(word, HAZARDS, n=1)
            meant = f"did you mean {close[0]}? " if close else ""
            known = ", ".join((*HAZARDS, "all"))
            raise argparse.ArgumentTypeError(f'"{word}" is no hazard; {meant}known: {known}')
    return [name for name in HAZARDS if name in words or "all" in words]


def traffic_options(suite: Path, traffic: TrafficChoice, seed: int) -> TrafficOptions | None:
    """How to load the suite in this directory; None: not at all. UsageError for an unusable file."""
    from bench.run.traffic.onepass import TrafficOptions
    from bench.workload.config import given_mix

    mix = given_mix(suite, traffic.workload)
    if traffic.no_load:
        return None
    load = TrafficOptions(mix=mix, rate_per_s=traffic.rate, arrivals=traffic.arrivals, seed=seed)
    if traffic.connections is None:
        return load
    return replace(load, connections=traffic.connections, connections_asked=True)


def hazard_options(traffic: TrafficChoice, against: str | None) -> HazardOptions:
    """What is to stand in the deploy's way. UsageError where the options do not go together."""
    from bench.run.traffic.passes import HazardOptions
    from bench.run.traffic.retry import DEFAULT_RETRIES, RetryPolicy

    hazard, lock_timeout, retries = traffic.hazard, traffic.lock_timeout, traffic.retries
    asked = "--hazard" if hazard else "--lock-timeout" if lock_timeout is not None else None
    if asked is not None and traffic.no_load:
        raise UsageError(
            f"{asked} and --no-load: it is the traffic that shows what waits", "leave one of the two out"
        )
    if asked is not None and against is not None:
        raise UsageError(
            f"{asked} and --against: two revisions are compared without traffic",
            "rehearse with hazards in a run of its own",
        )
    if retries is not None and lock_timeout is None:
        raise UsageError(
            "--retries without --lock-timeout: nothing would be tried again", "add --lock-timeout 2s"
        )
    policy = None
    if lock_timeout is not None:
        policy = RetryPolicy(lock_timeout, DEFAULT_RETRIES if retries is None else retries)
    return HazardOptions(tuple(dict.fromkeys(hazard)), traffic.hazard_length, policy)
