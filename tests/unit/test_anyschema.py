"""The pure half of filling any schema: values that never repeat, checks that are understood."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.anyschema import values as v
from datagen.anyschema.checks import Limits, apply_check, split_and
from datagen.anyschema.values import Values

KINDS: dict[str, Values] = {
    "short texts": v.worded(["alpha", "beta"], 4),
    "texts": v.worded(["a name", "another"], 30),
    "addresses": v.addressed(["jane", "joe"], 60),
    "uuids": v.identifiers(12345),
    "integers": v.whole(-5, 10**6),
    "decimals": v.decimals(Decimal("0.05"), Decimal("99999.99"), 2),
    "dates": v.dates(0, 10**5),
    "moments": v.moments(0, 10**9, "+00"),
    "arrays": v.arrays(v.worded(["a", 'b"\\'], 30)),
}


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_two_numbers_never_give_the_same_value(kind: str, data: st.DataObject) -> None:
    values = KINDS[kind]
    top = min(values.capacity, 10**9) - 1
    one, other = data.draw(st.integers(0, top)), data.draw(st.integers(0, top))
    assert (values.at(one) == values.at(other)) == (one == other)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("((plan = ANY (ARRAY['free'::text, 'pro'::text])))", {"values": ["free", "pro"]}),
        (
            "((status)::text = ANY ((ARRAY['a'::character varying, 'it''s'::character varying])::text[]))",
            {"values": ["a", "it's"]},
        ),
        ("((n >= 1) AND (n <= 5))", {"low": "1", "high": "5"}),
        ("(price > (0)::numeric)", {"low": "0", "low_open": True}),
        ("(n > '-3'::integer)", {"low": "-3", "low_open": True}),
        ("((n IS NULL) OR (n < 7))", {"high": "7", "high_open": True}),
        ("(char_length(name) <= 20)", {"longest": 20}),
        ("(length((name)::text) >= 3)", {"shortest": 3}),
        ("(name <> ''::text)", {"shortest": 1}),
        ("(n IS NOT NULL)", {"required": True}),
        ("(kind = ANY (ARRAY[1, 2, 3]))", {"values": ["1", "2", "3"]}),
        ("(day >= '2024-01-01'::date)", {"low": "2024-01-01"}),
    ],
)
def test_checks_as_the_server_prints_them(expression: str, expected: dict[str, object]) -> None:
    name = next(n for n in ("plan", "status", "price", "name", "kind", "day", "n") if n in expression)
    limits = {name: Limits()}
    apply_check(expression, [name], limits)
    assert limits[name] == Limits(**expected)  # type: ignore[arg-type]


def test_two_columns_in_order_and_what_is_not_understood() -> None:
    limits = {"a": Limits(), "b": Limits()}
    apply_check("(b > a)", ["a", "b"], limits)
    assert limits["b"].above == "a"
    apply_check("((a % 2) = 0)", ["a"], limits)
    assert limits["a"].opaque == ["(a % 2) = 0"]


def test_a_conjunction_is_split_outside_quotes_and_brackets() -> None:
    assert split_and("((a > 1) AND ((b = ' AND ') OR (c > 1 AND d > 1)))") == [
        "a > 1",
        "(b = ' AND ') OR (c > 1 AND d > 1)",
    ]
