"""What the authors accept stays in sight, counts for no verdict, and is told when it means nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_dataset, a_lock, a_migration, a_run, a_statement, an_error

from bench.analyse.conclude import conclude
from bench.model.finding import Acceptance, Finding
from bench.model.run import Run
from bench.model.statement import Rewrite, RowChanges, StatementRun
from bench.report.render import markdown
from bench.report.sections.findings import findings
from bench.store.codec import decode, encode

PLACE = "001_first.sql:9"


def rewriting(index: int = 0, held_s: float | None = 3.0) -> StatementRun:
    return a_statement(
        index, "ALTER TABLE deals ALTER value TYPE text", locks=(a_lock(held_s=held_s),),
        started_at_s=9.0 * index,
        rewrites=(Rewrite("public.deals", "table", None, 4096),),
    )  # fmt: skip


def run_with(*accepted: Acceptance, statements: tuple[StatementRun, ...] = (rewriting(),)) -> Run:
    run = replace(a_run([a_migration(statements)]), dataset=a_dataset())
    return replace(run, suite=replace(run.suite, accepted=accepted))


def accepting(code: str = "rewrite", **changes: str | int | None) -> Acceptance:
    return replace(Acceptance(code, "it is done at night", PLACE), **changes)  # type: ignore[arg-type]


def reasons(run: Run, code: str = "rewrite") -> list[str | None]:
    return [each.accepted for each in conclude(run).findings if each.code == code]


def suppression(run: Run) -> Finding | None:
    return next((each for each in conclude(run).findings if each.code == "suppression"), None)


@pytest.mark.parametrize(
    "acceptance",
    [
        accepting(),
        accepting(migration="001_first"),
        accepting(migration="001_first.sql"),
        accepting(relation="public.deals"),
        accepting(relation="deals"),
        accepting(migration="001_first", line=1),
    ],
    ids=["code", "migration", "file", "relation", "relation without schema", "statement"],
)
def test_what_is_accepted_keeps_its_reason_and_counts_no_more(acceptance: Acceptance) -> None:
    run = run_with(acceptance)
    assert conclude(run_with()).verdict.status == "conditional"
    assert reasons(run) == ["it is done at night"]
    assert (conclude(run).verdict.status, conclude(run).verdict.conditions) == ("ready", ())
    assert suppression(run) is None


@pytest.mark.parametrize(
    "acceptance",
    [
        accepting("scan-under-lock"),
        accepting(relation="public.contacts"),
        accepting(migration="001_first", line=11),
        accepting(problem="no reason is given"),
    ],
    ids=["code", "relation", "line", "wrong words"],
)
def test_anything_else_is_not_accepted(acceptance: Acceptance) -> None:
    run = run_with(acceptance)
    assert reasons(run) == [None]
    assert conclude(run).verdict.status == "conditional"
    assert suppression(run) is not None


def test_one_acceptance_can_mean_several_findings() -> None:
    run = run_with(accepting(), statements=(rewriting(), rewriting(1)))
    assert reasons(run) == ["it is done at night"] * 2
    only_one = run_with(accepting(migration="001_first", line=11), statements=(rewriting(), rewriting(1)))
    assert reasons(only_one) == [None, "it is done at night"]
    assert conclude(only_one).verdict.status == "conditional"


def test_a_lock_counts_as_long_as_one_of_its_findings_is_not_accepted() -> None:
    kept = (
        replace(rewriting(), transaction="file", locks=(a_lock(held_s=8.0),)),
        a_statement(1, "UPDATE contacts SET a = 1", duration_s=5.0, started_at_s=1.0, transaction="file"),
    )
    assert conclude(run_with(accepting(), statements=kept)).verdict.status == "conditional"
    both = run_with(accepting(), accepting("held-across"), statements=kept)
    assert conclude(both).verdict.status == "ready"


def test_an_accepted_hold_that_is_not_known_is_no_condition() -> None:
    unknown = (rewriting(held_s=None),)
    assert conclude(run_with(statements=unknown)).verdict.status == "conditional"
    assert conclude(run_with(accepting(), statements=unknown)).verdict.status == "ready"


def test_an_unknown_code_is_told_with_the_nearest() -> None:
    finding = suppression(run_with(accepting("rewrites")))
    assert finding is not None
    assert (finding.severity, finding.message) == ("info", f'there is no finding "rewrites" ({PLACE})')
    assert 'did you mean "rewrite"?' in (finding.fix or "")


def test_an_unknown_migration_is_told_with_the_nearest() -> None:
    finding = suppression(run_with(accepting(migration="001_frist")))
    assert finding is not None
    assert 'did you mean "001_first"?' in (finding.fix or "")


def test_what_was_accepted_for_nothing_is_told_unless_its_place_was_not_reached() -> None:
    nothing = run_with(accepting("truncated"))
    found = suppression(nothing)
    assert found is not None
    assert '"truncated" was accepted here, but nothing of the kind was found' in found.message
    failed = run_with(
        accepting("truncated"), statements=(a_statement(outcome="failed", error=an_error("42P01")),)
    )
    assert suppression(failed) is None


def test_complaints_about_acceptances_change_no_verdict() -> None:
    quick = (a_statement(),)
    assert suppression(run_with(accepting("rewrites"), statements=quick)) is not None
    assert conclude(run_with(accepting("rewrites"), statements=quick)).verdict.status == "ready"


def test_a_complaint_cannot_be_accepted() -> None:
    run = run_with(accepting("suppression"), accepting("rewrites"))
    assert {each.accepted for each in conclude(run).findings if each.code == "suppression"} == {None}


def test_that_a_migration_failed_cannot_be_accepted_away() -> None:
    failed = (a_statement(outcome="failed", error=an_error()),)
    run = run_with(accepting("fails-on-data"), statements=failed)
    assert reasons(run, "fails-on-data") == ["it is done at night"]
    assert conclude(run).verdict.status == "not_ready"


def test_other_warnings_and_errors_count_for_the_verdict() -> None:
    def updating(seconds: float) -> tuple[StatementRun, ...]:
        changes = (RowChanges("public.deals", 0, 20_000, 0),)
        return (
            a_statement(
                text="UPDATE deals SET a = 1", kind="UPDATE", duration_s=seconds, row_changes=changes
            ),
        )

    assert conclude(run_with(statements=updating(0.5))).verdict.status == "ready"
    assert conclude(run_with(statements=updating(3.0))).verdict.status == "conditional"
    verdict = conclude(run_with(statements=updating(12.0))).verdict
    assert verdict.status == "not_ready"
    assert "keeps 20 k of 125 k rows of public.deals locked" in verdict.sentence
    assert conclude(run_with(accepting("row-locks"), statements=updating(12.0))).verdict.status == "ready"


def test_the_report_lists_what_is_accepted_apart_with_its_reason() -> None:
    concluded = conclude(run_with(accepting()))
    text = markdown.render((findings(concluded.findings, concluded.summary),), 2)
    assert "No danger was found in what this run measured but those that its authors accept." in text
    assert "### Accepted" in text
    assert "**Because** it is done at night" in text


def test_acceptances_survive_in_the_run_file() -> None:
    run = run_with(accepting())
    assert decode(encode(run)).suite.accepted == run.suite.accepted
