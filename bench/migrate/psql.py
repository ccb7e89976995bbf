"""psql's commands that act on the client: arguments, ``\\if … \\endif``, ``\\copy``.

https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-META-COMMANDS
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from bench.migrate.pieces import Values
from bench.sql.lexer import REFERENCE, reference_at

Undo = Callable[[], None]


@dataclass(slots=True)
class _Block:
    line: int
    active: bool
    """Whether what stands here now is read."""
    settled: bool
    """Whether no later branch will be read: one has been, or the whole block is skipped."""
    in_else: bool = False
    undo: Undo | None = None
    """Takes back what a skipped branch added to the statement that it stands in."""


class Conditionals:
    """Which branch is read; ``mark`` is called where a skipped one begins, what it returned where it ends.

    Methods raise ValueError, saying why, where a command stands in no block or after ``\\else``.
    """

    def __init__(self, mark: Callable[[], Undo]) -> None:
        self._mark = mark
        self._blocks: list[_Block] = []

    @property
    def active(self) -> bool:
        """Whether what stands here is read, and not skipped."""
        return not self._blocks or self._blocks[-1].active

    @property
    def open_line(self) -> int | None:
        """Line of the innermost ``\\if`` that has no ``\\endif`` yet."""
        return self._blocks[-1].line if self._blocks else None

    def begin(self, line: int, condition: Callable[[], bool]) -> None:
        """``\\if``; the condition is evaluated only where it counts."""
        outer = self.active
        active = outer and condition()
        self._blocks.append(_Block(line, active, active or not outer, undo=None if active else self._mark()))

    def next_branch(self, condition: Callable[[], bool]) -> None:
        """``\\elif``."""
        block = self._block()
        if block.in_else:
            raise ValueError("it stands after \\else")
        self._leave(block)
        self._enter(block, active=not block.settled and condition())

    def last_branch(self) -> None:
        """``\\else``."""
        block = self._block()
        if block.in_else:
            raise ValueError("it stands after \\else")
        block.in_else = True
        self._leave(block)
        self._enter(block, active=not block.settled)

    def end(self) -> None:
        """``\\endif``."""
        self._leave(self._block())
        self._blocks.pop()

    def _block(self) -> _Block:
        if not self._blocks:
            raise ValueError("there is no \\if before it")
        return self._blocks[-1]

    def _leave(self, block: _Block) -> None:
        if block.undo is not None:
            block.undo()

    def _enter(self, block: _Block, *, active: bool) -> None:
        block.active, block.settled = active, block.settled or active
        block.undo = None if active else self._mark()


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
    if char == ":" and (match := REFERENCE.match(text, position)):
        reference = reference_at(match)
        if reference.form == "test" or reference.name in values:
            return values.replacement(reference.name, reference.form).encode(), reference.end, False
        # psql takes no part of an unset variable for bare, and leaves it as it stands.
        return match[0].encode(), reference.end, False
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
    match = pattern.match(text, position)
    return match.end() if match else position


_TOKEN = re.compile(
    r"""[ \t\n\r]*+(?:(?P<mark>[.,();])|(?P<text>(?:"[^"]*+"|'(?:[^'\\]|\\.|'')*'|[^ \t\n\r.,();"'])+))"""
)
_FILE = re.compile(r"[ \t\n\r]*+('(?:[^']|'')*'|[^ \t\n\r;]+)")
_STANDARD = frozenset({"stdin", "stdout"})


@dataclass(frozen=True, slots=True)
class ClientCopy:
    """A ``\\copy … from``."""

    sql: str
    """The COPY that psql sends."""
    file: str | None
    """Whose rows follow it; None: those below it in the script."""


def read_copy(arguments: str) -> ClientCopy:
    """Read what follows ``\\copy`` on its line; variables are not replaced there.

    ValueError, with a hint: it writes a file, runs a program, or is not understood.
    """
    position = 0
    depth = 0
    while token := _TOKEN.match(arguments, position):
        word = (token["text"] or "").lower()
        depth += {"(": 1, ")": -1}.get(token["mark"] or "", 0)
        if depth == 0 and word in ("from", "to"):
            break
        position = token.end()
    if not token or not arguments[:position].strip():
        raise ValueError("write \\copy table [(columns)] from 'file' [options]")
    if word == "to":
        raise ValueError("it writes a file on the client; take it out of the migration")
    source = _FILE.match(arguments, token.end())
    if not source:
        raise ValueError("write \\copy table [(columns)] from 'file' [options]")
    return _from(arguments[:position].strip(), source[1], arguments[source.end() :].strip())


def _from(target: str, source: str, options: str) -> ClientCopy:
    if source.lower() == "program":
        raise ValueError("a rehearsal runs no programs; write their output into a file")
    if source.lower() == "pstdin":
        raise ValueError("a rehearsal has no standard input; name a file")
    sql = f"COPY {target} FROM STDIN {options.rstrip(';')}".rstrip()
    if source.lower() in _STANDARD:
        return ClientCopy(sql, None)
    return ClientCopy(sql, source[1:-1].replace("''", "'") if source.startswith("'") else source)
