"""Queries beside the application's traffic, and which indexes the traffic used."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from bench.model.plan import Query, QueryCase
from bench.pg.server import Server
from bench.run.costs import Subject, cost_or_none
from bench.run.progress import Explaining, Progress, Step
from bench.run.traffic.passes import connection_room
from bench.workload.parameters import WireClass
from bench.workload.traffic import open_traffic

CONNECTIONS = 20
TRIAL_CLIENTS, TRIAL_S = 8, 2.0
CAPACITY_SHARE = 0.5
LEAST_S = 5.0
"""So long the traffic goes on at least."""
EXECUTIONS, BUDGET_S = 10, 1.0
SETTLED_S = 30.0


@dataclass(frozen=True, slots=True)
class Used:
    """What the traffic did to indexes and tables."""

    requests: int = 0
    scans: Mapping[int, int] = field(default_factory=dict)
    """Index → scans."""


def beside_traffic(
    server: Server,
    dbname: str,
    wires: Sequence[WireClass],
    subjects: Sequence[Subject],
    queries: Sequence[Query],
    *,
    rate_per_s: float | None,
    seed: int,
    progress: Progress,
) -> tuple[list[Query], Used]:
    """Cost views and functions on a migrated clone while requests go on at half of what the server can do."""
    conninfo = make_conninfo(server.conninfo(dbname, "application"), application_name="pgrehearse traffic")
    costed = list(queries)
    connections = min(CONNECTIONS, max(1, connection_room(server)))
    with (
        server.connect(dbname, application_name="pgrehearse explain", kind="application") as conn,
        open_traffic(conninfo, wires, connections=connections, workers=1, seed=seed) as traffic,
    ):
        progress(Step("beside the application's traffic: what the server can do"))
        rate = rate_per_s or max(
            1.0, CAPACITY_SHARE * traffic.measure_capacity(TRIAL_CLIENTS, TRIAL_S / 2, TRIAL_S)
        )
        progress(Step(f"views and functions beside {rate:,.0f} requests/s"))
        traffic.begin(rate, "poisson")
        begin = time.monotonic()
        for position, subject in enumerate(subjects):
            query = costed[position]
            if subject.kind == "workload" or query.after is None or query.after.error is not None:
                continue
            progress(Explaining(f"{subject.name}, beside traffic", position, len(subjects)))
            cost = cost_or_none(conn, subject.way, executions=EXECUTIONS, budget_s=BUDGET_S)
            if cost is not None:
                same = cost.fingerprint == query.after.fingerprint
                case = QueryCase(
                    "after",
                    subject.role,
                    "warm",
                    "literal",
                    replace(cost, plan=None) if same else cost,
                    rate,
                )
                costed[position] = replace(query, cases=(*query.cases, case))
        time.sleep(max(0.0, LEAST_S - (time.monotonic() - begin)))
        traffic.end()
        requests = len(traffic.requests().rows)
    with server.connect(dbname, application_name="pgrehearse explain", kind="application") as conn:
        return costed, Used(requests, _scans(conn))


def _scans(conn: psycopg.Connection[TupleRow]) -> dict[int, int]:
    """Scans by index, when the sessions that ended have told all of theirs."""
    deadline = time.monotonic() + SETTLED_S
    last: dict[int, int] | None = None
    while time.monotonic() < deadline:
        others = conn.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        ).fetchone()
        conn.execute("SELECT pg_stat_clear_snapshot()")
        rows = conn.execute("SELECT indexrelid, idx_scan FROM pg_stat_user_indexes").fetchall()
        scans_by_oid = {oid: scans or 0 for oid, scans in rows}
        if scans_by_oid == last and others is not None and others[0] == 0:
            break
        last = scans_by_oid
        time.sleep(0.2)
    return last or {}
