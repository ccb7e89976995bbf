"""Whether a suite can be deployed, as far as one rehearsal measured it.

A hold of the solo pass is what another session would have waited at most for the table, once the migration
had locked it. How long it queues behind long transactions, with everybody else behind it, is another
measurement and no part of this verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.analyse.budgets import describe_check
from bench.analyse.coverage import say_uncovered
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.findings import BY_CODE
from bench.analyse.forecast.document import deploy_duration, longest_lock, rows_named
from bench.analyse.gaps import find_gaps
from bench.analyse.locks import LockSummary, longest_first
from bench.analyse.quantity import count, seconds, spread_seconds
from bench.analyse.summary import MigrationSummary, RunSummary
from bench.analyse.waits import describe_wait, longest_wait
from bench.model.budget import BudgetCheck, Limits
from bench.model.finding import Finding, Verdict
from bench.model.run import LongestWait, Run

EMPTY_TABLES = "measured on empty tables: lock modes hold, durations and holds do not; fill them in the base"
NO_STATEMENT = "there is no statement to run"
CAVEAT = "on an idle server; waits for changed rows and behind long transactions come on top"
BEHIND = "; behind long transactions they may wait longer"


def judge(rehearsed: Rehearsed, findings: Sequence[Finding], waits: Sequence[LongestWait]) -> Verdict:
    """The verdict over the run's solo pass, and the findings that nobody has accepted.

    ``not_ready``: a migration failed in any repeat, nothing was measured, an existing relation is
    blocked longer than ``Limits.not_ready_s``, a finding is an error, or a budget of the suite is broken.
    ``incomplete``: none of these, and something that was asked for was not measured.
    ``conditional``: blocked longer than ``Limits.conditional_s``, a finding is a warning, a table is locked
    noticeably and no request touches it, a blocking hold or a migration could not be measured, or there was
    no statement or no row to measure with. Else ``ready``. A failed migration cannot be accepted away.
    """
    run, limits, summary = rehearsed.run, rehearsed.limits, rehearsed.summary
    if summary.failed is not None:
        return _failed(summary)
    gaps = find_gaps(run, summary)
    if not any(migration.outcome == "applied" for migration in summary.migrations):
        if gaps:
            sentence = f"{summary.suite} cannot be judged: no migration was measured, as {gaps[0]}."
            return Verdict("incomplete", sentence, gaps)
        sentence = f"{summary.suite} is not ready: no migration was measured."
        return Verdict("not_ready", sentence, tuple(_unmeasured(summary, ())))
    unmeasured = tuple(_unmeasured(summary, findings))
    if not summary.statements:
        sentence = f"{summary.suite} is ready on conditions: {NO_STATEMENT}."
        return Verdict("conditional", sentence, (NO_STATEMENT, *unmeasured))
    blocks = [block for block in _long_blocks(summary, limits) if not _is_accepted(block, findings)]
    others = [finding for finding in findings if _counts(finding, summary, limits)]
    empty = [EMPTY_TABLES] if run.dataset and run.dataset.tables and not summary.table_rows else []
    checks = rehearsed.checks
    broken = [describe_check(check) for check in checks if check.broken]
    held = _forecast_hold(run, limits)
    conditions = (
        *broken, *gaps, *map(describe_block, blocks), *(finding.sentence for finding in others),
        *unmeasured, *empty, *held, *_uncovered(run, limits),
    )  # fmt: skip
    outage = bool(blocks) and (blocks[0].longest_s or 0.0) > limits.not_ready_s
    errors = [finding for finding in others if finding.severity == "error"]
    if broken and not outage and not errors:
        return Verdict("not_ready", f"{_applied(summary, 'is not ready')}, but {broken[0]}.", conditions)
    if gaps and not outage and not errors:
        sentence = f"{_applied(summary, 'cannot be judged yet')}, but {gaps[0]}."
        return Verdict("incomplete", sentence, conditions)
    if blocks and (outage or not errors):
        state, limit_s = (
            ("is not ready", limits.not_ready_s)
            if outage
            else ("is ready on conditions", limits.conditional_s)
        )
        sentence = _blocked(summary, blocks[0], state, limit_s)
        return Verdict("not_ready" if outage else "conditional", sentence, conditions)
    if errors:
        sentence = f"{_applied(summary, 'is not ready')}, but {errors[0].sentence}."
        return Verdict("not_ready", sentence, conditions)
    if others:
        sentence = f"{_applied(summary, 'is ready on conditions')}; {others[0].sentence}."
        return Verdict("conditional", sentence, conditions)
    if conditions:
        sentence = f"{_applied(summary, 'is ready on conditions')}, but not all is known: {conditions[0]}."
        return Verdict("conditional", sentence, conditions)
    known = f"{_waits(waits)}{_at_target(run)}{_kept(checks)}"
    return Verdict("ready", f"{_applied(summary, 'is ready')}; {known}.")


def _at_target(run: Run) -> str:
    """What a forecast says of the deploy, beside what was measured on less data."""
    duration = deploy_duration(run.forecast) if run.forecast is not None else None
    if run.forecast is None or duration is None:
        return ""
    return f"; at {rows_named(run.forecast.at)} the deploy is forecast to take {duration.words}"


def _forecast_hold(run: Run, limits: Limits) -> Iterable[str]:
    """The longest lock at the size that a forecast is about, where somebody has to agree to it."""
    lock = longest_lock(run.forecast) if run.forecast is not None else None
    if run.forecast is not None and lock is not None and (lock.value_s or 0.0) > limits.conditional_s:
        yield f"at {rows_named(run.forecast.at)} {lock.lock} is forecast to be held for {lock.words}"


def _uncovered(run: Run, limits: Limits) -> Iterable[str]:
    """Locked tables of which the traffic says nothing, where their lock would be noticed."""
    return (say_uncovered(table) for table in run.uncovered or () if table.held_s > limits.noticeable_s)


def _kept(checks: Sequence[BudgetCheck]) -> str:
    measured = [check for check in checks if check.measured is not None]
    others = len(checks) - len(measured)
    unmeasured = f" ({count(others)} more not measured)" if others else ""
    return f"; it keeps within its {_many(len(measured))}{unmeasured}" if measured else ""


def _many(budgets: int) -> str:
    return "budget" if budgets == 1 else f"{count(budgets)} budgets"


def _counts(finding: Finding, summary: RunSummary, limits: Limits) -> bool:
    """Whether a finding is a condition of its own: long locks speak for those that are about one of them.

    A request may have waited for longer than the lock was held when nobody else was there.
    """
    if finding.accepted is not None or finding.severity == "info":
        return False
    if not BY_CODE[finding.code].is_condition:
        return False
    return not BY_CODE[finding.code].explains_block or not any(
        (lock.migration, lock.subject) == (finding.migration, finding.relation)
        and (lock.longest_s is None or lock.longest_s > limits.conditional_s)
        for lock in _blocking(summary)
    )


def _is_accepted(lock: LockSummary, findings: Sequence[Finding]) -> bool:
    """Whether everything that explains a lock's hold has been accepted."""
    about = [
        finding
        for finding in findings
        if BY_CODE[finding.code].explains_block
        and (finding.migration, finding.statement, finding.relation)
        == (lock.migration, lock.statement, lock.subject)
    ]
    return bool(about) and all(finding.accepted is not None for finding in about)


