"""Findings that the authors accept: kept, with their reason, and counted for no verdict."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from bench.analyse.summary import MigrationSummary, RunSummary
from bench.model.finding import Acceptance, Finding

NEVER_ACCEPTED = frozenset({"suppression"})


def accept(
    findings: Iterable[Finding], acceptances: Sequence[Acceptance], summary: RunSummary
) -> Iterator[Finding]:
    """The findings, each with the reason of the first acceptance that means it."""
    for finding in findings:
        meant = next((words for words in acceptances if _means(words, finding, summary)), None)
        yield finding if meant is None else replace(finding, accepted=meant.because)


def complaints(
    findings: Sequence[Finding],
    acceptances: Iterable[Acceptance],
    summary: RunSummary,
    codes: Collection[str],
) -> Iterator[Finding]:
    """A finding for each acceptance whose words are wrong, or that all it speaks of ran without needing."""
    for words in acceptances:
        if not any(_means(words, finding, summary) for finding in findings):
            yield from _complaint(words, summary, frozenset(codes) - NEVER_ACCEPTED)


def _means(acceptance: Acceptance, finding: Finding, summary: RunSummary) -> bool:
    if finding.code != acceptance.code or finding.code in NEVER_ACCEPTED or acceptance.problem is not None:
        return False
    migration = next((other for other in summary.migrations if other.id == finding.migration), None)
    if acceptance.migration is not None and not (migration and _is_called(migration, acceptance.migration)):
        return False
    if acceptance.relation is not None:
        full = finding.relation or ""
        if acceptance.relation not in (full, full.partition(".")[2] or full):
            return False
    if acceptance.line is None:
        return True
    statements = migration.statements if migration else ()
    return any(
        statement.index == finding.statement and statement.line == acceptance.line for statement in statements
    )


def _is_called(migration: MigrationSummary, name: str) -> bool:
    return name in (migration.id, migration.file, migration.file.rpartition("/")[2])


def _complaint(acceptance: Acceptance, summary: RunSummary, codes: frozenset[str]) -> Iterator[Finding]:
    code = acceptance.code
    if acceptance.problem is not None:
        message, fix = acceptance.problem, _SPELLING
    elif code not in codes:
        near = difflib.get_close_matches(code, codes, n=1, cutoff=0.6)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        message = f'there is no finding "{code}"'
        fix = f"{hint}Known: {', '.join(sorted(codes))}; bench help findings."
    else:
        concerned = [
            migration
            for migration in summary.migrations
            if acceptance.migration is None or _is_called(migration, acceptance.migration)
        ]
        if not concerned:
            message, fix = (
                f'there is no migration "{acceptance.migration}"',
                _near_migration(acceptance, summary),
            )
        elif any(migration.outcome != "applied" for migration in concerned):
            return
        else:
            message = f'"{code}" was accepted here, but nothing of the kind was found'
            fix = "Remove it, if it did not show on more data either: it would hide the next one."
    yield Finding(
        code="suppression",
        severity="info",
        migration=_migration_id(acceptance, summary),
        statement=None,
        relation=acceptance.relation,
        message=f"{message} ({acceptance.place})",
        evidence={"accepted": code, "because": acceptance.because} if acceptance.because else {},
        fix=fix,
    )


_SPELLING = (
    "Write -- bench: accept <code> because <reason> above the statement or at its end; accept-file for the "
    "whole file."
)


def _near_migration(acceptance: Acceptance, summary: RunSummary) -> str:
    names = [migration.id for migration in summary.migrations]
    near = difflib.get_close_matches(acceptance.migration or "", names, n=1, cutoff=0.5)
    return (f'did you mean "{near[0]}"? ' if near else "") + f"Known: {', '.join(names)}."


def _migration_id(acceptance: Acceptance, summary: RunSummary) -> str | None:
    name = acceptance.migration
    return next(
        (migration.id for migration in summary.migrations if name and _is_called(migration, name)), None
    )
