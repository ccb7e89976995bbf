"""The report as Markdown: the sections of a migration validation report, each filled by measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analyse.conclude import Conclusion
from bench.analyse.locks import LockSummary, is_toast, longest_first, without_block
from bench.analyse.queries import QuerySummary
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding
from bench.model.texts import LONGEST, cut
from bench.report.dangertext import meant_by
from bench.report.format import (
    UNKNOWN,
    bounds_seconds,
    count,
    excerpt,
    ratio,
    seconds,
    seconds_column,
    size,
    size_column,
    spread_seconds,
    spread_size,
)
from bench.report.nestedview import hot_lines
from bench.report.render import markdown as rendered
from bench.report.render.markdown import block, bullets, code, plain, table
from bench.report.sections.answer import SEVERITIES, VERDICTS, longest_text, outcome
from bench.report.sections.environment import environment, notes
from bench.report.sections.forecast import forecast
from bench.report.sections.traffic import traffic
from bench.report.statementview import notice_lines

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
        rendered.words((VERDICTS[verdict.status], f": {verdict.sentence}")),
        *_executive_summary(conclusion),
        *rendered.parts(traffic(run), 2),
        "## Migration by migration",
        HOW_TO_READ,
        *(
            part
            for number, each in enumerate(summary.migrations, 1)
            for part in migration_section(number, each)
        ),
        *_queries(summary.queries),
        *rendered.parts((*forecast(run.forecast), environment(run), *notes(run)), 2),
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
            ("Longest block of reads", rendered.words(longest_text(conclusion, "read"))),
            ("Longest block of writes", rendered.words(longest_text(conclusion, "write"))),
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


def _many(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


_SQL_WIDTH = 72
_HOT = 5
_SAID = 20


def migration_section(number: int, migration: MigrationSummary) -> Iterator[str]:
    """The parts of one migration's section: facts, failure, statements, blocking locks, work on tables."""
    yield f"### {number}. {plain(migration.id)}"
    rollback = code(migration.rollback_file) if migration.rollback_file else "none found"
    yield bullets(
        (
            f"**File**: {code(migration.file)}; **rollback file**: {rollback}",
            f"**Status**: {rendered.words(outcome(migration))}",
            f"**Duration**: {spread_seconds(migration.duration_s)}",
            f"**WAL**: {spread_size(migration.wal_bytes)}; "
            f"**growth on disk**: {spread_size(migration.size_delta_bytes)}",
        )
    )
    if migration.outcome == "failed" and not migration.interrupted:
        yield from _failure(migration)
    ran = [each for each in migration.statements if each.outcome != "skipped"]
    if ran:
        yield "#### Statements"
        yield _statements(ran)
    said = [f"line {each.line}: {plain(line)}" for each in ran for line in notice_lines(each)]
    if said:
        yield "#### What the server said"
        yield bullets(said[:_SAID])
        if len(said) > _SAID:
            yield f"And {len(said) - _SAID} more, all in the page and in run.json."
    yield from _inside(ran)
    left = len(migration.statements) - len(ran)
    if left:
        yield f"Not reached: {left} more {'statement' if left == 1 else 'statements'}."
    felt = [lock for lock in migration.locks if lock.blocks]
    if felt:
        yield "#### Who waits"
        yield _locks(felt)
    elif migration.outcome == "applied" and without_block(migration.locks, reads=False) == "rows only":
        yield "Rows only: no table lock makes reads or writes wait, but writers of the same rows do."
    work = [*_work(ran)]
    if work:
        yield "#### Rewritten and read in full"
        yield bullets(work)


def _failure(migration: MigrationSummary) -> Iterator[str]:
    statement, error, line = migration.failed_statement, migration.error, migration.failure_line
    yield "#### Failure"
    if error is None:
        yield "It was not applied to its end; the server reported no error."
        return
    where = migration.file if line is None else f"{migration.failure_file}:{line}"
    facts = [
        ("Where", code(where if error.column is None else f"{where}:{error.column}")),
        ("SQLSTATE", code(error.sqlstate or "")),
        ("Message", plain(error.message)),
        ("Detail", plain(error.detail or "")),
        ("Hint", plain(error.hint or "")),
        ("Context", plain(error.context or "")),
        ("Repeats", f"{migration.failures} of {migration.n}"),
    ]
    yield bullets(f"**{name}**: {text}" for name, text in facts if text)
    if statement:
        yield block(cut(statement.text))


