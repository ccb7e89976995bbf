"""Text that came from outside (SQL, names, server messages) as Markdown that means nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bench.model.printable import visible

_PUNCTUATION = re.compile(r"[\\`*\[\]|~]|(?<!\w)_+|_+(?!\w)|^[-+#]")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
"""What begins emphasis, code, a link, a cell, a heading or a list; underscores inside words do not."""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def plain(text: str) -> str:
    """Prose on one line: no emphasis, link, HTML, list or cell border comes out of it."""
    line = " ".join(visible(text).split())
    marked = _PUNCTUATION.sub(lambda match: "".join(f"\\{each}" for each in match[0]), line)
    escaped = _NUMBERED.sub(r"\1\\\2", marked)
    return re.sub(r"[&<>]", lambda match: _ENTITIES[match[0]], escaped)


def code(text: str) -> str:
    """An inline code span, also inside a table; white space is drawn together."""
    line = " ".join(visible(text).split())
    if not line:
        return ""
    if "\\|" in line:  # no two renderers agree on an escaped border behind a backslash
        return f"<code>{''.join(f'&#{ord(each)};' if not each.isalnum() else each for each in line)}</code>"
    fence = _fence(line, 1)
    padding = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{padding}{line}{padding}{fence}".replace("|", "\\|")


def block(text: str, language: str = "sql") -> str:
    """A fenced code block, whose fence is longer than any in the text."""
    text = visible(text)
    fence = _fence(text, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; a column whose title starts with ``>`` is right-aligned."""
    titles = [title.removeprefix(">") for title in columns]
    rules = ["---:" if title.startswith(">") else "---" for title in columns]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, rules, *rows))


def bullets(items: Iterable[str]) -> str:
    """A list of items that are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def _fence(text: str, shortest: int) -> str:
    runs = (len(run) for run in re.findall(r"`+", text))
    return "`" * max(shortest, max(runs, default=0) + 1)