def describe_block(lock: LockSummary) -> str:
    """One blocking lock in words: place, mode, relation, seconds, and the commands that wait."""
    commands = [block for block in lock.mode.blocks if block in ("SELECT", "INSERT", "UPDATE", "DELETE")]
    return (
        f"{lock.where} holds {lock.mode.sql_name} on {lock.subject} for up to {seconds(lock.longest_s)}: "
        f"{_listed(commands)} wait"
    )


def describe_failure(migration: MigrationSummary) -> str:
    """A failed migration in words: ``file:line: message (sqlstate)``, and how often where not always."""
    error, line = migration.error, migration.failure_line
    if error is None:
        return f"{migration.file}: was not applied to its end"
    where = migration.file if line is None else f"{migration.failure_file}:{line}"
    code = f" ({error.sqlstate})" if error.sqlstate else ""
    often = f", in {migration.failures} of {migration.n} repeats" if migration.failures < migration.n else ""
    return f"{where}: {error.message}{code}{often}"


def _failed(summary: RunSummary) -> Verdict:
    failed = [
        migration
        for migration in summary.migrations
        if migration.outcome == "failed" and not migration.interrupted
    ]
    failures = [describe_failure(migration) for migration in failed]
    unreached = [migration.file for migration in summary.migrations if migration.outcome in (None, "skipped")]
    if unreached:
        failures.append(f"not reached, so not measured: {', '.join(unreached)}")
    return Verdict("not_ready", f"{summary.suite} is not ready: {failures[0]}.", tuple(failures))


