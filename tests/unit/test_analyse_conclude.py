"""A run is judged once: what is stored is kept, and judged anew only where that is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import failed_run, rich_run

from bench.analyse.conclude import conclude
from bench.model.finding import Verdict
from bench.model.run import Run

CLEAN = Verdict("ready", "It was ready by the rules of its day.")


@pytest.mark.parametrize("run", [rich_run(1), failed_run()])
def test_a_stored_run_keeps_its_verdict_and_an_empty_list_of_findings(run: Run) -> None:
    stored = replace(run, findings=(), budgets=(), verdict=CLEAN)
    concluded = conclude(stored)
    assert (concluded.verdict, concluded.findings, concluded.checks) == (CLEAN, (), ())
    assert concluded.run == stored


def test_it_is_judged_anew_where_that_is_asked_for() -> None:
    stored = replace(failed_run(), findings=(), verdict=CLEAN)
    anew = conclude(stored, anew=True)
    assert anew == conclude(failed_run())
    assert anew.verdict.status == "not_ready"
    assert conclude(anew.run) == anew


def test_a_run_file_whose_messages_begin_with_the_place_is_told_as_one_of_today() -> None:
    """Findings had no place of their own before."""
    (told, *_) = conclude(rich_run()).findings
    assert told.place is not None
    assert told.place.line is not None
    before = replace(told, place=None, message=f"{told.place}: {told.message}")
    stored = replace(conclude(rich_run()).run, findings=(before,))
    assert conclude(stored).findings == (told,)
    assert conclude(stored).run == stored
