"""What all hazards share: for how long, on which tables, and how it is awaited that they are there."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.model.deploy import HazardName, HazardRecord
from bench.pg.catalog import load_query

T = TypeVar("T")
clock = time.perf_counter

THERE_WITHIN_S = 30.0
"""A hazard that is not there by then does not come about."""
LOOK_EVERY_S = 0.02
GRACE_S = 0.1
"""How long its end is waited for where the deploy is over; it may just have ended by itself."""
DEFAULT_LENGTH_S = 30.0


class NotThereError(Exception):
    """The hazard did not come about; the text says why."""


@dataclass(frozen=True, slots=True)
class Setting:
    """For how long a hazard stands in the way, and of which tables."""

    length_s: float = DEFAULT_LENGTH_S
    tables: tuple[str, ...] = ()
    """With their schemas, as :attr:`Lock.relation` has them; those that the deploy locks. Empty: all."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that a hazard may use."""

    schema: str
    name: str
    pages: int
    free_column: str | None
    """A column that can be set to itself, of no index where there is one; None for a partitioned table, whose
    rows are in its partitions, and where there is none."""
    root: str
    """The topmost partitioned table that it belongs to, with its schema; itself where it is no partition."""

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


@dataclass(slots=True)
class Scene:
    """A hazard that is there."""

    what: str
    length_s: float | None
    evidence: dict[str, Any] = field(default_factory=dict)
    ended_at: float | None = None
    """When it was seen to have ended by itself."""
    over: float | None = None
    """When the deploy had ended."""
    error: str | None = None

    def record(self, name: HazardName, began: float, ready: float) -> HazardRecord:
        """What became of it, on the clock's readings."""
        over = clock() if self.over is None else self.over
        itself = self.ended_at is not None
        # Its locks go a moment before its end is seen, so that the deploy may be over by then.
        end = over if self.ended_at is None else min(self.ended_at, over)
        return HazardRecord(
            name=name,
            what=self.what,
            length_s=self.length_s,
            lasted_s=max(0.0, end - ready),
            ready_s=ready - began,
            ended_itself=itself,
            evidence=dict(self.evidence),
            error=self.error,
        )


def tables_for(conn: psycopg.Connection[TupleRow], setting: Setting) -> list[Table]:
    """The tables that the deploy locks, with what they are partitions of or partitioned into, or all.

    Partitioned ones come first, then the largest. NotThereError where there is none.
    """
    rows = conn.execute(load_query("hazard_tables", conn.info.server_version)).fetchall()
    every = [Table(*row) for row in rows]
    locked = frozenset(setting.tables)
    roots = {table.root for table in every if table.full_name in locked}
    wanted = [table for table in every if table.full_name in locked | roots or table.root in locked] or every
    if not wanted:
        raise NotThereError("the database has no table")
    return wanted


def await_seen(look: Callable[[], T | None], what: str, within_s: float = THERE_WITHIN_S) -> T:
    """Look until something is seen, and return it; NotThereError after ``within_s``."""
    deadline = clock() + within_s
    while (seen := look()) is None:
        if clock() > deadline:
            raise NotThereError(f"{what} was not seen within {within_s:.0f} s")
        time.sleep(LOOK_EVERY_S)
    return seen


def locked_tables(conn: psycopg.Connection[TupleRow], pid: int, mode: str) -> list[str] | None:
    """The tables on which a backend holds ``mode``, with their schemas; None where there is none."""
    rows = conn.execute(
        """
        SELECT n.nspname || '.' || c.relname
        FROM pg_locks AS l
        JOIN pg_class AS c ON c.oid = l.relation
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE l.pid = %s AND l.mode = %s AND l.granted AND l.locktype = 'relation'
            AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        ORDER BY 1
        """,
        (pid, mode),
    ).fetchall()
    return [name for (name,) in rows] or None


def session_state(conn: psycopg.Connection[TupleRow], pid: int) -> str | None:
    """``pg_stat_activity.state`` of a backend; None where it is gone."""
    row = conn.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchone()
    return row[0] if row else None


def first_line(error: BaseException | str) -> str:
    """The first line of what a server or a program said."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
