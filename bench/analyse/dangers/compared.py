"""Requests that still work after the deploy, but have other rows, or take far longer."""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator

from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.limits import Limits
from bench.analyse.quantity import count, seconds
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import StatementSummary
from bench.model.finding import Finding, Severity
from bench.model.load import ComparedRequest
from bench.model.run import Run

FEWEST = 3
"""Pairs of latencies, at least: fewer show nothing."""
MOST_PAIRS = 0.75
"""So many of the pairs must be slower by two thirds of the factor: no few slow ones make the median."""
MANY_MORE = 2.0
"""So many times the rows are worth a condition; a table that grows by a few has more, too."""


def compared_findings(rehearsed: Rehearsed) -> Iterator[Finding]:
    """``fewer-rows``, ``more-rows`` and ``slower-query``, from the same parameters before and after."""
    for request in rehearsed.run.requests:
        if request.before.failed or request.after.failed == request.after.sent:
            continue  # a query that broke is told as that
        yield from _rows(request, rehearsed.run)
        yield from _slower(request, rehearsed.run, rehearsed.limits)
    yield from _views(rehearsed)


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
    yield _finding(
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
    yield _finding(
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


def _finding(
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
