"""The deploy over many schemas: locks of all of them at once, and some that have it while others have not."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.overschemas import lock_table, said
from bench.analyse.quantity import count
from bench.model.finding import Finding
from bench.model.schemas import Schemas

OUT_OF_LOCKS = "53200"
"""out_of_memory, of the shared lock table, too.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""


@danger("schemas-lock-table", "One transaction over all schemas fills the lock table", "Downtime")
def schemas_lock_table(rehearsed: Rehearsed) -> Iterator[Finding]:
    """One transaction takes the deploy to every tenant's schema, and keeps the locks of all of them.

    An error where the lock table was seen to run out (53200), a warning where more than half of it was held:
    beyond its size it grows only where shared memory happens to be free.

    Why: all sessions share max_locks_per_transaction times the number of sessions that may be. With no entry
    left every session fails with "out of shared memory", and what was done for all schemas is rolled back.
    Way out: None in SQL: give each schema a transaction of its own, as the tool does where it is started for
    one tenant after the other; or raise max_locks_per_transaction, which needs a restart.
    Example:
        CREATE TABLE a (id bigint PRIMARY KEY, t text);
        CREATE TABLE b (id bigint PRIMARY KEY, t text);
        CREATE TABLE c (id bigint PRIMARY KEY, t text);
        CREATE TABLE d (id bigint PRIMARY KEY, t text);
        CREATE TABLE e (id bigint PRIMARY KEY, t text);
    Source: https://www.postgresql.org/docs/current/runtime-config-locks.html
    """
    schemas = rehearsed.run.schemas
    if schemas is None or not schemas.one_transaction:
        return
    size = lock_table(rehearsed.run.environment.server.settings)
    most = max((held.locks for held in schemas.locks), default=0)
    full = next((failure for failure in schemas.failures if failure.error.sqlstate == OUT_OF_LOCKS), None)
    if full is None and (size is None or most <= rehearsed.limits.lock_table_full * size):
        return
    of = f" of about {count(size)}" if size is not None else ""
    held = f"{count(most)}{of} locks that all sessions share, held after {count(_reached(schemas))} schemas"
    whole = f"one transaction over {count(len(schemas.names))} schemas"
    yield Finding(
        code="schemas-lock-table",
        severity="error" if full is not None else "warning",
        migration=full.migration if full is not None else None,
        statement=None,
        relation=None,
        message=f"{whole} fails at number {count(full.number)}: {said(full)}; {held}"
        if full is not None
        else f"{whole} {_near(most, size)}: {held}",
        evidence={
            "schemas": len(schemas.names),
            "failed_at": full.number if full is not None else None,
            "locks": most,
            "locks_after": _reached(schemas),
            "lock_table": size,
        },
        fix="Give each schema a transaction of its own.",
    )


def _near(most: int, size: int | None) -> str:
    """The server lets the table grow into shared memory that happens to be free, and fails without it."""
    if size is not None and most > size:
        return "takes more than the lock table has, from shared memory that happens to be free"
    return "comes close to the end of the lock table"


def _reached(schemas: Schemas) -> int:
    return schemas.locks[-1].schemas if schemas.locks else 0


@danger("schemas-apart", "Some schemas have the deploy, others have not", "Partial failure")
def schemas_apart(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The deploy fails in one tenant's schema, and those before it have it already.

    Why: the release has to work with both until somebody has repaired the schema, and a schema that is
    half-way refuses a second start.
    Way out: look for what is refused in all schemas before the first is changed; one transaction for each
    schema, so that none is half-way; releases that work with both states.
    Example:
        CREATE UNIQUE INDEX accounts_email ON accounts (email);
    Instead:
        CREATE INDEX accounts_email ON accounts (email);
    Source: https://www.postgresql.org/docs/current/ddl-schemas.html
    """
    schemas = rehearsed.run.schemas
    if schemas is None or not schemas.failures or (schemas.one_transaction and not schemas.applied):
        return
    failure = schemas.failures[0]
    on_purpose = schemas.cut is not None and failure.number == schemas.cut
    if on_purpose and schemas.resumed == len(schemas.names):
        return
    after = "" if schemas.resumed is None else f"; after a second start {count(schemas.resumed)} have it"
    yield Finding(
        code="schemas-apart",
        severity="error",
        migration=failure.migration,
        statement=None,
        relation=None,
        message=f"in schema {failure.schema}, number {count(failure.number)} of {count(len(schemas.names))}, "
        f"the deploy fails: {said(failure)}; {count(schemas.applied)} have it, "
        f"{'this one is half-way' if failure.partial else 'this one is as it was'}{after}",
        evidence={
            "schemas": len(schemas.names),
            "failed_at": failure.number,
            "applied": schemas.applied,
            "half_way": sum(one.partial for one in schemas.failures),
            "after_second_start": schemas.resumed,
            "sqlstate": failure.error.sqlstate,
        },
        fix="Look for what is refused in all schemas before the first is changed.",
    )
