"""The validation report says what was proved, and of everything else that it was not measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from documents import validation_text
from factories import rich_run

from bench.analyse.conclude import conclude
from bench.analyse.dangers.danger import RISKS
from bench.model.proof import (
    AccessCell,
    CrashPoint,
    Difference,
    IdempotenceProof,
    OwnerRights,
    PolicyCost,
    Reach,
    RollbackProof,
    SwallowedError,
)
from bench.model.run import Proofs, Run
from bench.model.statement import StatementError
from bench.report.html import render_html
from bench.report.render import html
from bench.report.sections.validation import validation
from bench.report.write import write_report
from bench.store.codec import decode, encode


def proved() -> Run:
    run = rich_run()
    first, second, *_ = [each.id for each in run.suite.migrations]
    lost = Difference("rows", "public.deals", "removed", rows=3, keys=("(1)",))
    proofs = Proofs(
        rollback=(
            RollbackProof("alone", (first,), "exact", duration_s=0.25),
            RollbackProof("alone", (second,), "differs", differences=(lost,), duration_s=0.5),
        ),
        crash_points=(
            CrashPoint(first, -1, 1, False, "terminate", "before", "completes", covers=4),
            CrashPoint(
                first, 2, 7, False, "kill -9", "partial", "fails",
                differences=(Difference("schema", "table a|b", "added"),),
                error=StatementError("42P07", "already exists", line=3),
            ),
        ),
        idempotence=(IdempotenceProof("twice", (first, first), "same"),),
        access=(
            AccessCell("anon", "public.v", "SELECT", "all", 9, None, Reach(9),
                       opened="anonymous users reach it"),
            AccessCell("anon", "public.deals", "SELECT", "all", 9, None, Reach(None, "42501")),
        ),
    )  # fmt: skip
    with_proofs = replace(run, proofs=proofs, findings=(), verdict=None)
    return conclude(with_proofs).run


def test_each_proof_is_told_with_its_figures() -> None:
    text = validation_text(conclude(proved()))
    assert "| Rollbacks that bring the state back exactly, alone | 1 of 2 |" in text
    assert "5 statement boundaries and 0 inside statements, 2 cut for real (1 by kill -9)" in text
    assert "1 before, 1 partial; run again: 1 completes, 1 fails" in text
    assert "loses 3 rows of public.deals (key (1))" in text
    assert "| Access cells tried, opened | 2, 1 |" in text
    assert "🔴 **Not ready**" in text.splitlines()[2]
    assert "| Security | 🔴 high | anon reaches 9 of 9 rows of public.v by SELECT" in text
    assert "table a\\|b there already" in text, "a name cannot end a cell"


def test_what_was_not_tried_is_not_called_safe() -> None:
    text = validation_text(conclude(replace(proved(), proofs=Proofs()), anew=True))
    for risk in ("Security", "Partial failure"):
        assert f"| {risk} | not measured |" in text
    assert "| Crash points | not measured |" in text
    assert "Access: not measured." in text


def test_every_risk_has_a_line() -> None:
    text = validation_text(conclude(proved()))
    assert all(f"| {risk} |" in text for risk in RISKS)


def test_it_is_written_beside_the_report_where_something_was_proved(tmp_path: Path) -> None:
    write_report(conclude(rich_run()), tmp_path / "run", figures=False)
    assert not (tmp_path / "run" / "validation.md").exists()
    write_report(conclude(proved()), tmp_path / "proof", figures=False)
    assert (tmp_path / "proof" / "validation.md").read_text().startswith("# Validation of ")


def test_proofs_survive_the_run_file() -> None:
    run = proved()
    assert decode(encode(run)) == run


def test_the_page_has_it_too_and_takes_nothing_in_it_for_html() -> None:
    run = proved()
    hidden = Difference("schema", "table <script>alert(1)</script>", "added")
    worse = replace(run.proofs.rollback[1], differences=(hidden,))
    proofs = replace(run.proofs, rollback=(run.proofs.rollback[0], worse))
    page = str(html.render((validation(conclude(replace(run, proofs=proofs), anew=True)),)))
    assert "<h3><bdi>Executive summary</bdi></h3>" in page
    assert "<td><bdi>1 of 2</bdi></td>" in page
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert 'id="validation"' not in render_html(conclude(rich_run()), ())


def test_views_functions_and_errors_are_told() -> None:
    run = proved()
    proofs = replace(
        run.proofs,
        owner_rights=(
            OwnerRights("view", "public.v", None, ("authenticated",)),
            OwnerRights("function", "public.f()", fixed_path=False, reached_by=("anon",)),
        ),
        swallowed=(SwallowedError("public.f()", None, None, 3, 3, "42702", "is ambiguous", "0"),),
        policy_costs=(PolicyCost("public.deals", "other user", 3, 0.5, 0.01, 120.0, 20.0),),
    )
    text = validation_text(conclude(replace(run, proofs=proofs), anew=True))
    assert "| `public.v` | view | not security_invoker | authenticated |" in text
    assert "| `public.f()` | function | SECURITY DEFINER, no search_path | anon |" in text
    assert "- `public.f()` hides is ambiguous (42702), 3 of 3 calls" in text
    assert "| `public.deals` | other user | 500 ms | 10.0 ms | 120 | 20 | 3 |" in text
