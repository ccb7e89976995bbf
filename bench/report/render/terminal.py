"""Documents on a terminal, by rich: without lines, so that the same text reads well in a log file.

Colours come on a terminal only, and not where NO_COLOR is set: rich sees to both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich import table as rich_table
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

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
)

INDENT = 2
LABEL_WIDTH = 10
WIDE = 120
"""Columns of a terminal on which tables have those that need room."""
MOST_LINES = 20
"""Of a text that is said letter by letter; the page has all."""
STYLES: dict[Tone, str] = {
    "": "", "good": "green", "warn": "yellow", "bad": "red", "unknown": "magenta", "unreached": "dim",
    "stopped": "dim",
}  # fmt: skip


def print_blocks(blocks: Iterable[Block], console: Console) -> None:
    """Print a document; sections and tables with titles stand an empty line apart."""
    for block in blocks:
        if isinstance(block, Section) or (isinstance(block, Facts | Table) and block.title):
            console.print()
        for part in renderables(block, roomy=console.width >= WIDE):
            console.print(part)


def print_copyable(label: str, value: str, console: Console) -> None:
    """A line that is never broken, so that it can be copied."""
    console.print(Text(f"{visible(label):<{LABEL_WIDTH}}{visible(value)}"), soft_wrap=True)


def renderables(block: Block, *, roomy: bool = False) -> Iterator[RenderableType]:
    """What is printed of a block."""
    match block:
        case Section(title, blocks):
            yield words(title, style="bold")
            for inner in blocks:
                for part in renderables(inner, roomy=roomy):
                    yield Padding(part, (0, 0, 0, INDENT), expand=False)
        case Paragraph(said) | Failure(said):
            yield words(said, style="red" if isinstance(block, Failure) else "")
        case Bullets(items):
            yield from (words(("- ", item)) for item in items)
        case Facts(rows, title):
            yield from _titled(title, _facts(rows))
        case Table():
            yield from _titled(block.title, table(block, roomy=roomy))
            if block.note:
                yield words(block.note, style="dim")
        case Code(text):
            yield Text(_first_lines(visible(text)), style="dim", overflow="fold")
        case Card(_, blocks):
            for inner in blocks:
                yield from renderables(inner, roomy=roomy)
        case Folded(summary, blocks):
            yield words(summary, style="dim")
            for inner in blocks:
                yield from renderables(inner, roomy=roomy)
        case Figure() | Html():
            return


def _first_lines(text: str) -> str:
    lines = text.splitlines()
    more = [f"… and {len(lines) - MOST_LINES} lines more"] if len(lines) > MOST_LINES else []
    return "\n".join([*lines[:MOST_LINES], *more])


def _titled(title: str, part: RenderableType) -> Iterator[RenderableType]:
    if title:
        yield Text(visible(title), style="bold")
    yield part


def _facts(rows: Iterable[tuple[str, Words]]) -> rich_table.Table:
    grid = rich_table.Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for label, value in rows:
        grid.add_row(Text(visible(label)), words(value))
    return grid


def table(given: Table, *, roomy: bool) -> rich_table.Table:
    """A table without lines; a column that gives way is cut with an ellipsis, the others with words fold."""
    some_give_way = any(column.gives_way for column in given.columns)
    shown = rich_table.Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for column in given.columns:
        if column.roomy and not roomy:
            continue
        shown.add_column(
            Text(visible(column.title)),
            justify="right" if column.number else "left",
            no_wrap=some_give_way and not column.gives_way,
            overflow="fold",
        )
    for row in given.rows:
        cells = zip(row, given.columns, strict=True)
        fitting = ((cell, column) for cell, column in cells if roomy or not column.roomy)
        shown.add_row(*(words(cell, one_line=column.gives_way) for cell, column in fitting))
    return shown


def words(given: Words, style: str = "", *, one_line: bool = False) -> Text:
    """A line: prose and marks; ``one_line``: cut with an ellipsis, never broken."""
    text = Text(style=style, no_wrap=one_line, overflow="ellipsis" if one_line else "fold")
    for piece in inlines(given):
        if isinstance(piece, Mark):
            if piece.kind != "detail":
                text.append(visible(piece.text), style=style_of(piece))
        else:
            text.append(visible(piece))
    return text


def style_of(mark: Mark) -> str:
    """The style of rich for a mark."""
    strong = mark.kind == "strong" or mark.strong or (mark.kind == "status" and mark.tone == "bad")
    return " ".join(filter(None, ("bold" if strong else "", STYLES[mark.tone])))
