"""Migrations that hold locks of known length, under traffic of which it is known who conflicts with them.

The truth is the migration's own clock: from the end of its LOCK TABLE to the end of its COMMIT. The server
lets the lock go somewhere inside COMMIT, a little before the migration learns of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.migrate.migration import Migration, Part
from bench.migrate.script import read_statements
from bench.model.load import ClassLoad, StatementSpan, Workload
from bench.model.lock import LockMode
from bench.model.run import Repeat
from bench.pg.server import Server
from bench.run.progress import silent
from bench.run.scripts import Scripts
from bench.run.traffic.onepass import TrafficOptions, loaded_pass
from bench.workload.config import given_mix
from bench.workload.spec import Generator, RequestClass, TrafficMix

SHOP = """
CREATE TABLE parents (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE children (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int REFERENCES parents);
CREATE TABLE others (id int PRIMARY KEY, name text);
INSERT INTO parents SELECT n, 'p' FROM generate_series(1, 1000) AS n;
INSERT INTO children (parent) SELECT n FROM generate_series(1, 1000) AS n;
INSERT INTO others SELECT n, 'o' FROM generate_series(1, 1000) AS n;
"""
ONE = {"n": Generator("integer", 1, 1000)}
SHOPPING = TrafficMix(
    (
        RequestClass(
            "read parents", ("SELECT name FROM parents WHERE id = %(n)s",), ("public.parents",), "read",
            generate=ONE,
        ),
        RequestClass(
            "write parents", ("UPDATE parents SET name = 'q' WHERE id = %(n)s",), ("public.parents",),
            "write", generate=ONE,
        ),
        RequestClass(
            "insert children", ("INSERT INTO children (parent) VALUES (%(n)s)",),
            ("public.children", "public.parents"), "write", generate=ONE,
        ),
        RequestClass(
            "read children", ("SELECT parent FROM children WHERE id = %(n)s",), ("public.children",), "read",
            generate=ONE,
        ),
        RequestClass(
            "write others", ("UPDATE others SET name = 'x' WHERE id = %(n)s",), ("public.others",), "write",
            generate=ONE,
        ),
    ),
    "workload.toml",
)  # fmt: skip
NEEDED = {
    "read parents": LockMode.ACCESS_SHARE,
    "write parents": LockMode.ROW_EXCLUSIVE,
    "insert children": LockMode.ROW_SHARE,
}
"""What each class asks of the table parents, its foreign key's check included."""


@dataclass(frozen=True)
class Hold:
    """One lock on parents."""

    mode: LockMode
    held_s: float


def script_of(holds: Sequence[Hold]) -> str:
    """A migration that takes the locks one after the other, and waits in between."""
    return "".join(
        f"BEGIN;\nLOCK TABLE parents IN {hold.mode.sql_name} MODE;\nSELECT pg_sleep({hold.held_s});\n"
        "COMMIT;\n"
        "SELECT pg_sleep(0.15);\n"
        for hold in holds
    )


def scripts_of(directory: Path, sql: str) -> Scripts:
    """One migration of this text."""
    path = directory / "001_locks.sql"
    path.write_text(sql, encoding="utf-8")
    return [(Migration("001_locks", path, path.name, "", None, Part(path)), read_statements(path))]


def rehearse_load(
    server: Server, dbname: str, scripts: Scripts, options: TrafficOptions, mix: TrafficMix = SHOPPING
) -> Repeat:
    """A loaded pass on a database that has the shop."""
    return loaded_pass(server, dbname, scripts, mix, options, keep=lambda _: None, progress=silent)


def fill_shop(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    conn.execute(SHOP.encode())
    conn.execute("VACUUM ANALYZE")


def load_of(workload: Workload, name: str) -> ClassLoad:
    return next(each for each in workload.classes if each.name == name)


@dataclass(frozen=True)
class Truth:
    """What the migration's clock says of a hold, on the workload's clock."""

    hold: Hold
    lock: StatementSpan
    commit: StatementSpan

    @property
    def begin_s(self) -> float:
        """When the migration had the lock."""
        return self.lock.end_s

    @property
    def end_s(self) -> float:
        """When the migration knew that it was gone."""
        return self.commit.end_s


def truths(workload: Workload, holds: Sequence[Hold]) -> list[Truth]:
    """Each hold with the statements that took and released it."""
    spans = {span.statement: span for span in workload.statements}
    return [Truth(hold, spans[5 * n + 1], spans[5 * n + 3]) for n, hold in enumerate(holds)]


def inside_s(load: ClassLoad, begin_s: float, end_s: float) -> float:
    """How much of a stretch the class was blocked in, a little more at its ends included."""
    return sum(
        max(0.0, min(end, end_s + 0.1) - max(begin, begin_s - 0.02)) for begin, end in load.blocked
    )  # fmt: skip


def traffic(directory: Path, **changes: Any) -> TrafficOptions:
    """Half a second of traffic before the deploy and half a second after it, by the suite's own workload."""
    quick: dict[str, Any] = {
        "mix": given_mix(directory, ()),
        "rate_per_s": 150.0,
        "arrivals": "fixed",
        "connections": 8,
        "warm_s": 0.4,
        "after_s": 0.4,
        "drain_s": 3.0,
    }
    return TrafficOptions(**quick | changes)
