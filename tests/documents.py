"""What a test asks a document for: its tables by their titles, its facts, and all that it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bench.analyse.conclude import Conclusion
from bench.report.document import Block, Card, Facts, Folded, Section, Table, text_of
from bench.report.render import markdown
from bench.report.sections.validation import validation


def blocks_of(blocks: Iterable[Block]) -> Iterator[Block]:
    """Every block of a document, those inside others too."""
    for block in blocks:
        yield block
        if isinstance(block, Section | Folded | Card):
            yield from blocks_of(block.blocks)


def tables_of(*blocks: Block) -> dict[str, Table]:
    """The tables by their titles, the first of each title."""
    tables: dict[str, Table] = {}
    for block in blocks_of(blocks):
        if isinstance(block, Table):
            tables.setdefault(block.title, block)
    return tables


def facts_of(*blocks: Block) -> dict[str, str]:
    """All facts by their names, without marks."""
    lists = (block for block in blocks_of(blocks) if isinstance(block, Facts))
    return {label: text_of(value) for facts in lists for label, value in facts.rows}


def rows_of(table: Table) -> list[tuple[str, ...]]:
    """A table's cells without marks."""
    return [tuple(map(text_of, row)) for row in table.rows]


def cell(table: Table | None, row: int, column: str) -> str:
    """One cell without marks."""
    assert table is not None
    return rows_of(table)[row][[title.title for title in table.columns].index(column)]


def validation_text(conclusion: Conclusion) -> str:
    """The validation of a run as Markdown."""
    return markdown.render((validation(conclusion),))