def _statements(statements: Sequence[StatementSummary]) -> str:
    medians = [each.duration_s.median if each.duration_s else None for each in statements]
    time_unit, times = seconds_column(medians)
    wal_unit, wal = size_column([each.counters.wal_bytes for each in statements])
    disk_unit, disk = size_column([each.counters.size_delta_bytes for each in statements])
    return table(
        (
            ">Line", "Statement", f">Median, {time_unit}", "Transaction", "Strongest lock", "Longest hold",
            f">WAL, {wal_unit}", f">Disk, {disk_unit}",
        ),
        (
            (
                str(each.line),
                code(excerpt(each.text, _SQL_WIDTH)) + _mark(each),
                times[row], each.transaction, *_strongest(each), wal[row], disk[row],
            )
            for row, each in enumerate(statements)
        ),
    )  # fmt: skip


def _inside(statements: Sequence[StatementSummary]) -> Iterator[str]:
    """The hot SQL inside statements, and the plan of the hottest."""
    hot = hot_lines(statements)
    if not hot:
        return
    yield "#### Hot statements inside"
    time_unit, times = seconds_column([each.duration_s for each in hot[:_HOT]])
    yield table(
        ("SQL", ">Line", f">Time, {time_unit}", ">Share", ">Calls", ">Rows", ">Growth", "Most work"),
        (
            (
                code(excerpt(each.view.text, _SQL_WIDTH)), str(each.line), time, each.view.share or UNKNOWN,
                each.view.calls, each.view.rows, each.view.growth or UNKNOWN, plain(each.view.node),
            )
            for each, time in zip(hot[:_HOT], times, strict=True)
        ),
    )  # fmt: skip
    if len(hot[0].plan) > 1:
        yield f"Plan of the one in line {hot[0].line}:"
        yield block("\n".join(hot[0].plan), language="")


def _mark(statement: StatementSummary) -> str:
    if statement.error is not None and statement.error.interrupted:
        return " ⏹️ interrupted"
    return " 🔴 failed" if statement.outcome == "failed" else ""


def _strongest(statement: StatementSummary) -> tuple[str, str]:
    lock = statement.strongest_lock
    if lock is None:
        return "none", UNKNOWN
    others = len({each.subject for each in statement.locks if each.felt}) - 1
    more = f" and {others} more" if others else ""
    return f"{lock.mode.sql_name} on {code(lock.subject)}{more}", _held(lock)


def _locks(locks: Sequence[LockSummary]) -> str:
    ordered = sorted(locks, key=longest_first)
    return table(
        ("Relation", "Mode", "Longest hold", "Commands that wait", ">Taken in line"),
        (
            (
                code(lock.relation) + (f" of {code(lock.table)}" if lock.table else ""),
                lock.mode.sql_name,
                _held(lock),
                ", ".join(lock.mode.blocks),
                str(lock.line),
            )
            for lock in ordered
        ),
    )


def _held(lock: LockSummary) -> str:
    if lock.longest_s is None:
        return "not known"
    sampled = ", sampled" if lock.source == "sampled" else ""
    return (bounds_seconds(lock.held_s_bounds) if lock.held_s_bounds else seconds(lock.longest_s)) + sampled


def _work(statements: Sequence[StatementSummary]) -> Iterator[str]:
    for each in statements:
        for rewrite in each.rewrites:
            toast = is_toast(rewrite.relation) and rewrite.table
            what = f"TOAST of {code(toast)}" if toast else f"{rewrite.target} {code(rewrite.relation)}"
            yield f"line {each.line}: {what} rewritten, {size(rewrite.bytes)}"
        for scan in each.validations:
            passes = f" ({scan.passes:g} passes)" if scan.passes is not None and scan.passes > 1 else ""
            yield f"line {each.line}: {code(scan.relation)} read in full, {count(scan.rows)} rows{passes}"


