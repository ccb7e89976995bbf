"""Numbers as text for the reports: the only door through which they reach a page or a terminal."""

from __future__ import annotations

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
from bench.sql.lexer import skip_space

__all__ = [
    "UNKNOWN",
    "bounds_seconds",
    "count",
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
