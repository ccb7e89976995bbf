"""Findings that the authors accept: kept, with their reason, and counted for no verdict."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from bench.analyse.summary import MigrationSummary, RunSummary
from bench.model.finding import FINDING_CODES, Acceptance, Finding

NEVER_ACCEPTED = frozenset({"suppression"})


def accept(
    findings: Iterable[Finding], acceptances: Sequence[Acceptance], summary: RunSummary
) -> tuple[Finding, ...]:
    """The findings, each with the reason of the first acceptance that means it; then those of acceptances.

    An acceptance is a finding of its own where its words are wrong, or where all that it speaks of ran and
    nothing of the kind was found.
    """
    usable = [each for each in acceptances if each.problem is None and each.code in FINDING_CODES]
    used: set[Acceptance] = set()
    kept: list[Finding] = []
    for finding in findings:
        meant = [each for each in usable if _means(each, finding, summary)]
        used.update(meant)
        kept.append(replace(finding, accepted=meant[0].because) if meant else finding)
    for each in acceptances:
        if each not in used:
            kept += _complaint(each, summary)
    return tuple(kept)


def _means(acceptance: Acceptance, finding: Finding, summary: RunSummary) -> bool:
    if finding.code != acceptance.code or finding.code in NEVER_ACCEPTED:
        return False
    migration = next((each for each in summary.migrations if each.id == finding.migration), None)
    if acceptance.migration is not None and not (migration and _is_called(migration, acceptance.migration)):
        return False
    if acceptance.relation is not None:
        full = finding.relation or ""
        if acceptance.relation not in (full, full.partition(".")[2] or full):
            return False
    if acceptance.line is None:
        return True
    statements = migration.statements if migration else ()
    return any(each.index == finding.statement and each.line == acceptance.line for each in statements)


def _is_called(migration: MigrationSummary, name: str) -> bool:
    return name in (migration.id, migration.file, migration.file.rpartition("/")[2])


def _complaint(acceptance: Acceptance, summary: RunSummary) -> Iterator[Finding]:
    code = acceptance.code
    if acceptance.problem is not None:
        message, fix = acceptance.problem, _SPELLING
    elif code not in FINDING_CODES:
        near = difflib.get_close_matches(code, FINDING_CODES, n=1, cutoff=0.6)
        hint = f'did you mean "{near[0]}"? ' if near else ""
        message = f'there is no finding "{code}"'
        fix = f"{hint}Known: {', '.join(sorted(FINDING_CODES - NEVER_ACCEPTED))}."
    else:
        concerned = [
            each
            for each in summary.migrations
            if acceptance.migration is None or _is_called(each, acceptance.migration)
        ]
        if not concerned:
            message, fix = (
                f'there is no migration "{acceptance.migration}"',
                _near_migration(acceptance, summary),
            )
        elif any(each.outcome != "applied" for each in concerned):
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
        message=f"{acceptance.place}: {message}",
        evidence={"accepted": code, "because": acceptance.because} if acceptance.because else {},
        fix=fix,
    )


_SPELLING = (
    "Write -- bench: accept <code> because <reason> above the statement or at its end; accept-file for the "
    "whole file."
)


def _near_migration(acceptance: Acceptance, summary: RunSummary) -> str:
    names = [each.id for each in summary.migrations]
    near = difflib.get_close_matches(acceptance.migration or "", names, n=1, cutoff=0.5)
    return (f'did you mean "{near[0]}"? ' if near else "") + f"Known: {', '.join(names)}."


def _migration_id(acceptance: Acceptance, summary: RunSummary) -> str | None:
    name = acceptance.migration
    return next((each.id for each in summary.migrations if name and _is_called(each, name)), None)
