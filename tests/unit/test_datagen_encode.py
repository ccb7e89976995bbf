"""COPY's binary format, read back with psycopg's own loaders."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.datetime import DateBinaryLoader, TimestamptzBinaryLoader
from psycopg.types.numeric import NumericBinaryLoader

from datagen.engine.arrow import csv_rows
from datagen.engine.columns import literal
from datagen.engine.encode import encode_rows
from datagen.engine.values import (
    Booleans,
    Dates,
    Digits,
    Integers,
    Numerics,
    Pool,
    Texts,
    Timestamps,
    Uuids,
    Values,
    Words,
    replaced,
)

UNHURRIED = settings(deadline=None)
"""The first call of a loop compiles it."""
masks = st.lists(st.booleans(), min_size=1, max_size=40).map(np.array)


def rows_of(*columns: Values) -> list[list[bytes | None]]:
    """Take the wire format apart."""
    data, position, rows = b"".join(map(bytes, encode_rows(columns))), 0, []
    while position < len(data):
        count = int.from_bytes(data[position : position + 2], "big")
        position += 2
        row: list[bytes | None] = []
        for _ in range(count):
            length = int.from_bytes(data[position : position + 4], "big", signed=True)
            position += 4
            row.append(None if length < 0 else data[position : position + length])
            position += max(length, 0)
        rows.append(row)
    return rows


def lines_of(*columns: Values) -> list[list[str]]:
    return list(csv.reader(io.StringIO(bytes(csv_rows(columns)).decode())))


@UNHURRIED
@given(st.integers(0, 4), st.lists(st.integers(-(10**18) + 1, 10**18 - 1), min_size=1, max_size=30))
def test_numeric_is_base_10000_without_outer_zeros(scale: int, unscaled: list[int]) -> None:
    column = Numerics(np.array(unscaled, dtype=np.int64), scale)
    found = [row[0] for row in rows_of(column)]
    wanted = [Decimal(value).scaleb(-scale) for value in unscaled]
    assert [NumericBinaryLoader(1700).load(payload) for payload in found if payload] == wanted
    for payload in found:
        assert payload is not None
        groups = [payload[i : i + 2] for i in range(8, len(payload), 2)]
        assert int.from_bytes(payload[:2], "big") == len(groups)
        assert not groups or (groups[0] != b"\0\0" and groups[-1] != b"\0\0")
        assert payload[6:8] == bytes([0, scale])
    assert [Decimal(line[0]) for line in lines_of(column)] == wanted


def test_zero_has_no_digits() -> None:
    assert rows_of(Numerics(np.array([0]))) == [[bytes([0, 0, 0, 0, 0, 0, 0, 2])]]


@UNHURRIED
@given(st.integers(1, 16), st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=20))
def test_digits_are_the_last_ones_of_a_number(width: int, numbers: list[int]) -> None:
    end = Words(Pool(("!",)), np.zeros(len(numbers), dtype=np.int64))
    column = Texts((Digits(np.array(numbers, dtype=np.int64), width), end))
    wanted = [f"{number % 10**width:0{width}d}!" for number in numbers]
    assert [row[0] for row in rows_of(column)] == [text.encode() for text in wanted]
    assert [line[0] for line in lines_of(column)] == wanted


def test_a_long_block_comes_in_pieces_of_whole_rows() -> None:
    texts = tuple(letter * 70_000 for letter in "abc")
    column = Texts((Words(Pool(texts), np.arange(200) % 3),))
    pieces = [bytes(piece) for piece in encode_rows([column])]
    assert len(pieces) > 1
    assert all(len(piece) % (2 + 4 + 70_000) == 0 for piece in pieces)
    assert [row[0] for row in rows_of(column)] == [texts[row % 3].encode() for row in range(200)]


def test_a_row_longer_than_a_piece_gets_a_piece_of_its_own() -> None:
    text = "long " * 1_000_000
    column = Texts((Words(Pool((text, "short")), np.arange(3) % 2),))
    assert [row[0] for row in rows_of(column)] == [text.encode(), b"short", text.encode()]


@UNHURRIED
@given(st.lists(st.tuples(st.integers(0, 150), st.booleans()), min_size=1), st.integers(1, 300))
def test_rows_of_any_length_do_not_touch_their_neighbours(kinds: list[tuple[int, bool]], rows: int) -> None:
    pool = Pool(tuple(chr(97 + length % 26) * length for length in range(151)))
    lengths, null = (np.array(part)[np.arange(rows) % len(kinds)] for part in zip(*kinds, strict=True))
    word = Words(pool, lengths)
    columns = (
        Texts((word,), null),
        Texts((word, literal("-" * 70), word), null),
        Integers(lengths, 2),
        Texts((literal("<"), word, literal(">"))),
        Numerics(lengths, null=null),
    )
    texts = [None if hidden else pool.texts[length] for length, hidden in zip(lengths, null, strict=True)]
    found = [[None if field is None else field.decode() for field in row] for row in _texts_of(columns)]
    assert found == [
        [text, None if text is None else text + "-" * 70 + text, f"<{pool.texts[length]}>"]
        for text, length in zip(texts, lengths, strict=True)
    ]
    assert [[line[i] for i in (0, 1, 3)] for line in lines_of(*columns)] == [
        [text or "" for text in row] for row in found
    ]


def _texts_of(columns: tuple[Values, ...]) -> list[list[bytes | None]]:
    wanted = [i for i, column in enumerate(columns) if isinstance(column, Texts)]
    return [[row[i] for i in wanted] for row in rows_of(*columns)]


def test_some_rows_of_a_piece_are_replaced() -> None:
    pool, ones = Pool(("a", "b")), np.ones(4, dtype=np.int64)
    rows, two = np.array([1, 3]), np.zeros(2, dtype=np.int64)
    words = replaced(Words(pool, ones), rows, Words(pool, two))
    dot = replaced(literal("."), rows, literal("."))
    digits = replaced(Digits(ones, 1), rows, Digits(two + 7, 1))
    assert [row[0] for row in rows_of(Texts((words, dot, digits)))] == [b"b.1", b"a.7", b"b.1", b"a.7"]
    assert ones.all(), "another column may have the same numbers"
    with pytest.raises(TypeError, match="in place of"):
        replaced(Words(pool, ones), rows, Digits(two, 1))
    with pytest.raises(TypeError, match="in place of"):
        replaced(literal("."), rows, literal(","))


@UNHURRIED
@given(st.lists(st.integers(-(10**14), 2 * 10**14), min_size=1, max_size=20))
def test_timestamps_count_microseconds_from_2000(moments: list[int]) -> None:
    column = Timestamps(np.array(moments, dtype=np.int64))
    found = [TimestamptzBinaryLoader(1184).load(row[0] or b"") for row in rows_of(column)]
    origin = datetime(2000, 1, 1, tzinfo=UTC)
    wanted = [origin + timedelta(microseconds=moment) for moment in moments]
    assert found == wanted
    assert [datetime.fromisoformat(line[0]) for line in lines_of(column)] == wanted


@UNHURRIED
@given(st.lists(st.integers(-100_000, 2_900_000), min_size=1, max_size=20))
def test_dates_count_days_from_2000(days: list[int]) -> None:
    column = Dates(np.array(days, dtype=np.int64))
    found = [DateBinaryLoader(1082).load(row[0] or b"") for row in rows_of(column)]
    assert found == [date(2000, 1, 1) + timedelta(days=day) for day in days]
    assert [date.fromisoformat(line[0]) for line in lines_of(column)] == found


@UNHURRIED
@given(masks)
def test_null_is_a_length_of_minus_one_in_every_type(null: np.ndarray) -> None:
    ones = np.ones(len(null), dtype=np.int64)
    pool = Pool(("a", "ü"))
    columns = (
        Uuids(ones.astype(np.uint64), ones.astype(np.uint64), null),
        Integers(ones, null=null),
        Integers(ones, width=8, null=null),
        Booleans(ones > 0, null),
        Timestamps(ones, null),
        Dates(ones, null),
        Numerics(ones, null=null),
        Texts((Words(pool, ones),), null),
        Texts((Words(pool, ones), Digits(ones, 3), Words(pool, ones)), null),
        Integers(ones),
    )
    rows = rows_of(*columns)
    assert len(rows) == len(null)
    for row, is_null in zip(rows, null, strict=True):
        assert [field is None for field in row[:-1]] == [bool(is_null)] * 9
        assert row[-1] == b"\0\0\0\1"
    for line, is_null in zip(lines_of(*columns), null, strict=True):
        assert (line[8] == "") == bool(is_null)


@UNHURRIED
@given(st.lists(st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"])), min_size=1))
def test_texts_of_one_and_of_several_pieces(texts: list[str]) -> None:
    pool = Pool(tuple(texts))
    index = np.arange(len(texts))
    number = Digits(index, 4)
    backwards = Words(pool, index[::-1].copy())
    columns = (Texts((Words(pool, index),)), Texts((Words(pool, index), number, backwards)))
    wanted = [[t, f"{t}{i:04}{r}"] for i, (t, r) in enumerate(zip(texts, reversed(texts), strict=True))]
    assert [[(field or b"").decode() for field in row] for row in rows_of(*columns)] == wanted
    assert lines_of(*columns) == wanted


def test_empty_text_is_not_null_in_csv() -> None:
    pool = Pool(("",))
    index = np.zeros(2, dtype=np.int64)
    column = Texts((Words(pool, index),), np.array([False, True]))
    assert bytes(csv_rows([Integers(index), column])) == b'0,""\n0,\n'


@UNHURRIED
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=10))
def test_uuids_and_hexadecimal(numbers: list[int]) -> None:
    high = np.array(numbers, dtype=np.uint64)
    column = Uuids(high, high[::-1].copy())
    wanted = [UUID(int=h << 64 | l) for h, l in zip(numbers, reversed(numbers), strict=True)]  # noqa: E741
    assert [UUID(bytes=row[0]) for row in rows_of(column)] == wanted
    assert [UUID(line[0]) for line in lines_of(column)] == wanted
    texts = Texts((Digits(high, 16, 16),))
    assert [row[0] for row in rows_of(texts)] == [f"{n:016x}".encode() for n in numbers]
    assert lines_of(texts) == [[f"{n:016x}"] for n in numbers]
