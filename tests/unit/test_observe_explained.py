"""Notices of auto_explain are read without their JSON, and texts are the same for both sources."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.observe.nested import (
    failed_statement,
    is_key_check,
    level_of,
    place_of,
    read_notice,
    read_plan,
    text_key,
)

SCAN = {
    "Node Type": "Seq Scan",
    "Relation Name": "companies",
    "Actual Rows": 2.00,
    "Actual Loops": 100,
    "Filter": "(name ~~* '\"Actual Rows\": 9'::text)",
    "Rows Removed by Filter": 98,
    "Temp Read Blocks": 0,
    "Shared Hit Blocks": 0,
}
PLAN = {
    "Node Type": "ModifyTable",
    "Actual Rows": 0,
    "Actual Loops": 1,
    "Plans": [{"Node Type": "Nested Loop", "Actual Rows": 200, "Actual Loops": 1, "Plans": [SCAN]}],
}
FOR_LOOP = "PL/pgSQL function f() line 3 at FOR over SELECT rows"
IN_SQL = 'SQL function "g" statement 2'
IN_BLOCK = "PL/pgSQL function inline_code_block line 5 at SQL statement"


def notice(text: str = "UPDATE deals SET x = 1", plan: dict[str, Any] = PLAN) -> str:
    body = json.dumps({"Query Text": text, "Plan": plan, "Triggers": []}, indent=2)
    return f"duration: 12.345 ms  plan:\n{body}"


def test_figures_are_those_of_the_json() -> None:
    seen = read_notice(notice('say "x"\n\tin\\two lines, "Plan": {'))
    assert seen is not None
    assert seen.text == 'say "x"\n\tin\\two lines, "Plan": {'
    assert seen.duration_s == pytest.approx(0.012345)
    assert seen.rows == 200, "a ModifyTable returns none: those below it were changed"
    assert seen.work == 200 + (2 + 98) * 100


def test_the_plan_loses_zeros_but_not_blocks_hit() -> None:
    seen = read_notice(notice())
    assert seen is not None
    scan = read_plan(seen.plan_json)["Plans"][0]["Plans"][0]
    assert scan == {key: value for key, value in SCAN.items() if key != "Temp Read Blocks"}


@pytest.mark.parametrize("other", ["Deals: 5", "duration: 1 ms  plan:\nQuery Text: x", ""])
def test_other_notices_are_none(other: str) -> None:
    assert read_notice(other) is None


@pytest.mark.parametrize(
    ("sent", "counted"),
    [
        ("SELECT 1 FROM t WHERE a = 'x''y' AND b < -0.3", "SELECT $1 FROM t WHERE a = $2 AND b < $3"),
        ("  SELECT a\n  FROM t2 LIMIT 10", "SELECT a\n  FROM t2 LIMIT $1"),
        ("SELECT a IN (1, 2, 3)", "SELECT a IN ($1 /*, ... */)"),
        ("UPDATE t SET x = true, y = E'\\n'", "UPDATE t SET x = $1, y = $2"),
    ],
)
def test_constants_make_no_difference(sent: str, counted: str) -> None:
    assert text_key(sent) == text_key(counted)


def test_names_do() -> None:
    assert text_key("SELECT a FROM part_1") != text_key("SELECT a FROM part_2")
    assert text_key("SELECT a1") != text_key("SELECT a2")


def test_checks_of_foreign_keys_are_known() -> None:
    check = 'SELECT 1 FROM ONLY "public"."p" x WHERE "id" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x'
    assert is_key_check(text_key(check))
    assert not is_key_check(text_key("SELECT 1 FROM p x WHERE id = 1 FOR KEY SHARE OF x"))


@pytest.mark.parametrize(
    ("context", "level", "place"),
    [
        (f'SQL statement "UPDATE\n t"\n{IN_BLOCK}', 1, IN_BLOCK),
        (FOR_LOOP, 1, FOR_LOOP),
        ('SQL statement "SELECT 1 FROM ONLY x"', 1, None),
        (f'{IN_SQL}\nSQL statement "SELECT g()"\n{IN_BLOCK}', 2, IN_SQL),
        (f'PL/pgSQL assignment "x := f()"\n{IN_BLOCK}', 1, IN_BLOCK),
    ],
)  # fmt: skip
def test_contexts_tell_depth_and_place(context: str, level: int, place: str | None) -> None:
    assert (level_of(context), place_of(context)) == (level, place)


def test_an_error_names_its_innermost_statement() -> None:
    inner = 'SQL statement "INSERT INTO t\nSELECT "a" FROM u"\nPL/pgSQL function f() line 1 at SQL statement'
    context = f'{inner}\nSQL statement "SELECT f()"\n{IN_BLOCK}'
    assert failed_statement(context) == 'INSERT INTO t\nSELECT "a" FROM u'
    assert failed_statement("COPY t, line 3") is None
    assert failed_statement(None) is None
