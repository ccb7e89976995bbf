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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.model.deploy import FIRST_PAUSE_S, LONGEST_PAUSE_S, Try, pause_s
from bench.model.run import MigrationRun
from bench.model.statement import Statement, StatementRun
from bench.run.progress import Said
from bench.run.scripts import StatementKey
from bench.run.solo.execution import not_reached, skipped
from bench.run.traffic.deploy import Deploy, apply_in, clock
from bench.sql.kinds import classify

LOCK_NOT_AVAILABLE = "55P03"
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""
HARMLESS_AGAIN = frozenset({"VACUUM", "DROP INDEX CONCURRENTLY"})
"""Plain statements whose second run ends as one run does. An index that CONCURRENTLY left invalid is no case
of these: its second run fails, or with IF NOT EXISTS passes it over."""
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

    untimed: frozenset[StatementKey] = frozenset()
    """Statements that wait for as long as it takes, as they stand in nobody's way meanwhile."""

    def pause_s(self, number: int, chance: float) -> float:
        """The pause after the ``number``-th try, as :func:`bench.model.deploy.pause_s` has it."""
        return pause_s(number, chance, self.first_pause_s, self.longest_pause_s)

    def of(self, deploy: Deploy) -> Deploy:
        """The file with those of its statements that are not timed."""
        untimed = frozenset(index for migration, index in self.untimed if migration == deploy.migration)
        return replace(deploy, untimed=untimed)


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where a try may begin again; ``statement`` is None where it must not, for the reason given."""

    statement: int | None
    reason: str | None = None


def resumption(
    statements: Sequence[Statement], failed: int, *, in_file: bool, left_invalid: bool
) -> Resumption:
    """Where to go on after ``statements[failed]`` timed out and its transaction was rolled back.

    ``in_file``: in a transaction that the file began. ``left_invalid``: there is an invalid index that was
    not there before.
    """
    statement = statements[failed]
    if not in_file:
        kind = statement.kind
        if left_invalid and kind not in HARMLESS_AGAIN:
            return Resumption(None, f"{kind} left an invalid index, which must be dropped first")
        if _may_commit_inside(statement):
            return Resumption(None, f"{kind} may have committed a part of its work")
        return Resumption(failed)
    for index in range(failed, -1, -1):
        control = classify(statements[index].text).transaction_control
        if control == "begin":
            return Resumption(index)
        if control in ("commit_and_chain", "rollback_and_chain"):
            return Resumption(None, "its transaction was begun by AND CHAIN")
        if control in ("commit", "rollback") and index < failed:
            break
    return Resumption(None, "no BEGIN of its transaction was found in the file")


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

    Files that share a transaction are tried again together, from the BEGIN that was rolled back with them.
    ``pause`` waits for so many seconds.
    """

    policy: RetryPolicy
    pause: Callable[[float], object] = time.sleep
    tries: list[Try] = field(default_factory=list)
    """Of every migration, in their order."""

    def __call__(self, deploys: Sequence[Deploy]) -> Iterator[MigrationRun]:
        """Try the files until they are applied, fail in another way or may not be tried again."""
        milliseconds = round(1000 * self.policy.lock_timeout_s)
        server = deploys[0].server.with_settings({"lock_timeout": str(milliseconds)})
        with replace(deploys[0], server=server).session() as conn:
            conn.prepare_threshold = None  # DISCARD ALL would take what psycopg has prepared
            invalid = _invalid_indexes(conn)
            tried = [_Tried(self.policy.of(deploy)) for deploy in deploys]
            number, first = 1, 0
            while True:
                failed = _go(conn, tried, first)
                place = self._following(conn, tried, failed, number, invalid)
                if place is None or place.statement is None:
                    if failed is not None:
                        tried[failed].ends(gave_up=place.reason if place else None)
                    break
                _take_back(tried, place.statement, failed)
                self._pause(tried, failed, number)
                number, first = number + 1, place.statement
        for script in tried:
            self.tries += script.tries
            yield script.result()

    def _pause(self, tried: Sequence[_Tried], failed: int | None, number: int) -> None:
        """Say that it is tried again, and wait; by a stream of chance for each try, so that a run can be
        repeated."""
        script = tried[failed or 0]
        migration = script.deploy.migration
        chance = random.Random(f"{self.policy.seed} {migration} {number}").random()
        pause_s = self.policy.pause_s(number, chance)
        script.ends(pause_s=pause_s)
        left = self.policy.retries - number + 1
        blocked_s = script.tries[-1].blocked_s or 0.0
        said = (
            f"{migration}: try {number} waited {blocked_s:.1f} s for a lock; again in {pause_s:.1f} s, "
            f"{left} {'retry' if left == 1 else 'retries'} left"
        )
        script.deploy.progress(Said(said))
        self.pause(pause_s)

    def _following(
        self,
        conn: psycopg.Connection[TupleRow],
        tried: Sequence[_Tried],
        failed: int | None,
        number: int,
        invalid: frozenset[int],
    ) -> Resumption | None:
        """Where to go on, outside a transaction, counted over all the files; None where no lock timeout
        ended the try."""
        statement = tried[failed].failed if failed is not None else None
        if statement is None or statement.error is None or statement.error.sqlstate != LOCK_NOT_AVAILABLE:
            return None
        in_file = conn.info.transaction_status != TransactionStatus.IDLE
        if in_file:
            conn.execute("ROLLBACK")
        left_invalid = bool(_invalid_indexes(conn) - invalid)
        statements = [statement for script in tried for statement in script.deploy.statements]
        position = sum(len(script.deploy.statements) for script in tried[:failed])
        position += [run.index for run in tried[failed or 0].deploy.statements].index(statement.index)
        place = resumption(statements, position, in_file=in_file, left_invalid=left_invalid)
        if place.statement is None and self.policy.rerunnable:
            place = Resumption(0)
        if place.statement is not None and number > self.policy.retries:
            used_up = "retry is" if self.policy.retries == 1 else "retries are"
            return Resumption(None, f"the {self.policy.retries} {used_up} used up")
        if place.statement == 0 and tried[0].deploy.shared is None:
            conn.execute("DISCARD ALL")  # as a session that psql opens anew
        return place