def findings_section(findings: Sequence[Finding]) -> Iterator[str]:
    """A table of the findings, their ways out, and those that the authors accept with their reasons."""
    open_ones = [each for each in findings if each.accepted is None]
    if open_ones:
        yield "### Findings"
        yield table(
            ("Severity", "Code", "What was measured"),
            (
                (
                    rendered.words(SEVERITIES[together[0].severity]),
                    code(together[0].code),
                    plain(_told(together)),
                )
                for together in alike(open_ones)
            ),
        )
        yield "### Ways out"
        yield from _ways_out(open_ones)
        yield from _meanings(open_ones)
    accepted = [each for each in findings if each.accepted is not None]
    if accepted:
        yield "### Accepted"
        yield "The suite's authors accept these; they count for no verdict and no condition."
        yield bullets(
            f"{code(each.code)}, {plain(each.sentence)}. **Because** {plain(each.accepted or '')}"
            for each in accepted
        )


_MANY = 3
"""So many notes of one kind in one file are told each by itself, more of them together."""


def alike(findings: Sequence[Finding]) -> Iterator[Sequence[Finding]]:
    """The findings in their order, each by itself; but notes of one kind in a file together, where many."""
    kinds: dict[tuple[str | None, str], list[Finding]] = {}
    for each in findings:
        if each.severity == "info":
            kinds.setdefault((each.migration, each.code), []).append(each)
    for each in findings:
        together = kinds.get((each.migration, each.code), []) if each.severity == "info" else []
        if len(together) <= _MANY:
            yield [each]
        elif each is together[0]:
            yield together


def _meanings(findings: Sequence[Finding]) -> Iterator[str]:
    """Folded away: what each code that occurs means, and why it hurts."""
    said = bullets(
        f"{code(danger.code)}: {plain(danger.page.what)} {plain(danger.page.why)}"
        for danger in meant_by(findings)
    )
    if said:
        yield f"<details><summary>What these findings mean</summary>\n\n{said}\n\n</details>"


def _told(together: Sequence[Finding]) -> str:
    """The sentence of a finding, or how many there are and that of the one with the longest hold."""
    if len(together) == 1:
        return together[0].sentence
    worst = max(together, key=lambda finding: float(finding.evidence.get("held_s") or 0.0))
    lines = list(dict.fromkeys(_line(finding) for finding in together))
    if len(lines) == len(together):
        where = f"lines {', '.join(lines)}"
    else:  # several of one statement: the line alone would not tell them apart
        where = ", ".join(dict.fromkeys(_what(finding) for finding in together if finding is not worst))
    return f"{worst.sentence}. So do {len(together) - 1} more, none for longer: {where}"


def _what(finding: Finding) -> str:
    """The object that a finding is about, with its line where there is none."""
    return str(finding.evidence.get("index") or finding.relation or f"line {_line(finding)}")


def _ways_out(findings: Sequence[Finding]) -> Iterator[str]:
    """For each file and way out the sentence, its places and the statements of each place."""
    ordered = sorted(findings, key=lambda finding: (finding.migration or "", finding.statement or 0))
    ways: dict[tuple[str | None, str | None], list[Finding]] = {}
    for finding in ordered:
        ways.setdefault((finding.migration, finding.fix), []).append(finding)
    for (_, fix), together in ways.items():
        codes = ", ".join(code(name) for name in dict.fromkeys(finding.code for finding in together))
        where = _places(together)
        yield f"{f'**{plain(where)}**, ' if where else ''}{codes}: {plain(fix or '')}"
        scripts = dict.fromkeys((_line(finding), finding.sql) for finding in together if finding.sql)
        if scripts:
            many = len(scripts) > 1
            parts = (f"-- instead of line {line}:\n{sql}" if many else str(sql) for line, sql in scripts)
            yield block(cut("\n\n".join(parts), LONGEST))


def _places(together: Sequence[Finding]) -> str:
    """``file:line``, the file with all lines, or the relation where they are about no file."""
    places = list(dict.fromkeys(finding.place for finding in together if finding.place is not None))
    if not places:
        return ", ".join(dict.fromkeys(finding.relation for finding in together if finding.relation))
    lines = [str(place.line) for place in places if place.line is not None]
    return str(places[0]) if len(places) == 1 else f"{places[0].file}: {', '.join(lines)}"


def _line(finding: Finding) -> str:
    return str(finding.place.line or "?") if finding.place else "?"
