"""Checks that can be planned for, as the server prints them: lists, ranges, lengths, two columns in order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Limits:
    """What the checks say of one column."""

    values: list[str] | None = None
    low: str | None = None
    """As a literal; inclusive unless ``low_open``."""
    low_open: bool = False
    high: str | None = None
    high_open: bool = False
    shortest: int = 0
    longest: int | None = None
    required: bool = False
    empty: bool = False
    """NULL in every row, as the alternative of a check that was chosen wants it."""
    above: str | None = None
    """A column that this one must not be below."""
    opaque: list[str] = field(default_factory=list)
    """Expressions that are not understood."""


_CAST = r"(?:::[a-z_\"][a-z0-9_ \".]*(?:\(\d+(?:,\d+)?\))?(?:\[\])?)"
_LITERAL = rf"\(?(?:'((?:[^']|'')*)'|\(?(-?\d+(?:\.\d+)?)\)?){_CAST}*\)?{_CAST}*"


def split_and(expression: str) -> list[str]:
    """The parts of a conjunction, without outer brackets."""
    return _split(expression, " AND ")


def split_or(expression: str) -> list[str]:
    """The parts of a disjunction, without outer brackets."""
    return _split(expression, " OR ")


def _split(expression: str, word: str) -> list[str]:
    text = _unwrap(expression)
    parts, depth, quoted, start = [], 0, False, 0
    position = 0
    while position < len(text):
        character = text[position]
        if character == "'":
            quoted = not quoted
        elif not quoted and character in "([":
            depth += 1
        elif not quoted and character in ")]":
            depth -= 1
        elif not quoted and depth == 0 and text.startswith(word, position):
            parts.append(text[start:position])
            position += len(word) - 1
            start = position + 1
        position += 1
    parts.append(text[start:])
    return [text] if len(parts) == 1 else [piece for part in parts for piece in _split(part, word)]


def _unwrap(text: str) -> str:
    text = text.strip()
    while text.startswith("(") and _closes_at_end(text):
        text = text[1:-1].strip()
    return text


def _closes_at_end(text: str) -> bool:
    depth, quoted = 0, False
    for position, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted and character == "(":
            depth += 1
        elif not quoted and character == ")":
            depth -= 1
            if depth == 0:
                return position == len(text) - 1
    return False


def apply_check(expression: str, names: Sequence[str], limits: dict[str, Limits]) -> None:
    """Put what a check says into the limits of its columns, each by its name (VALUE for a domain)."""
    for part in split_and(expression):
        if not apply_part(part, names, limits):
            for name in names:
                limits[name].opaque.append(part)


def mentioned(name: str, part: str) -> bool:
    """Whether a part of a check names a column."""
    return re.search(rf"(?<![\w$\"]){_spelled(name)}(?![\w$\"])", part) is not None


def apply_part(part: str, names: Sequence[str], limits: dict[str, Limits]) -> bool:
    """Put one part of a check into the limits of its columns; False where it is not understood."""
    if len(names) == 1:
        return _one_column(part, _spelled(names[0]), limits[names[0]])
    for first in names:
        for second in names:
            pattern = rf"\(*{_spelled(first)}\)*{_CAST}* (>=|>|<=|<) \(*{_spelled(second)}\)*{_CAST}*\)*"
            if first != second and (match := re.fullmatch(pattern, part)):
                higher, lower = (first, second) if ">" in match[1] else (second, first)
                if limits[higher].above is not None or limits[lower].above is not None:
                    return False
                limits[higher].above = lower
                return True
    return False


def _spelled(name: str) -> str:
    """A column as the server prints it, cast or not."""
    plain = re.fullmatch(r"[a-z_][a-z0-9_$]*|VALUE", name)
    quoted = '"' + name.replace('"', '""') + '"'
    return rf"(?:\(?(?:{re.escape(name)}|{re.escape(quoted)})\)?{_CAST}*)" if plain else re.escape(quoted)


def _one_column(part: str, column: str, limits: Limits) -> bool:
    if re.fullmatch(rf"\(?{column} IS NOT NULL\)?", part):
        limits.required = True
        return True
    listed = re.fullmatch(rf"{column} = ANY \(+ARRAY\[(.*)\]\)*{_CAST}*\)+", part, re.DOTALL)
    single = re.fullmatch(rf"{column} = {_LITERAL}", part)
    if listed or single:
        values = _literals(listed[1] if listed else part.split(" = ", 1)[1])
        if values:
            limits.values = [v for v in values if limits.values is None or v in limits.values]
        return bool(values)
    alternative = re.fullmatch(rf"\(?{column} IS NULL\)? OR (.*)", part, re.DOTALL)
    if alternative:
        return all(_one_column(name, column, limits) for name in split_and(alternative[1]))
    length = re.fullmatch(
        rf"\(?(?:char_length|length|character_length)\({column}\)\)? (>=|>|<=|<|=) (\d+)", part
    )
    if length:
        return _length(length[1], int(length[2]), limits)
    bounded = re.fullmatch(rf"{column} (>=|>|<=|<) {_LITERAL}", part)
    if bounded:
        return _bound(bounded[1], bounded[2] if bounded[2] is not None else bounded[3], limits)
    filled = re.fullmatch(rf"{column} <> ''{_CAST}*", part)
    if filled:
        limits.shortest = max(limits.shortest, 1)
    return bool(filled)


def _literals(text: str) -> list[str]:
    found = []
    for match in re.finditer(rf"(?:'((?:[^']|'')*)'|(?<![\w.])(-?\d+(?:\.\d+)?)){_CAST}*", text):
        found.append(match[1].replace("''", "'") if match[1] is not None else match[2])
    return found


def _length(operator: str, number: int, limits: Limits) -> bool:
    low = {">=": number, ">": number + 1, "=": number}.get(operator)
    high = {"<=": number, "<": number - 1, "=": number}.get(operator)
    if low is not None:
        limits.shortest = max(limits.shortest, low)
    if high is not None:
        limits.longest = high if limits.longest is None else min(limits.longest, high)
    return True


def _bound(operator: str, literal: str, limits: Limits) -> bool:
    if ">" in operator:
        if limits.low is not None:
            return False
        limits.low, limits.low_open = literal, operator == ">"
    else:
        if limits.high is not None:
            return False
        limits.high, limits.high_open = literal, operator == "<"
    return True
