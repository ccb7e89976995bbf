"""Findings from what was proved on clones."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.proofs.access import access_findings
from bench.analyse.proofs.crash import crash_findings, idempotence_findings
from bench.analyse.proofs.dirt import dirt_findings
from bench.analyse.proofs.rollback import rollback_findings
from bench.analyse.proofs.values import value_findings
from bench.model.finding import Finding
from bench.model.run import Run


def proof_findings(run: Run) -> Iterator[Finding]:
    """The dangers that the run's proofs show; none where nothing was proved."""
    yield from rollback_findings(run)
    yield from crash_findings(run)
    yield from idempotence_findings(run)
    yield from access_findings(run)
    yield from value_findings(run)
    yield from dirt_findings(run)
