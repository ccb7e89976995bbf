"""Reading of a migration file: its statements, exactly as they stand there."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.errors import UsageError
from bench.migrate.kinds import classify
from bench.migrate.lexer import WHITE_SPACE, Ending, find_end, skip_space
from bench.migrate.metacommand import command_end, command_name, refusal, set_name
from bench.migrate.syntax import parses
from bench.model.statement import Statement

_BYTE_ORDER_MARK = "\ufeff"
_BLANK = re.compile(r"[ \t\n\r\f\v]*+")
_REST_OF_LINE = re.compile(r"[ \t\r\f\v]*+(?:--[^\n\r]*+\r?)?(?:\n|\Z)")
_END_OF_ROWS = re.compile(r"^\\\.\r?(?:\n|\Z)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a file; the texts of a file's pieces, joined, are the file."""

    kind: Literal["statement", "rows", "command", "space"]
    """``rows``: what follows ``COPY … FROM stdin``; ``command``: of psql; ``space``: nothing to execute."""
    text: str
    """A statement's begins with the comments before it and ends with its semicolon."""
    line: int
    """Line of its first character, from 1."""
    column: int
    """Column of its first character, from 1."""
    code: int = 0
    """For a statement, offset of the first character that is neither white space nor comment."""
    closed: bool = True
    """For a statement, whether a semicolon ends it."""
    copies_stdin: bool = False
    """For a statement, whether it is ``COPY … FROM stdin``."""
    variables: tuple[tuple[int, str], ...] = ()
    """For a statement, (offset, name) of each ``:name`` that psql would replace if it is set."""


class _Cutter:
    """Cuts a text from its beginning on, and counts the lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.pieces: list[Piece] = []
        self._line = 1
        self._column = 1

    def cut(self, kind: Literal["rows", "command", "space"], end: int) -> None:
        """Cut off what lies before ``end``; rows are kept where they are none, too."""
        if end > self.position or kind == "rows":
            self._append(Piece(kind, self.text[self.position : end], self._line, self._column))

    def cut_statement(self, code: int, ending: Ending) -> None:
        """Cut off the statement whose first character of code is at ``code``."""
        start = self.position
        self._append(
            Piece(
                "statement",
                self.text[start : ending.position],
                self._line,
                self._column,
                code=code - start,
                closed=ending.by == "semicolon",
                copies_stdin=ending.copies_stdin,
                variables=tuple((offset - start, name) for offset, name in ending.variables),
            )
        )

    def _append(self, piece: Piece) -> None:
        self.pieces.append(piece)
        self.position += len(piece.text)
        lines = piece.text.count("\n")
        self._line += lines
        self._column = len(piece.text) - piece.text.rfind("\n") + (0 if lines else self._column - 1)


def split_script(text: str) -> list[Piece]:
    """Split a script where psql does: at semicolons outside quotes, parentheses and routine bodies.

    A comment on the line where a statement ends stays with that line, not with the next statement.
    Nothing is refused here. Time is linear in the text.
    """
    cutter = _Cutter(text)
    cutter.cut("space", len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0)
    while cutter.position < len(text):
        blank = _BLANK.match(text, cutter.position)
        cutter.cut("space", blank.end() if blank else cutter.position)
        code = skip_space(text, cutter.position)
        if code == len(text):
            cutter.cut("space", code)
        elif text[code] == ";":
            cutter.cut("space", code + 1)
        elif text[code] == "\\":
            cutter.cut("space", code)
            cutter.cut("command", command_end(text, code))
        else:
            _cut_statement(cutter, code)
    return cutter.pieces


def _cut_statement(cutter: _Cutter, code: int) -> None:
    """Cut a statement, the rest of its last line if nothing but a comment, and the rows of a COPY."""
    ending = find_end(cutter.text, code)
    cutter.cut_statement(code, ending)
    rest = _REST_OF_LINE.match(cutter.text, cutter.position)
    if ending.by == "backslash" or not rest:
        return
    cutter.cut("space", rest.end())
    if ending.copies_stdin:
        mark = _END_OF_ROWS.search(cutter.text, cutter.position)
        cutter.cut("rows", mark.start() if mark else len(cutter.text))
        cutter.cut("space", mark.end() if mark else len(cutter.text))


def read_statements(path: Path) -> tuple[Statement, ...]:
    """Read the statements of a file, in order; none where it holds only comments.

    UsageError: the file cannot be read, is not UTF-8 or holds a NUL (with the byte's offset), or uses
    psql beyond SQL: a meta-command that does something, or a variable (with the line).
    """
    pieces = split_script(read_text(path))
    statements: list[Statement] = []
    variables_set: set[str] = set()
    for position, piece in enumerate(pieces):
        if piece.kind == "command":
            _refuse_command(path, piece, inside=position > 0 and not pieces[position - 1].closed)
            variables_set |= {set_name(piece.text) or ""}
        elif piece.kind == "statement":
            _refuse_variables(path, piece, variables_set)
            rows = _rows_after(path, pieces, position) if piece.copies_stdin else None
            statements.append(_as_statement(len(statements), piece, rows))
    return tuple(statements)


def read_text(path: Path) -> str:
    """The file's text, line ends as they are. UsageError: unreadable, not UTF-8, or with a NUL."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        raise UsageError(
            f"{path}: not UTF-8 at byte {error.start} (0x{data[error.start]:02x})",
            hint="it looks like UTF-16; save it as UTF-8" if utf16 else "save the file as UTF-8",
        ) from error
    if (nul := data.find(b"\0")) >= 0:
        raise UsageError(f"{path}: NUL at byte {nul}", hint="PostgreSQL accepts no NUL in SQL; remove it")
    return text


def _as_statement(index: int, piece: Piece, rows: str | None) -> Statement:
    text = statement_text(piece)
    return Statement(
        index=index,
        line=piece.line + piece.text.count("\n", 0, piece.code),
        text=text,
        kind=classify(text).kind,
        copy_data=rows,
        first_line=piece.line,
        first_column=piece.column,
    )


def statement_text(piece: Piece) -> str:
    """What is sent: without the final semicolon and outer white space. It starts where the piece starts."""
    text = piece.text[:-1] if piece.closed else piece.text
    return text.rstrip(WHITE_SPACE)


def _rows_after(path: Path, pieces: Sequence[Piece], position: int) -> str:
    for piece in pieces[position + 1 : position + 3]:
        if piece.kind == "rows":
            return piece.text
    raise UsageError(
        f"{path}:{_last_line(pieces[position])}: text after COPY … FROM stdin on the same line",
        hint="the rows begin on the next line; move what follows below them",
    )


def _last_line(piece: Piece) -> int:
    return piece.line + piece.text.count("\n")


def _refuse_command(path: Path, piece: Piece, *, inside: bool) -> None:
    """Refuse a meta-command that has an effect, and any inside a statement."""
    hint = refusal(piece.text)
    if inside or hint is not None:
        raise UsageError(
            f"{path}:{piece.line}: psql's \\{command_name(piece.text)} cannot be rehearsed"
            f"{' inside a statement' if inside else ''}",
            hint=hint or "move it between two statements",
        )


def _refuse_variables(path: Path, piece: Piece, variables_set: Set[str]) -> None:
    """Refuse what psql would replace; ``a[1:n]`` is SQL, which psql leaves alone unless n is set."""
    for offset, name in piece.variables:
        if name in variables_set or not parses(statement_text(piece)):
            line = piece.line + piece.text.count("\n", 0, offset)
            raise UsageError(
                f"{path}:{line}: psql's variable :{name} cannot be rehearsed",
                hint="write the value into the file",
            )