@dataclass(slots=True)
class _Tried:
    """What the tries of one migration have come to."""

    deploy: Deploy
    runs: dict[int, StatementRun] = field(default_factory=dict)
    """The last run of each statement, by its index."""
    last: MigrationRun | None = None
    """None: it was not reached."""
    tries: list[Try] = field(default_factory=list)
    busy_s: float = 0.0
    began: float | None = None
    ended: float = 0.0

    @property
    def failed(self) -> StatementRun | None:
        """The statement that ended its last try."""
        return _failed(self.last) if self.last is not None else None

    def go(self, conn: psycopg.Connection[TupleRow], first: int) -> MigrationRun:
        """Try the file from its ``first``-th statement."""
        begin = clock()
        self.began = begin if self.began is None else self.began
        with self.deploy.followed(conn):
            run = apply_in(conn, replace(self.deploy, statements=self.deploy.statements[first:]))
        self.ended = clock()
        self.last = run
        self.busy_s += run.duration_s or 0.0
        began_s = begin - self.began
        for statement in run.statements:
            if statement.outcome == "skipped":
                self.runs.pop(statement.index, None)
            else:
                at_s = None if statement.started_at_s is None else statement.started_at_s + began_s
                self.runs[statement.index] = replace(statement, started_at_s=at_s)
        self.tries.append(_as_try(run, len(self.tries) + 1, first, began_s, self.ended - begin))
        return run

    def ends(self, *, pause_s: float | None = None, gave_up: str | None = None) -> None:
        """What followed its last try."""
        self.tries[-1] = replace(self.tries[-1], pause_s=pause_s, gave_up=gave_up)

    def result(self) -> MigrationRun:
        """The migration as it ended; its duration is that of all tries without the pauses."""
        statements = self.deploy.statements
        if self.last is None or self.began is None:
            return not_reached(self.deploy.migration, statements)
        runs = tuple(self.runs.get(statement.index) or skipped(statement) for statement in statements)
        return replace(self.last, statements=runs, duration_s=self.busy_s, wall_s=self.ended - self.began)


def _go(conn: psycopg.Connection[TupleRow], tried: Sequence[_Tried], first: int) -> int | None:
    """Run the files from the ``first``-th of all their statements; the number of the one that failed."""
    passed = 0
    for number, script in enumerate(tried):
        count = len(script.deploy.statements)
        begin = first - passed
        passed += count
        if begin > 0 and passed <= first:
            continue
        if script.go(conn, max(0, begin)).outcome != "applied":
            return number
    return None


def _take_back(tried: Sequence[_Tried], first: int, failed: int | None) -> None:
    """Mark the files before the one that failed whose work was rolled back with it."""
    passed = 0
    for script in tried[:failed]:
        passed += len(script.deploy.statements)
        if passed > first:
            script.tries[-1] = replace(script.tries[-1], outcome="rolled_back")


def _failed(run: MigrationRun) -> StatementRun | None:
    return next((statement for statement in run.statements if statement.outcome == "failed"), None)


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
