"""The deploy over many schemas, in words: time, locks against the lock table, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.analyse.quantity import count, seconds, size
from bench.model.run import Run
from bench.model.schemas import SchemaFailure, Schemas


def lock_table(settings: Mapping[str, str]) -> int | None:
    """How many locks all sessions share, about; None where the settings were not read.

    https://www.postgresql.org/docs/current/runtime-config-locks.html
    """
    per_session = settings.get("max_locks_per_transaction", "")
    if not per_session.isdigit():
        return None
    sessions = int(settings.get("max_connections", "100"))
    return int(per_session) * (sessions + int(settings.get("max_prepared_transactions", "0")))


def say_schemas(schemas: Schemas, run: Run) -> str:
    """What became of them, in a sentence without its end."""
    return "; ".join(_parts(schemas, run))


def _parts(schemas: Schemas, run: Run) -> Iterator[str]:
    total = len(schemas.names)
    how = "in one transaction" if schemas.one_transaction else _sessions(schemas.workers)
    if schemas.applied == total:
        yield (
            f"Over {count(total)} schemas {how} the deploy takes {seconds(schemas.duration_s)}, "
            f"{seconds(schemas.slowest_s)} at most for one, and writes {size(schemas.wal_bytes)} of WAL"
        )
    else:
        yield f"Over {count(total)} schemas {how} the deploy stops after {seconds(schemas.duration_s)}"
        yield from _left(schemas)
    yield from _locks(schemas, run)


def _sessions(workers: int) -> str:
    return "one after the other" if workers == 1 else f"in {workers} sessions"


def _locks(schemas: Schemas, run: Run) -> Iterator[str]:
    table = lock_table(run.environment.server.settings)
    of = f" of about {count(table)} that all sessions share" if table is not None else ""
    if schemas.locks:
        most = schemas.locks[-1]
        yield f"after {count(most.schemas)} of them it holds {count(most.locks)} locks{of}"
        return
    held = [
        statement.lock_count or 0
        for repeat in run.solo
        for migration in repeat.migrations
        for statement in migration.statements
    ]
    if held:
        yield f"each session holds at most {count(max(held))} locks{of}"


def _left(schemas: Schemas) -> Iterator[str]:
    """What a failure leaves, and what a second start makes of it."""
    if schemas.one_transaction and not schemas.applied:
        failure = schemas.failures[0]
        yield f"it fails in the {_nth(failure.number)} ({said(failure)}), and all are as they were"
        yield from _again(schemas)
        return
    for failure in schemas.failures:
        half = " and is half-way" if failure.partial else " and is as it was"
        yield f"{failure.schema}, the {_nth(failure.number)}, fails ({said(failure)}){half}"
    untouched = len(schemas.names) - schemas.applied - len(schemas.failures)
    yield f"{count(schemas.applied)} have the deploy, {count(untouched)} were not reached or are as they were"
    yield from _again(schemas)


def _again(schemas: Schemas) -> Iterator[str]:
    """What a second start makes of it."""
    if schemas.resumed is None:
        return
    if schemas.resumed == len(schemas.names):
        yield "a second start brings all to the end"
    else:
        again = "".join(f": {said(failure)}" for failure in schemas.resumed_failures[:1])
        yield f"after a second start {count(schemas.resumed)} have it{again}"


def said(failure: SchemaFailure) -> str:
    """What the server said."""
    state = f", {failure.error.sqlstate}" if failure.error.sqlstate else ""
    return f"{failure.error.message}{state}"


def _nth(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number // 10 % 10 != 1 else "th"
    return f"{number:,}{ending}"
