"""Run ↔ JSON, the run file.

Writing: fields in the order of the dataclasses, on one line, UTF-8, a final newline; the same run gives
the same bytes. JSON knows no NaN and no infinity, so a run that holds one is refused.

Reading: a missing or mistyped field is refused with its place in the file. Fields that this version does
not know are passed over: a version may add fields without a new ``schema_version``. A change that alters
or removes a field raises it, and brings the function that upgrades the version before.
"""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from bench.errors import UsageError
from bench.model.run import SCHEMA_VERSION, Run
from bench.model.texts import kept_once, restored

Document = dict[str, Any]

UPGRADES: dict[int, Callable[[Document], Document]] = {}
"""From each older ``schema_version``, the function that returns the document one version newer.

1  the first version
"""


def encode(run: Run) -> bytes:
    """The run file's bytes.

    Raises ValueError naming the place of a number that is not finite: it is a defect of the program.
    """
    run = kept_once(run)
    document = msgspec.to_builtins(run)
    try:
        # msgspec would write null; this encoder, which refuses, is far faster than the search below.
        json.dumps(document, allow_nan=False)
    except ValueError:
        for place, value in _numbers(document, "$"):
            if not math.isfinite(value):
                raise ValueError(f"{place} is {value}, which JSON cannot hold") from None
        raise
    return msgspec.json.encode(run) + b"\n"


def compressed(data: bytes) -> bytes:
    """Bytes of a file as gzip has them; the same give the same. :func:`decode` reads either."""
    return gzip.compress(data, 6, mtime=0)


def decode(data: bytes, source: str = "run file") -> Run:
    """The run in a run file's bytes; ``source`` names the file in errors.

    Raises UsageError: not JSON, a field missing or mistyped, or written by a newer version.
    """
    try:
        data = gzip.decompress(data) if data.startswith(_GZIP) else data
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{source}: cannot be unpacked: {error}", "was the file cut off?") from error
    try:
        version = msgspec.json.decode(data, type=_Head).schema_version
        _refuse_beyond_measure(data, source)
        if version == SCHEMA_VERSION:
            return restored(_dated(msgspec.json.decode(data, type=Run), source))
        return restored(msgspec.convert(upgrade(msgspec.json.decode(data), version, source), Run))
    except msgspec.ValidationError as error:
        raise UsageError(
            f"{source}: not a run file that can be read: {error}",
            "the place is given as a JSON path; was the file edited, or written by another tool?",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(
            f"{source}: not JSON: {error}", "was the file cut off or edited? run files are written whole"
        ) from error


_GZIP = b"\x1f\x8b"
"""What a compressed file begins with: https://www.rfc-editor.org/rfc/rfc1952#page-6"""
_HUGE = re.compile(rb"\d{100}|\d[eE]\+?\d{3}")
"""What a number beyond :data:`MOST` has in it; so may a statement's text."""
MOST = 1e100
"""Seconds, bytes and rows of a run are far below it, and their sums are still finite."""


def _refuse_beyond_measure(data: bytes, source: str) -> None:
    """UsageError for a number that no run can have, such as 1e308 seconds: nothing can be drawn of it."""
    if _HUGE.search(data) is None:
        return
    for place, value in _numbers(json.loads(data), "$"):
        if not -MOST <= value <= MOST and ".evidence" not in place:  # that is shown as it is, never drawn
            raise UsageError(f"{source}: {place} is beyond what a run can hold", "was the file edited?")


def _dated(run: Run, source: str) -> Run:
    """The run, whose times can be read; UsageError names the one that cannot."""
    for name, text in (("started_at", run.started_at), ("finished_at", run.finished_at)):
        try:
            if text is not None:
                datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(
                f"{source}: {name} is {text!r}, which is no time", "was the file edited? times are ISO 8601"
            ) from None
    return run


def upgrade(
    document: Document,
    version: int,
    source: str = "run file",
    *,
    target: int = SCHEMA_VERSION,
    upgrades: Mapping[int, Callable[[Document], Document]] = UPGRADES,
) -> Document:
    """The document in the form of schema version ``target``, step by step.

    Raises UsageError: the version is newer than ``target``, or there was never such a version.
    """
    if version > target:
        raise UsageError(
            f"{source}: written by a newer version of pgrehearse (schema version {version}, "
            f"this one reads up to {target})",
            "upgrade pgrehearse: pip install --upgrade pgrehearse",
        )
    for step in range(version, target):
        if step not in upgrades:
            raise UsageError(f"{source}: there is no schema version {version}; the oldest is 1")
        document = {**upgrades[step](document), "schema_version": step + 1}
    return document


class _Head(msgspec.Struct):
    schema_version: int


def _numbers(value: object, place: str) -> Iterator[tuple[str, int | float]]:
    """Every number below a value of plain JSON types, with its JSON path."""
    if isinstance(value, int | float):
        yield place, value
    elif isinstance(value, dict):
        for key, below in value.items():
            yield from _numbers(below, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for position, below in enumerate(value):
            yield from _numbers(below, f"{place}[{position}]")
