"""What ``bench harden`` says: before and after, what was changed and why, what stays and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.analyse.conclude import Conclusion
from bench.analyse.quantity import seconds
from bench.analyse.waits import ACCESSES
from bench.model.load import Access
from bench.run.harden.session import Outcome

MOST_NAMED = 5


def describe(outcome: Outcome) -> Iterator[str]:
    """The outcome in lines."""
    if outcome.before.summary.failed:
        yield "The original fails, so nothing can be compared: correct it first (bench run shows where)."
        return
    yield from _refused(outcome)
    if outcome.written is None or outcome.after is None or outcome.ends is None:
        yield "Nothing to write otherwise: no statement hurts on this data in a way that another would not."
        return
    yield from _changed(outcome)
    yield ""
    yield f"{'':28}{'before':>14}{'after':>14}"
    for name, one, other in figures(outcome.before, outcome.after):
        yield f"{name:28}{one:>14}{other:>14}"
    yield ""
    yield from _proved(outcome)
    yield from outcome.written.remarks
    yield f"Written: {len(outcome.written.files)} files in {outcome.written.directory}"


def _changed(outcome: Outcome) -> Iterator[str]:
    yield "Written otherwise:"
    for item in outcome.hardened:
        for change in item.changes:
            yield f"  {change.place}  {change.code}: {change.why}"


def _refused(outcome: Outcome) -> Iterator[str]:
    refusals = [refusal for item in outcome.hardened for refusal in item.refusals]
    if refusals:
        yield "Stays as it is, as nothing better can be written:"
        for refusal in refusals:
            yield f"  {refusal.place}  {refusal.code}: {refusal.why}"


def _proved(outcome: Outcome) -> Iterator[str]:
    assert outcome.ends is not None
    ends = outcome.ends
    if ends.differences:
        yield "The two versions do not come to the same:"
        yield from (f"  {difference}" for difference in ends.differences)
    else:
        yield "Both versions come to the same: every object and every row was compared."
    if ends.apart:
        named = ", ".join(ends.apart[:MOST_NAMED])
        more = f" and {len(ends.apart) - MOST_NAMED} more" if len(ends.apart) > MOST_NAMED else ""
        yield f"Values left out, as no two runs of the original agree on them: {named}{more}."
    if ends.reordered:
        yield f"Columns stand in another order: {', '.join(ends.reordered)}."
    if outcome.still:
        yield f"Still to be bettered by hand: {', '.join(outcome.still)}."


def figures(before: Conclusion, after: Conclusion) -> Iterator[tuple[str, str, str]]:
    """Name, before and after of each figure."""
    for access in ACCESSES:
        one, other = (_longest(conclusion, access) for conclusion in (before, after))
        yield f"longest {access} wait", one, other
    yield "deploy", _seconds(before.summary.duration_s), _seconds(after.summary.duration_s)
    yield "verdict", before.verdict.status.replace("_", " "), after.verdict.status.replace("_", " ")


def _longest(conclusion: Conclusion, access: Access) -> str:
    found = conclusion.longest(access)
    return _seconds(None if found is None else found.seconds)


def _seconds(value: Any) -> str:
    value = getattr(value, "median", value)
    return "none" if value is None else seconds(value)


def document(outcome: Outcome) -> dict[str, Any]:
    """The same for programs."""
    after, ends = outcome.after, outcome.ends
    return {
        "changes": [
            {"migration": item.migration.id, "place": change.place, "code": change.code, "why": change.why}
            for item in outcome.hardened
            for change in item.changes
        ],
        "refusals": [
            {"migration": item.migration.id, "place": refusal.place, "code": refusal.code, "why": refusal.why}
            for item in outcome.hardened
            for refusal in item.refusals
        ],
        "files": list(outcome.written.files) if outcome.written else [],
        "directory": str(outcome.written.directory) if outcome.written else None,
        "differences": list(ends.differences) if ends else [],
        "apart": list(ends.apart) if ends else [],
        "reordered": list(ends.reordered) if ends else [],
        "still": list(outcome.still),
        "figures": [
            {"name": name, "before": one, "after": other}
            for name, one, other in figures(outcome.before, after)
        ]
        if after
        else [],
    }
