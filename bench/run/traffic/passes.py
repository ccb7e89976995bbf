"""The loaded passes of a run: on clones of the template, into the run's draft.

First with nothing in the way; then beside each hazard, waiting for locks as the files say, and once more with
a lock timeout and retries, where they are asked for.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.migrate.suite import Suite
from bench.model.deploy import HAZARDS, HazardName
from bench.model.load import ComparedRequest
from bench.model.lock import Lock
from bench.model.run import MigrationRun, Note, Repeat, Run
from bench.model.statement import StatementRun
from bench.pg.server import Server
from bench.run.clones import clone, own_roles
from bench.run.draft import RunDraft
from bench.run.hazards import Hazard, NotThereError, Setting
from bench.run.hazards.replica import copy_bytes
from bench.run.hazards.scene import DEFAULT_LENGTH_S
from bench.run.progress import Progress, Said, Step
from bench.run.scripts import Scripts
from bench.run.traffic.deploy import apply_once
from bench.run.traffic.onepass import Conditions, TrafficOptions, loaded_pass
from bench.run.traffic.retry import Retrier, RetryPolicy
from bench.workload.compare import compare_requests
from bench.workload.config import mix_for
from bench.workload.draw import draw_parameters
from bench.workload.orders import lock_orders
from bench.workload.spec import TrafficMix
from bench.workload.traffic import TooFewConnectionsError

NO_TRAFFIC = "there is no workload.toml, and no table to derive traffic from"
NO_ROWS = f"{NO_TRAFFIC} that has rows"


@dataclass(frozen=True, slots=True)
class HazardOptions:
    """What is to stand in the way of the deploy, and how the deploy gives way."""

    names: tuple[HazardName, ...] = ()
    length_s: float = DEFAULT_LENGTH_S
    policy: RetryPolicy | None = None
    """Beside each hazard, or with nothing in the way where none is named, the deploy is measured once more
    with this lock timeout and its retries."""

    @property
    def every(self) -> bool:
        """All of them, so that those are left out which the server cannot have."""
        return set(self.names) == set(HAZARDS)

    @property
    def asked(self) -> bool:
        """Whether anything is to be measured besides the deploy with nothing in its way."""
        return bool(self.names) or self.policy is not None

    def passes(self) -> tuple[tuple[HazardName | None, RetryPolicy | None], ...]:
        """The passes after the first, in their order."""
        if not self.names:
            return ((None, self.policy),) if self.policy is not None else ()
        ways = (None, self.policy) if self.policy is not None else (None,)
        return tuple((name, policy) for name in self.names for policy in ways)


def refuse_hazards(server: Server, options: HazardOptions) -> None:
    """UsageError for a hazard that was asked for by name and that this server cannot have."""
    if options.every:
        return
    for name in options.names:
        if (reason := Hazard(name).refusal(server)) is not None:
            raise UsageError(
                f"--hazard {name}: {reason}", "leave it out, or say --hazard all for those that can be had"
            )


@dataclass(frozen=True, slots=True)
class LoadedPasses:
    """Every loaded pass of a run."""

    server: Server
    suite: Suite
    scripts: Scripts
    load: TrafficOptions
    hazards: HazardOptions
    draft: RunDraft
    progress: Progress

    def run(self, prepared: str) -> None:
        """Apply the scripts under traffic, each time to a fresh clone of ``prepared``.

        Left out where a migration has failed with nothing in its way: it would fail here, too. Raises as
        :func:`loaded_pass` does, and ServerError where the server has gone; what was measured until then is
        in the draft.
        """
        if self.draft.failed is not None:
            return
        for index in range(self.load.repeats):
            self.progress(Step(f"loaded pass, repeat {index + 1} of {self.load.repeats}"))
            if not self._once(prepared, self.load, None, None, index):
                break
        if any(deploy_pass.kind == "loaded" for deploy_pass in self.draft.run.passes):
            self._lock_orders(prepared)
            self._beside_hazards(prepared)
        elif self.hazards.names and not self._told_of_hazards():
            for name in self.hazards.names:
                self.left_out(name, "there was no pass under traffic to compare with")

    def _lock_orders(self, prepared: str) -> None:
        """Find in which order requests come to the tables that the deploy locks together."""
        loaded = next(deploy_pass for deploy_pass in self.draft.run.passes if deploy_pass.kind == "loaded")
        last, solo = loaded.repeats[-1], self.draft.last_repeat
        tables = locked_together(solo) if solo is not None else ()
        if not tables or last.workload is None:
            return
        self.progress(Step(f"in which order requests lock {len(tables)} tables"))
        with own_roles(self.server), clone(self.server, prepared, "orders") as dbname:
            with self.server.connect(dbname, application_name="pgrehearse observer") as conn:
                mix = self._mix(conn)
            assert mix is not None  # there was traffic
            orders = lock_orders(self.server.endpoint, dbname, mix, tables, self.load.seed)
        self.draft.put_loaded(replace(last, workload=replace(last.workload, lock_orders=orders)))

    def _beside_hazards(self, prepared: str) -> None:
        passes = [conditions for conditions in self.hazards.passes() if self._can_be_had(conditions[0])]
        if not passes:
            return
        outlook = describe_outlook(
            self.server, prepared, self.draft.run, self.load, passes, self.hazards.length_s
        )
        self.progress(Said(outlook))
        load = replace(self.load, rate_per_s=self._same_rate())
        never: set[HazardName | None] = set()
        for number, (name, policy) in enumerate(passes, start=1):
            if name in never or not self._can_be_had(name):  # by now its disk may be full
                continue
            self.progress(Step(f"loaded pass {_title(name, policy)}, {number} of {len(passes)}"))
            try:
                self._once(prepared, load, name, policy)
            except NotThereError as error:
                self.left_out(name, f"it did not come about: {error}", failed=True)
                never.add(name)

    def beside(self, prepared: str, name: HazardName, policy: RetryPolicy | None, index: int) -> bool:
        """One more repeat beside a hazard, at the rate of the pass with nothing in the way.

        Tells whether every migration was applied; NotThereError where the hazard did not come about.
        """
        load = replace(self.load, rate_per_s=self._same_rate())
        return self._once(prepared, load, name, policy, index)

    def _can_be_had(self, name: HazardName | None) -> bool:
        """Whether the server can have the hazard now; else the run says why not."""
        reason = Hazard(name).refusal(self.server) if name is not None else None
        if reason is not None:
            self.left_out(name, reason)
        return reason is None

    def left_out(self, name: HazardName | None, reason: str, *, failed: bool = False) -> None:
        """Say of the pass beside a hazard, or of the one without, that it could not be had."""
        what = f"hazard {name}" if name is not None else "loaded pass"
        missing = failed or not self.hazards.every  # of all that there are, those that can be had are meant
        self.draft.note(Note(what, f"Left out: {reason}.", incomplete=missing))
        self.progress(Said(f"{what} is left out: {reason}"))

    def _mix(self, conn: psycopg.Connection[TupleRow]) -> TrafficMix | None:
        touched = _locked(self.draft)
        return mix_for(conn, self.load.mix, touched=touched, even_empty=self.hazards.asked)

    def _told_of_hazards(self) -> bool:
        return any(note.subject.startswith("hazard ") for note in self.draft.run.notes)

    def _no_traffic(self) -> None:
        """A run on tables without rows is whole without traffic, unless something was asked for beside it."""
        if not self.hazards.asked:
            self.draft.note(Note("loaded pass", f"Left out: {NO_ROWS}."))
            return
        for name in self.hazards.names or (None,):
            self.left_out(name, NO_TRAFFIC)

    def _same_rate(self) -> float | None:
        """The rate of the pass with nothing in the way, so that the passes can be compared."""
        for deploy_pass in self.draft.run.passes:
            if (
                deploy_pass.kind == "loaded"
                and deploy_pass.repeats
                and deploy_pass.repeats[-1].workload is not None
            ):
                return deploy_pass.repeats[-1].workload.offered_per_s
        return self.load.rate_per_s

    def _once(
        self,
        prepared: str,
        load: TrafficOptions,
        name: HazardName | None,
        policy: RetryPolicy | None,
        index: int = 0,
    ) -> bool:
        """One repeat; tells whether there was traffic and every migration was applied.

        NotThereError where the hazard did not come about.
        """
        hazard = Hazard(name, Setting(self.hazards.length_s, _locked(self.draft))) if name else None
        retrier = self._retrier(policy) if policy is not None else None
        applied = False

        def keep(repeat: Repeat) -> None:
            nonlocal applied
            if hazard is not None and hazard.record is None:
                return  # it never was there
            whole = replace(
                repeat,
                hazard=hazard.record if hazard else None,
                tries=tuple(retrier.tries) if retrier else (),
            )
            kept = (policy.lock_timeout_s, policy.retries) if policy is not None else (None, None)
            self.draft.put_loaded(whole, name, *kept)
            applied = all(migration.outcome == "applied" for migration in repeat.migrations)

        with own_roles(self.server), clone(self.server, prepared, "loaded") as dbname:
            with self.server.connect(dbname, application_name="pgrehearse observer") as conn:
                mix = self._mix(conn)
            if mix is None:
                self._no_traffic()
                return False
            try:
                loaded_pass(
                    self.server,
                    dbname,
                    self.scripts,
                    mix,
                    load,
                    conditions=Conditions(
                        index, hazard, retrier or apply_once, self.suite.runner.keeps_session
                    ),
                    keep=keep,
                    progress=self.progress,
                )
            except TooFewConnectionsError as error:
                self.left_out(name, error.message)
                return False
            self.server.connect().close()  # raises where the server is gone
        return applied

    def _retrier(self, policy: RetryPolicy) -> Retrier:
        return Retrier(replace(policy, rerunnable=self.suite.rerunnable, seed=self.load.seed))


def _title(name: HazardName | None, policy: RetryPolicy | None) -> str:
    beside = f"beside {name}" if name is not None else "with nothing in the way"
    if policy is None:
        return beside
    return f"{beside}, lock_timeout {policy.lock_timeout_s:g} s and {policy.retries} retries"


def _locked(draft: RunDraft) -> tuple[str, ...]:
    """The tables on which the deploy took locks that writers wait for, when nothing was in its way."""
    repeat = draft.last_repeat
    return blocked_tables(repeat) if repeat is not None else ()


CLONE_S = 3.0
"""Of making a clone, drawing parameters and starting the generators; small beside the rest."""
LASTING: frozenset[HazardName] = frozenset({"long-reader", "idle-in-transaction", "autovacuum", "bulk-write"})
"""Hazards that a deploy may have to wait for up to their length."""


def describe_outlook(
    server: Server,
    prepared: str,
    run: Run,
    load: TrafficOptions,
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
        for deploy_pass in run.passes
        if deploy_pass.kind == "solo"
        for repeat in deploy_pass.repeats
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


def blocked_tables(repeat: Repeat) -> tuple[str, ...]:
    """The tables, with their schemas, on which it took locks that writers wait for."""
    blocked = {
        lock.table or lock.relation for migration in repeat.migrations for _, lock in _strong_locks(migration)
    }
    return tuple(sorted(blocked))


def locked_together(repeat: Repeat) -> tuple[str, ...]:
    """Of these, the ones that one transaction locked in different statements."""
    tables: set[str] = set()
    for migration in repeat.migrations:
        locks = [(statement, lock) for statement, lock in _strong_locks(migration) if lock.table is None]
        for earlier, first in locks:
            for later, second in locks:
                apart = earlier.index < later.index and first.relation != second.relation
                if apart and _held_when_began(first, later):
                    tables |= {first.relation, second.relation}
    return tuple(sorted(tables))


def _held_when_began(lock: Lock, statement: StatementRun) -> bool:
    """Whether a lock of an earlier statement was still held when this one began."""
    if lock.released_at_s is None or statement.started_at_s is None:
        return False
    return lock.released_at_s > statement.started_at_s


def _strong_locks(migration: MigrationRun) -> Iterator[tuple[StatementRun, Lock]]:
    """Statement and lock, of tables that were there before."""
    for statement in migration.statements:
        for lock in statement.locks:
            if lock.blocks_writes:
                yield statement, lock


def compared_requests(
    server: Server,
    before: str,
    after: str,
    given: TrafficMix | None,
    seed: int,
    *,
    touched: Sequence[str],
) -> tuple[ComparedRequest, ...]:
    """Send every class to both databases with the same parameters; empty where there is no traffic.

    ``touched``: the tables that the deploy locks; where traffic is derived, they come first.

    UsageError for a class that does not work on the state before.
    """
    with (
        server.connect(before, application_name="pgrehearse requests", kind="application") as old,
        server.connect(after, application_name="pgrehearse requests", kind="application") as new,
    ):
        mix = mix_for(old, given, touched=touched)
        if mix is None:
            return ()
        return compare_requests(old, new, mix.classes, draw_parameters(old, mix, seed), seed)


OURS = 8
"""Sessions of this run beside the traffic, at most: the deploy, who watches it, a hazard and its watcher."""
_ROOM = """
SELECT
    current_setting('max_connections')::int
    - CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
        + coalesce(current_setting('reserved_connections', true), '0')::int END
    - (SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()),
    CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper THEN r.rolconnlimit
        - (SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()) END
