"""Columns → bytes of COPY's binary format.

https://www.postgresql.org/docs/current/sql-copy.html ("Binary Format"); the payloads are those of the types'
receive functions. The columns of a block become a program for the loop in :mod:`datagen.engine.wire`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datagen.engine import wire
from datagen.engine.compiled import AT_ONCE, address_of
from datagen.engine.streams import Hashes, Ints, Mask
from datagen.engine.values import (
    Booleans,
    Dates,
    Digits,
    Integers,
    Literal,
    Numerics,
    Packed,
    Texts,
    Timestamps,
    Uuids,
    Values,
    Words,
)

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

PIECE_BYTES = 4 * 1024 * 1024
"""What a block takes of memory at a time, however long its texts are."""
_PLACES_BYTES = 2 * 1024 * 1024
"""Room for rows until they are complete; each takes that of the longest one, little of which is touched."""
_LONGEST_FIELD = 24
"""Bytes of a field that is no text, with its length; a numeric has at most five digits in base 10000."""


@dataclass(slots=True)
class Buffer:
    """Memory that is used again for the next rows: fresh memory costs as much as filling it."""

    octets: wire.Octets = field(default_factory=lambda: np.empty(PIECE_BYTES, dtype=np.uint8))
    places: wire.Octets = field(default_factory=lambda: np.empty(_PLACES_BYTES, dtype=np.uint8))

    def hold(self, row_bytes: int) -> None:
        """Make room for a row of so many bytes."""
        if len(self.places) < row_bytes:
            self.places = np.empty(row_bytes, dtype=np.uint8)
        if len(self.octets) < row_bytes:
            self.octets = np.empty(row_bytes, dtype=np.uint8)


def encode_rows(columns: Sequence[Values], buffer: Buffer | None = None) -> Iterator[memoryview]:
    """The rows of one block, without header and trailer, piece by piece; every column has one value per row.

    A piece is in ``buffer`` until the next one is asked for.
    """
    buffer = buffer or Buffer()
    program = _Program(len(columns))
    for column in columns:
        program.add(column)
    buffer.hold(program.longest)
    lines = np.array(program.lines, dtype=np.int64)
    steps, at = len(lines) // wire.WIDTH, address_of(lines)
    rows, row = _row_count(columns), 0
    while row < rows:
        row, size = wire.write_rows(at, steps, row, rows, buffer.octets, buffer.places, program.longest)
        yield buffer.octets[:size].data


class _Program:
    """Steps for :func:`datagen.engine.wire.write_rows`, and the arrays that they point into."""

    def __init__(self, fields: int) -> None:
        self.lines = [fields]
        self.longest = 2 + AT_ONCE
        """Bytes that a row has at most, and what is written beyond it."""
        self._kept: list[NDArray[Any]] = []

    def add(self, column: Values) -> None:
        """Steps that write one field of each row."""
        self.longest += _LONGEST_FIELD
        null = self._mask(column.null)
        match column:
            case Texts():
                self._add_text(column, null)
            case Uuids():
                self._step(wire.PAIR, self._numbers(column.high), self._numbers(column.low), null)
            case Booleans():
                self._step(wire.BOOLEAN, self._mask(column.data), null)
            case Integers():
                self._step(wire.INTEGER, self._numbers(column.data), column.width, null)
            case Timestamps():
                self._step(wire.INTEGER, self._numbers(column.data), 8, null)
            case Dates():
                self._step(wire.INTEGER, self._numbers(column.data), 4, null)
            case Numerics():
                data = self._numbers(column.data)
                self._step(wire.NUMERIC, data, column.scale, 10**column.scale, null)

    def _add_text(self, column: Texts, null: int) -> None:
        pieces = column.pieces
        if len(pieces) == 1 and isinstance(pieces[0], Words):
            self._step(wire.FIELD, *self._words(pieces[0].index, pieces[0].pool.raw), null)
            return
        self._step(wire.BEGIN)
        for piece in pieces:
            match piece:
                case Words():
                    self._step(wire.WORD, *self._words(piece.index, piece.pool.raw))
                case Digits():
                    self.longest += piece.width
                    data, blank = self._numbers(piece.data), self._mask(piece.blank)
                    self._step(wire.DIGITS, data, piece.width, piece.base, blank)
                case Literal():
                    text = piece.pool.raw
                    self.longest += text.longest
                    self._step(wire.LITERAL, text.addresses[1], text.longest)
        self._step(wire.END, null)

    def _words(self, index: Ints, elements: Packed) -> tuple[int, int, int]:
        self.longest += elements.longest
        return self._numbers(index), *elements.addresses

    def _step(self, *numbers: int) -> None:
        self.lines += numbers
        self.lines += [0] * (wire.WIDTH - len(numbers))

    def _numbers(self, data: Ints | Hashes) -> int:
        assert data.dtype.itemsize == 8
        return self._keep(data)

    def _mask(self, mask: Mask | None) -> int:
        return 0 if mask is None else self._keep(mask.view(np.uint8))

    def _keep(self, data: NDArray[Any]) -> int:
        self._kept.append(np.ascontiguousarray(data))
        return address_of(self._kept[-1])


def _row_count(columns: Sequence[Values]) -> int:
    first = columns[0]
    match first:
        case Uuids():
            return len(first.high)
        case Texts():
            piece = next(piece for piece in first.pieces if not isinstance(piece, Literal))
            return len(piece.index if isinstance(piece, Words) else piece.data)
        case _:
            return len(first.data)
