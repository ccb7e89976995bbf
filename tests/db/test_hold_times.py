"""Hold times and waits against what the migration says itself: right within their bounds, every time.

``BENCH_HOLD_TRIALS`` scripts are drawn in all, ``BENCH_HOLD_SEED`` draws others.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import psycopg
import pytest
from hold_trials import BASE, Kind, Trial, Truth, disagreement, draw_trial, server_clock, truths

from bench.migrate.script import read_statements
from bench.model.lock import Lock, LockMode
from bench.pg.server import Server
from bench.pg.sessions import reopening
from bench.run.progress import silent
from bench.run.solo.apply import MigrationApplier
from bench.run.solo.watch import Watch

KINDS: tuple[Kind, ...] = get_args(Kind)
TRIALS = int(os.environ.get("BENCH_HOLD_TRIALS", "40"))
SEED = int(os.environ.get("BENCH_HOLD_SEED", "1"))
EXACT = ("block", "file", "savepoint", "wait")
"""Kinds whose last lock is there at the end of its statement."""


class Lab:
    """A database on which trials run one after the other."""

    def __init__(self, server: Server, dbname: str, file: Path) -> None:
        self.server, self.dbname = server, dbname
        self.connect = lambda: server.connect(dbname, application_name="pgrehearse trial")
        self.file = file

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        with (
            self.connect() as observer,
            reopening(self.server, self.dbname, "pgrehearse sampler") as sampling,
        ):
            yield Watch(observer, sampling)

    def run(self, trial: Trial, watch: Watch) -> str | None:
        """Apply the trial's script; tell in what the locks that were measured contradict its stamps."""
        self._prepare(trial)
        stamps: dict[str, float] = {}
        behind: dict[str, float] = {}
        with self.connect() as conn, ThreadPoolExecutor(1) as threads:
            conn.add_notice_handler(lambda notice: stamps.update([_stamp(notice)]))
            applier = MigrationApplier(
                "trial", read_statements(self.file), conn, watch, repeat=0, progress=silent
            )
            if trial.kind in ("wait", "concurrently"):
                mode = "ACCESS EXCLUSIVE" if trial.kind == "wait" else "ROW EXCLUSIVE"
                with self.connect() as other:
                    other.execute("BEGIN")
                    other.execute(f"LOCK TABLE kept IN {mode} MODE")
                    stands_behind = threads.submit(_let_go, other, conn.info.backend_pid, trial.awaited_s)
                    applier.run()
                    behind = stands_behind.result()
            else:
                applier.run()
        result = applier.result()
        assert result.outcome == "applied", result.error
        locks = [lock for s in result.statements for lock in s.locks if lock.relation == "public.kept"]
        mode = trial.spells[0].mode
        own = sorted((lock for lock in locks if lock.mode == mode), key=lambda lock: lock.granted_at_s or 0)
        offset = server_clock()
        looks = [(look.sent + offset, look.received + offset) for look in watch.traces[-1].looks]
        true = truths(trial, stamps, behind)
        disagrees = _unsure(trial, own) or disagreement(own, true, looks)
        return disagrees and "\n".join([disagrees, *map(repr, [*own, *true, *looks])])

    def _prepare(self, trial: Trial) -> None:
        with self.connect() as conn:
            conn.execute("DROP INDEX IF EXISTS kept_id")
            conn.execute(f"CREATE OR REPLACE PROCEDURE trial() LANGUAGE plpgsql AS $$ {trial.procedure} $$")
        self.file.write_text(trial.script)


def _stamp(notice: psycopg.errors.Diagnostic) -> tuple[str, float]:
    label, _, moment = (notice.message_primary or "").rpartition(" ")
    return label, float(moment)


def _unsure(trial: Trial, locks: list[Lock]) -> str | None:
    """What is there at the end of a statement is read there, not sampled."""
    if trial.kind in EXACT and trial.spells[-1].ending == "end":
        return None if locks and locks[-1].source == "exact" else "the last lock is not exact"
    return None


def _let_go(other: psycopg.Connection[Any], pid: int, after_s: float) -> dict[str, float]:
    """Wait until the backend ``pid`` waits for this session, then some more, then end the transaction."""
    waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = %s AND NOT granted)"
    deadline = time.monotonic() + 20
    while not _value(other, waits, pid):
        if time.monotonic() > deadline:
            raise AssertionError("the migration does not wait")
        time.sleep(0.0005)
    seen = _value(other, "SELECT extract(epoch FROM clock_timestamp())::float8")
    time.sleep(after_s)
    release = _value(other, "SELECT extract(epoch FROM clock_timestamp())::float8")
    other.execute("COMMIT")
    return {"waits": seen, "granted": seen, "release": release}


def _value(conn: psycopg.Connection[Any], sql: str, *values: object) -> Any:
    row = conn.execute(sql, values).fetchone()  # type: ignore[call-overload]
    assert row is not None
    return row[0]


@pytest.fixture
def lab(server: Server, database: str, tmp_path: Path) -> Lab:
    with server.connect(database) as conn:
        conn.execute(BASE)
    return Lab(server, database, tmp_path / "trial.sql")


@pytest.mark.parametrize("kind", KINDS)
def test_holds_and_waits_are_right_within_their_bounds(lab: Lab, kind: Kind) -> None:
    wrong: list[str] = []
    with lab.watching() as watch:
        for number in range(-(-TRIALS // len(KINDS))):
            trial = draw_trial(kind, random.Random(f"{SEED} {kind} {number}"))
            disagrees = lab.run(trial, watch)
            if disagrees:
                wrong.append(f"{kind} {number}: {disagrees}\n{trial.script}{trial.procedure}")
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong)


HELD = Lock(
    "public.kept", LockMode.SHARE, "table", False, "exact", 0.0, 1.5, (1.4, 1.6), waited_s_bounds=(0.0, 0.1)
)
TRUE = Truth(granted=(10.0, 10.05), released=(11.5, 11.6), at_least_s=1.45, awaited=(0.0, 0.05))


def test_the_comparison_takes_what_agrees() -> None:
    assert disagreement([HELD], [TRUE], []) is None


@pytest.mark.parametrize(
    ("locks", "truth", "looks"),
    [
        ([replace(HELD, held_s_bounds=(1.0, 1.4))], [TRUE], []),
        ([replace(HELD, held_s_bounds=(1.7, 1.8))], [TRUE], []),
        ([replace(HELD, held_s_bounds=None)], [TRUE], []),
        ([replace(HELD, waited_s_bounds=(0.06, 0.1))], [TRUE], []),
        ([], [TRUE], [(11.0, 11.1)]),
        ([HELD, HELD], [TRUE], []),
        ([HELD], [], []),
        (
            [replace(HELD, held_s_bounds=(2.5, 4.0))],
            [TRUE, replace(TRUE, granted=(12.0, 12.1), released=(13.0, 13.1))],
            [(11.7, 11.8)],
        ),
    ],
    ids=["too short", "too long", "unknown", "waited", "missing", "twice", "invented", "joined"],
)
def test_the_comparison_sees_what_is_wrong(
    locks: list[Lock], truth: list[Truth], looks: list[tuple[float, float]]
) -> None:
    assert disagreement(locks, truth, looks) is not None
