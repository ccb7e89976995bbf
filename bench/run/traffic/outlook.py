"""What the passes beside hazards will need, said before they begin."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.model.deploy import HazardName
from bench.model.run import Run
from bench.pg.server import Server
from bench.run.hazards.replica import copy_bytes
from bench.run.traffic.onepass import LoadOptions
from bench.run.traffic.retry import RetryPolicy

CLONE_S = 3.0
"""Of making a clone, drawing parameters and starting the generators; small beside the rest."""
LASTING: frozenset[HazardName] = frozenset({"long-reader", "idle-in-transaction", "autovacuum", "bulk-write"})
"""Hazards that a deploy may have to wait for up to their length."""


def describe_outlook(
    server: Server,
    prepared: str,
    run: Run,
    load: LoadOptions,
    passes: Sequence[tuple[HazardName | None, RetryPolicy | None]],
    length_s: float,
) -> str:
    """Time and disk for these passes, in a sentence: from the deploy's time with nothing in its way."""
    deploy_s = _deploy_s(run)
    each_s = CLONE_S + load.warm_s + deploy_s + load.after_s
    least_s = each_s * len(passes)
    behind = sum(name in LASTING for name, _ in passes)
    size_bytes = _size_bytes(server, prepared)
    disk = f"each needs {_mebibytes(size_bytes)} of the server's disk for its clone"
    if any(name == "replica" for name, _ in passes):
        needed_bytes = copy_bytes(server) + size_bytes
        disk += f", the replica up to {_mebibytes(needed_bytes)} for a second copy of the server"
    many = "1 pass" if len(passes) == 1 else f"{len(passes)} passes"
    most_s = least_s + behind * length_s
    return (
        f"{many} under traffic to come: about {_minutes(least_s)}, up to {_minutes(most_s)} where the deploy "
        f"waits for what is in its way; {disk}"
    )


def _deploy_s(run: Run) -> float:
    """Of the solo pass; 0.0 where there is none."""
    totals = [
        sum(migration.duration_s or 0.0 for migration in repeat.migrations)
        for each in run.passes
        if each.kind == "solo"
        for repeat in each.repeats
    ]
    return statistics.median(totals) if totals else 0.0


def _size_bytes(server: Server, dbname: str) -> int:
    with server.connect() as conn:
        row = conn.execute("SELECT pg_database_size(%s)", (dbname,)).fetchone()
    return int(row[0]) if row else 0


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.0f} MiB"


def _minutes(time_s: float) -> str:
    return f"{time_s:.0f} s" if time_s < 120 else f"{time_s / 60:.0f} min"
