"""What is learnt of a machine's noise, and how a comparison reckons with it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from factories import a_migration, a_run, a_statement

from bench.analyse.compare.decide import compare
from bench.analyse.compare.learn import learn
from bench.analyse.compare.record import record
from bench.errors import UsageError
from bench.model.record import Record
from bench.report.sections.comparison import footer
from bench.store.baseline import load_noise, save_noise


def a_side(*noises: float, repeats: int = 24, duration_s: float = 0.5, seed: int = 7) -> Record:
    """A statement of ``duration_s`` for each noise: the standard deviation of its times' logarithm."""
    rng = random.Random(seed)
    runs = [
        [a_migration([
            a_statement(at, f"ANALYZE table_{at}", calibration_s=None,
                        duration_s=duration_s * rng.lognormvariate(0, noise))
            for at, noise in enumerate(noises)
        ])]
        for _ in range(repeats)
    ]  # fmt: skip
    return record(a_run(*runs))


def test_a_calm_machine_keeps_the_limits_of_the_design() -> None:
    noise = learn(a_side(*[0.02] * 6))
    assert (noise.in_turn, noise.stored) == (1.25, 1.25)
    assert (noise.in_turn_alarms, noise.stored_alarms, noise.statements) == (0, 0, 6)


def test_a_noisy_machine_widens_them_until_one_in_a_hundred_fails() -> None:
    noise = learn(a_side(*[0.5] * 4))
    assert noise.stored > 1.4
    assert noise.stored_alarms > 0.01
    assert noise.in_turn < noise.stored


def test_a_learnt_limit_is_kept_for_this_machine_and_a_comparison_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_STATE_DIR", str(tmp_path))
    side = a_side(*[0.5] * 4)
    assert load_noise(side.machine) is None
    learnt = learn(side)
    save_noise(learnt)
    assert load_noise(side.machine) == learnt
    assert load_noise({**side.machine, "cores": "999"}) is None
    decided = compare(side, side, noise=learnt)
    assert decided.limit == learnt.stored
    assert any("learnt" in line and "24 repeats" in line for line in footer(decided))
    assert any("bench aa learns it" in line for line in footer(compare(side, side)))
    assert compare(side, side, noise=replace(learnt, stored=1.1)).limit == 1.4


def test_what_is_not_enough_to_learn_from_is_refused() -> None:
    with pytest.raises(UsageError, match="19 repeats"):
        learn(a_side(0.1, repeats=19))
    with pytest.raises(UsageError, match="no statement"):
        learn(a_side(0.1, duration_s=0.01))
