"""Placeholders, drawn and generated values, and the times at which requests are due."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.workload.parameters import WireClass, drawing, filled, names_in, numbered, to_wire
from bench.workload.pgbench import evaluate
from bench.workload.schedule import Schedule
from bench.workload.spec import Generator, RequestClass


def test_placeholders_are_numbered_in_the_order_of_their_first_use() -> None:
    assert numbered("SELECT %(b)s, %(a)s, %(b)s LIKE 'x%%'") == ("SELECT $1, $2, $1 LIKE 'x%'", ("b", "a"))
    assert names_in("%(a)s %%(b)s", "%(c)s") == {"a", "c"}
    assert filled("user %(a)s 5%%", {"a": "x"}) == "user x 5%"
    assert filled("%(a)s", {"a": None}) == ""


def test_a_class_goes_through_the_pipe_unchanged() -> None:
    request = RequestClass(
        "é", ("SELECT %(a)s, %(n)s",), ("t",), "read", 2.0, "me", {"it's": "%(a)s"}, "SELECT 1 AS a",
        {"n": Generator("integer", 1, 3)},
    )  # fmt: skip
    wire = to_wire(request, ("a",), [("x",), (None,)])
    assert WireClass.from_json(json.loads(json.dumps(wire.as_json()))) == wire
    assert wire.setup is not None
    assert wire.setup.sql == "SELECT set_config('it''s', $1, true), set_config('role', $2, true)"


def test_values_come_from_one_row_and_from_the_generators() -> None:
    request = RequestClass(
        "x",
        ("",),
        ("t",),
        "read",
        draw="",
        generate={"n": Generator("integer", 5, 5), "k": Generator("uuid")},
    )
    draw = drawing(to_wire(request, ("a", "b"), [("1", "one"), ("2", "two")]), random.Random(1))
    drawn = [draw() for _ in range(50)]
    assert {(each["a"], each["b"]) for each in drawn} == {("1", "one"), ("2", "two")}
    assert {each["n"] for each in drawn} == {"5"}
    assert len({each["k"] for each in drawn}) == 50


@pytest.mark.parametrize(
    ("expression", "value"),
    [("1 + 2 * 3", 7), ("-7 / 2", -3), ("-7 % 3", -1), (":a * (:b - 1)", 20), ("random(4, 4)", 4)],
)
def test_arithmetic_is_pgbench_s(expression: str, value: int) -> None:
    assert evaluate(expression, {"a": "10", "b": "3"}, random.Random(0)) == value


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (":c", "variable :c is not set"),
        ("random_zipfian(1, 2, 3)", "function random_zipfian is not known"),
        ("1 +", "cannot be read"),
        ("__import__('os')", "function __import__ is not known"),
        ("'a' * 3", "is no integer arithmetic"),
        ("(1).real", "is no integer arithmetic"),
    ],
)
def test_what_is_no_arithmetic_is_refused(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(expression, {}, random.Random(0))


@given(
    weights=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    start=st.floats(0, 1e6),
    rate_per_s=st.floats(0.5, 5000),
)
def test_fixed_arrivals_are_even_and_each_class_has_its_share(
    weights: list[int], start: float, rate_per_s: float
) -> None:
    schedule = Schedule(rate_per_s, [float(w) for w in weights], "fixed", start, random.Random(0))
    taken = [schedule.take() for _ in range(sum(weights))]
    gaps = [after - before for (before, _), (after, _) in pairwise(taken)]
    assert all(gap == pytest.approx(1 / rate_per_s, rel=1e-3, abs=1e-6) for gap in gaps)
    counts = Counter(cls for _, cls in taken)
    assert all(abs(counts[position] - weight) <= 1 for position, weight in enumerate(weights))


def test_poisson_arrivals_keep_the_rate_and_the_weights_whatever_happens() -> None:
    schedule = Schedule(100.0, [1.0, 3.0], "poisson", 5.0, random.Random(3))
    taken = [schedule.take() for _ in range(20_000)]
    assert taken[0][0] == 5.0
    assert (taken[-1][0] - 5.0) / 20_000 == pytest.approx(0.01, rel=0.03)
    assert sum(cls for _, cls in taken) / 20_000 == pytest.approx(0.75, rel=0.03)
