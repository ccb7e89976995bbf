"""A statement in one line: what it does, without the comments that stand before it."""

from __future__ import annotations

from bench.migrate.lexer import skip_space
from bench.report.format import shortened


def excerpt(text: str, width: int) -> str:
    """The statement's beginning in at most ``width`` characters, comments before it left out."""
    return shortened(text[skip_space(text, 0) :] or text, width)
