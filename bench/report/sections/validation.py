"""The validation: the sections of a desk review of migrations, each filled by what a proof measured.

What was not measured says so; nothing is judged from the text of a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from bench.analyse.conclude import Conclusion
from bench.analyse.dangers.claims import comments_before, read_estimate
from bench.analyse.dangers.danger import RISKS
from bench.analyse.findings import DANGERS
from bench.analyse.summary import MigrationSummary
from bench.model.finding import Finding
from bench.model.proof import CrashPoint, RollbackProof, ValueTrial
from bench.model.run import Proofs, Run
from bench.report.document import (
    Block,
    Bullets,
    Folded,
    Paragraph,
    Section,
    Table,
    Words,
    code,
    columns,
    joined,
    status,
    strong,
)
from bench.report.format import count, seconds, spread_seconds
from bench.report.sections.answer import OUTCOMES, SEVERITIES, VERDICTS, longest_text, wait_from_text
from bench.report.sections.environment import data_rows

NOT_MEASURED = "not measured"
RISK_LEVELS = {
    "error": status("high", "bad"),
    "warning": status("medium", "warn"),
    "info": status("low", "good"),
    None: status("none found", "good"),
}


def validation(conclusion: Conclusion) -> Section:
    """The whole document."""
    run, summary, verdict = conclusion.run, conclusion.summary, conclusion.verdict
    findings = [finding for finding in conclusion.findings if finding.accepted is None]
    values = run.proofs.values
    migrations = (_migration(migration, conclusion, findings) for migration in summary.migrations)
    sections = (
        Section("Executive summary", (_overview(conclusion), _listed("Conditions", verdict.conditions))),
        Section("Migration by migration", tuple(migrations)),
        Section("Security", tuple(_security(run, findings))),
        Section("Constraints and values", tuple(_values_tried(values)) if values else _not_tried("Values")),
        Section("Dirty data", _dirty(run.proofs)),
        _listed("Not measured by this run", tuple(_unmeasured(run))),
        Section("Risk assessment", (Table(_RISK_HEAD, tuple(_risks(run, findings))),)),
        _listed("Recommended actions", tuple(_actions(findings))),
        Section("Conclusion", (Paragraph((VERDICTS[verdict.status], f": {verdict.sentence}")),)),
    )
    server = run.environment.server.version
    measured = ("Measured in run ", code(run.run_id), f" on PostgreSQL {server}, {data_rows(run)}.")
    head = (strong("Status"), ": ", VERDICTS[verdict.status], f". {verdict.sentence}")
    return Section(
        f"Validation of {summary.suite}", (Paragraph(head), Paragraph(measured), *sections), "validation"
    )


_RISK_HEAD = columns("Risk", "Level", "Evidence")


def _listed(title: str, items: Sequence[Words]) -> Section:
    return Section(title, (Bullets(tuple(items)) if items else Paragraph("None."),))


def _not_tried(what: str) -> tuple[Block, ...]:
    return (Paragraph(f"{what}: {NOT_MEASURED}."),)


def _overview(conclusion: Conclusion) -> Table:
    summary, proofs = conclusion.summary, conclusion.run.proofs
    alone = [proof for proof in proofs.rollback if proof.scope == "alone" and not proof.draft]
    exact = sum(proof.outcome == "exact" for proof in alone)
    rows: tuple[tuple[Words, ...], ...] = (
        ("Migrations applied", f"{sum(e.outcome == 'applied' for e in summary.migrations)} of "
         f"{len(summary.migrations)}, {spread_seconds(summary.duration_s)}"),
        ("Longest block of reads", longest_text(conclusion, "read")),
        ("Longest block of writes", longest_text(conclusion, "write")),
        ("Rollbacks that bring the state back exactly, alone",
         f"{exact} of {len(alone)}" if alone else NOT_MEASURED),
        ("All rollbacks in reverse order", _outcome(proofs.rollback, "all")),
        ("Crash points", _crashes(proofs.crash_points)),
        ("Second run", _second_runs(proofs)),
        ("Access cells tried, opened", _access(proofs)),
        ("Kinds of dirty data survived", _survived(proofs)),
        ("Values and deletions tried, not as the constraints say", _values(proofs)),
    )  # fmt: skip
    return Table(columns("What", "Measured"), rows)


def _outcome(proofs: Iterable[RollbackProof], scope: str) -> str:
    return ", ".join(proof.outcome for proof in proofs if proof.scope == scope) or NOT_MEASURED


def _crashes(points: Sequence[CrashPoint]) -> str:
    if not points:
        return NOT_MEASURED
    boundaries = sum(point.covers for point in points if not point.inside)
    inside = sum(point.inside for point in points)
    killed = sum(point.method == "kill -9" for point in points)
    states = [point.state for point in points]
    runs = [point.rerun for point in points if point.rerun]
    return (
        f"{boundaries} statement boundaries and {inside} inside statements, {len(points)} cut for real "
        f"({killed} by kill -9): {_counted(states)}; run again: {_counted(runs)}"
    )


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(Counter(names).items()))


def _second_runs(proofs: Proofs) -> str:
    return _counted(proof.outcome for proof in proofs.idempotence if proof.scope == "twice") or NOT_MEASURED


def _access(proofs: Proofs) -> str:
    if not proofs.access:
        return NOT_MEASURED
    return f"{len(proofs.access)}, {sum(cell.opened is not None for cell in proofs.access)}"


def _values(proofs: Proofs) -> str:
    if not proofs.values:
        return NOT_MEASURED
    other = sum(None not in (e.expected, e.accepted) and e.expected != e.accepted for e in proofs.values)
    return f"{len(proofs.values)}, {other}"


def _survived(proofs: Proofs) -> str:
    planted = [proof for proof in proofs.dirt if proof.kinds]
    alone = [proof for proof in planted if len(proof.kinds) == 1]
    if not planted:
        return NOT_MEASURED
    together = ", ".join(proof.outcome for proof in planted if len(proof.kinds) > 1)
    return f"{sum(proof.outcome == 'applied' for proof in alone)} of {len(alone)} alone; together: {together}"


def _dirty(proofs: Proofs) -> tuple[Block, ...]:
    if not proofs.dirt:
        return _not_tried("Dirty data")
    rows = []
    for planted in proofs.dirt:
        kinds = f"all {len(planted.kinds)} together" if planted.kinds else "as given"
        error = planted.error
        refused = f"{planted.migration}: {error.message} ({error.sqlstate})" if error else ""
        shown = joined(", ", (code(f"{row.relation} {row.values}") for row in planted.offending[:2]))
        kind = code(planted.kinds[0] if len(planted.kinds) == 1 else kinds)
        rows.append((kind, count(planted.rows), planted.outcome, refused, shown))
    head = columns("Kind of dirt", ">Dirty rows", "Outcome", "Error", "Fewest rows that show it")
    return (Table(head, tuple(rows)),)


def _migration(summary: MigrationSummary, conclusion: Conclusion, findings: Sequence[Finding]) -> Section:
    run = conclusion.run
    own = [finding for finding in findings if finding.migration == summary.id]
    points = [point for point in run.proofs.crash_points if point.migration == summary.id]
    back = [proof for proof in run.proofs.rollback if summary.id in proof.migrations and proof.scope != "all"]
    ran = OUTCOMES[summary.outcome] if summary.outcome else NOT_MEASURED
    rows: tuple[tuple[Words, ...], ...] = (
        ("Runs", (ran, f", {spread_seconds(summary.duration_s)}")),
        ("Its own estimate", _estimate(summary)),
        ("Creates", _created(summary.id, run.proofs)),
        ("Blocks reads for at most", wait_from_text(conclusion, summary, "read")),
        ("Blocks writes for at most", wait_from_text(conclusion, summary, "write")),
        ("Rollback, alone", _rollback(back)),
        ("Rollback after users wrote", _writes(back)),
        ("Crash points", _crashes(points)),
    )
    critical = tuple(
        (SEVERITIES[finding.severity], " ", code(finding.code), f": {finding.sentence}")
        for finding in own
        if finding.severity != "info"
    )
    issues = Bullets(critical) if critical else Paragraph("None found.")
    claims = Table(columns("Claim", "Measured"), rows)
    return Section(code(summary.file), (claims, Section("Critical issues", (issues,))))


def _created(migration: str, proofs: Proofs) -> str:
    """What is in the catalog afterwards that was not there before."""
    created = next((found for found in proofs.created if found.migration == migration), None)
    if created is None:
        return NOT_MEASURED
    parts = [
        f"{n} {kind if n == 1 else _PLURALS.get(kind, f'{kind}s')}" for kind, n in created.counts.items()
    ]
    if created.key_indexes:
        parts.append(f"{created.key_indexes} {'index' if created.key_indexes == 1 else 'indexes'} of keys")
    return ", ".join(parts) or "nothing"


_PLURALS = {"index": "indexes", "policy": "policies"}


def _estimate(summary: MigrationSummary) -> str:
    """What the file's first comment says of its time, beside what was measured."""
    first = summary.statements[0].text if summary.statements else ""
    estimate = read_estimate(comments_before(first))
    return f'"{estimate.words}"' if estimate else "none in the file"


