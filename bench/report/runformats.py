"""A single run for other programs: its findings, broken budgets and failures in their formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from bench.analyse.budgets import describe_check
from bench.analyse.conclude import Conclusion
from bench.analyse.summary import RunSummary
from bench.analyse.verdict import describe_failure
from bench.model.finding import Finding
from bench.model.run import Run
from bench.report.messages import Case, Level, Message, Told

_LEVEL: dict[str, Level] = {"error": "error", "warning": "warning", "info": "note"}
_ORDER: tuple[Level, ...] = ("error", "warning", "note")


def messages(conclusion: Conclusion) -> list[Message]:
    """Migrations that failed, findings that nobody accepted, budgets that are broken; worst first."""
    run = conclusion.run
    found = [*_failures(run, conclusion.summary)]
    found += [_of_finding(run, finding) for finding in conclusion.findings if finding.accepted is None]
    for check in conclusion.checks:
        if check.broken:
            about = (check.key, str(check.hazard), str(check.relation))
            found.append(Message("error", "BENCH-S-BUDGET", "", 0, describe_check(check), about))
    if conclusion.verdict.status == "incomplete":
        said = conclusion.verdict.sentence
        found.append(Message("warning", "BENCH-INCOMPLETE", "", 0, said, ("INCOMPLETE", run.suite.name)))
    return sorted(found, key=lambda message: _ORDER.index(message.level))


def _failures(run: Run, summary: RunSummary) -> Iterator[Message]:
    for migration in summary.migrations:
        error = migration.error
        if migration.outcome != "failed" or error is None or migration.interrupted:
            continue
        path = str(PurePosixPath(run.suite.path) / migration.failure_file)
        hint = f"; {error.hint}" if error.hint else ""
        identity = ("FAILED", migration.file, str(migration.failure_line), str(error.sqlstate))
        text = f"{describe_failure(migration)}{hint}"
        yield Message("error", "BENCH-FAILED", path, migration.failure_line or 0, text, identity)


def _of_finding(run: Run, finding: Finding) -> Message:
    file, line = (finding.place.file, finding.place.line or 0) if finding.place else ("", 0)
    path = str(PurePosixPath(run.suite.path) / file) if file else ""
    identity = (finding.code, file, str(line), finding.relation or "")
    return Message(
        _LEVEL[finding.severity], f"BENCH-{finding.code.upper()}", path, line, finding.message, identity
    )


def suites(conclusion: Conclusion) -> Iterator[tuple[str, list[Case]]]:
    """The suites of a JUnit file, with their cases."""
    run = conclusion.run
    last = {migration.id: migration for repeat in run.solo for migration in repeat.migrations}
    for file in run.suite.migrations:
        done = last.get(file.id)
        error = done.error if done is not None else None
        failed = done is not None and done.outcome == "failed" and not (error and error.interrupted)
        said = (error.message if error else "failed",) if failed else ()
        yield file.file, [Case("applies", said, (), "failure"), *_cases(conclusion, file.id)]
    suite = [*_cases(conclusion, None)]
    suite += [
        Case(f"budget {check.key}", (describe_check(check),)) for check in conclusion.checks if check.broken
    ]
    if conclusion.verdict.status == "incomplete":
        suite.append(Case("all was measured", (conclusion.verdict.sentence,)))
    yield "suite", suite


def _cases(conclusion: Conclusion, migration: str | None) -> Iterator[Case]:
    own = [
        finding
        for finding in conclusion.findings
        if finding.migration == migration and finding.accepted is None
    ]
    for code in dict.fromkeys(finding.code for finding in own):
        of = [finding for finding in own if finding.code == code]
        yield Case(
            code,
            tuple(finding.sentence for finding in of if finding.severity == "error"),
            tuple(finding.sentence for finding in of if finding.severity != "error"),
            "finding",
        )


def told(conclusion: Conclusion) -> Told:
    """The run for other programs."""
    return Told(
        f"bench {conclusion.summary.suite}",
        messages(conclusion),
        tuple(suites(conclusion)),
        conclusion.run.suite.path,
    )
