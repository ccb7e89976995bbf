"""Documents as HTML for the page: everything in them is escaped but what is markup already."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from markupsafe import Markup, escape

from bench.model.printable import visible
from bench.report.document import (
    Block,
    Bullets,
    Card,
    Code,
    Column,
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

Draw = Callable[[str], Markup]
"""The markup of the picture of a name; empty where it was not drawn."""
BADGES: dict[Tone, str] = {
    "": "", "good": " good", "warn": " warning", "bad": " error", "unknown": " note", "unreached": "",
    "stopped": " bad",
}  # fmt: skip
SIGNS: dict[Tone, str] = {"good": "✓", "warn": "!", "unknown": "?", "bad": "✕"}
"""Of a state that stands large."""
DEEPEST = 6


def no_picture(_name: str) -> Markup:
    """A page without pictures."""
    return Markup()


def render(blocks: Iterable[Block], level: int = 2, draw: Draw = no_picture) -> Markup:
    """The document, its outermost sections under headings of ``level``."""
    return Markup("\n").join(_block(block, level, draw) for block in blocks)


def _block(block: Block, level: int, draw: Draw) -> Markup:
    match block:
        case Section():
            return _section(block, level, draw)
        case Paragraph(said, role):
            styled = {"text": "", "lead": ' class="lead"', "remark": ' class="remark"'}[role]
            return Markup("<p{}>{}</p>").format(Markup(styled), words(said))
        case Failure(said):
            return Markup('<div class="failure">{}</div>').format(words(said))
        case Bullets(items):
            lines = Markup().join(Markup("<li>{}</li>").format(words(item)) for item in items)
            return Markup('<ul class="said">{}</ul>').format(lines)
        case Facts(rows, shape="tiles"):
            return Markup('<div class="tiles">\n{}\n</div>').format(Markup("\n").join(map(_tile, rows)))
        case Facts(rows, shape="grid"):
            return Markup('<dl class="grid">{}</dl>').format(Markup().join(map(_beside, rows)))
        case Facts(rows, title):
            lines = Markup("\n").join(_row((label, value), (False, False)) for label, value in rows)
            return _card(
                title, Markup('<table class="facts"><tbody>\n{}\n</tbody></table>').format(lines), ""
            )
        case Table():
            return _table(block)
        case Code(text):
            return Markup('<pre tabindex="0">{}</pre>').format(visible(text))
        case Card(tone, blocks, anchor):
            inside = render(blocks, level, draw)
            name = Markup(' id="{}"').format(anchor) if anchor else Markup()
            link = Markup('<a class="permalink" href="#{}" aria-label="Link to this finding">#</a>\n')
            head = link.format(anchor) if anchor else Markup()
            return Markup('<div class="finding card {}"{} tabindex="-1">\n{}{}\n</div>').format(
                tone, name, head, inside
            )
        case Folded(summary, blocks):
            inside = render(blocks, level, draw)
            return Markup('<details class="notes"><summary>{}</summary>\n{}\n</details>').format(
                words(summary), inside
            )
        case Figure(name):
            return draw(name)
        case Html(markup):
            return markup


def _section(section: Section, level: int, draw: Draw) -> Markup:
    level = min(level, DEEPEST)
    tag = "section" if level == 2 else "article"
    anchor = Markup(' id="{}"').format(section.anchor) if section.anchor else Markup()
    inside = render(section.blocks, level + 1, draw)
    return Markup("<{0}{1}>\n<h{2}>{3}</h{2}>\n{4}\n</{0}>").format(
        Markup(tag), anchor, level, words(section.title), inside
    )


LONG = 40
"""Characters of a value that takes a line of its own."""


def _beside(row: tuple[str, Words]) -> Markup:
    label, value = row
    wide = Markup(' class="wide"') if len(text_of(value)) > LONG else Markup()
    return Markup("<div{}><dt>{}</dt><dd>{}</dd></div>").format(wide, words(label), words(value))


def _tile(row: tuple[str, Words]) -> Markup:
    label, value = row
    first, *rest = (*inlines(value), "")
    if rest and isinstance(rest[0], str):
        rest[0] = rest[0].lstrip(":, ")
    return Markup(
        '<div class="tile card"><div class="label">{}</div><div class="value">{}</div>'
        '<div class="detail">{}</div></div>'
    ).format(words(label), words(first), words(tuple(rest)))


def _table(table: Table) -> Markup:
    numbers = tuple(column.number for column in table.columns)
    keyed = [bool(table.rows) and all(_key(row[at]) for row in table.rows) for at in range(len(numbers))]
    sorts = [key or (any(keyed) and not number) for key, number in zip(keyed, numbers, strict=True)]
    head = Markup().join(_head(column, sort) for column, sort in zip(table.columns, sorts, strict=True))
    rows = Markup("\n").join(_row(row, numbers) for row in table.rows)
    shown = Markup("<table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>\n</table>").format(head, rows)
    return _card(table.title, shown if table.rows else Markup(), table.note)


def _card(title: str, table: Markup, note: Words = "") -> Markup:
    heading = Markup("<h4>{}</h4>\n").format(words(title)) if title else Markup()
    below = Markup('\n<p class="small muted">{}</p>').format(words(note)) if note else Markup()
    label = text_of(title) if title else "Table"
    return Markup(
        '<div class="card scroll stack" tabindex="0" role="group" aria-label="{}">\n{}{}{}\n</div>'
    ).format(label, heading, table, below)


def _head(column: Column, sort: bool) -> Markup:
    styled = Markup(' class="num"') if column.number else Markup()
    kind = "number" if column.number else "text"
    sorted_by = Markup(' data-sort="{}"').format(kind) if sort else Markup()
    return Markup("<th{}{}>{}</th>").format(styled, sorted_by, words(column.title))


def _key(cell: Words) -> Markup:
    """The attribute that a cell is sorted by; empty where it has none."""
    keys = (piece.key for piece in inlines(cell) if isinstance(piece, Mark) and piece.key is not None)
    for key in keys:
        return Markup(' data-key="{}"').format(key)
    return Markup()


def _row(cells: Iterable[Words], numbers: Iterable[bool]) -> Markup:
    numbers = tuple(numbers)
    plain = Markup(' class="said"') if any(numbers) else Markup()
    styles = (Markup(' class="num"') if number else plain for number in numbers)
    pairs = zip(cells, styles, strict=True)
    inside = Markup().join(
        Markup("<td{}{}>{}</td>").format(style, _key(cell), words(cell)) for cell, style in pairs
    )
    return Markup("<tr>{}</tr>").format(inside)


def words(given: Words) -> Markup:
    """A line: prose and marks, whatever direction its letters have."""
    pieces = (_mark(piece) if isinstance(piece, Mark) else escape(visible(piece)) for piece in inlines(given))
    return Markup("<bdi>{}</bdi>").format(Markup().join(pieces))


def _mark(mark: Mark) -> Markup:
    said = escape(visible(mark.text))
    match mark.kind:
        case "code":
            said = Markup("<code>{}</code>").format(breakable(visible(mark.text)))
        case "strong":
            said = Markup("<strong>{}</strong>").format(said)
        case "detail":
            said = Markup('<span class="detail">{}</span>').format(said)
        case "status":
            said = Markup('<span class="badge{}">{}</span>').format(BADGES[mark.tone], said)
    return Markup('<a href="{}">{}</a>').format(mark.href, said) if mark.href else said


def breakable(text: str) -> Markup:
    """A name that may be broken after each of its parts, escaped."""
    return Markup("<wbr>").join(part for part in re.split(r"(?<=[_./])", text) if part)
