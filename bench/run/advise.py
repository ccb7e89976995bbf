"""The lock timeout to set, run: the deploy behind a reader as its files are, and with the advice, in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from bench.analyse.conclude import Conclusion, conclude
from bench.analyse.patience import READERS_S, Advice, advise, sets_lock_timeout
from bench.analyse.stats import Spread
from bench.analyse.traffic import blocked_s, timed_out
from bench.migrate.suite import Suite
from bench.model.run import Pass, Repeat
from bench.model.statement import Statement
from bench.pg.server import Server
from bench.run.draft import RunDraft, Save
from bench.run.hazards import NotThereError
from bench.run.progress import Progress, Step
from bench.run.scripts import Scripts, read_scripts
from bench.run.session import RunOptions, rehearse
from bench.run.template.keep import Template
from bench.run.traffic.passes import LoadedPasses, fitting
from bench.run.traffic.retry import RetryPolicy

READER_S = 10.0
DOUBLINGS = 3
"""So often a timeout is doubled that did not get the deploy through."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How the advice is run."""

    reader_s: float = READER_S
    repeats: int = 1


@dataclass(frozen=True, slots=True)
class Way:
    """The deploy behind the reader, in one of both ways, over its repeats."""

    lock_timeout_s: float | None
    """None: as the files are."""
    blocked_s: Spread
    """Time in which at least one request waited for the deploy."""
    tries: int
    """The most that a migration needed; 1 without a lock timeout."""
    deploy_s: Spread | None
    through: bool
    """Every migration was applied in every repeat."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be set, and what came of it."""

    rehearsed: Conclusion
    trial: Trial
    advice: Advice | None
    """None where the deploy fails by itself, or asks for no lock that requests queue behind."""
    ways: tuple[Way, ...] = ()
    """As the files are, then with each timeout that was run, the advised one last; empty: there was no
    traffic."""

    @property
    def lock_timeout_s(self) -> float | None:
        """What to set: the one that was run last, else the one that was computed."""
        ran = [way.lock_timeout_s for way in self.ways if way.lock_timeout_s is not None]
        return ran[-1] if ran else self.advice.lock_timeout_s if self.advice else None


def advise_suite(
    server: Server,
    suite: Suite,
    options: RunOptions,
    trial: Trial,
    *,
    run_id: str,
    save: Save,
    progress: Progress,
) -> Outcome:
    """Rehearse, compute the timeout, and run it in turn with the files as they are.

    Raises what :func:`bench.run.session.rehearse` raises.
    """
    acting = replace(server, deploys_as=options.data.role)
    scripts = read_scripts(acting, suite, options.data)
    load, _ = fitting(server, options.load)

    def then(prepared: Template, draft: RunDraft) -> None:
        advice = advise(draft.run, (*READERS_S, trial.reader_s))
        if advice is None or load is None or draft.run.quiet is None:
            return
        hazards = replace(options.hazards, names=("long-reader",), length_s=trial.reader_s)
        passes = LoadedPasses(acting, suite, scripts, load, hazards, draft, progress)
        _in_turn(passes, advice, trial, prepared.dbname)

    run = rehearse(server, suite, options, run_id=run_id, save=save, progress=progress, then=then)
    advice = advise(run, (*READERS_S, trial.reader_s))
    ways = tuple(_way(beside) for beside in run.beside("long-reader") if beside.workloads)
    return Outcome(conclude(run), trial, advice, ways)


def _in_turn(passes: LoadedPasses, advice: Advice, trial: Trial, prepared: str) -> None:
    """Run both ways in turn; a timeout that does not get the deploy through is doubled at first."""
    policy = policy_of(advice)
    try:
        for index in range(trial.repeats):
            passes.progress(Step(f"behind a reader of {trial.reader_s:g} s, {index + 1} of {trial.repeats}"))
            passes.beside(prepared, "long-reader", None, index)
            for doubled in range(DOUBLINGS + 1):
                policy = replace(policy, lock_timeout_s=policy.lock_timeout_s * (2 if doubled else 1))
                timed = replace(passes, scripts=with_timeout(passes.scripts, policy.lock_timeout_s))
                if timed.beside(prepared, "long-reader", policy, index) or index:
                    break
    except NotThereError as error:
        passes.left_out("long-reader", f"it did not come about: {error}", failed=True)


def policy_of(advice: Advice) -> RetryPolicy:
    """The advice as the deploy's sessions follow it."""
    untimed = frozenset(
        (migration.migration, index) for migration in advice.migrations for index in migration.untimed
    )
    return RetryPolicy(advice.lock_timeout_s, retries=max(1, advice.tries - 1), untimed=untimed)


def with_timeout(scripts: Scripts, timeout_s: float) -> Scripts:
    """The files with this in place of each lock_timeout that they set themselves."""
    return tuple((migration, tuple(_timed(statements, timeout_s))) for migration, statements in scripts)


def _timed(statements: tuple[Statement, ...], timeout_s: float) -> Iterator[Statement]:
    for statement in statements:
        local = sets_lock_timeout(statement.text)
        if local is None:
            yield statement
        else:
            word = "LOCAL " if local else ""
            yield replace(statement, text=f"SET {word}lock_timeout = '{timeout_s * 1000:.0f}ms'")


def _way(beside: Pass) -> Way:
    repeats = [repeat for repeat in beside.repeats if repeat.workload is not None]
    blocked = [blocked_s(repeat.workload.classes) for repeat in repeats if repeat.workload is not None]
    return Way(
        beside.lock_timeout_s,
        Spread(tuple(blocked)),
        max(map(_tries, repeats)),
        Spread.of(repeat.deploy_s for repeat in repeats),
        all(migration.outcome == "applied" for repeat in repeats for migration in repeat.migrations),
    )


def _tries(repeat: Repeat) -> int:
    failed = [attempt.migration for attempt in timed_out(repeat.tries)]
    return 1 + max((failed.count(migration.id) for migration in repeat.migrations), default=0)
