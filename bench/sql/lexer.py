"""Where a statement ends: PostgreSQL's lexical rules as psql applies them, on the exact source text.

Source of the rules: ``src/fe_utils/psqlscan.l`` and ``src/backend/parser/scan.l``. One difference from
psql, which reads line by line: ``E'a'`` continued by ``'b\\''`` on the next line stays an escape string, as
the server has it. Time is linear in the text: every pattern starts where the last ended, and its alternatives
differ in their first character, so that there is nothing to try twice. (Possessive groups would say so, but
Python before 3.11.5 matches them wrongly: https://github.com/python/cpython/issues/106052)
"""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

WHITE_SPACE = " \t\n\r\f\v"

# Every character beyond ASCII is a letter to PostgreSQL, white space of Unicode included. The classes name
# the ASCII characters that are none: Python takes 20 ms to compile one that names a million of letters.
_LETTER = r"[^\x00-@\[-^`{-\x7f]"
_LETTER_OR_DIGIT = r"[^\x00-/:-@\[-^`{-\x7f]"
_WITHIN_WORD = r"[^\x00-#%-/:-@\[-^`{-\x7f]"
_NO_WORD = r"[\x00-!#%&*+,.<-@\[\]^`{-\x7f]"
"""Neither part of a word or number, nor a character that may begin or end something."""
_WORD_END = rf"(?!{_WITHIN_WORD})"
_WORD = re.compile(rf"{_LETTER}{_WITHIN_WORD}*+")
_SPACE = re.compile(rf"(?:[{WHITE_SPACE}]++|--[^\n\r]*+){{0,4096}}")
_COMMENT_MARK = re.compile(r"/\*|\*/")
_ESCAPE_STRING = re.compile(r"[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*'(?!')", re.DOTALL)
_CONTINUATION = re.compile(r"(?:[ \t\f\v]++|--[^\n\r]*+)*[\n\r](?:[ \t\n\r\f\v]++|--[^\n\r]*+[\n\r])*'")
_DOLLAR_QUOTE = re.compile(rf"\$(?:{_LETTER}{_LETTER_OR_DIGIT}*+)?\$")
_NAME = f"({_LETTER_OR_DIGIT}++)"
REFERENCE = re.compile(rf""":(?:{_NAME}|'{_NAME}'|"{_NAME}"|\{{\?{_NAME}\}})""")


def _uneventful(*watched: str, standard: bool = True) -> re.Pattern[str]:
    """Text that neither opens nor closes anything, up to a character that may, or a watched word."""
    stop = rf"(?i:{'|'.join(watched)}){_WORD_END}|" if watched else ""
    tokens = (
        rf"{_NO_WORD}++",
        # A doubled quote closes and opens again, which comes to the same.
        *(["'[^']*+'"] if standard else []),
        '"[^"]*+"',
        rf"(?!{stop}[eE]'){_LETTER}{_WITHIN_WORD}*+",
        rf"[0-9][0-9.]*+(?:[eE][-+]|{_LETTER}{_WITHIN_WORD}*+)?",
        "::|:=",
        r"--[^\n\r]*+",
        "-",
        r"/(?!\*)",
    )
    return re.compile(f"(?:{'|'.join(tokens)}){{0,4096}}")


_PATTERNS = {
    (name, standard): _uneventful(*watched, standard=standard)
    for standard in (True, False)
    for name, watched in (("plain", ()), ("routine", ("begin", "case", "end")), ("copy", ("from",)))
}
"""By what is watched for, and whether plain strings have no escapes."""


ReferenceForm = Literal["plain", "literal", "identifier", "test"]
_FORMS: tuple[ReferenceForm, ...] = ("plain", "literal", "identifier", "test")


class Reference(NamedTuple):
    """``:name``, ``:'name'``, ``:"name"`` or ``:{?name}`` outside quotes and comments."""

    offset: int
    """Of its colon."""
    end: int
    name: str
    form: ReferenceForm


@dataclass(slots=True)
class Nesting:
    """How deep a statement is at some point; it goes on from there after a variable or a meta-command."""

    words: list[str] = field(default_factory=list)
    """Its leading words, in lower case, up to four."""
    in_head: bool = True
    """Whether nothing but these words and space has come."""
    parentheses: int = 0
    blocks: int = 0
    """Of ``BEGIN ATOMIC … END``."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Where a statement ends or is interrupted, and what stands in it that only psql understands."""

    position: int
    """Offset after the semicolon, of the backslash or the reference, or of the end of the text."""
    by: Literal["semicolon", "backslash", "reference", "end"]
    copies_stdin: bool
    """``COPY … FROM stdin``: its rows follow in the file."""
    variables: tuple[tuple[int, str], ...]
    """(offset, name) of each reference that was passed over, which psql would replace if it is set."""
    reference: Reference | None = None
    """The one that ``position`` is of."""


def reference_at(match: re.Match[str]) -> Reference:
    """The reference that :data:`REFERENCE` has matched."""
    form = match.lastindex or 1
    return Reference(match.start(), match.end(), match[form], _FORMS[form - 1])


def skip_space(text: str, position: int) -> int:
    """Offset of the first character that is neither white space nor comment.

    A block comment that nothing closes is not skipped: the server refuses it.
    """
    while True:
        position = _end(_SPACE, text, position)
        if not text.startswith("/*", position):
            return position
        end = _after_comment(text, position)
        if end is None:
            return position
        position = end


def leading_words(text: str, count: int, position: int = 0) -> list[str]:
    """Up to ``count`` words from ``position`` on, as written, until anything else than space comes."""
    return _read_words(text, count, position)[0]


