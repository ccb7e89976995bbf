"""Deploys that come to their end alone, and not under traffic or beside a hazard."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.dangers.queues import DEADLOCK, judged_passes
from bench.analyse.quantity import count, seconds
from bench.model.finding import Finding
from bench.model.run import MigrationRun, Pass, Repeat


def stopped(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The migration that failed in a loaded pass, once for each of its passes; deadlocks are told apart."""
    if rehearsed.summary.failed is not None:
        return
    for each in judged_passes(rehearsed.run):
        for repeat in each.repeats:
            failed = next((run for run in repeat.migrations if run.outcome == "failed"), None)
            if failed is None or failed.error is None or failed.error.interrupted:
                continue
            if failed.error.sqlstate != DEADLOCK:
                yield _finding(rehearsed, each, repeat, failed)
                break


def _finding(rehearsed: Rehearsed, measured_in: Pass, repeat: Repeat, failed: MigrationRun) -> Finding:
    error = failed.error
    assert error is not None
    statement = next((each for each in failed.statements if each.outcome == "failed"), None)
    files = {each.id: each.file for each in rehearsed.run.suite.migrations}
    line = error.line or (statement.line if statement else None)
    where = f"{files.get(failed.id, failed.id)}{f':{line}' if line else ''}"
    beside = f"beside {measured_in.hazard}" if measured_in.hazard else "under traffic"
    tries = [each for each in repeat.tries if each.migration == failed.id]
    after = f" after {count(len(tries))} tries in {seconds(failed.wall_s)}" if len(tries) > 1 else ""
    state = f" ({error.sqlstate})" if error.sqlstate else ""
    return Finding(
        code="fails-under-traffic",
        severity="warning" if measured_in.hazard else "error",
        migration=failed.id,
        statement=statement.index if statement else None,
        relation=None,
        message=f"{where}: {beside} the deploy stops here{after}: {error.message}{state}",
        evidence={
            "hazard": measured_in.hazard,
            "lock_timeout_s": measured_in.lock_timeout_s,
            "sqlstate": error.sqlstate,
            "tries": len(tries),
            "gave_up": tries[-1].gave_up if tries else None,
            "wall_s": failed.wall_s,
        },
        fix="Deploy when nothing is in the way, or try again: bench run --lock-timeout 2s --retries 20 shows "
        "how many tries that takes.",
    )
