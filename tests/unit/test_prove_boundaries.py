"""Values at the bounds of a column's type and checks: those called allowed are inside, the others outside."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bench.run.prove.boundaries import candidates, numeric_shape
from datagen.anyschema.catalog import Column
from datagen.anyschema.checks import Limits


def column(type_name: str, modifier: int = -1, *, required: bool = False, array: bool = False) -> Column:
    return Column(
        1, 1, "score", type_name, "b", modifier, array, required, False, False, False, None, []
    )  # fmt: skip


def packed(precision: int, scale: int) -> int:
    return (precision << 16 | scale) + 4


def expectations(of: Column, limits: Limits, *, unique: bool = False) -> dict[str | None, bool | None]:
    return {each.value: each.expected for each in candidates(of, limits, unique=unique)}


@given(precision=st.integers(1, 20), scale=st.integers(0, 20))
def test_the_shape_of_a_numeric_is_what_was_packed(precision: int, scale: int) -> None:
    assert numeric_shape(packed(precision, scale)) == (precision, scale)


@given(
    shape=st.integers(1, 12).flatmap(lambda p: st.tuples(st.just(p), st.integers(0, p))),
    bounds=st.tuples(st.integers(-500, 500), st.integers(-500, 500)),
    opened=st.tuples(st.booleans(), st.booleans()),
)
def test_numbers_called_allowed_fit_the_check_and_others_fit_type_or_check_not(
    shape: tuple[int, int], bounds: tuple[int, int], opened: tuple[bool, bool]
) -> None:
    low, high = min(bounds), max(bounds)
    limits = Limits(low=str(low), high=str(high), low_open=opened[0], high_open=opened[1])
    largest = Decimal(10) ** (shape[0] - shape[1]) - Decimal(10) ** -shape[1]
    for value, expected in expectations(column("numeric", packed(*shape)), limits).items():
        if value is None or expected is None:
            continue
        number = Decimal(value)
        above = number > low if opened[0] else number >= low
        below = number < high if opened[1] else number <= high
        if expected and value not in (str(low), str(high)):
            assert above
            assert below
            assert abs(number) <= largest + Decimal(10) ** -shape[1]
        elif not expected:
            assert not above or not below or abs(number) > largest


def test_a_score_is_tried_at_and_beyond_both_ends() -> None:
    tried = expectations(column("numeric", packed(3, 2)), Limits(low="-1", high="1"))
    assert tried["-1"]
    assert tried["1"]
    assert tried[None]
    assert tried["-1.01"] is False
    assert tried["1.01"] is False
    assert tried["-9.99"] is False, "the type holds it, the check does not"
    assert tried["10"] is False
    assert "-0.995" in tried, "rounded to a value of the column"


def test_every_value_of_a_list_and_its_near_misses() -> None:
    tried = expectations(column("text", required=True), Limits(values=["open", "won"]))
    assert tried == {
        None: False, "open": True, "won": True, "no such value": False, "": False, "OPEN": False,
        "open ": False,
    }  # fmt: skip


def test_nothing_is_expected_to_pass_where_a_check_is_not_understood_or_values_must_be_distinct() -> None:
    opaque = expectations(column("int4"), Limits(low="0", opaque=["score <> other"]))
    unique = expectations(column("int4"), Limits(low="0"), unique=True)
    for tried in (opaque, unique):
        assert True not in tried.values()
        assert tried["-1"] is False


@given(st.sampled_from(["jsonb", "text", "timestamptz", "bool", "uuid", "float8", "int2", "varchar"]))
def test_every_type_yields_each_value_once(name: str) -> None:
    values = [each.value for each in candidates(column(name, 7), Limits(), unique=False)]
    assert values[0] is None
    assert len(values) == len(set(values))
