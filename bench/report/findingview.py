"""Findings as a page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.summary import RunSummary
from bench.model.finding import Finding
from bench.model.lock import LockMode
from bench.model.texts import cut
from bench.report import format as fmt
from bench.report.statementview import Fact

SEVERITIES = {"error": "Error", "warning": "Warning", "info": "Information"}


@dataclass(frozen=True, slots=True)
class FindingView:
    """One danger."""

    severity: str
    word: str
    code: str
    message: str
    place: str
    href: str
    evidence: tuple[Fact, ...]
    fix: str
    sql: str
    """The statements to run instead."""
    accepted: str
    """Why the authors accept it; empty where they do not."""


def finding_view(finding: Finding, summary: RunSummary) -> FindingView:
    """One finding, linked to its statement."""
    href = ""
    ids = [migration.id for migration in summary.migrations]
    if finding.migration in ids:
        at = ids.index(finding.migration)
        indexes = [statement.index for statement in summary.migrations[at].statements]
        href = f"#m{at + 1}-s{finding.statement}" if finding.statement in indexes else f"#m{at + 1}"
    return FindingView(
        severity=finding.severity,
        word=SEVERITIES[finding.severity],
        code=finding.code,
        message=finding.message,
        place=str(finding.place or ""),
        href=href,
        evidence=tuple(
            Fact(_label(key), evidence_text(key, value)) for key, value in finding.evidence.items()
        ),
        fix=finding.fix or "",
        sql=cut(finding.sql or ""),
        accepted=finding.accepted or "",
    )


def _label(name: str) -> str:
    return name.removesuffix("_s").removesuffix("_bytes").replace("_", " ")


def evidence_text(name: str, value: object) -> str:
    """A piece of evidence: numbers in the unit that the end of the name says."""
    if name == "mode" and value in set(LockMode):
        return LockMode(str(value)).sql_name
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return fmt.UNKNOWN if value is None else str(value)
    if isinstance(value, int | float):
        if name.endswith("_s"):
            return fmt.seconds(value)
        if name.endswith("bytes"):
            return fmt.size(value)
        return str(value) if "line" in name or name == "exponent" else fmt.count(value)
    if isinstance(value, Sequence):
        return ", ".join(evidence_text(name, each) for each in value)
    return str(value)
