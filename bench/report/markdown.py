"""The report as Markdown: the sections of a migration validation report, each filled by measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analyse.conclude import Conclusion
from bench.analyse.queries import QuerySummary
from bench.model.run import Run
from bench.report.conditionsview import data_origin
from bench.report.findingsection import findings_section
from bench.report.forecasttext import forecast_section
from bench.report.format import (
    UNKNOWN,
    count,
    ratio,
    size,
    spread_seconds,
    spread_size,
)
from bench.report.markdown_migration import migration_section
from bench.report.markdown_traffic import traffic_section
from bench.report.markup import bullets, code, plain, table
from bench.report.waittext import longest_text

STATUS = {
    "ready": "✅ **Ready**",
    "conditional": "🟡 **Ready on conditions**",
    "incomplete": "⚪ **Incomplete**",
    "not_ready": "🔴 **Not ready**",
}

HOW_TO_READ = (
    "Times are medians over the repeats with the smallest and the largest. A hold is the time from grant to "
    "release of a lock, given as the bounds that agree with what was seen: another session would have waited "
    "that long at most for it, on an idle server. Waits for rows that the migration changes, and queueing "
    "behind long transactions, are no part of these figures. Locks on relations that the same "
    "migration created are left out: nobody else can know them yet."
)


def render_markdown(conclusion: Conclusion) -> str:
    """The whole report of a run; ends with a newline."""
    run, summary, verdict = conclusion.run, conclusion.summary, conclusion.verdict
    parts = [
        f"# Rehearsal of {plain(summary.suite)}",
        bullets(plain(line.text) for line in conclusion.card.lines),
        f"{STATUS[verdict.status]}: {plain(verdict.sentence)}",
        *_executive_summary(conclusion),
        *traffic_section(run),
        "## Migration by migration",
        HOW_TO_READ,
        *(
            part
            for number, each in enumerate(summary.migrations, 1)
            for part in migration_section(number, each)
        ),
        *_queries(summary.queries),
        *forecast_section(run.forecast),
        *environment_section(run),
        *notes_section(run),
    ]
    return "\n\n".join(parts) + "\n"


def _executive_summary(conclusion: Conclusion) -> Iterator[str]:
    run, summary, verdict = conclusion.run, conclusion.summary, conclusion.verdict
    yield "## Executive summary"
    applied = sum(each.outcome == "applied" for each in summary.migrations)
    yield table(
        ("What", "Measured"),
        (
            ("Run", f"{code(run.run_id)}, started {plain(run.started_at)}"),
            ("Scope", f"{applied} of {_many(len(summary.migrations), 'migration')} applied, "
             f"{_many(len(summary.statements), 'statement')}, {_many(summary.n, 'repeat')}"),
            ("Duration of all migrations", spread_seconds(summary.duration_s)),
            ("Longest block of reads", longest_text(conclusion, "read")),
            ("Longest block of writes", longest_text(conclusion, "write")),
            ("WAL written", spread_size(summary.wal_bytes)),
            ("Growth on disk", spread_size(summary.size_delta_bytes)),
        ),
    )  # fmt: skip
    if verdict.conditions:
        yield "### Conditions"
        yield bullets(plain(each) for each in verdict.conditions)
    yield from findings_section(conclusion.findings)


def _queries(queries: Sequence[QuerySummary]) -> Iterator[str]:
    if not queries:
        return
    yield "## Queries before and after"
    yield table(
        ("Query", "Kind", "Before", "After", ">Ratio", "Blocks", "Plan"),
        (
            (
                code(each.name),
                each.kind,
                _cost(each, "before"),
                _cost(each, "after"),
                ratio(each.ratio),
                f"{_blocks(each, 'before')} → {_blocks(each, 'after')}",
                {True: "changed", False: "same", None: UNKNOWN}[each.plan_changed],
            )
            for each in queries
        ),
    )


def _cost(query: QuerySummary, state: str) -> str:
    cost, times = (query.before, query.before_s) if state == "before" else (query.after, query.after_s)
    if cost is None:
        return "did not exist" if state == "before" and query.added else UNKNOWN
    return f"🔴 {plain(cost.error)}" if cost.error else spread_seconds(times)


def _blocks(query: QuerySummary, state: str) -> str:
    cost = query.before if state == "before" else query.after
    return count(cost.blocks if cost else None)


def environment_section(run: Run) -> Iterator[str]:
    """Server, host, settings and data."""
    server, host, dataset = run.environment.server, run.environment.host, run.dataset
    yield "## Environment"
    rows = [
        ("Server", f"PostgreSQL {plain(server.version)} ({server.kind})"),
        ("Host", f"{plain(host.os)}, {plain(host.cpu)}, {host.cores} cores, {size(host.memory_bytes)}"),
        ("Settings", ", ".join(code(f"{name} = {value}") for name, value in sorted(server.settings.items()))),
        ("Tool", f"pgrehearse {plain(run.tool_version)}, run file schema {run.schema_version}"),
        ("Suite", f"{code(run.suite.path)}, base SHA-256 {code((run.suite.base_sha256 or UNKNOWN)[:12])}"),
    ]
    if dataset is None:
        rows.append(("Data", "none was generated"))
    else:
        amount = (
            f"{count(sum(each.rows for each in dataset.tables))} rows, "
            f"{size(sum(each.bytes for each in dataset.tables))}"
        )
        rows.append(("Data", f"{amount}, {plain(data_origin(dataset))}"))
    yield table(("What", "Value"), rows)
    if dataset is not None and dataset.tables:
        yield table(
            ("Table", ">Rows", ">Size"),
            ((code(each.name), count(each.rows), size(each.bytes)) for each in dataset.tables),
        )
    if dataset is not None and dataset.dirt:
        planted = ", ".join(f"{plain(kind)} ({count(rows)})" for kind, rows in dataset.dirt.items())
        yield f"Dirty rows, planted: {planted}."


def notes_section(run: Run) -> Iterator[str]:
    """What to know when reading the figures."""
    if run.notes:
        yield "## What to know when reading the figures"
        yield bullets(f"**{plain(note.subject)}**: {plain(note.text)}" for note in run.notes)


def _many(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"
