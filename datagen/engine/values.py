"""Columns before they are encoded: typed vectors over the rows of one block, with a mask of their NULLs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from datagen.engine.compiled import AT_ONCE, address_of
from datagen.engine.streams import Hashes, Ints, Mask


@dataclass(frozen=True)
class Packed:
    """Byte strings one after another: string i is ``data[offsets[i]:offsets[i + 1]]``."""

    offsets: Ints
    data: NDArray[np.uint8]
    """With some more at the end, see :mod:`datagen.engine.wire`."""

    @cached_property
    def longest(self) -> int:
        """Bytes of the longest one."""
        return int(np.diff(self.offsets).max(initial=0))

    @cached_property
    def addresses(self) -> tuple[int, int]:
        """Of offsets and data."""
        return address_of(self.offsets), address_of(self.data)


def packed(items: Sequence[bytes]) -> Packed:
    """Pack byte strings."""
    offsets = np.zeros(len(items) + 1, dtype=np.int64)
    np.cumsum([len(item) for item in items], out=offsets[1:])
    return Packed(offsets, np.frombuffer(b"".join(items) + bytes(AT_ONCE), dtype=np.uint8))


@dataclass(frozen=True)
class Pool:
    """Strings that are encoded once and copied from then on; one extra element at the end stands for NULL."""

    texts: tuple[str, ...]

    @property
    def end(self) -> int:
        """Index of the element that is nothing: empty as a piece, NULL as a field."""
        return len(self.texts)

    @cached_property
    def raw(self) -> Packed:
        """UTF-8 bytes, which are also the payload of the binary format."""
        return packed([*(text.encode() for text in self.texts), b""])

    @cached_property
    def quoted(self) -> Packed:
        """Text with its double quotes doubled, for CSV."""
        return packed([*(text.replace('"', '""').encode() for text in self.texts), b""])


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of text: one element of a pool per row."""

    pool: Pool
    index: Ints


@dataclass(frozen=True, slots=True)
class Digits:
    """A piece of text: the last ``width`` digits of whole numbers >= 0, or none where ``blank``."""

    data: Hashes | Ints
    width: int
    base: int = 10
    blank: Mask | None = None

    @property
    def characters(self) -> NDArray[np.uint8]:
        """ASCII, one row of digits per number."""
        base = np.uint64(self.base)
        rest = self.data.astype(np.uint64)
        places = []
        for _ in range(self.width):
            places.append(_DIGITS[(rest % base).astype(np.int64)])
            rest //= base
        return np.stack(places[::-1], axis=1)


_DIGITS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Literal:
    """A piece of text: a pool's only element, in every row. Other pieces tell how many rows there are."""

    pool: Pool


Piece: TypeAlias = Words | Digits | Literal


def replaced(piece: Piece, rows: Ints, other: Piece) -> Piece:
    """The piece with ``other``, of the same pool or width, in some rows: one value for each of them."""
    match piece, other:
        case Literal(), Literal() if piece == other:
            return piece
        case Words(), Words():
            return Words(piece.pool, _replaced(piece.index, rows, other.index))
        case Digits(blank=None), Digits(blank=None):
            return replace(piece, data=_replaced(piece.data, rows, other.data))
        case _:
            raise TypeError(f"{other} in place of {piece}")


def _replaced(numbers: Ints | Hashes, rows: Ints, others: Ints | Hashes) -> Any:
    result = numbers.copy()
    result[rows] = others
    return result


@dataclass(frozen=True, slots=True)
class Uuids:
    high: Hashes
    low: Hashes
    null: Mask | None = None


@dataclass(frozen=True, slots=True)
class Integers:
    """int2, int4 or int8, after ``width`` in bytes."""

    data: Ints
    width: int = 4
    null: Mask | None = None


@dataclass(frozen=True, slots=True)
class Booleans:
    data: Mask
    null: Mask | None = None


@dataclass(frozen=True, slots=True)
class Timestamps:
    """timestamptz: microseconds since 2000-01-01 00:00 UTC."""

    data: Ints
    null: Mask | None = None


@dataclass(frozen=True, slots=True)
class Dates:
    """date: days since 2000-01-01."""

    data: Ints
    null: Mask | None = None


@dataclass(frozen=True, slots=True)
class Numerics:
    """numeric: ``data`` in units of 10 ** -scale, scale 0 to 4, below 10 ** 18."""

    data: Ints
    scale: int = 2
    null: Mask | None = None


@dataclass(frozen=True, slots=True)
class Texts:
    """Text made of pieces."""

    pieces: tuple[Piece, ...]
    null: Mask | None = None


Values: TypeAlias = Uuids | Integers | Booleans | Timestamps | Dates | Numerics | Texts