def _read_words(text: str, count: int, position: int) -> tuple[list[str], int]:
    """The words, and the offset of what comes after them and the space behind them."""
    words: list[str] = []
    position = skip_space(text, position)
    while len(words) < count and (word := _WORD.match(text, position)):
        words.append(word[0])
        position = skip_space(text, word.end())
    return words, position


def find_end(
    text: str,
    start: int,
    nesting: Nesting | None = None,
    replaced: Container[str] | None = None,
    *,
    standard: bool = True,
) -> Ending:
    """Find the end of the statement whose first character of code is at ``start``.

    With a ``nesting``, the statement goes on at ``start``, and the nesting is brought up to date. With
    ``replaced``, the search stops at the first reference to one of these variables, and at ``:{?name}``.
    ``standard``: a backslash in a plain string escapes nothing.
    """
    nesting = nesting or Nesting()
    head_end = _read_head(nesting, text, start)
    copy = nesting.words[:1] == ["copy"]
    routine = _defines_routine(nesting.words)
    pattern = _PATTERNS["copy" if copy else "routine" if routine else "plain", standard]
    length = len(text)
    variables: list[tuple[int, str]] = []
    reference: Reference | None = None
    copies_stdin = False
    by: Literal["semicolon", "backslash", "reference", "end"] = "end"
    position = start
    while (position := _end(pattern, text, position)) < length:
        char = text[position]
        if char == ";" and nesting.parentheses == 0 and nesting.blocks == 0:
            position, by = position + 1, "semicolon"
            break
        if char == "\\":
            by = "backslash"
            break
        if char == "(":
            nesting.parentheses += 1
        elif char == ")":
            nesting.parentheses = max(nesting.parentheses - 1, 0)
        reference = _reference(text, position) if char == ":" else None
        if reference and _is_replaced(reference, replaced):
            by = "reference"
            break
        token_end = reference.end if reference else _token_end(text, position, char, standard=standard)
        if reference:
            variables.append((position, reference.name))
        elif char.isalpha() and text[token_end - 1] != "'" and nesting.parentheses == 0:
            if copy:
                copies_stdin = copies_stdin or _names_stdin(text, token_end)
            elif routine:
                nesting.blocks = _nesting(nesting.blocks, text[position:token_end].lower())
        position = token_end
    nesting.in_head = nesting.in_head and position == head_end
    return Ending(position, by, copies_stdin, tuple(variables), reference if by == "reference" else None)


def copies_stdin(text: str) -> bool:
    """Whether a whole statement is ``COPY … FROM stdin``."""
    return find_end(text, skip_space(text, 0)).copies_stdin


def _read_head(nesting: Nesting, text: str, start: int) -> int:
    """Read on in the leading words, and return where they end; ``start`` where they have ended before."""
    if not nesting.in_head:
        return start
    words, end = _read_words(text, 4 - len(nesting.words), start)
    nesting.words += [word.lower() for word in words]
    return end


def _reference(text: str, position: int) -> Reference | None:
    match = REFERENCE.match(text, position)
    return reference_at(match) if match else None


def _is_replaced(reference: Reference, replaced: Container[str] | None) -> bool:
    return replaced is not None and (reference.form == "test" or reference.name in replaced)


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    """Offset after all that the pattern matches, a stretch at a time so that memory is bounded."""
    while (match := pattern.match(text, position)) and match.end() > position:
        position = match.end()
    return position


def _defines_routine(words: list[str]) -> bool:
    head = (
        [word for word in words if word not in ("or", "replace")]
        if words[1:3] == ["or", "replace"]
        else words
    )
    return head[:1] == ["create"] and head[1:2] in (["function"], ["procedure"])


def _nesting(blocks: int, word: str) -> int:
    """Depth of ``BEGIN ATOMIC … END``; a CASE also ends with END, and counts only inside."""
    if word == "begin" or (word == "case" and blocks):
        return blocks + 1
    if word == "end" and blocks:
        return blocks - 1
    return blocks


def _names_stdin(text: str, position: int) -> bool:
    """Whether the word after FROM reads the client's input; STDOUT does too after FROM (gram.y)."""
    word = _WORD.match(text, skip_space(text, position))
    return word is not None and word[0].lower() in ("stdin", "stdout")


def _token_end(text: str, position: int, char: str, *, standard: bool) -> int:
    """Offset after the quoted text, comment, word or single character at ``position``."""
    if char == "'" and not standard:
        return _after_escape_string(text, position + 1)
    if char in "'\"":
        return len(text)  # nothing closes it, or it would have been passed over
    if char in "eE" and text.startswith("'", position + 1):
        return _after_escape_string(text, position + 2)
    if char == "$" and (tag := _DOLLAR_QUOTE.match(text, position)):
        return _after(text, tag[0], tag.end())
    if char == "/":
        return _after_comment(text, position) or len(text)
    return max(_end(_WORD, text, position), position + 1)


def _after(text: str, closing: str, position: int) -> int:
    end = text.find(closing, position)
    return len(text) if end < 0 else end + len(closing)


def _after_escape_string(text: str, position: int) -> int:
    while match := _ESCAPE_STRING.match(text, position):
        continuation = _CONTINUATION.match(text, match.end())
        if not continuation:
            return match.end()
        position = continuation.end()
    return len(text)


def _after_comment(text: str, position: int) -> int | None:
    """Offset after the block comment, those inside it included; None where nothing closes it."""
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, position):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return None
