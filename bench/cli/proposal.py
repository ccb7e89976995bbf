"""What ``bench harden`` says: before and after, what was changed and why, what stays and why."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from bench.analyse.conclude import Conclusion
from bench.analyse.locks import LockSummary
from bench.analyse.quantity import count, seconds
from bench.analyse.traffic import PassFigures
from bench.model.load import Access
from bench.report.document import (
    Block,
    Bullets,
    Code,
    Failure,
    Folded,
    Paragraph,
    Section,
    Table,
    code,
    columns,
)
from bench.report.format import spread_seconds, spread_size
from bench.run.harden.equal import Ends
from bench.run.harden.session import Outcome

MOST_NAMED = 5
HOW_MEASURED = (
    "Both versions on copies of one state, under the same traffic, in this run. The longest wait is the "
    "worst that was measured, of locks, locked rows and requests. Times are the middle of the repeats."
)


def blocks(outcome: Outcome) -> Iterator[Block]:
    """The outcome as a document, the same on the terminal and in Markdown."""
    if outcome.before.summary.failed:
        yield Failure(
            "The original fails, so nothing can be compared: correct it first (bench run shows where)."
        )
        return
    yield from _refused(outcome)
    if outcome.written is None or outcome.after is None or outcome.ends is None:
        yield Paragraph(
            "Nothing to write otherwise: no statement hurts on this data in a way that another would not."
        )
        return
    yield from _changed(outcome)
    rows = tuple(figures(outcome.before, outcome.after))
    yield Table(columns("Figure", ">Before", ">After"), rows, "Before and after", HOW_MEASURED)
    yield Section("Proof", tuple(_proved(outcome.ends, outcome.still)))
    written = outcome.written
    remarks: tuple[Block, ...] = (Bullets(written.remarks),) if written.remarks else ()
    yield Section("Written", (Paragraph(f"{len(written.files)} files in {written.directory}"), *remarks))


def proposal(outcome: Outcome) -> Iterator[Block]:
    """For a pull request: the outcome, and each new file to take over."""
    yield Section("The safe version of this deploy", tuple(blocks(outcome)))
    if outcome.written is not None:
        files = (
            Folded(code(name), (Code((outcome.written.directory / name).read_text(encoding="utf-8")),))
            for name in outcome.written.files
        )
        yield Section("Files", tuple(files))


def _changed(outcome: Outcome) -> Iterator[Block]:
    rows = tuple(
        (code(change.place), change.code, change.why) for item in outcome.hardened for change in item.changes
    )
    yield Table(columns("Where", "What", "Why"), rows, "Written otherwise")


def _refused(outcome: Outcome) -> Iterator[Block]:
    rows = tuple(
        (code(refusal.place), refusal.code, refusal.why)
        for item in outcome.hardened
        for refusal in item.refusals
    )
    if rows:
        yield Table(columns("Where", "What", "Why"), rows, "Stays as it is, as nothing better can be written")


def _proved(ends: Ends, still: Sequence[str]) -> Iterator[Block]:
    if ends.differences:
        yield Failure("The two versions do not come to the same:")
        yield Bullets(ends.differences)
    else:
        yield Paragraph("Both versions come to the same: every object and every row was compared.")
    if ends.apart:
        named = ", ".join(ends.apart[:MOST_NAMED])
        more = f" and {len(ends.apart) - MOST_NAMED} more" if len(ends.apart) > MOST_NAMED else ""
        yield Paragraph(f"Values left out, as no two runs of the original agree on them: {named}{more}.")
    if ends.reordered:
        yield Paragraph(f"Columns stand in another order: {', '.join(ends.reordered)}.")
    if still:
        yield Paragraph(f"Still to be bettered by hand: {', '.join(still)}.")


def figures(before: Conclusion, after: Conclusion) -> Iterator[tuple[str, str, str]]:
    """Name, before and after of each figure."""

    def row(name: str, read: Callable[[Conclusion], str]) -> tuple[str, str, str]:
        return name, read(before), read(after)

    yield row("Longest wait of reads", lambda side: _longest(side, "read"))
    yield row("Longest wait of writes", lambda side: _longest(side, "write"))
    yield row("Longest lock that stops reads", lambda side: _lock(side.summary.worst_read_block))
    yield row("Longest lock that stops writes", lambda side: _lock(side.summary.worst_write_block))
    if before.card.passes or after.card.passes:
        yield row("Requests that waited", lambda side: _quiet(side, lambda quiet: count(quiet.waits)))
        yield row(
            "Time in which one waited", lambda side: _quiet(side, lambda quiet: seconds(quiet.blocked_s))
        )
        yield row("Requests that failed", lambda side: _quiet(side, lambda quiet: count(quiet.broken)))
    passes = (deploy for side in (before, after) for deploy in side.card.passes)
    for name in dict.fromkeys(deploy.name for deploy in passes if deploy.hazard):
        yield row(f"Longest wait {name}", partial(_beside, name=name))
    yield row("Deploy, nothing beside it", lambda side: spread_seconds(side.summary.duration_s))
    yield row("WAL", lambda side: spread_size(side.summary.wal_bytes))
    yield row("Growth on disk", lambda side: spread_size(side.summary.size_delta_bytes))
    yield row("Verdict", lambda side: side.verdict.status.replace("_", " "))


def _longest(conclusion: Conclusion, access: Access) -> str:
    wait = conclusion.longest(access)
    return "none" if wait is None or wait.seconds is None else seconds(wait.seconds)


def _lock(lock: LockSummary | None) -> str:
    return "none" if lock is None else f"{seconds(lock.longest_s)} ({lock.subject})"


def _beside(conclusion: Conclusion, name: str) -> str:
    """The longest wait of a request in a pass beside a hazard, and whether the deploy came through."""
    deploy = next((deploy for deploy in conclusion.card.passes if deploy.name == name), None)
    if deploy is None:
        return "not measured"
    return (
        seconds(deploy.worst_s) if deploy.stop is None else f"{seconds(deploy.worst_s)}, and the deploy stops"
    )


def _quiet(conclusion: Conclusion, read: Callable[[PassFigures], str]) -> str:
    quiet = next((traffic for traffic in conclusion.card.passes if traffic.quiet), None)
    return "not measured" if quiet is None else read(quiet)


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
