"""Requests that fail after the deploy or beside it, have other rows, or take far longer than before.

Three things show them: the traffic beside the deploy, the same requests sent to the state before and to the
state after, and statements that a session had prepared before and keeps. SQLSTATEs are those of
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from bench.analyse.dangers.blocks import quiet_workloads
from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.quantity import count, other_requests, seconds
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import StatementSummary
from bench.model.budget import Limits
from bench.model.finding import Finding, Severity
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

FEWEST = 3
"""Pairs of latencies, at least: fewer show nothing."""
MOST_PAIRS = 0.75
"""So many of the pairs must be slower by two thirds of the factor: no few slow ones make the median."""
MANY_MORE = 2.0
"""So many times the rows are worth a condition; a table that grows by a few has more, too."""

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

_DEFINES = ("ALTER", "CREATE", "DO", "DROP", "GRANT", "REVOKE")
_NAMED = re.compile(r'["»«„“]([^"»«„“]+)["»«„“]|\w\.(\w+)')
"""A name in a server's message: in quotes, or behind the table's."""

_NO_PARTITION_FIX = (
    "Keep a partition for the rows that the application writes today: create the one that takes its place in "
    "the same transaction."
)
"""Of a 23514 that is no check's: then the server names no constraint."""


@dataclass(frozen=True, slots=True)
class _Fault:
    """One way in which the requests of a class fail on account of the deploy."""

    name: str
    table: str
    sqlstate: str
    message: str
    constraint: str | None
    when: str
    """In words, after the name of the class."""
    lasting: bool
    migration: str | None
    evidence: dict[str, object]


