"""Scripts written otherwise by what a trace saw, without data: nobody knows what that saves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.findings import BY_CODE, traced_forms
from bench.migrate.migration import Migration, Part
from bench.model.statement import Statement
from bench.run.harden.plan import Hardened, written_anew
from bench.run.harden.writing import plain_text

NOT_MEASURED = (
    "-- Not measured: this was traced without production's rows, where nobody knows what it saves. Ways out\n"
    "-- that need the data, such as batches, are left out. bench harden measures and proves both versions."
)


def fixed(rehearsed: Rehearsed, scripts: Sequence[tuple[Path, Sequence[Statement]]]) -> Iterator[str]:
    """Each script as it would be written otherwise, as plain SQL; one that has nothing to change as it is."""
    findings = [  # durations mean nothing here
        replace(finding, message=BY_CODE[finding.code].title) for finding in traced_forms(rehearsed)
    ]
    by_id = {migration.id: migration for migration in rehearsed.summary.migrations}
    for path, statements in scripts:
        traced = by_id.get(str(path))
        if traced is None or traced.outcome != "applied":
            continue
        own = [finding for finding in findings if finding.migration == traced.id]
        migration = Migration(str(path), path, path.name, "", None, Part(path, transaction="none"))
        hardened = written_anew(migration, statements, own, traced.statements)
        if hardened.changed:
            yield "\n".join(_lines(hardened))
        else:
            yield path.read_text(encoding="utf-8")


def _lines(hardened: Hardened) -> Iterator[str]:
    yield NOT_MEASURED
    count = len(hardened.units)
    for number, unit in enumerate(hardened.units, 1):
        how = "in a transaction" if unit.transaction else "outside a transaction"
        yield f"\n-- {hardened.migration.file}, part {number} of {count}: {how}"
        yield plain_text(unit).rstrip()
    for refusal in hardened.refusals:
        yield f"\n-- {refusal.place} stays as it is ({refusal.code}): {refusal.why}"
    yield ""
