"""``validation.md``: the sections of a desk review of migrations, each filled by what a proof measured.

What was not measured says so; nothing is judged from the text of a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from markupsafe import Markup

from bench.analyse.conclude import Conclusion
from bench.analyse.dangers.claims import comments_before, read_estimate
from bench.analyse.dangers.danger import RISKS
from bench.analyse.findings import DANGERS
from bench.analyse.summary import MigrationSummary
from bench.model.finding import Finding
from bench.model.proof import CrashPoint, RollbackProof, ValueTrial
from bench.model.run import Proofs, Run
from bench.report.format import count, seconds, spread_seconds
from bench.report.render.markdown import bullets, code, plain, table
from bench.report.waittext import longest_text, wait_from_text

NOT_MEASURED = "not measured"
STATUS = {
    "ready": "🟢 READY",
    "conditional": "🟡 CONDITIONAL",
    "incomplete": "⚪ INCOMPLETE",
    "not_ready": "🔴 NOT READY",
}
SIGN = {"error": "🔴", "warning": "🟡", "info": "🟢"}


def render_validation(conclusion: Conclusion, *, fold: bool = True) -> str:
    """The whole document of a run with proofs; ends with a newline. ``fold``: long tables in HTML details."""
    run, summary, verdict = conclusion.run, conclusion.summary, conclusion.verdict
    findings = [finding for finding in conclusion.findings if finding.accepted is None]
    parts = [
        f"# Validation of {plain(summary.suite)}",
        f"**Status**: {STATUS[verdict.status]}. {plain(verdict.sentence)}",
        f"Measured in run {code(run.run_id)} on PostgreSQL {plain(run.environment.server.version)}, "
        f"{_rows(run)}.",
        "## Executive summary",
        _overview(conclusion),
        "### Conditions",
        bullets(map(plain, verdict.conditions)) if verdict.conditions else "None.",
        "## Migration by migration",
        *(part for each in summary.migrations for part in _migration(each, conclusion, findings)),
        "## Security",
        *_security(run, findings),
        "## Constraints and values",
        *(
            values_section(run.proofs.values, fold=fold)
            if run.proofs.values
            else [f"Values: {NOT_MEASURED}."]
        ),
        "## Dirty data",
        *_dirty(run.proofs),
        "## Not measured by this run",
        bullets(_unmeasured(run)),
        "## Risk assessment",
        table(("Risk", "Level", "Evidence"), _risks(run, findings)),
        "## Recommended actions",
        bullets(_actions(findings)) if _has_actions(findings) else "None.",
        "## Conclusion",
        f"{STATUS[verdict.status]}: {plain(verdict.sentence)}",
    ]
    return "\n\n".join(parts) + "\n"


def _rows(run: Run) -> str:
    if run.dataset is None:
        return "no data"
    return f"{count(sum(each.rows for each in run.dataset.tables))} rows"


def _overview(conclusion: Conclusion) -> str:
    summary, proofs = conclusion.summary, conclusion.run.proofs
    alone = [each for each in proofs.rollback if each.scope == "alone" and not each.draft]
    exact = sum(each.outcome == "exact" for each in alone)
    rows = [
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
    ]  # fmt: skip
    return table(("What", "Measured"), rows)


def _outcome(proofs: Iterable[RollbackProof], scope: str) -> str:
    return ", ".join(each.outcome for each in proofs if each.scope == scope) or NOT_MEASURED


def _crashes(points: Sequence[CrashPoint]) -> str:
    if not points:
        return NOT_MEASURED
    boundaries = sum(each.covers for each in points if not each.inside)
    inside = sum(each.inside for each in points)
    killed = sum(each.method == "kill -9" for each in points)
    states = [each.state for each in points]
    runs = [each.rerun for each in points if each.rerun]
    return (
        f"{boundaries} statement boundaries and {inside} inside statements, {len(points)} cut for real "
        f"({killed} by kill -9): {_counted(states)}; run again: {_counted(runs)}"
    )


def _counted(names: Iterable[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(Counter(names).items()))


def _second_runs(proofs: Proofs) -> str:
    return _counted(each.outcome for each in proofs.idempotence if each.scope == "twice") or NOT_MEASURED


def _access(proofs: Proofs) -> str:
    if not proofs.access:
        return NOT_MEASURED
    return f"{len(proofs.access)}, {sum(each.opened is not None for each in proofs.access)}"


def _values(proofs: Proofs) -> str:
    if not proofs.values:
        return NOT_MEASURED
    other = sum(None not in (e.expected, e.accepted) and e.expected != e.accepted for e in proofs.values)
    return f"{len(proofs.values)}, {other}"


def _survived(proofs: Proofs) -> str:
    planted = [each for each in proofs.dirt if each.kinds]
    alone = [each for each in planted if len(each.kinds) == 1]
    if not planted:
        return NOT_MEASURED
    together = ", ".join(each.outcome for each in planted if len(each.kinds) > 1)
    return f"{sum(each.outcome == 'applied' for each in alone)} of {len(alone)} alone; together: {together}"


def _dirty(proofs: Proofs) -> Iterator[str]:
    if not proofs.dirt:
        yield f"Dirty data: {NOT_MEASURED}."
        return
    rows = []
    for each in proofs.dirt:
        kinds = (
            each.kinds[0]
            if len(each.kinds) == 1
            else f"all {len(each.kinds)} together"
            if each.kinds
            else "as given"
        )
        error = f"{each.migration}: {each.error.message} ({each.error.sqlstate})" if each.error else ""
        found = ", ".join(code(f"{row.relation} {row.values}") for row in each.offending[:2])
        rows.append((code(kinds), count(each.rows), each.outcome, plain(error), found))
    yield table(("Kind of dirt", ">Dirty rows", "Outcome", "Error", "Fewest rows that show it"), rows)


def _migration(
    summary: MigrationSummary, conclusion: Conclusion, findings: Sequence[Finding]
) -> Iterator[str]:
    run = conclusion.run
    own = [each for each in findings if each.migration == summary.id]
    points = [each for each in run.proofs.crash_points if each.migration == summary.id]
    back = [each for each in run.proofs.rollback if summary.id in each.migrations and each.scope != "all"]
    yield f"### {code(summary.file)}"
    yield table(
        ("Claim", "Measured"),
        [
            ("Runs", f"{summary.outcome or NOT_MEASURED}, {spread_seconds(summary.duration_s)}"),
            ("Its own estimate", _estimate(summary)),
            ("Creates", _created(summary.id, run.proofs)),
            ("Blocks reads for at most", wait_from_text(conclusion, summary, "read")),
            ("Blocks writes for at most", wait_from_text(conclusion, summary, "write")),
            ("Rollback, alone", _rollback(back)),
            ("Rollback after users wrote", _writes(back)),
            ("Crash points", _crashes(points)),
        ],
    )
    yield "#### Critical issues"
    critical = [each for each in own if each.severity != "info"]
    found = bullets(f"{SIGN[each.severity]} {code(each.code)}: {plain(each.sentence)}" for each in critical)
    yield found or "None found."


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
    found = read_estimate(comments_before(first))
    return f'"{plain(found.words)}"' if found else "none in the file"


def _rollback(proofs: Sequence[RollbackProof]) -> str:
    alone = next((each for each in proofs if each.scope == "alone" and not each.draft), None)
    if alone is None:
        return NOT_MEASURED
    strongest = f", strongest lock {alone.locks[0].mode.sql_name}" if alone.locks else ""
    took = f", {seconds(alone.duration_s)} (n=1){strongest}" if alone.duration_s is not None else ""
    return f"{alone.outcome}{took}"


def _writes(proofs: Sequence[RollbackProof]) -> str:
    after = next((each for each in proofs if each.scope == "after-writes"), None)
    if after is None:
        return NOT_MEASURED
    if after.outcome == "failed":
        return "fails"
    lost = [each for each in after.writes if each.outcome == "lost"]
    named = sum(each.named for each in lost)
    return (
        f"{len(after.writes)} writes: {len(after.writes) - len(lost)} survive, {named} lost and named, "
        + (f"{len(lost) - named} lost without a word")
    )


def _security(run: Run, findings: Sequence[Finding]) -> Iterator[str]:
    if not run.proofs.access:
        yield f"Access: {NOT_MEASURED}."
        return
    actors = dict.fromkeys(each.actor for each in run.proofs.access)
    rows = []
    for actor in actors:
        cells = [each for each in run.proofs.access if each.actor == actor]
        refused = sum(each.after is not None and each.after.rows is None for each in cells)
        empty = sum(each.after is not None and each.after.rows == 0 for each in cells)
        opened = sum(each.opened is not None for each in cells)
        cells_of = (len(cells), len(cells) - refused - empty, empty, refused, opened)
        rows.append((plain(actor), *map(str, cells_of)))
    yield table(("Actor", ">Tried", ">Reaches rows", ">Reaches none", ">Refused", ">Opened"), rows)
    opened_all = [each for each in findings if each.code == "access-opened"]
    if opened_all:
        yield bullets(plain(each.sentence) for each in opened_all)
    yield from _owner_rights(run.proofs)
    if run.proofs.policy_costs:
        costs = [
            (
                code(each.relation),
                plain(each.actor),
                seconds(each.with_s),
                seconds(each.without_s),
                _cost(each.with_cost),
                _cost(each.without_cost),
                str(each.n),
            )
            for each in run.proofs.policy_costs
        ]
        columns = ("Policies of", "As", ">With", ">Without", ">Planned cost with", ">Without", ">n")
        yield table(columns, costs)


def _cost(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.0f}"


def _owner_rights(proofs: Proofs) -> Iterator[str]:
    """Views and functions that the suite brought and that work with the rights of their owner."""
    if proofs.owner_rights:
        paths = {
            None: "not security_invoker",
            True: "SECURITY DEFINER",
            False: "SECURITY DEFINER, no search_path",
        }
        rows = [
            (
                code(each.name),
                each.kind,
                paths[each.fixed_path],
                plain(", ".join(each.reached_by)) or "nobody",
            )
            for each in proofs.owner_rights
        ]
        yield table(("With its owner's rights", "Kind", "How", "Reached by"), rows)
    else:
        yield "No view or function that the suite brought works with the rights of its owner."
    if proofs.swallowed:
        yield bullets(
            f"{code(each.where)} hides {plain(each.message)} ({plain(each.sqlstate or '')}), "
            f"{each.raised} of {each.calls} calls"
            for each in proofs.swallowed
        )


def _unmeasured(run: Run) -> Iterator[str]:
    yield "whether indexes are used, and plans before and after: `bench run` measures these"
    if not any(each.kind == "loaded" for each in run.passes):
        yield "latency of an application's requests meanwhile: `bench run` measures it"
    yield from (plain(f"{each.subject}: {each.text}") for each in run.notes if "not tried" in each.text)


def _risks(run: Run, findings: Sequence[Finding]) -> Iterator[tuple[str, str, str]]:
    tried = {"Partial failure": run.proofs.crash_points, "Security": run.proofs.access}
    for risk in RISKS:
        codes = {danger.code for danger in DANGERS if danger.risk == risk}
        own = [finding for finding in findings if finding.code in codes]
        worst = next((s for s in ("error", "warning", "info") if any(e.severity == s for e in own)), None)
        known = bool(tried.get(risk, True))
        if worst is None or (worst == "info" and not known):  # a note calls nothing safe that was not tried
            yield risk, "🟢 none found" if known else NOT_MEASURED, "no finding" if known else ""
            continue
        level = {"error": "🔴 high", "warning": "🟡 medium", "info": "🟢 low"}[worst]
        first = next(each for each in own if each.severity == worst)
        more = f" (and {len(own) - 1} more)" if len(own) > 1 else ""
        yield risk, level, plain(first.sentence) + more


def _has_actions(findings: Sequence[Finding]) -> bool:
    return any(True for _ in _actions(findings))


def _actions(findings: Sequence[Finding]) -> Iterator[str]:
    fixes = (each for each in findings if each.fix and each.severity != "info")
    seen = dict.fromkeys((each.migration or each.relation or "", each.fix or "") for each in fixes)
    yield from (f"{code(where)}: {plain(fix)}" if where else plain(fix) for where, fix in seen)


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
            (code(f"{each.relation}: {each.subject}"), plain(each.tried), plain(_what_became(each)))
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


def _what_became(trial: ValueTrial) -> str:
    if trial.accepted is None:
        return "not tried"
    if trial.accepted:
        return trial.stored or "accepted"
    return f"refused: {trial.message} ({trial.sqlstate})"


def _folded(text: str, rows: int) -> str:
    if rows < DETAILS_FROM:
        return text
    return f"<details><summary>{rows} rows</summary>\n\n{text}\n\n</details>"


def validation_html(conclusion: Conclusion) -> Markup:
    """The document below the page's own headings; nothing where nothing was proved."""
    if conclusion.run.proofs == Proofs():
        return Markup()
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(render_validation(conclusion, fold=False))
    begin = next((n + 1 for n, token in enumerate(tokens) if token.type == "heading_close"), 0)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        elif token.type in ("table_open", "table_close"):
            token.attrSet("class", "validation")
    return Markup(parser.renderer.render(tokens[begin:], parser.options, {}))
