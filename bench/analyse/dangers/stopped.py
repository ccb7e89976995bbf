"""Deploys that come to their end alone, and not under traffic or beside a hazard."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.dangers.queues import DEADLOCK, judged_passes
from bench.analyse.names import is_named_in
from bench.analyse.quantity import count, seconds
from bench.analyse.remedies.retrying import detached_by, for_stopped, passes_by
from bench.model.finding import Finding
from bench.model.run import MigrationRun, Pass, Repeat


def stopped(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The migration that failed in a loaded pass, once for each of its passes; deadlocks are told apart.

    Where the deploy gets through by trying again, it still stops as the files have it: that is a condition.
    """
    if rehearsed.summary.failed is not None:
        return
    judged = tuple(judged_passes(rehearsed.run))
    stops = {id(each): stop for each in rehearsed.run.passes if (stop := _stop(each)) is not None}
    for each in rehearsed.run.passes:
        if id(each) not in stops:
            continue
        by_retries = None
        if each not in judged:
            by_retries = next((tried for tried in judged if tried.hazard == each.hazard), None)
            if by_retries is None or id(by_retries) in stops:
                continue  # told of the pass that tried again
        yield _finding(rehearsed, each, *stops[id(each)], by_retries)


def _stop(measured_in: Pass) -> tuple[Repeat, MigrationRun] | None:
    """The first repeat of a loaded pass in which a migration failed, and that migration."""
    for repeat in measured_in.repeats if measured_in.kind == "loaded" else ():
        failed = next((run for run in repeat.migrations if run.outcome == "failed"), None)
        if failed is None or failed.error is None or failed.error.interrupted:
            continue
        if failed.error.sqlstate != DEADLOCK:
            return repeat, failed
    return None


def _finding(
    rehearsed: Rehearsed, measured_in: Pass, repeat: Repeat, failed: MigrationRun, by_retries: Pass | None
) -> Finding:
    error = failed.error
    assert error is not None
    statement = next((each for each in failed.statements if each.outcome == "failed"), None)
    files = {each.id: each.file for each in rehearsed.run.suite.migrations}
    line = error.line or (statement.line if statement else None)
    where = f"{files.get(failed.id, failed.id)}{f':{line}' if line else ''}"
    beside = f"beside {measured_in.hazard}" if measured_in.hazard else "under traffic"
    tries = [each for each in repeat.tries if each.migration == failed.id]
    after = f" after {count(len(tries))} tries in {seconds(failed.wall_s)}" if len(tries) > 1 else ""
    measured = {
        "hazard": measured_in.hazard,
        "lock_timeout_s": measured_in.lock_timeout_s,
        "tries": len(tries) or None,
        "gave_up": tries[-1].gave_up if tries else None,
        "wall_s": failed.wall_s,
    }
    remedy = for_stopped(error.sqlstate, statement.text if statement else None)
    state = f" ({error.sqlstate})" if error.sqlstate else ""
    through = ""
    if by_retries is not None:
        retries = f" and {count(by_retries.retries)} retries" if by_retries.retries else " and retries"
        through = f"; with lock_timeout {by_retries.lock_timeout_s:g} s{retries} it gets through"
    gone = _gone_from_view(statement.text if statement else None, error.sqlstate, rehearsed)
    return Finding(
        code="fails-under-traffic",
        severity="warning" if measured_in.hazard else "error",
        migration=failed.id,
        statement=statement.index if statement else None,
        relation=None,
        message=f"{where}: {beside} the deploy stops here{after}: {error.message}{state}{gone}{through}",
        evidence={
            "sqlstate": error.sqlstate,
            **{name: value for name, value in measured.items() if value is not None},
        },
        fix=remedy.say,
        sql=remedy.sql,
    )


def _gone_from_view(text: str | None, sqlstate: str | None, rehearsed: Rehearsed) -> str:
    """The rows that no query of the parent finds once a DETACH … CONCURRENTLY was cut off."""
    detached = detached_by(text) if text and passes_by(sqlstate) else None
    if detached is None:
        return ""
    parent, partition = detached
    sizes = rehearsed.run.dataset.tables if rehearsed.run.dataset else ()
    rows = next((size.rows for size in sizes if is_named_in(partition, [size.name])), None)
    many = f"the {count(rows)} rows" if rows is not None else "the rows"
    return f"; from then on {many} of {partition} are missing from {parent}"
