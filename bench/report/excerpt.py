"""A statement in one line: what it does, without the comments that stand before it."""

from __future__ import annotations

from bench.report.format import shortened
from bench.sql.lexer import skip_space


def excerpt(text: str, width: int) -> str:
    """The statement's beginning in at most ``width`` characters, comments before it left out."""
    return shortened(text[skip_space(text, 0) :] or text, width)
