"""The loaded passes of a run: on clones of the template, into the run's draft.

First with nothing in the way; then beside each hazard, waiting for locks as the files say, and once more with
a lock timeout and retries, where they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.migrate.suite import Suite
from bench.model.deploy import HAZARDS, HazardName
from bench.model.run import Note, Repeat
from bench.pg.server import Server
from bench.run.clones import clone, own_roles
from bench.run.draft import RunDraft
from bench.run.hazards import Hazard, NotThereError, Setting
from bench.run.hazards.scene import DEFAULT_LENGTH_S
from bench.run.progress import Progress, Said, Step
from bench.run.traffic.deploy import apply_once
from bench.run.traffic.lockedtables import blocked_tables, locked_together
from bench.run.traffic.onepass import LoadOptions, Scripts, loaded_pass
from bench.run.traffic.outlook import describe_outlook
from bench.run.traffic.retry import Retrier, RetryPolicy
from bench.workload.choose import mix_for
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
    load: LoadOptions
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
        if any(each.kind == "loaded" for each in self.draft.run.passes):
            self._lock_orders(prepared)
            self._beside_hazards(prepared)
        elif self.hazards.names and not self._told_of_hazards():
            for name in self.hazards.names:
                self._left_out(name, "there was no pass under traffic to compare with")

    def _lock_orders(self, prepared: str) -> None:
        """Find in which order requests come to the tables that the deploy locks together."""
        found = next(each for each in self.draft.run.passes if each.kind == "loaded")
        last, solo = found.repeats[-1], self.draft.last_repeat
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
        passes = [each for each in self.hazards.passes() if self._can_be_had(each[0])]
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
                self._left_out(name, f"it did not come about: {error}", failed=True)
                never.add(name)

    def _can_be_had(self, name: HazardName | None) -> bool:
        """Whether the server can have the hazard now; else the run says why not."""
        reason = Hazard(name).refusal(self.server) if name is not None else None
        if reason is not None:
            self._left_out(name, reason)
        return reason is None

    def _left_out(self, name: HazardName | None, reason: str, *, failed: bool = False) -> None:
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
            self._left_out(name, NO_TRAFFIC)

    def _same_rate(self) -> float | None:
        """The rate of the pass with nothing in the way, so that the passes can be compared."""
        for each in self.draft.run.passes:
            if each.kind == "loaded" and each.repeats and each.repeats[-1].workload is not None:
                return each.repeats[-1].workload.offered_per_s
        return self.load.rate_per_s

    def _once(
        self,
        prepared: str,
        load: LoadOptions,
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
            applied = all(each.outcome == "applied" for each in repeat.migrations)

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
                    index=index,
                    hazard=hazard,
                    deploy=retrier or apply_once,
                    one_session=self.suite.runner.keeps_session,
                    keep=keep,
                    progress=self.progress,
                )
            except TooFewConnectionsError as error:
                self._left_out(name, error.message)
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
