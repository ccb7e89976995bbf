"""Figures and texts for the reports: the only door through which numbers reach a page or a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.analyse.quantity import (
    UNKNOWN,
    bounds_seconds,
    count,
    ratio,
    seconds,
    seconds_column,
    size,
    size_column,
    spread_seconds,
)
from bench.analyse.stats import Spread
from bench.model.lock import LockMode
from bench.sql.lexer import skip_space

__all__ = [
    "UNKNOWN",
    "bounds_seconds",
    "count",
    "evidence",
    "excerpt",
    "ratio",
    "seconds",
    "seconds_column",
    "shortened",
    "shortened_lines",
    "size",
    "size_column",
    "spread_seconds",
    "spread_size",
]


def spread_size(spread: Spread | None) -> str:
    """Bytes: the median, and the extremes where the repeats differ."""
    if spread is None or spread.equal:
        return size(spread.median if spread else None)
    return f"{size(spread.median)} ({size(spread.low)}–{size(spread.high)})"


def shortened(text: str, width: int) -> str:
    """The text on one line of at most ``width`` characters (2 or more), cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1].rstrip()}…"


def shortened_lines(text: str, length: int) -> str:
    """The text with its line breaks, cut with an ellipsis after so many characters."""
    stripped = text.strip("\n")
    return stripped if len(stripped) <= length else f"{stripped[: length - 1].rstrip()}…"


def excerpt(text: str, width: int) -> str:
    """The statement's beginning in at most ``width`` characters, comments before it left out."""
    return shortened(text[skip_space(text, 0) :] or text, width)


def evidence(name: str, value: object) -> str:
    """A piece of evidence in words: numbers in the unit that the end of the name says."""
    if name == "mode" and value in set(LockMode):
        return LockMode(str(value)).sql_name
    if value is None or isinstance(value, bool | str):
        return UNKNOWN if value is None else str(value)
    if isinstance(value, int | float):
        if name.endswith("_s"):
            return seconds(value)
        if name.endswith("bytes"):
            return size(value)
        return str(value) if "line" in name or name == "exponent" else count(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {part}" for key, part in value.items()) or "none"
    if isinstance(value, Sequence):
        return ", ".join(evidence(name, part) for part in value)
    return str(value)


def evidence_label(name: str) -> str:
    """The name of a piece of evidence without its unit."""
    return name.removesuffix("_s").removesuffix("_bytes").replace("_", " ")
