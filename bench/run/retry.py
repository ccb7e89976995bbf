"""Tries with a lock timeout: who waits too long for a lock gives up its place, pauses, and tries again.

What is tried again is the smallest part of the file that left nothing behind: the transaction that was
rolled back, from its BEGIN, or a single statement outside one. The session goes on, as it does in a runner
that retries statements; so what it had SET stays. A statement that commits inside (CALL, DO, CONCURRENTLY)
may have left a part of its work, and is tried again only where that is known to be harmless; otherwise from
the start of the file, where the policy says that each file may be run again (``rerunnable``).
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.migrate.kinds import classify
from bench.model.deploy import Try
from bench.model.run import MigrationRun
from bench.model.statement import Statement, StatementRun
from bench.run.deploy import Deploy, apply_in, clock
from bench.run.measured import skipped
from bench.run.progress import Said

LOCK_NOT_AVAILABLE = "55P03"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""
HARMLESS_AGAIN = frozenset({"VACUUM", "DROP INDEX CONCURRENTLY"})
"""Plain statements whose second run ends as one run does. An index that CONCURRENTLY left invalid is no case
of these: its second run fails, or with IF NOT EXISTS passes it over."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
DEFAULT_RETRIES = 20


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to wait for a lock, and how often to come back."""

    lock_timeout_s: float
    """Of the session, from its start; a migration that sets its own keeps that."""
    retries: int = DEFAULT_RETRIES
    """For each migration, besides its first try."""
    first_pause_s: float = FIRST_PAUSE_S
    longest_pause_s: float = LONGEST_PAUSE_S
    rerunnable: bool = False
    """The files may be run again from their start after they stopped half-way."""
    seed: int = 1

    def pause_s(self, number: int, chance: float) -> float:
        """The pause after the ``number``-th try, from 1: doubled each time up to the longest, and cut by up
        to a half by ``chance`` (0 to 1), so that several who wait do not come back together."""
        full_s = min(self.longest_pause_s, self.first_pause_s * float(2 ** min(number - 1, 30)))
        return full_s * (1 - 0.5 * chance)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a try may begin again; ``statement`` is None where it must not, for the reason given."""

    statement: int | None
    reason: str | None = None


def resume_place(statements: Sequence[Statement], failed: int, *, in_file: bool, left_invalid: bool) -> Place:
    """Where to go on after ``statements[failed]`` timed out and its transaction was rolled back.

    ``in_file``: in a transaction that the file began. ``left_invalid``: there is an invalid index that was
    not there before.
    """
    statement = statements[failed]
    if not in_file:
        kind = statement.kind
        if left_invalid and kind not in HARMLESS_AGAIN:
            return Place(None, f"{kind} left an invalid index, which must be dropped first")
        if _may_commit_inside(statement):
            return Place(None, f"{kind} may have committed a part of its work")
        return Place(failed)
    for index in range(failed, -1, -1):
        control = classify(statements[index].text).transaction_control
        if control == "begin":
            return Place(index)
        if control in ("commit_and_chain", "rollback_and_chain"):
            return Place(None, "its transaction was begun by AND CHAIN")
        if control in ("commit", "rollback") and index < failed:
            break
    return Place(None, "no BEGIN of its transaction was found in the file")


def _may_commit_inside(statement: Statement) -> bool:
    """Whether a part of its work may stand though it failed; a procedure that a DO block calls may commit."""
    kind = statement.kind
    if kind in HARMLESS_AGAIN or "INDEX CONCURRENTLY" in kind:
        return False
    calls = kind == "DO" and re.search(r"\bcall\b", statement.text, re.IGNORECASE) is not None
    return kind == "CALL" or calls or classify(statement.text).refuses_transaction


