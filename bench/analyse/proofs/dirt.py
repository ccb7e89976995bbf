"""Findings of dirty data: what a migration cannot take, and the fewest rows that show it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.analyse.proofs.rollback import describe_error
from bench.analyse.quantity import count
from bench.model.finding import Finding
from bench.model.proof import DirtProof, OffendingRow
from bench.model.run import Run

SHOWN = 3
ROW_SHOWN = 120


def dirt_findings(run: Run) -> Iterator[Finding]:
    """``fails-on-data``, one for each way to fail, with the kinds of dirt that lead there."""
    failed = [each for each in run.proofs.dirt if each.outcome == "failed"]
    for way in dict.fromkeys(map(_way, failed)):
        yield _failure([each for each in failed if _way(each) == way])


def _way(proof: DirtProof) -> tuple[str | None, str | None, int | None]:
    error = proof.error
    return proof.migration, error.sqlstate if error else None, error.line if error else None


def _failure(proofs: Sequence[DirtProof]) -> Finding:
    first = next((each for each in proofs if each.offending), proofs[0])
    alone = [each.kinds[0] for each in proofs if len(each.kinds) == 1]
    if not first.kinds:
        what = f"{count(first.rows)} rows"
    elif alone:
        what = f"rows that are dirty by {', '.join(alone)}"
    else:
        what = f"rows that are dirty in all {len(first.kinds)} ways together, though in none of them alone"
    fewest = "the fewest rows that do" if first.smallest else "of the rows that do"
    rows = f"; {fewest}: {_rows(first.offending)}" if first.offending else ""
    return Finding(
        "fails-on-data",
        "error",
        first.migration,
        None,
        first.offending[0].relation if first.offending else None,
        f"{first.migration} fails {describe_error(first.error)} on {what}{rows}",
        {
            "kinds": alone,
            "dirty_rows": first.rows,
            "sqlstate": first.error.sqlstate if first.error else None,
            "rows": [f"{each.relation} {each.key}" for each in first.offending],
            "trials": first.trials,
        },
        "Let the migration meet such rows: match by a key of its own, leave out what cannot be decided, "
        "count it, and insert with ON CONFLICT.",
    )


def _rows(rows: Sequence[OffendingRow]) -> str:
    shown = [f"{each.relation} {each.key} {each.values[:ROW_SHOWN]}" for each in rows[:SHOWN]]
    return "; ".join(shown) + (f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")
