"""What a comparison of two runs decided, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.analyse.compare.result import ORDER, Comparison, Decision, Gate, Level, Outcome
from bench.model.lock import LockMode
from bench.model.record import Noise
from bench.report.document import Mark, Table, columns, status
from bench.report.format import UNKNOWN, count, ratio, seconds, shortened, size

OUTCOMES: dict[Outcome, Mark] = {
    "fail": status("FAIL", "bad"),
    "inconclusive": status("INCONCLUSIVE", "unknown"),
    "warn": status("WARN", "warn"),
    "improved": status("IMPROVED", "good"),
    "pass": status("PASS", ""),
}
BY: dict[Level, str] = {"E0": "fact", "E1": "work", "W": "time", "S": "budget"}
"""What decided, in a word: a fact of the catalog or a plan, counted work, the clock, a budget."""
_SUBJECT = {
    "blocks": "blocks touched",
    "blocks_dirtied": "blocks dirtied",
    "wal_records": "WAL records",
    "wal_fpi": "full-page images",
    "wal_bytes": "WAL",
    "temp_bytes": "temporary files",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One gate with the place that it is about."""

    file: str
    line: int
    what: str
    gate: Gate
    sentence: str


def rows(comparison: Comparison) -> tuple[Row, ...]:
    """Every gate that is not a plain pass, and every statement edited or without a partner; worst first."""
    found = [*_rows(comparison)]
    return tuple(sorted(found, key=lambda row: ORDER.index(row.gate.outcome)))


def _rows(comparison: Comparison) -> Iterator[Row]:
    for gate in comparison.gates:
        yield _row("", 0, comparison.suite, gate)
    for migration in comparison.migrations:
        if migration.presence in ("missing", "added", "renamed"):
            note = f"was {migration.was}" if migration.was else None
            listed = Gate("E0", "presence", "warn", migration.presence, None, None, note=note)
            yield _row(migration.file, 0, "migration", listed)
        for gate in migration.gates:
            yield _row(migration.file, 0, "migration", gate)
        for verdict in migration.statements:
            yield from _of(verdict, alone=migration.presence in ("both", "edited", "renamed"))
    for verdict in comparison.queries:
        yield from _of(verdict, alone=True)


def _of(verdict: Decision, *, alone: bool) -> Iterator[Row]:
    what = f"query {verdict.text}" if verdict.kind == "query" else verdict.kind
    if alone and verdict.presence in ("missing", "added", "edited"):
        listed = Gate("E0", "presence", "pass", verdict.presence, None, None)
        yield _row(verdict.file, verdict.line, f"{what}: {shortened(verdict.text, 60)}", listed)
    for gate in verdict.gates:
        if gate.outcome != "pass" or gate.note:
            row = _row(verdict.file, verdict.line, what, gate)
            if gate.level == "W" and verdict.ratio:
                r = verdict.ratio
                interval = f" [{ratio(r.low)}, {ratio(r.high)}], limit {ratio(r.limit)}, n={r.n[0]}+{r.n[1]}"
                row = Row(row.file, row.line, row.what, gate,
                            f"{row.sentence}, {ratio(r.estimate)}{interval}")  # fmt: skip
            yield row


def _row(file: str, line: int, what: str, gate: Gate) -> Row:
    return Row(file, line, what, gate, sentence(gate))


def sentence(gate: Gate) -> str:
    """One gate: what it is about, the old value and the new one, and a note where there is one."""
    subject = _SUBJECT.get(gate.subject, gate.subject)
    if gate.code == "presence":
        text = f"{subject} on the head's side" if gate.subject == "added" else subject
    elif gate.code == "added-work":
        text = f"{subject}: statements that were added take {value(gate.new, gate)}, "
        text += f"others in it {value(gate.old, gate)} less"
    else:
        text = f"{subject}: {value(gate.old, gate)} → {value(gate.new, gate)}"
    return f"{text} ({gate.note})" if gate.note else text


def value(number: float | str | None, gate: Gate) -> str:
    """One side of a gate in the gate's unit."""
    if number is None:
        return "no lock" if gate.unit == "mode" else UNKNOWN
    if isinstance(number, str):
        return LockMode(number).sql_name if gate.unit == "mode" else number
    if gate.unit == "s":
        return seconds(number)
    if gate.unit == "bytes":
        return size(number)
    return count(number)


def headline(comparison: Comparison) -> str:
    """The verdict in one sentence."""
    counted = {outcome: sum(row.gate.outcome == outcome for row in rows(comparison)) for outcome in ORDER}
    suite = comparison.suite
    bad = [row for row in rows(comparison) if row.gate.outcome in ("fail", "inconclusive", "warn")]
    first = f"{place(bad[0])}{bad[0].sentence}" if bad else ""
    match comparison.outcome:
        case "fail":
            more = f", and {counted['fail'] - 1} more" if counted["fail"] > 1 else ""
            return f"{suite} got worse: {first}{more}."
        case "inconclusive":
            return (
                f"{suite}: nothing is known to be worse, but {counted['inconclusive']} figures are open: "
                f"{first}; bench run --against measures both sides in turn."
            )
        case "warn":
            return f"{suite} did not get worse; {counted['warn']} to look at: {first}."
        case "improved":
            return f"{suite} did not get worse, and {counted['improved']} figures got better."
        case _:
            return f"{suite} did not get worse."


def place(row: Row) -> str:
    """``file:line: `` or what there is of it."""
    if not row.file:
        return f"{row.what}: " if row.what.startswith("query") else ""
    return f"{row.file}:{row.line}: " if row.line else f"{row.file}: "


def table(listed: Sequence[Row], total: int) -> Table:
    """The rows, and how many more there are."""
    lines = tuple(
        (OUTCOMES[row.gate.outcome], BY[row.gate.level], f"{place(row)}{row.what}", row.sentence)
        for row in listed
    )
    note = f"{total - len(listed)} more are in the full report." if total > len(listed) else ""
    return Table(columns("Outcome", "By", "Where", "What"), lines, note=note)


def footer(comparison: Comparison) -> Iterator[str]:
    """How the times were compared, and what differs between the machines."""
    statements = len(comparison.verdicts) - len(comparison.queries)
    mean = f", geometric mean of raw ratios {ratio(comparison.geometric_mean)}" if comparison.timed else ""
    queries = len(comparison.queries)
    yield f"{statements} statements and {queries} queries; {comparison.timed} long enough to time{mean}"
    yield f"design: {comparison.design}, limit {ratio(comparison.limit)}; {describe_noise(comparison.noise)}"
    yield f"base {comparison.base}, head {comparison.head}"
    for difference in comparison.machine:
        yield f"{difference.key}: {difference.old} → {difference.new}"


def describe_noise(noise: Noise | None) -> str:
    """Which noise a comparison reckons with."""
    if noise is None:
        return "this machine's noise is not known: bench aa learns it"
    return (
        f"this machine's noise, learnt {noise.learnt_at[:10]} from {noise.repeats} repeats of {noise.suite}, "
        f"asks for {ratio(noise.in_turn)} in turn and {ratio(noise.stored)} against a stored run"
    )
