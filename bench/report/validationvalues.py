"""The validation report's part on constraints: values accepted and refused, and what deletions do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.model.proof import ValueTrial
from bench.report.markup import code, plain, table

SHOWN = 6
DETAILS_FROM = 12
"""Rows of a table from which on it is folded."""


def values_section(trials: Sequence[ValueTrial], *, fold: bool = True) -> Iterator[str]:
    """Counts, then one table of values for each relation, and one of deletions."""
    told = [each for each in trials if each.expected is not None and each.accepted is not None]
    as_said = sum(each.expected == each.accepted for each in told)
    untried = sum(each.accepted is None for each in trials)
    yield (
        f"{len(trials)} values and deletions tried on real rows, and taken back: "
        f"{sum(each.accepted is True for each in trials)} accepted, "
        f"{sum(each.accepted is False for each in trials)} refused, {untried} without a row to try. "
        f"Where type and constraints say what is to come, {as_said} of {len(told)} came so."
    )
    for relation in dict.fromkeys(each.relation for each in trials):
        rows = list(_columns([each for each in trials if each.relation == relation]))
        if rows:
            yield f"#### {code(relation)}"
            yield _folded(table(("Column or columns", "Accepts", "Refuses"), rows), len(rows) if fold else 0)
    deletions = [each for each in trials if each.kind == "delete"]
    if deletions:
        yield "#### Foreign keys: what a deletion does"
        shown = [
            (code(f"{each.relation}: {each.subject}"), plain(each.tried), plain(_outcome(each)))
            for each in deletions
        ]
        yield _folded(table(("Foreign key", "Tried", "Outcome"), shown), len(shown) if fold else 0)


def _columns(trials: Sequence[ValueTrial]) -> Iterator[tuple[str, str, str]]:
    for columns in dict.fromkeys(each.columns for each in trials if each.kind != "delete"):
        own = [each for each in trials if each.columns == columns and each.kind != "delete"]
        yield (
            code(", ".join(columns)),
            _listed([_shown(each) for each in own if each.accepted is True]),
            _listed([_shown(each) for each in own if each.accepted is False]),
        )


def _shown(trial: ValueTrial) -> str:
    stored = trial.stored
    kept = f" → {stored}" if stored is not None and stored != trial.tried else ""
    return code(f"{trial.tried or 'the empty text'}{kept}")


def _listed(values: Sequence[str]) -> str:
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return ", ".join(values[:SHOWN]) + more


def _outcome(trial: ValueTrial) -> str:
    if trial.accepted is None:
        return "not tried"
    if trial.accepted:
        return trial.stored or "accepted"
    return f"refused: {trial.message} ({trial.sqlstate})"


def _folded(text: str, rows: int) -> str:
    if rows < DETAILS_FROM:
        return text
    return f"<details><summary>{rows} rows</summary>\n\n{text}\n\n</details>"