def _rollback(proofs: Sequence[RollbackProof]) -> str:
    alone = next((proof for proof in proofs if proof.scope == "alone" and not proof.draft), None)
    if alone is None:
        return NOT_MEASURED
    strongest = f", strongest lock {alone.locks[0].mode.sql_name}" if alone.locks else ""
    took = f", {seconds(alone.duration_s)} (n=1){strongest}" if alone.duration_s is not None else ""
    return f"{alone.outcome}{took}"


def _writes(proofs: Sequence[RollbackProof]) -> str:
    after = next((proof for proof in proofs if proof.scope == "after-writes"), None)
    if after is None:
        return NOT_MEASURED
    if after.outcome == "failed":
        return "fails"
    lost = [write for write in after.writes if write.outcome == "lost"]
    named = sum(write.named for write in lost)
    return (
        f"{len(after.writes)} writes: {len(after.writes) - len(lost)} survive, {named} lost and named, "
        + (f"{len(lost) - named} lost without a word")
    )


def _security(run: Run, findings: Sequence[Finding]) -> Iterator[Block]:
    if not run.proofs.access:
        yield from _not_tried("Access")
        return
    rows = []
    for actor in dict.fromkeys(cell.actor for cell in run.proofs.access):
        cells = [cell for cell in run.proofs.access if cell.actor == actor]
        refused = sum(cell.after is not None and cell.after.rows is None for cell in cells)
        empty = sum(cell.after is not None and cell.after.rows == 0 for cell in cells)
        opened = sum(cell.opened is not None for cell in cells)
        counts = (len(cells), len(cells) - refused - empty, empty, refused, opened)
        rows.append((actor, *map(str, counts)))
    yield Table(
        columns("Actor", ">Tried", ">Reaches rows", ">Reaches none", ">Refused", ">Opened"), tuple(rows)
    )
    if opened_all := tuple(finding.sentence for finding in findings if finding.code == "access-opened"):
        yield Bullets(opened_all)
    yield from _owner_rights(run.proofs)
    if run.proofs.policy_costs:
        costs = (
            (
                code(cost.relation), cost.actor, seconds(cost.with_s), seconds(cost.without_s),
                _cost(cost.with_cost), _cost(cost.without_cost), str(cost.n),
            )
            for cost in run.proofs.policy_costs
        )  # fmt: skip
        head = columns(
            "Policies of", "As", ">With", ">Without", ">Planned cost with", ">Planned cost without", ">n"
        )
        yield Table(head, tuple(costs))


