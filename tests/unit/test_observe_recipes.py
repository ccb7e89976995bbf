"""New rows for a table, as SQL: what a probe tries."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from bench.observe.application import (
    ATTEMPTS,
    FEW_ROWS,
    Column,
    insert_row,
    rows_clause,
    rows_to_try,
    settable,
)

PLAIN = Column(
    oid=1,
    name="note",
    type="text",
    category="S",
    label=None,
    not_null=False,
    has_default=False,
    generated=False,
    identity_always=False,
    numbered=False,
    in_key=False,
    references_other=False,
    in_partition_key=False,
    checks=[],
)
KEY = replace(PLAIN, name="id", type="integer", category="N", in_key=True, not_null=True)
TABLE = sql.Identifier("public", "t")


def first(*columns: Column, **sample: str) -> dict[str, str]:
    return next(rows_to_try(columns, sample, 77))


def test_a_key_is_new_and_the_rest_as_in_the_row_that_is_there() -> None:
    row = first(KEY, PLAIN, id="5", note="as before")
    assert row["note"] == "as before"
    assert row["id"] != "5"


def test_a_column_of_a_foreign_key_refers_to_what_is_there() -> None:
    reference = replace(PLAIN, name="parent_id", category="N", references_other=True)
    assert first(reference, parent_id="3") == {"parent_id": "3"}


def test_a_column_of_a_foreign_key_is_never_left_empty() -> None:
    """NULL refers to nothing, so that no foreign key would be looked at."""
    reference = replace(PLAIN, name="parent_id", category="N", references_other=True)
    assert "parent_id" in first(reference)


@pytest.mark.parametrize("change", [{"generated": True}, {"identity_always": True}, {"has_default": True}])
def test_what_the_table_fills_itself_is_left_to_it(change: dict[str, bool]) -> None:
    assert first(replace(PLAIN, **change), note="x") == {}  # type: ignore[arg-type]


def test_a_default_key_that_is_taken_is_given_another_value() -> None:
    serial = replace(KEY, has_default=True)
    rows = list(islice(rows_to_try([serial], {"id": "1"}, 77), 2))
    assert [row.keys() for row in rows] == [set(), {"id"}]


def test_a_key_that_a_sequence_numbers_takes_no_number_from_it() -> None:
    """No rollback gives the number back, and the migration may count on it."""
    assert first(replace(KEY, has_default=True, numbered=True)).keys() == {"id"}
    assert first(replace(KEY, has_default=True, numbered=True, identity_always=True)).keys() == {"id"}


def test_the_values_of_a_check_are_tried() -> None:
    column = replace(PLAIN, not_null=True, checks=["CHECK (note = ANY (ARRAY['open', 'shut']))"])
    tried = {row["note"] for row in rows_to_try([column], {}, 77)}
    assert {"open", "shut"} <= tried


def test_a_row_of_defaults_alone() -> None:
    assert insert_row(TABLE, {}).as_string(None) == 'INSERT INTO "public"."t" DEFAULT VALUES'


def test_values_are_quoted() -> None:
    text = insert_row(TABLE, {'a"b': "it's"}).as_string(None)
    assert text == """INSERT INTO "public"."t" ("a""b") OVERRIDING SYSTEM VALUE VALUES ('it''s')"""


@given(st.integers(0, 2**31 - 1), st.sampled_from("NSDBETARIGUX"), st.booleans())
def test_there_is_always_something_to_try(fresh: int, category: str, empty: bool) -> None:
    column = replace(PLAIN, category=category, not_null=True, label="low", in_key=True)
    rows = list(rows_to_try([column], {} if empty else {"note": "2020-01-01"}, fresh))
    assert len(rows) == ATTEMPTS
    assert all("note" in row for row in rows)


def test_an_update_sets_a_column_of_no_key_if_it_can() -> None:
    assert settable([KEY, PLAIN]) is PLAIN
    assert settable([KEY]) is KEY
    assert settable([replace(PLAIN, generated=True)]) is None


def test_few_rows_are_touched_as_a_whole_and_of_many_the_locked_one() -> None:
    assert rows_clause(TABLE, FEW_ROWS, 7).as_string(None) == ""
    assert "ctid" in rows_clause(TABLE, FEW_ROWS + 1, None).as_string(None)
    assert ">= 7" in rows_clause(TABLE, FEW_ROWS + 1, 7).as_string(None)