def _long_blocks(summary: RunSummary, limits: Limits) -> list[LockSummary]:
    """The longest blocking lock of each migration on each relation, where it is too long; longest first."""
    too_long = [
        lock
        for lock in _blocking(summary)
        if lock.longest_s is not None and lock.longest_s > limits.conditional_s
    ]
    worst: dict[tuple[str, str], LockSummary] = {}
    for lock in sorted(too_long, key=longest_first):
        worst.setdefault((lock.migration, lock.subject), lock)
    return list(worst.values())


def _blocking(summary: RunSummary) -> Iterable[LockSummary]:
    return (lock for lock in summary.locks if lock.blocks)


def _unmeasured(summary: RunSummary, findings: Sequence[Finding]) -> Iterable[str]:
    for migration in summary.migrations:
        if migration.outcome != "applied":
            yield f"{migration.file} did not run"
        elif migration.duration_s is None:
            yield f"{migration.file}: its duration is not known"
    for lock in _blocking(summary):
        if lock.longest_s is None and not _is_accepted(lock, findings):
            yield f"{lock.where}: how long it holds {lock.mode.sql_name} on {lock.subject} is not known"


def _applied(summary: RunSummary, state: str) -> str:
    applied = [migration for migration in summary.migrations if migration.outcome == "applied"]
    many = "1 migration applies" if len(applied) == 1 else f"{len(applied)} migrations apply"
    size = f" on {count(rows)} {'row' if rows == 1 else 'rows'}" if (rows := summary.table_rows) else ""
    return f"{summary.suite} {state}: {many} in {spread_seconds(summary.duration_s)}{size}"


def _blocked(summary: RunSummary, worst: LockSummary, state: str, limit_s: float) -> str:
    who = "reads and writes" if worst.blocks_reads else "writes"
    return (
        f"{_applied(summary, state)}, and {worst.where} blocks {who} on {_name(worst)} for up to "
        f"{seconds(worst.longest_s)} ({worst.mode.sql_name}; limit {seconds(limit_s)}) {CAVEAT}."
    )


def _waits(waits: Sequence[LongestWait]) -> str:
    """Who would wait, in the words of a suite that is ready."""
    read, write = longest_wait(waits, "read"), longest_wait(waits, "write")
    idle = "" if any(wait.hazard for wait in waits) else BEHIND
    if write is None and read is None:
        return "it takes no lock that reads or writes on existing tables would wait for"
    if write is None or read is None:
        some, other = ("writes", "reads") if read is None else ("reads", "writes")
        longest = write or read
        assert longest is not None
        return f"nobody's {some} would wait longer than {_wait(longest)}, {other} would not wait{idle}"
    if _wait(read) == _wait(write):
        return f"nobody's reads or writes would wait longer than {_wait(write)}{idle}"
    return f"nobody's writes would wait longer than {_wait(write)}, nobody's reads than {_wait(read)}{idle}"


def _wait(wait: LongestWait) -> str:
    name = wait.relation.removeprefix("public.")
    if wait.source == "table lock":
        return f"{seconds(wait.seconds)} for a table ({name}, {wait.mode})"
    if wait.source == "locked rows":
        return f"{seconds(wait.seconds)} for rows that the deploy changes ({name})"
    return f"{seconds(wait.seconds)} ({describe_wait(wait)})"


def _name(lock: LockSummary) -> str:
    """The relation as people say it: without the schema that everybody has."""
    return lock.subject.removeprefix("public.")


def _listed(words: list[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