def _cost(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.0f}"


_PATHS = {
    None: "not security_invoker",
    True: "SECURITY DEFINER",
    False: "SECURITY DEFINER, no search_path",
}


def _owner_rights(proofs: Proofs) -> Iterator[Block]:
    """Views and functions that the suite brought and that work with the rights of their owner."""
    if proofs.owner_rights:
        rows = tuple(
            (
                code(rights.name),
                rights.kind,
                _PATHS[rights.fixed_path],
                ", ".join(rights.reached_by) or "nobody",
            )
            for rights in proofs.owner_rights
        )
        yield Table(columns("With its owner's rights", "Kind", "How", "Reached by"), rows)
    else:
        yield Paragraph("No view or function that the suite brought works with the rights of its owner.")
    if proofs.swallowed:
        yield Bullets(
            tuple(
                (
                    code(error.where),
                    f" hides {error.message} ({error.sqlstate or ''}), {error.raised} of {error.calls} calls",
                )
                for error in proofs.swallowed
            )
        )


def _unmeasured(run: Run) -> Iterator[Words]:
    yield "whether indexes are used, and plans before and after: ", code("bench run"), " measures these"
    if not run.loaded:
        yield "latency of an application's requests meanwhile: ", code("bench run"), " measures it"
    yield from (f"{note.subject}: {note.text}" for note in run.notes if "not tried" in note.text)


