"""Rules that need no server of a certain build: compilation, and plans that never ran."""

from __future__ import annotations

import pytest

from bench.analyse.advice.nodes import Executed, read_plan
from bench.analyse.advice.statements import jit_cost

ROOT = read_plan({"Node Type": "Seq Scan", "Relation Name": "t", "Actual Rows": 5, "Actual Loops": 1})


@pytest.mark.parametrize(
    ("execution_s", "jit_s", "found"),
    [(0.2, 0.1, 1), (0.2, 0.01, 0), (2.0, 0.1, 0), (0.2, None, 0), (None, 0.1, 0)],
    ids=["half of it", "short", "small share", "not compiled", "not executed"],
)
def test_compilation_is_named_where_it_takes_a_good_part(
    execution_s: float | None, jit_s: float | None, found: int
) -> None:
    advice = list(jit_cost(Executed(ROOT, execution_s, jit_s)))
    assert len(advice) == found
    assert all("100 ms of 200 ms" in each.message and "jit = off" in each.fix for each in advice)
