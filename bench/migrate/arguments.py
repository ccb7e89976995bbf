"""The arguments of a meta-command, as psql reads them (``src/bin/psql/psqlscanslash.l``)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.migrate.pieces import Values
from bench.sql.lexer import REFERENCE, reference_at

_SPACE = re.compile(r"[ \t\n\r\f\v]*+")
_PLAIN = re.compile(r"""[^ \t\n\r\f\v\\'"`:]++""")
_IN_QUOTES = re.compile(r"[^'\\]++")
_ESCAPED = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "b": "\b", "r": "\r", "f": "\f"}


class BadArgument(ValueError):
    """An argument that psql refuses, or whose value only a shell knows; says why."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument, its quotes taken off and its variables replaced."""

    text: str
    bare: int
    """Number of characters at its end that were in no quotes and no variable."""

    def without_semicolons(self) -> str:
        """The text without the semicolons at its end, as ``\\i`` takes it."""
        tail = self.text[len(self.text) - self.bare :]
        return self.text[: len(self.text) - self.bare] + tail.rstrip(";")


def read_arguments(text: str, values: Values) -> list[Argument]:
    """Read what follows a command's name, up to the end of the line or a backslash outside quotes.

    BadArgument: an open quote, a command for the shell, a NUL or bytes that are not UTF-8. LookupError: a
    variable whose value is not known.
    """
    arguments: list[Argument] = []
    position = _after(_SPACE, text, 0)
    while position < len(text) and text[position] != "\\":
        argument, position = _read_argument(text, position, values)
        arguments.append(argument)
        position = _after(_SPACE, text, position)
    return arguments


def _read_argument(text: str, position: int, values: Values) -> tuple[Argument, int]:
    read = bytearray()
    bare = 0
    while position < len(text) and text[position] not in " \t\n\r\f\v\\":
        part, end, is_bare = _read_part(text, position, values)
        read += part
        bare = bare + len(part.decode(errors="replace")) if is_bare else 0
        position = end
    if b"\0" in read:
        raise BadArgument("a NUL")
    try:
        return Argument(read.decode(), bare), position
    except UnicodeDecodeError as error:
        raise BadArgument("bytes that are not UTF-8") from error


def _read_part(text: str, position: int, values: Values) -> tuple[bytes, int, bool]:
    """The next part, the offset after it, and whether it stands bare."""
    char = text[position]
    if char == "'":
        part, end = _read_quoted(text, position + 1)
        return part, end, False
    if char == "`":
        raise BadArgument("a command for the shell")
    if char == '"':
        end = text.find('"', position + 1) + 1
        if not end:
            raise BadArgument("an open quote")
        return text[position:end].encode(), end, False
    if char == ":" and (found := REFERENCE.match(text, position)):
        reference = reference_at(found)
        if reference.form == "test" or reference.name in values:
            return values.replacement(reference.name, reference.form).encode(), reference.end, False
        # psql takes no part of an unset variable for bare, and leaves it as it stands.
        return found[0].encode(), reference.end, False
    end = _after(_PLAIN, text, position) if char != ":" else position + 1
    return text[position:end].encode(), end, True


def _read_quoted(text: str, position: int) -> tuple[bytes, int]:
    """What stands in single quotes, and the offset after them."""
    read = bytearray()
    while position < len(text):
        if plain := _IN_QUOTES.match(text, position):
            read += plain[0].encode()
            position = plain.end()
        elif text.startswith("''", position):
            read += b"'"
            position += 2
        elif text[position] == "'":
            return bytes(read), position + 1
        elif escaped := _ESCAPED.match(text, position):
            octal, hexadecimal, letter = escaped.groups()
            code = int(octal, 8) % 256 if octal else int(hexadecimal, 16) if hexadecimal else None
            read += bytes([code]) if code is not None else _LETTERS.get(letter, letter).encode()
            position = escaped.end()
        else:
            break
    raise BadArgument("an open quote")


def _after(pattern: re.Pattern[str], text: str, position: int) -> int:
    found = pattern.match(text, position)
    return found.end() if found else position
