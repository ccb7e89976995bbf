"""Columns before they are encoded: typed vectors over the rows of one block, with a mask of their NULLs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from datagen.streams import Hashes, Ints, Mask

NULL_LENGTH = b"\xff\xff\xff\xff"


def binary_array(items: Sequence[bytes]) -> Any:
    """An Arrow array of byte strings, from its buffers: pyarrow.array() imports pandas to look at a list."""
    offsets = np.zeros(len(items) + 1, dtype=np.int32)
    np.cumsum([len(item) for item in items], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(items))]
    return pa.Array.from_buffers(pa.binary(), len(items), buffers)


def binary_scalar(item: bytes) -> Any:
    """One byte string for Arrow's functions, which import pandas to look at a plain one."""
    return binary_array([item])[0]


@dataclass(frozen=True)
class Pool:
    """Strings that are encoded once and copied from then on; one extra element at the end stands for NULL."""

    texts: tuple[str, ...]
    wires: tuple[bytes, ...] | None = None
    """Payloads of the binary format where they differ from the UTF-8 text, as for jsonb and arrays."""

    @property
    def end(self) -> int:
        """Index of the element that is nothing: empty as a piece, NULL as a field."""
        return len(self.texts)

    @cached_property
    def raw(self) -> Any:
        """UTF-8 bytes."""
        return binary_array([*(text.encode() for text in self.texts), b""])

    @cached_property
    def lengths(self) -> NDArray[np.int32]:
        """Bytes of each element."""
        offsets = np.frombuffer(self.raw.buffers()[1], dtype=np.int32)
        return offsets[1:] - offsets[:-1]

    @cached_property
    def wire(self) -> Any:
        """Whole fields of the binary format: length, then payload."""
        payloads = self.wires or tuple(text.encode() for text in self.texts)
        return binary_array([*(len(p).to_bytes(4, "big") + p for p in payloads), NULL_LENGTH])

    @cached_property
    def quoted(self) -> Any:
        """Text with its double quotes doubled, for CSV."""
        return binary_array([*(text.replace('"', '""').encode() for text in self.texts), b""])


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of text: one element of a pool per row."""

    pool: Pool
    index: Ints


@dataclass(frozen=True, slots=True)
class Ascii:
    """A piece of text: the same number of ASCII characters in every row, or none where ``blank``."""

    characters: NDArray[np.uint8]
    blank: Mask | None = None


Piece: TypeAlias = Words | Ascii


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
    """Text made of pieces; jsonb and arrays are one piece from a pool that has payloads of their own."""

    pieces: tuple[Piece, ...]
    null: Mask | None = None


Values: TypeAlias = Uuids | Integers | Booleans | Timestamps | Dates | Numerics | Texts


def digits(data: Ints, width: int) -> Ascii:
    """The last ``width`` decimal digits of whole numbers >= 0, with leading zeros."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return Ascii((data[:, None] // powers % 10 + ord("0")).astype(np.uint8))


_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def hexadecimal(data: Hashes) -> Ascii:
    """Sixteen hexadecimal digits."""
    octets = data.astype(">u8").view(np.uint8).reshape(-1, 8)
    return Ascii(_HEX[np.stack([octets >> 4, octets & 15], axis=2).reshape(-1, 16)])
