"""What a test asserts on is what the verdict counts: the upper bound of a hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from factories import a_dataset, a_lock, a_migration, a_run, a_statement

from bench.analyse.conclude import conclude
from bench.plugin.rehearsed import Rehearsal


def test_a_hold_is_its_upper_bound_over_all_repeats() -> None:
    lock = replace(a_lock("public.deals", held_s=1.0), held_s_bounds=(0.5, 1.5))
    run = conclude(a_run([a_migration([a_statement(locks=(lock,))])])).run
    run = replace(run, dataset=a_dataset())
    (held,) = Rehearsal(run, Path()).locks("public.deals")
    assert held.held_s == 1.5
