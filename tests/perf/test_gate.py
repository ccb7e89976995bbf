"""This gate beside others on the same recorded repeats, printed as a table. Run by `make perf`."""

from __future__ import annotations

import pytest
from gate_suite import REGRESSIONS
from gate_trials import joined, scores

DRAWS = 1000

pytestmark = pytest.mark.timing


def test_this_gate_beside_others() -> None:
    side = joined([f"{name.replace(' ', '-').replace('%', 'percent')}.base" for name in REGRESSIONS])
    told = scores(side, DRAWS)
    print(f"\n{DRAWS} draws beside hogs: identical suites that fail, statements 1.5 times as slow found")
    for rule, each in told.items():
        print(f"  {rule:34} {100 * each.alarms / DRAWS:6.1f} % {100 * each.found / DRAWS:6.1f} %")
    ours, *_ = told.values()
    assert ours.alarms <= DRAWS / 100