FROM pg_roles AS r
WHERE r.rolname = current_user
"""


def connection_room(server: Server) -> int:
    """How many connections the traffic may have, beside those of others and of this run; 0 at least.

    By max_connections, what is reserved for superusers, and the role's own limit:
    https://www.postgresql.org/docs/current/runtime-config-connection.html
    """
    with server.connect() as conn:
        row = conn.execute(_ROOM).fetchone()
    assert row is not None  # our own role
    return max(0, min(int(limit) for limit in row if limit is not None) - OURS)


def fitting(server: Server, load: TrafficOptions | None) -> tuple[TrafficOptions | None, tuple[Note, ...]]:
    """The traffic with as many connections as there is room for, and a note where these are fewer.

    None, with a note, where there is room for none. UsageError where so many were asked for.
    """
    if load is None or (room := connection_room(server)) >= load.connections:
        return load, ()
    if load.connections_asked:
        hint = f"take --connections {room}, " if room else ""
        raise UsageError(
            f"--connections {load.connections}: the server has room for {room} beside the run's own sessions",
            hint=f"{hint}raise max_connections, or leave the traffic out with --no-load",
        )
    if not room:
        text = "Left out: the server has no room for a connection of the application (max_connections)."
        return None, (Note("loaded pass", text, incomplete=True),)
    text = f"The application has {room} connections, not {load.connections}: the server has room for no more."
    return replace(load, connections=room), (Note("loaded pass", text),)