def _risks(run: Run, findings: Sequence[Finding]) -> Iterator[tuple[Words, ...]]:
    tried = {"Partial failure": run.proofs.crash_points, "Security": run.proofs.access}
    for risk in RISKS:
        codes = {danger.code for danger in DANGERS if danger.risk == risk}
        own = [finding for finding in findings if finding.code in codes]
        severities = {finding.severity for finding in own}
        worst = next((severity for severity in SEVERITIES if severity in severities), None)
        known = bool(tried.get(risk, True))
        if worst in (None, "info") and not known:  # a note calls nothing safe that was not tried
            yield risk, NOT_MEASURED, ""
            continue
        first = next((finding.sentence for finding in own if finding.severity == worst), "no finding")
        more = f" (and {len(own) - 1} more)" if len(own) > 1 else ""
        yield risk, RISK_LEVELS[worst], f"{first}{more}"


def _actions(findings: Sequence[Finding]) -> Iterator[Words]:
    fixes = (finding for finding in findings if finding.fix and finding.severity != "info")
    seen = dict.fromkeys(
        (finding.migration or finding.relation or "", finding.fix or "") for finding in fixes
    )
    yield from ((code(where), f": {fix}") if where else fix for where, fix in seen)


SHOWN = 6
DETAILS_FROM = 12
"""Rows of a table from which on it is folded."""


def _values_tried(trials: Sequence[ValueTrial]) -> Iterator[Block]:
    """Counts, then one table of values for each relation, and one of deletions."""
    told = [trial for trial in trials if trial.expected is not None and trial.accepted is not None]
    as_said = sum(trial.expected == trial.accepted for trial in told)
    untried = sum(trial.accepted is None for trial in trials)
    yield Paragraph(
        f"{len(trials)} values and deletions tried on real rows, and taken back: "
        f"{sum(trial.accepted is True for trial in trials)} accepted, "
        f"{sum(trial.accepted is False for trial in trials)} refused, {untried} without a row to try. "
        f"Where type and constraints say what is to come, {as_said} of {len(told)} came so."
    )
    for relation in dict.fromkeys(trial.relation for trial in trials):
        rows = tuple(_columns([trial for trial in trials if trial.relation == relation]))
        if rows:
            values = Table(columns("Column or columns", "Accepts", "Refuses"), rows)
            yield Section(code(relation), (_folded(values),))
    deletions = tuple(
        (code(f"{trial.relation}: {trial.subject}"), trial.tried, _what_became(trial))
        for trial in trials
        if trial.kind == "delete"
    )
    if deletions:
        outcomes = Table(columns("Foreign key", "Tried", "Outcome"), deletions)
        yield Section("Foreign keys: what a deletion does", (_folded(outcomes),))


def _columns(trials: Sequence[ValueTrial]) -> Iterator[tuple[Words, ...]]:
    for names in dict.fromkeys(trial.columns for trial in trials if trial.kind != "delete"):
        own = [trial for trial in trials if trial.columns == names and trial.kind != "delete"]
        yield (
            code(", ".join(names)),
            _several([_shown(trial) for trial in own if trial.accepted is True]),
            _several([_shown(trial) for trial in own if trial.accepted is False]),
        )


def _shown(trial: ValueTrial) -> Words:
    stored = trial.stored
    kept = f" → {stored}" if stored is not None and stored != trial.tried else ""
    return code(f"{trial.tried or 'the empty text'}{kept}")


def _several(values: Sequence[Words]) -> Words:
    more = f" and {len(values) - SHOWN} more" if len(values) > SHOWN else ""
    return joined(", ", values[:SHOWN]), more


def _what_became(trial: ValueTrial) -> str:
    if trial.accepted is None:
        return "not tried"
    if trial.accepted:
        return trial.stored or "accepted"
    return f"refused: {trial.message} ({trial.sqlstate})"


def _folded(table: Table) -> Block:
    """A long table is there for who opens it."""
    return table if len(table.rows) < DETAILS_FROM else Folded(f"{len(table.rows)} rows", (table,))
