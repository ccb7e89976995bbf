"""What a danger is: its code, what it puts at risk, how it is found, and its page.

The page is the docstring of the function that finds it. It says what the danger is and then, each after
its own word at the beginning of a line: ``Why:`` it hurts, the ``Way out:``, an ``Example:`` that has it and
what is written ``Instead:``, both indented, and the ``Source:`` of the rule. Tests run both.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from bench.analyse.dangers.evidence import Rehearsed
from bench.model.finding import Finding

Risk = Literal["Data loss", "Downtime", "Partial failure", "Performance", "Security", "Data integrity"]
RISKS: tuple[Risk, ...] = get_args(Risk)
Find = Callable[[Rehearsed], Iterator[Finding]]

_LABEL = re.compile(r"^(Why|Way out|Example|Instead|Source):[ \n]", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to know of a danger, in plain English and in SQL that runs."""

    what: str
    why: str
    way_out: str
    example: str
    """SQL of a migration, or commands, that have it."""
    instead: str
    """What to write in its place, without it; empty where there is no such SQL, as ``way_out`` then says."""
    sources: tuple[str, ...]
    """Addresses of what the rule rests on."""


@dataclass(frozen=True, slots=True)
class Danger:
    """One kind of finding."""

    code: str
    title: str
    """In a few words, as a heading."""
    risk: Risk | None
    """What it puts at risk; None where it is about words alone."""
    find: Find
    """Its findings in a rehearsal, in the order of the files."""
    explains_block: bool = False
    """It says why a lock on an existing relation was held for as long as it was."""
    is_condition: bool = True
    """Whether a finding of it that is no mere note counts for the verdict."""

    @property
    def page(self) -> Page:
        """What its docstring says. ValueError where one of its parts is missing."""
        return read_page(self.find.__doc__ or "")


def danger(
    code: str, title: str, risk: Risk | None, *, explains_block: bool = False, is_condition: bool = True
) -> Callable[[Find], Danger]:
    """Makes a danger of the function that finds it."""

    def made(find: Find) -> Danger:
        return Danger(code, title, risk, find, explains_block, is_condition)

    return made


def read_page(text: str) -> Page:
    """The parts of a danger's docstring. ValueError, with the part, where one is missing."""
    what, *rest = _LABEL.split(inspect.cleandoc(text))
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    for part in ("Why", "Way out", "Example", "Source"):
        if not parts.get(part, "").strip():
            raise ValueError(f"the page does not say: {part}")
    return Page(
        what=_words(what),
        why=_sentence(parts["Why"]),
        way_out=_sentence(parts["Way out"]),
        example=_lines(parts["Example"]),
        instead=_lines(parts.get("Instead", "")),
        sources=tuple(parts["Source"].split()),
    )


def _words(text: str) -> str:
    """One paragraph for each of the text, whatever its lines."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def _sentence(text: str) -> str:
    words = _words(text)
    return words[:1].upper() + words[1:]


def _lines(text: str) -> str:
    return inspect.cleandoc(f"\n{text.strip(chr(10))}").strip()
