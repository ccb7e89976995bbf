"""Documents as Markdown. Text that came from outside (SQL, names, messages) means nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from bench.model.printable import visible
from bench.report.document import (
    Block,
    Bullets,
    Card,
    Code,
    Facts,
    Failure,
    Figure,
    Folded,
    Html,
    Mark,
    Paragraph,
    Section,
    Table,
    Tone,
    Words,
    inlines,
    text_of,
)

SIGNS: dict[Tone, str] = {
    "good": "✅", "warn": "🟡", "bad": "🔴", "unknown": "⚪", "unreached": "⏭️", "stopped": "⏹️", "": "",
}  # fmt: skip
DEEPEST = 6
_PUNCTUATION = re.compile(r"[\\`*\[\]|~]|(?<!\w)_+|_+(?!\w)|^[-+#]")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")
"""What begins emphasis, code, a link, a cell, a heading or a list; underscores inside words do not."""
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
"""What calls a user or a team of GitHub, which nobody in a schema or a message meant."""
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def render(blocks: Iterable[Block], level: int = 1) -> str:
    """The document, its outermost sections under headings of ``level``; ends with a newline."""
    return "\n\n".join(parts(blocks, level)) + "\n"


def parts(blocks: Iterable[Block], level: int = 1) -> Iterator[str]:
    """The same in pieces that stand an empty line apart."""
    for part in blocks:
        yield from _parts(part, level)


def _parts(part: Block, level: int) -> Iterator[str]:
    match part:
        case Section(title, blocks):
            yield _heading(title, level)
            yield from parts(blocks, level + 1)
        case Paragraph(said):
            yield words(said)
        case Failure(said):
            yield f"⚠️ {words(said)}"
        case Bullets(items):
            yield bullets(map(words, items))
        case Facts():
            yield from _facts(part, level)
        case Table():
            yield from _table(part, level)
        case Code(text, language):
            yield block(text, language)
        case Card(_, blocks):
            yield from parts(blocks, level)
        case Folded(summary, blocks):
            inside = "\n\n".join(parts(blocks, level))
            yield f"<details><summary>{_as_html(summary)}</summary>\n\n{inside}\n\n</details>"
        case Figure() | Html():
            return


def _heading(title: Words, level: int) -> str:
    return f"{'#' * min(level, DEEPEST)} {words(title)}"


def _facts(facts: Facts, level: int) -> Iterator[str]:
    if facts.title:
        yield _heading(facts.title, level)
    if facts.head:
        yield table(facts.head, ((plain(label), words(value)) for label, value in facts.rows))
    else:
        yield bullets(f"**{plain(label)}**: {words(value)}" for label, value in facts.rows)


def _table(given: Table, level: int) -> Iterator[str]:
    if given.title:
        yield _heading(given.title, level)
    if given.rows:
        titles = [f"{'>' * column.number}{plain(column.title)}" for column in given.columns]
        yield table(titles, (tuple(map(words, row)) for row in given.rows))
    if given.note:
        yield words(given.note)


def words(given: Words) -> str:
    """A line: prose and marks."""
    said = "".join(_mark(piece) if isinstance(piece, Mark) else _prose(piece) for piece in inlines(given))
    return said.strip()


def _as_html(given: Words) -> str:
    """A line within an element, where Markdown has no meaning."""
    return escape(" ".join(visible(text_of(given)).split()))


def _prose(piece: str) -> str:
    """A piece of a line keeps a blank at its ends."""
    before, after = (" " if end.isspace() else "" for end in (piece[:1], piece[-1:]))
    middle = plain(piece)
    return f"{before}{middle}{after}" if middle else before


def _mark(mark: Mark) -> str:
    if mark.kind == "code":
        return code(mark.text)
    said = plain(mark.text)
    if said and (mark.strong or mark.kind == "strong"):
        said = f"**{said}**"
    if mark.kind == "detail":
        return f" · {said}" if said else ""
    sign = SIGNS[mark.tone] if mark.kind == "status" else ""
    return f"{sign} {said}" if sign else said


def plain(text: str) -> str:
    """Prose on one line: no emphasis, link, HTML, list or cell border comes out of it."""
    line = " ".join(visible(text).split())
    marked = _PUNCTUATION.sub(lambda match: "".join(f"\\{letter}" for letter in match[0]), line)
    escaped = _NUMBERED.sub(r"\1\\\2", _MENTION.sub("@\u200b", marked))
    return re.sub(r"[&>]|<(?! )", lambda match: _ENTITIES[match[0]], escaped)


def code(text: str) -> str:
    """An inline code span, also inside a table; white space is drawn together."""
    line = " ".join(visible(text).split())
    if not line:
        return ""
    if "\\|" in line:  # no two renderers agree on an escaped border behind a backslash
        letters = (f"&#{ord(letter)};" if not letter.isalnum() else letter for letter in line)
        return f"<code>{''.join(letters)}</code>"
    fence = _fence(line, 1)
    padding = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{padding}{line}{padding}{fence}".replace("|", "\\|")


def block(text: str, language: str = "sql") -> str:
    """A fenced code block, whose fence is longer than any in the text."""
    text = visible(text)
    fence = _fence(text, 3)
    return f"{fence}{language}\n{text}\n{fence}"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are Markdown already; a column whose title starts with ``>`` is right-aligned."""
    heads = [title.removeprefix(">") for title in titles]
    rules = ["---:" if title.startswith(">") else "---" for title in titles]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, rules, *rows))


def bullets(items: Iterable[str]) -> str:
    """A list of items that are Markdown already."""
    return "\n".join(f"- {item}" for item in items)


def _fence(text: str, shortest: int) -> str:
    runs = (len(run) for run in re.findall(r"`+", text))
    return "`" * max(shortest, max(runs, default=0) + 1)
