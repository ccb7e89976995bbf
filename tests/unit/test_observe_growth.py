"""Exponents from two sizes: counted work first, time where it is above the noise, else nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_migration, a_statement

from bench.model.plan import AtSize, NestedPlan
from bench.model.run import Repeat
from bench.observe.nested import NestedWork
from bench.run.solo.inside import growth, put_growth


def sizes(
    time_s: tuple[float, float],
    work: tuple[float | None, float | None] = (None, None),
    rows: tuple[int, int] = (25_000, 100_000),
) -> tuple[AtSize, AtSize]:
    return AtSize(rows[0], time_s[0], 1, work[0]), AtSize(rows[1], time_s[1], 1, work[1])


@pytest.mark.parametrize(("factor", "power"), [(4, 1.0), (16, 2.0), (64, 3.0), (1, 0.0)])
def test_the_power_is_found(factor: int, power: float) -> None:
    assert growth(sizes((0.1, 0.1 * factor))) == (pytest.approx(power), "time")
    assert growth(sizes((0.0001, 0.0001), (50_000, 50_000 * factor))) == (pytest.approx(power), "work")


def test_work_counts_before_time() -> None:
    assert growth(sizes((0.1, 0.4), (10_000, 160_000))) == (pytest.approx(2.0), "work")


def test_little_work_and_short_times_say_nothing() -> None:
    assert growth(sizes((0.0019, 0.9))) == (None, None)
    assert growth(sizes((0.01, 0.049))) == (None, None)
    assert growth(sizes((0.0001, 0.01), (10, 160))) == (None, None)
    assert growth(sizes((0.1, 1.6), (10, 40))) == (pytest.approx(2.0), "time")


def test_plans_of_two_shapes_are_not_compared() -> None:
    small, full = sizes((0.1, 1.6), (10_000, 160_000))
    same = replace(small, shape="a"), replace(full, shape="a")
    assert growth(same) == (pytest.approx(2.0), "work")
    assert growth((small, replace(full, shape="a"))) == (pytest.approx(2.0), "work")
    assert growth((replace(small, shape="b"), replace(full, shape="a"))) == (None, None)


def test_sizes_that_hardly_differ_say_nothing() -> None:
    assert growth(sizes((0.1, 1.6), rows=(90_000, 100_000))) == (None, None)
    assert growth(sizes((0.1, 1.6), rows=(0, 100_000))) == (None, None)
    assert growth(()) == (None, None)
    assert growth(sizes((0.1, 1.6))[:1]) == (None, None)


def work_of(*plans: tuple[str, str, float]) -> NestedWork:
    """What a DO block ran: texts, the node type of each plan, and its work."""
    nested = tuple(
        NestedPlan(text, 0.5, 100, {"Node Type": node}, work=work, context="DO") for text, node, work in plans
    )
    return NestedWork(1.0, nested, 0)


@pytest.mark.parametrize(
    ("node", "work", "power"),
    [("Hash Join", 900_000.0, None), ("Hash Join", 20_000.0, 1.0), ("Seq Scan", 900_000.0, 1.0)],
)
def test_a_statement_of_which_a_good_part_is_planned_otherwise_has_no_exponent(
    node: str, work: float, power: float | None
) -> None:
    full = work_of(("UPDATE a", "Seq Scan", 400_000.0), ("UPDATE b", "Seq Scan", work))
    small = work_of(("UPDATE a", "Seq Scan", 100_000.0), ("UPDATE b", node, work / 4))
    migration = a_migration([a_statement(nested=full.nested, explained_s=1.0)])
    place = (migration.id, migration.statements[0].index)
    repeat = put_growth(Repeat(0, None, (migration,)), {place: small}, rows=(25_000, 100_000))
    (statement,) = repeat.migrations[0].statements
    assert statement.growth == (None if power is None else pytest.approx(power))
