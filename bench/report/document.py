"""A report as a tree that knows no medium: what is said, in which order, and what kind of thing each part is.

Sections build it once; :mod:`bench.report.render` makes a terminal's lines, Markdown or HTML of it.
All text in it is raw: escaping is the renderers' work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from markupsafe import Markup

Tone = Literal["", "good", "warn", "bad", "unknown", "unreached", "stopped"]
"""What a status means, whatever it is about; each medium has a sign or a colour for it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A piece of a line that is more than prose."""

    text: str
    kind: Literal["code", "strong", "status", "detail", "number"]
    tone: Tone = ""
    href: str = ""
    """An anchor of the page, ``#m1-s3``; the other media leave it out."""
    strong: bool = False
    key: float | None = None
    """What a table that the reader sorts takes for a number."""


Words: TypeAlias = str | Mark | tuple["Words", ...]
"""A line of text: prose and marks, nested as they were put together."""


def code(text: str, href: str = "") -> Mark:
    """A name, an SQL text or a place, said letter by letter."""
    return Mark(text, "code", href=href)


def strong(text: str) -> Mark:
    """What the eye should find."""
    return Mark(text, "strong")


def status(word: str, tone: Tone, *, strong: bool = False) -> Mark:
    """A state in a word, with the sign that the medium has for its tone."""
    return Mark(word, "status", tone, strong=strong)


def detail(text: str) -> Mark:
    """What stands small below the rest of a cell; a terminal has no room for it."""
    return Mark(text, "detail")


def number(text: str, key: float, href: str = "") -> Mark:
    """A figure as it is written, and as a table is sorted by it."""
    return Mark(text, "number", key=key, href=href)


def joined(separator: str, parts: Iterable[Words]) -> Words:
    """The parts with a separator between them."""
    together: list[Words] = []
    for part in parts:
        together += [separator, part] if together else [part]
    return tuple(together)


def inlines(words: Words) -> Iterator[str | Mark]:
    """The pieces of a line in their order, empty ones left out."""
    if isinstance(words, tuple):
        for part in words:
            yield from inlines(part)
    elif isinstance(words, Mark) or words:
        yield words


def text_of(words: Words) -> str:
    """A line without its marks."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in inlines(words))


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Prose."""

    words: Words
    role: Literal["text", "lead", "remark"] = "text"
    """``lead``: tells how to read what follows; ``remark``: small print below it."""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    items: tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and their values."""

    rows: tuple[tuple[str, Words], ...]
    title: str = ""
    head: tuple[str, str] | None = None
    """Of the two columns, in media that need one; without it they are a list there."""
    shape: Literal["list", "tiles", "grid"] = "list"
    """How the page sets them: as tiles, the first piece of each value large, or side by side."""


@dataclass(frozen=True, slots=True)
class Column:
    """How a column of a table is set."""

    title: str
    number: bool = False
    gives_way: bool = False
    """Cut, where a line has not room for all."""
    roomy: bool = False
    """Left out on a terminal."""


def columns(*titles: str) -> tuple[Column, ...]:
    """Columns of fixed titles, before which stand ``>`` for numbers, ``…`` for what gives way, ``~`` for
    what needs room.
    """
    return tuple(map(_column, titles))


def named(titles: Iterable[str]) -> tuple[Column, ...]:
    """Columns of words, whatever their titles are."""
    return tuple(map(Column, titles))


def _column(title: str) -> Column:
    name = title.lstrip(">…~")
    signs = title[: len(title) - len(name)]
    return Column(name, number=">" in signs, gives_way="…" in signs, roomy="~" in signs)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, as many in each as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Words, ...], ...]
    title: str = ""
    note: Words = ""
    """Small print below it."""


@dataclass(frozen=True, slots=True)
class Code:
    """Lines that are said letter by letter."""

    text: str
    language: str = "sql"


@dataclass(frozen=True, slots=True)
class Figure:
    """A picture that was drawn for the run, by its name; the page alone has it."""

    name: str


@dataclass(frozen=True, slots=True)
class Html:
    """What the page alone can show: a diagram, something to click."""

    markup: Markup


@dataclass(frozen=True, slots=True)
class Folded:
    """What is there for who wants it."""

    summary: Words
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One thing to look at, apart from the others."""

    tone: Tone
    blocks: tuple[Block, ...]
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """What stopped something: shown so that nobody misses it."""

    words: Words


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part, with sections of its own in it."""

    title: Words
    blocks: tuple[Block, ...]
    anchor: str = ""
    """By which the page links to it."""

    @property
    def sections(self) -> tuple[Section, ...]:
        """The sections in it, not those deeper down."""
        return tuple(block for block in self.blocks if isinstance(block, Section))


Said: TypeAlias = Paragraph | Bullets | Facts | Table | Code | Failure
Shown: TypeAlias = Figure | Html
Block: TypeAlias = Said | Shown | Folded | Card | Section
