"""What goes through the pipes between the run and its generator processes.

To a worker: lines of JSON. From it: frames of one letter, four bytes of length, and that many bytes; ``R``
holds requests as :data:`REQUEST`, the others JSON.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO

import numpy as np

OK, FAILED, UNFINISHED = 0, 1, 2
QUEUED = 1
"""Flag: no connection was free when the request was due."""
LOST = "08006"
"""SQLSTATE connection_failure: what a request gets that had no answer because its connection broke."""

REQUEST = struct.Struct("<HBBii8sddd")
"""Class, outcome, flags, pid of the backend, rows, SQLSTATE, scheduled, sent and finished."""
DTYPE = np.dtype(
    [
        ("cls", "<u2"),
        ("outcome", "u1"),
        ("flags", "u1"),
        ("pid", "<i4"),
        ("rows", "<i4"),
        ("sqlstate", "S8"),
        ("scheduled", "<f8"),
        ("sent", "<f8"),
        ("finished", "<f8"),
    ]
)
"""The same for numpy. Times are readings of ``time.perf_counter``, which processes of one machine share;
a request that was never sent has NaN in ``sent`` and 0 as its pid."""

_HEAD = struct.Struct("<cI")


@dataclass(frozen=True, slots=True)
class Said:
    """What the server said of the first request of a class that failed with an SQLSTATE."""

    message: str
    constraint: str | None
    """That refused a row."""


def frame(letter: bytes, body: bytes) -> bytes:
    """The bytes of a frame."""
    return _HEAD.pack(letter, len(body)) + body


def read_frame(stream: IO[bytes]) -> tuple[bytes, bytes] | None:
    """The next frame; None at the end, also where the writer died in the middle of one."""
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    letter, length = _HEAD.unpack(head)
    body = stream.read(length)
    return (letter, body) if len(body) == length else None
