"""Text that is drawn: made printable, measured in columns, and cut to the room there is."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

POINTS_PER_EM_MONO = 0.602
"""Advance of every glyph of DejaVu Sans Mono, as a share of the font size."""
POINTS_PER_EM_SANS = 0.60
"""A generous mean advance of DejaVu Sans; most other sans-serif fonts are narrower."""


def printable(text: str) -> str:
    """One line: white space collapsed, control and direction-changing characters shown as ``·``."""
    flat = " ".join(text.split())
    return "".join("·" if unicodedata.category(char) in _UNSEEN else char for char in flat)


LAST_SURE = 0x2FF
"""Letters up to here are in every font."""
_TYPOGRAPHIC = frozenset("…·–—→≤×✕“”‘’•")
_UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs", "Cn"})


def columns(text: str) -> int:
    """How many columns of a fixed-width font a text fills, at most: 2 for what the font may lack."""
    return sum(2 if ord(char) > LAST_SURE and char not in _TYPOGRAPHIC else 1 for char in text)


def fit(text: str, room: int, *, keep: str = "start") -> str:
    """A text of at most ``room`` columns; what is cut shows as ``…``, at the end or in the ``middle``."""
    text = printable(text)
    if columns(text) <= room:
        return text
    if keep == "middle":
        tail = (room - 1) // 2
        return f"{_head(text, room - 1 - tail)}…{_head(text[::-1], tail)[::-1]}"
    return f"{_head(text, room - 1)}…"


def room_for(width_in: float, size_pt: float) -> int:
    """How many columns of the fixed-width font a width holds."""
    return int(72 * width_in / (POINTS_PER_EM_MONO * size_pt))


def name_width(names: Iterable[str], size_pt: float, least_in: float, most_in: float) -> float:
    """Inches for a column of names in the fixed-width font, with a gap after the longest."""
    longest = max((columns(printable(name)) for name in names), default=0)
    return min(max(longest * POINTS_PER_EM_MONO * size_pt / 72 + 0.2, least_in), most_in)


def _head(text: str, room: int) -> str:
    kept, used = [], 0
    for char in text:
        used += columns(char)
        if used > room:
            break
        kept.append(char)
    return "".join(kept).rstrip()
