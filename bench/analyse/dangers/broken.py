"""Requests that work before the deploy and fail after it, or while it is under way.

Three things show them: the traffic beside the deploy, the same requests sent to the state before and to the
state after, and statements that a session had prepared before and keeps. SQLSTATEs are those of
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.dangers.traffic import quiet_workloads
from bench.analyse.quantity import count, other_requests
from bench.model.finding import Finding
from bench.model.load import ClassLoad, ComparedRequest, KeptError, RequestErrors, Workload
from bench.model.run import Run

MOST, FEW = 0.5, 0.1
"""Shares of requests: so many fail after the deploy and so few before, where others fail by chance too."""
ALL = 0.9
"""From this share of the requests on it is no part of the rows that fails."""
BY_CHANCE = ("08", "40", "53", "57P", "55P03", "57014", "23503", "23505", "23P01")
"""Failures that requests bring on each other, or the network on them: connections, serialization and
deadlocks, resources, timeouts, rows that another request has deleted or inserted."""
AMONG_REQUESTS = ("40", "23")
"""Of these, what requests bring on each other: it says nothing of a deploy that it happens beside."""

DERIVED = "catalog"
"""Source of traffic that nobody wrote: it copies rows."""
_UNIQUE = re.compile(r"\bUNIQUE\b|\bPRIMARY\s+KEY\b", re.IGNORECASE)

_DEFAULT_FIX = (
    "Deploy code that works with both schemas first, or keep the old names, columns and privileges until no "
    "code uses them."
)
_FIXES = {
    "0A000": "Name the columns instead of *, or let sessions reconnect (or DISCARD PLANS and prepare again) "
    "right after the deploy.",
    "22": "Deploy code that writes what the new type takes first, then change the type.",
    "23502": "Give the column a default until all code writes it, or deploy that code first.",
    "23503": "Deploy code that writes valid references first, then add the constraint.",
    "23505": "Let the sequence or identity go on behind the greatest value that is there (ALTER TABLE … "
    "ALTER COLUMN … RESTART WITH, or setval()); for a new unique key, deploy code that writes unique values "
    "first.",
    "23514": "Deploy code that writes what the check allows first, then add it; an ON DELETE SET NULL must "
    "lead to rows that the checks allow.",
    "42501": "Grant the application's roles what they had, in the same migration.",
    "55000": "A published table needs a replica identity: add the new key first, then ALTER TABLE … REPLICA "
    "IDENTITY USING INDEX …, then drop the old key.",
    "55P03": "Hold the lock for less than the application's lock_timeout, in shorter transactions.",
    "57014": "Hold the lock for less than the application's timeouts, in shorter transactions.",
}

_NO_PARTITION_FIX = (
    "Keep a partition for the rows that the application writes today: create the one that takes its place in "
    "the same transaction."
)
"""Of a 23514 that is no check's; the server's message alone tells them apart."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """One way in which the requests of a class fail on account of the deploy."""

    name: str
    table: str
    sqlstate: str
    message: str
    when: str
    """In words, after the name of the class."""
    lasting: bool
    migration: str | None
    evidence: dict[str, object]


def broken_findings(rehearsed: Rehearsed) -> Iterator[Finding]:
    """``broken-query`` for each class and way to fail, an error where it lasts; and ``cached-plan``."""
    compared = {request.name: request for request in rehearsed.run.requests}
    derived = any(workload.source == DERIVED for workload in quiet_workloads(rehearsed.run))
    copies = _unique_to_come(rehearsed.run) if derived else frozenset()
    told: set[tuple[str, str]] = set()
    for workload in quiet_workloads(rehearsed.run):
        for fault in _under_traffic(workload, compared):
            if _is_a_copy(fault, copies):
                continue
            if (fault.name, fault.sqlstate) not in told:
                told.add((fault.name, fault.sqlstate))
                yield _finding(fault)
    for request in rehearsed.run.requests:
        found = _on_state_after(request, rehearsed.run)
        if found is None or _is_a_copy(found, copies):
            continue
        if (found.name, found.sqlstate) not in told:
            yield _finding(found)
    yield from _cached_plans(rehearsed.run)


def _unique_to_come(run: Run) -> frozenset[str]:
    """Words of the statements that make something unique: the names of their keys are among them."""
    statements = (
        statement.text
        for each in run.passes
        if each.kind == "solo"
        for repeat in each.repeats
        for migration in repeat.migrations
        for statement in migration.statements
    )
    texts = [text for text in statements if _UNIQUE.search(text)]
    return frozenset(word for text in texts for word in re.findall(r"\w+", text))


def _is_a_copy(fault: _Fault, unique_to_come: Collection[str]) -> bool:
    """Whether a row is refused by a new unique key because traffic that is derived copies rows.

    An application writes values of its own, of which nothing is known. A key that the server names is made
    of the names of its table and columns.
    """
    if fault.sqlstate != "23505" or not unique_to_come:
        return False
    named = re.search(r'constraint "([^"]+)"', fault.message)
    if named is None:
        return False
    return named[1] in unique_to_come or set(named[1].removesuffix("_key").split("_")) <= {
        part for word in unique_to_come for part in word.split("_")
    }


def _finding(fault: _Fault) -> Finding:
    return Finding(
        code="broken-query",
        severity="error" if fault.lasting else "warning",
        migration=fault.migration,
        statement=None,
        relation=fault.table,
        message=f'"{fault.name}" works before the migrations and {fault.when}: {fault.message} '
        f"({fault.sqlstate})",
        evidence={"class": fault.name, "sqlstate": fault.sqlstate, **fault.evidence},
        fix=_NO_PARTITION_FIX
        if fault.message.startswith("no partition of relation")
        else _FIXES.get(fault.sqlstate) or _FIXES.get(fault.sqlstate[:2], _DEFAULT_FIX),
    )


def _under_traffic(workload: Workload, compared: dict[str, ComparedRequest]) -> Iterator[_Fault]:
    for load in workload.classes:
        for error in load.errors:
            lasting = _lasts(load, error, compared.get(load.name))
            if not lasting and not _for_a_while(load, error):
                continue
            yield _Fault(
                load.name,
                load.table,
                error.sqlstate,
                error.message,
                _when(load, error)
                if lasting
                else f"fails for a while during them, {count(_beside(error))} requests",
                lasting,
                _running_at(workload, error.first_at_s),
                {
                    "failed": error.count,
                    "failed_before": error.before,
                    "failed_after": error.after,
                    "sent_after": load.sent_after,
                    "first_at_s": error.first_at_s,
                },
            )


def _lasts(load: ClassLoad, error: RequestErrors, compared: ComparedRequest | None) -> bool:
    """Whether requests that are due after the deploy fail, and not by chance as they do without it."""
    if not error.after:
        return False
    if compared is not None and compared.after.sqlstate == error.sqlstate and not compared.before.failed:
        return True
    if not _before(error) and not error.sqlstate.startswith(BY_CHANCE):
        return True
    return error.after >= MOST * load.sent_after and _few_before(load, error)


def _for_a_while(load: ClassLoad, error: RequestErrors) -> bool:
    """Whether requests fail beside the deploy that do not without it."""
    beside = load.sent - (load.sent_before or 0) - load.sent_after
    if beside > 0 and error.during >= MOST * beside and _few_before(load, error):
        return True
    return not _before(error) and not error.sqlstate.startswith(AMONG_REQUESTS) and _beside(error) > 0


def _before(error: RequestErrors) -> int:
    """How many failed before the first statement; one that was due then may fail for the deploy."""
    return error.ended_before if error.ended_before or error.ended_during else error.before


def _few_before(load: ClassLoad, error: RequestErrors) -> bool:
    """Whether hardly any failed before; no where an older run file does not tell how many were due."""
    failed = _before(error)
    return not failed or bool(load.sent_before and failed < FEW * load.sent_before)


def _a_while(error: RequestErrors) -> str:
    return f"fails for a while during them, {count(_beside(error))} requests"


def _beside(error: RequestErrors) -> int:
    return error.count - _before(error)


def _when(load: ClassLoad, error: RequestErrors) -> str:
    of = f"{count(error.after)} of {count(load.sent_after)} requests that were due after their end"
    if error.after >= ALL * load.sent_after:
        return f"fails after them, {of}"
    return f"fails after them for part of the rows, {of}"


def _on_state_after(request: ComparedRequest, run: Run) -> _Fault | None:
    """Requests with the same parameters that work on one state and fail on the other, nothing beside."""
    after = request.after
    if after.sqlstate is None or request.before.failed or not after.failed:
        return None
    part = " for part of the rows" if after.failed < ALL * after.sent else ""
    migrations = run.suite.migrations
    return _Fault(
        request.name,
        request.table,
        after.sqlstate,
        after.message or "",
        f"fails after them{part}, {count(after.failed)} of {count(after.sent)} requests with the same "
        "parameters",
        True,
        migrations[0].id if len(migrations) == 1 else None,
        {"failed_after": after.failed, "sent_after": after.sent},
    )


def _cached_plans(run: Run) -> Iterator[Finding]:
    """Statements that sessions of before keep prepared, of classes that the traffic did not prepare."""
    alike: dict[KeptError, dict[str, ClassLoad]] = {}
    derived = any(workload.source == "catalog" for workload in quiet_workloads(run))
    for workload in quiet_workloads(run):
        for load in workload.classes:
            if load.kept_error is not None and not load.prepared:
                alike.setdefault(load.kept_error, {}).setdefault(load.name, load)
    for error, loads in alike.items():
        first, *others = loads.values()
        also = f" (and {other_requests(len(others))})" if others else ""
        yield Finding(
            code="cached-plan",
            # What was derived from the catalog is no statement of the application.
            severity="info" if derived else "warning",
            migration=run.suite.migrations[0].id if len(run.suite.migrations) == 1 else None,
            statement=None,
            relation=first.table,
            message=f'"{first.name}"{also} fails after the migrations where a session has prepared it '
            f"before: {error.message} ({error.sqlstate})",
            evidence={"class": first.name, "classes": sorted(loads), "sqlstate": error.sqlstate},
            fix=f"{_FIXES.get(error.sqlstate, _DEFAULT_FIX)} Where the application never prepares it, say "
            "prepared = false in workload.toml.",
        )


def _running_at(workload: Workload, at_s: float) -> str | None:
    begun = [span for span in workload.statements if span.begin_s <= at_s]
    return begun[-1].migration if begun else None