@danger("broken-query", "A request fails since the deploy", "Downtime")
def broken_query(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A request of the application works before the migrations and fails after them, or beside them.

    Seen under traffic, and by sending the same requests to the state before and to the state after.

    Why: the release that runs while the migrations do does not know of them: its users see errors until the
    next one is out.
    Way out: deploy code that works with both schemas first; keep old names, columns and privileges until no
    code uses them.
    Example:
        ALTER TABLE deals RENAME COLUMN stage TO state;
    Instead:
        ALTER TABLE deals ADD COLUMN state text;
    Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
    """
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
                yield _broken(fault, rehearsed)
    for request in rehearsed.run.requests:
        found = _on_state_after(request, rehearsed.run)
        if found is None or _is_a_copy(found, copies):
            continue
        if (found.name, found.sqlstate) not in told:
            yield _broken(found, rehearsed)


@danger("cached-plan", "Prepared statements fail after the deploy", "Downtime")
def cached_plan(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A session that prepared a statement before the deploy gets an error when it executes it after.

    Why: "cached plan must not change result type": drivers and poolers that prepare statements keep them for
    as long as the session lives, which is until somebody restarts it.
    Way out: name the columns in place of `*`; or let sessions reconnect right after the deploy.
    Example:
        ALTER TABLE deals ADD COLUMN region text;
    Instead:
        CREATE TABLE deal_regions (deal_id bigint PRIMARY KEY, region text);
    Source: https://www.postgresql.org/docs/current/sql-prepare.html
    """
    yield from _cached_plans(rehearsed.run)


@danger("fewer-rows", "A request or view has fewer rows", "Data integrity")
def fewer_rows(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The same request, with the same parameters, has fewer rows after the migrations, or none.

    Why: no error tells of it. Rows may be deleted, moved, or hidden by row security without a policy.
    Way out: look which rows it still sees, as the application's role; where they are meant to go, accept the
    finding.
    Example:
        ALTER TABLE deals ENABLE ROW LEVEL SECURITY;
    Instead:
        ALTER TABLE deals ENABLE ROW LEVEL SECURITY;
        CREATE POLICY all_of_them ON deals USING (true);
    Source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
    """
    yield from _other_rows(rehearsed, "fewer-rows")
    yield from _views(rehearsed)


@danger("more-rows", "A request has many more rows", "Data integrity")
def more_rows(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The same request, with the same parameters, has twice the rows after the migrations, or more.

    Why: a policy that is gone shows the rows of others; rows that were copied are counted twice.
    Way out: look which rows it sees now, as the application's role; where more are meant, accept the finding.
    Example:
        INSERT INTO deals (id, contact_id, title) SELECT id + 100000, contact_id, title FROM deals;
    Instead:
        CREATE TABLE deals_copied AS SELECT id, contact_id, title FROM deals;
    Source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
    """
    yield from _other_rows(rehearsed, "more-rows")


@danger("slower-query", "A request takes far longer", "Performance")
def slower_query(rehearsed: Rehearsed) -> Iterator[Finding]:
    """The same request, with the same parameters, takes several times as long after the migrations.

    Why: an index that is gone, or another plan: under the application's load that fills the server.
    Way out: compare its plans (`bench explain` shows both); keep the old index until another one serves
    the query as well.
    Example:
        DROP INDEX deals_created;
    Instead:
        ALTER INDEX deals_created RENAME TO deals_created_at;
    Source: https://www.postgresql.org/docs/current/using-explain.html
    """
    for request in _compared(rehearsed):
        yield from _slower(request, rehearsed.run, rehearsed.limits)


def _unique_to_come(run: Run) -> frozenset[str]:
    """Words of the statements that make something unique: the names of their keys are among them."""
    statements = (
        statement.text
        for repeat in run.solo
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
    if fault.sqlstate != "23505" or not unique_to_come or fault.constraint is None:
        return False
    key = fault.constraint
    return key in unique_to_come or set(key.removesuffix("_key").split("_")) <= {
        part for word in unique_to_come for part in word.split("_")
    }


def _broken(fault: _Fault, rehearsed: Rehearsed) -> Finding:
    breaker = _breaker(fault, rehearsed)
    return Finding(
        code="broken-query",
        severity="error" if fault.lasting else "warning",
        migration=fault.migration if breaker is None else breaker.migration,
        statement=None if breaker is None else breaker.index,
        place=None if breaker is None else breaker.place,
        relation=fault.table,
        message=f'"{fault.name}" works before the migrations and {fault.when}: {fault.message} '
        f"({fault.sqlstate})",
        evidence={"class": fault.name, "sqlstate": fault.sqlstate, **fault.evidence},
        fix=_NO_PARTITION_FIX
        if fault.sqlstate == "23514" and fault.constraint is None
        else _FIXES.get(fault.sqlstate) or _FIXES.get(fault.sqlstate[:2], _DEFAULT_FIX),
    )


def _breaker(fault: _Fault, rehearsed: Rehearsed) -> StatementSummary | None:
    """The statement of the deploy that a fault comes from: the only definition of what its message names.

    None where several are, or none: at which moment a request failed first does not tell them apart.
    """
    if not fault.lasting:
        return None
    table = {fault.table, fault.table.rpartition(".")[2]}
    names = {name for pair in _NAMED.findall(fault.message) for name in pair if name}
    wanted = names if names <= table else names - table
    candidates = [
        statement
        for migration in rehearsed.summary.migrations
        for statement in migration.statements
        if statement.outcome == "applied" and statement.kind.startswith(_DEFINES)
        if wanted & set(re.findall(r"\w+", statement.text))
    ]
    return candidates[0] if len(candidates) == 1 else None


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
                error.constraint,
                _when(load, error)
                if lasting
                else f"fails for a while during them, {count(_beside(error))} requests",
                lasting,
                _running_at(workload, error.first_at_s),
                {
                    "failed": error.count,
                    "failed_before": error.before,
                    "failed_during": error.during,
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
        after.constraint,
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


def _compared(rehearsed: Rehearsed) -> Iterator[ComparedRequest]:
    """The requests that still work; one that broke is told as that."""
    for request in rehearsed.run.requests:
        if not request.before.failed and request.after.failed != request.after.sent:
            yield request


def _other_rows(rehearsed: Rehearsed, code: str) -> Iterator[Finding]:
    for request in _compared(rehearsed):
        yield from (finding for finding in _rows(request, rehearsed.run) if finding.code == code)


def _views(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Views that the deploy makes anew, and that show fewer rows of the same data: no error tells of it."""
    for query in rehearsed.run.queries:
        before, after = query.before, query.after
        if query.kind != "view" or before is None or after is None:
            continue
        if before.rows is None or after.rows is None or after.rows >= before.rows:
            continue
        made = _making(query.name, rehearsed)
        if made is not None:
            yield finding(
                "fewer-rows",
                "warning" if after.rows else "error",
                made,
                f"{query.name} shows {count(after.rows)} rows where it showed {count(before.rows)}",
                relation=query.name,
                evidence={"rows_before": before.rows, "rows_after": after.rows},
                remedy=Remedy(
                    "Look which rows its new query leaves out; accept the finding where they shall go."
                ),
            )


def _making(view: str, rehearsed: Rehearsed) -> StatementSummary | None:
    """The statement that makes the view of this name, the last one where several do."""
    bare = view.rpartition(".")[2].strip('"')
    word = re.compile(rf"\bVIEW\b.*\b{re.escape(bare)}\b", re.IGNORECASE | re.DOTALL)
    statements = [s for migration in rehearsed.summary.migrations for s in migration.statements]
    made = [s for s in statements if s.kind.startswith("CREATE") and word.search(s.text)]
    return made[-1] if made else None


def _rows(request: ComparedRequest, run: Run) -> Iterator[Finding]:
    before, after = request.before, request.after
    if not request.steady:
        return
    sent = f"the same {count(after.sent)} requests" if after.sent > 1 else "the same request"
    verb = "returns" if request.access == "read" else "reaches"
    if after.unexpected and not before.unexpected:
        fewer = after.rows < before.rows
        what = f"{verb} other rows than the {request.expected} that its workload tells"
        code, severity = "fewer-rows" if fewer else "more-rows", "error"
    elif before.rows and not after.rows:
        code, severity, what = "fewer-rows", "error", f"{verb} no row"
    elif not before.empty and after.sent and after.empty == after.sent - after.failed:
        code, severity, what = "fewer-rows", "error", "returns nothing but 0 or NULL where it had values"
    elif after.rows < before.rows and not after.failed:
        code, severity, what = "fewer-rows", "warning", f"{verb} fewer rows"
    elif before.rows and after.rows >= MANY_MORE * before.rows:
        code, severity, what = "more-rows", "warning", f"{verb} more rows"
    else:
        return
    rows = f"{count(after.rows)} where there were {count(before.rows)}, " if after.rows != before.rows else ""
    yield _compared_finding(
        code,
        "error" if severity == "error" else "warning",
        request,
        run,
        f'"{request.name}" {what} after the migrations: {rows}from {sent}{_as_role(request)}',
        {"rows_before": before.rows, "rows_after": after.rows, "requests": after.sent},
        "Look which rows it still sees, as the application's role. Rows may be deleted, moved or in a table "
        "that is gone; row-level security without a policy shows none, a policy that is gone shows all."
        if severity == "error" or code == "more-rows"
        else "Where these rows are meant to go, accept the finding.",
    )


def _slower(request: ComparedRequest, run: Run, limits: Limits) -> Iterator[Finding]:
    pairs = list(zip(request.before.latency_s, request.after.latency_s, strict=False))
    if len(pairs) < FEWEST:
        return
    before_s = statistics.median(before for before, _ in pairs)
    after_s = statistics.median(after for _, after in pairs)
    slower = sum(after > 2 / 3 * limits.slower_factor * before for before, after in pairs)
    if (
        after_s < limits.slower_factor * before_s
        or after_s - before_s < limits.slower_s
        or slower < MOST_PAIRS * len(pairs)
    ):
        return
    factor = after_s / before_s
    far = factor >= limits.far_slower_factor and after_s - before_s >= limits.far_slower_s
    yield _compared_finding(
        "slower-query",
        "error" if far else "warning",
        request,
        run,
        f'"{request.name}" takes {_times(factor)} times as long after the migrations: {seconds(after_s)} '
        f"where it took {seconds(before_s)}, on warm caches (medians of {count(len(pairs))} requests"
        f"{_as_role(request)})",
        {
            "before_s": before_s,
            "after_s": after_s,
            "factor": factor,
            "n": len(pairs),
            "before_spread_s": [min(before for before, _ in pairs), max(before for before, _ in pairs)],
            "after_spread_s": [min(after for _, after in pairs), max(after for _, after in pairs)],
        },
        "Compare its plans: bench explain shows both. Where it used an index that is gone, keep that one "
        "until another serves it as well.",
    )


def _compared_finding(
    code: str,
    severity: Severity,
    request: ComparedRequest,
    run: Run,
    message: str,
    evidence: dict[str, object],
    fix: str,
) -> Finding:
    migrations = run.suite.migrations
    return Finding(
        code=code,
        severity=severity,
        migration=migrations[0].id if len(migrations) == 1 else None,
        statement=None,
        relation=request.table,
        message=message,
        evidence={"class": request.name, **evidence},
        fix=fix,
    )


def _as_role(request: ComparedRequest) -> str:
    return f" as {request.role}" if request.role else ""


def _times(factor: float) -> str:
    return f"{factor:,.0f}" if factor >= 10 else f"{factor:.1f}"