@dataclass(slots=True)
class Retrier:
    """Applies migrations, each with its tries; a :data:`Deployer` of the loaded pass.

    ``pause`` waits for so many seconds.
    """

    policy: RetryPolicy
    pause: Callable[[float], object] = time.sleep
    tries: list[Try] = field(default_factory=list)
    """Of every migration, in their order."""

    def __call__(self, deploy: Deploy) -> MigrationRun:
        """Try the file until it is applied, fails in another way or may not be tried again."""
        milliseconds = round(1000 * self.policy.lock_timeout_s)
        server = deploy.server.with_settings({"lock_timeout": str(milliseconds)})
        with replace(deploy, server=server).session() as conn:
            conn.prepare_threshold = None  # DISCARD ALL would take what psycopg has prepared
            tried = _Tried(deploy.statements, _invalid_indexes(conn))
            number, first, began = 1, 0, clock()
            start = began
            while True:
                part = replace(deploy, statements=deploy.statements[first:])
                run = apply_in(conn, part)
                tried.add(run, began - start)
                place = self._following(conn, tried, run, number, shared=deploy.shared is not None)
                made = _as_try(run, number, first, began - start, clock() - began)
                if place is None or place.statement is None:
                    self.tries.append(replace(made, gave_up=place.reason if place else None))
                    return tried.result(run, clock() - start)
                made = replace(made, pause_s=self._pause_s(deploy.migration, number))
                self.tries.append(made)
                deploy.progress(Said(self._again(deploy.migration, made)))
                self.pause(made.pause_s or 0.0)
                number, first, began = number + 1, place.statement, clock()

    def _again(self, migration: str, made: Try) -> str:
        left = self.policy.retries - made.number + 1
        return (
            f"{migration}: try {made.number} waited {made.blocked_s or 0.0:.1f} s for a lock; again in "
            f"{made.pause_s or 0.0:.1f} s, {left} {'retry' if left == 1 else 'retries'} left"
        )

    def _pause_s(self, migration: str, number: int) -> float:
        """By a stream of chance for each try, so that a run can be repeated."""
        chance = random.Random(f"{self.policy.seed} {migration} {number}").random()
        return self.policy.pause_s(number, chance)

    def _following(
        self,
        conn: psycopg.Connection[TupleRow],
        tried: _Tried,
        run: MigrationRun,
        number: int,
        *,
        shared: bool,
    ) -> Place | None:
        """Where to go on, outside a transaction; None where no lock timeout ended the try."""
        failed = _failed(run)
        if failed is None or failed.error is None or failed.error.sqlstate != LOCK_NOT_AVAILABLE:
            return None
        in_file = conn.info.transaction_status != TransactionStatus.IDLE
        if in_file:
            conn.execute("ROLLBACK")
        left_invalid = bool(_invalid_indexes(conn) - tried.invalid)
        position = [each.index for each in tried.statements].index(failed.index)
        place = resume_place(tried.statements, position, in_file=in_file, left_invalid=left_invalid)
        if place.statement is None and self.policy.rerunnable:
            place = Place(0)
        if place.statement is not None and number > self.policy.retries:
            return Place(None, f"the {self.policy.retries} retries are used up")
        if place.statement == 0 and not shared:
            conn.execute("DISCARD ALL")  # as a session that psql opens anew
        return place


@dataclass(slots=True)
class _Tried:
    """What the tries of one migration have come to."""

    statements: Sequence[Statement]
    invalid: frozenset[int]
    """Indexes that were invalid before."""
    runs: dict[int, StatementRun] = field(default_factory=dict)
    """The last run of each statement, by its index."""
    busy_s: float = 0.0

    def add(self, run: MigrationRun, began_s: float) -> None:
        """Put a try in; it began so many seconds after the first one."""
        self.busy_s += run.duration_s or 0.0
        for each in run.statements:
            if each.outcome == "skipped":
                self.runs.pop(each.index, None)
            else:
                at_s = None if each.started_at_s is None else each.started_at_s + began_s
                self.runs[each.index] = replace(each, started_at_s=at_s)

    def result(self, last: MigrationRun, wall_s: float) -> MigrationRun:
        """The migration as it ended; its duration is that of all tries without the pauses."""
        statements = tuple(self.runs.get(each.index) or skipped(each) for each in self.statements)
        return replace(last, statements=statements, duration_s=self.busy_s, wall_s=wall_s)


def _failed(run: MigrationRun) -> StatementRun | None:
    return next((each for each in run.statements if each.outcome == "failed"), None)


def _as_try(run: MigrationRun, number: int, first: int, began_s: float, duration_s: float) -> Try:
    failed = _failed(run)
    error = failed.error if failed is not None else None
    timed_out = error is not None and error.sqlstate == LOCK_NOT_AVAILABLE
    return Try(
        migration=run.id,
        number=number,
        first_statement=first,
        statement=failed.index if failed else None,
        outcome="lock_timeout" if timed_out else "failed" if run.error else "applied",
        began_s=began_s,
        duration_s=duration_s,
        blocked_s=failed.duration_s if failed and timed_out else None,
    )


def _invalid_indexes(conn: psycopg.Connection[TupleRow]) -> frozenset[int]:
    rows = conn.execute("SELECT indexrelid::bigint FROM pg_index WHERE NOT indisvalid").fetchall()
    return frozenset(oid for (oid,) in rows)
