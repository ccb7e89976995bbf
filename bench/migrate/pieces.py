"""A script cut where psql cuts it, and statements put together from the pieces."""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from bench.errors import UsageError
from bench.migrate.metacommand import command_end
from bench.model.statement import Statement, Stretch
from bench.sql.kinds import classify
from bench.sql.lexer import WHITE_SPACE, Nesting, Reference, ReferenceForm, copies_stdin, find_end, skip_space
from bench.sql.strings import Strings
from bench.sql.tree import error_in

_BYTE_ORDER_MARK = "\ufeff"
_BLANK = re.compile(r"[ \t\n\r\f\v]*+")
_REST_OF_LINE = re.compile(r"[ \t\r\f\v]*+(?:--[^\n\r]*+\r?)?(?:\n|\Z)")
_END_OF_ROWS = re.compile(r"^\\\.\r?(?:\n|\Z)", re.MULTILINE)


class Values(Protocol):
    """psql's variables while a script is cut."""

    def __contains__(self, name: object, /) -> bool:
        """Whether the variable is set."""

    def replacement(self, name: str, form: ReferenceForm) -> str:
        """What a reference in this form becomes. LookupError, with a hint: the value is not known."""


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
    """For a statement, whether a semicolon ends it; if not, the file does, or it goes on after a command."""
    copies_stdin: bool = False
    """For a statement, whether it is ``COPY … FROM stdin``; not known where ``stretches`` are."""
    variables: tuple[tuple[int, str], ...] = ()
    """For a statement, (offset, name) of each ``:name`` that was passed over, as it is not set."""
    stretches: tuple[Stretch, ...] = ()
    """For a statement, what is sent where that is not its text, as variables have been replaced."""


@dataclass(slots=True)
class _Source:
    """The script, or the value of a variable that is read in place of its reference."""

    text: str
    at: int
    end: int
    name: str | None = None
    taken: int = 0
    """Offset up to which it has been taken into the statement."""

    def pass_to(self, offset: int) -> None:
        """Go on at an offset, and leave out what lies before it."""
        self.at = self.taken = offset


@dataclass(frozen=True, slots=True)
class _Except:
    """Variables but those whose values are being read: psql leaves a variable inside its own value."""

    values: Container[str]
    names: frozenset[str | None]

    def __contains__(self, name: object) -> bool:
        return name in self.values and name not in self.names


class _Lines:
    """Lines and columns of ever higher offsets."""

    def __init__(self, text: str, first_line: int) -> None:
        self._text = text
        self._offset = 0
        self._line = first_line
        self._begin = 0

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        if lines := self._text.count("\n", self._offset, offset):
            self._line += lines
            self._begin = self._text.rfind("\n", self._offset, offset) + 1
        self._offset = offset
        return self._line, offset - self._begin + 1


class Cutter:
    """Cuts a script from its beginning on, a piece at a time, so that commands can act in between.

    ``name`` is what errors call the script; ``strings`` is the setting of the session that it is part of;
    ``first_line`` is the line at which its text begins.
    """

    def __init__(
        self, text: str, name: str = "script", strings: Strings | None = None, first_line: int = 1
    ) -> None:
        self.nesting: Nesting | None = None
        """Of the statement that a meta-command has interrupted; None between statements."""
        self._name = name
        self._strings = strings or Strings()
        self._text = text
        self._lines = _Lines(text, first_line)
        self._file = _Source(text, 0, len(text))
        self._sources = [self._file]
        self._reference_place = (1, 1)
        self._reference_offset = 0
        self._line_ends = False
        self._mark = len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0

    def next(self, values: Values | None) -> Piece | None:
        """Cut the next piece, None at the end; ``values`` are put in place of references, None keeps them.

        UsageError: a variable whose value is not known, or is not a whole part of a statement.
        """
        text, position = self._text, self._file.at
        if self.nesting is None:
            self._pass_empty_values()
        if len(self._sources) > 1:
            return self._statement(position, values)
        if self.nesting is not None:
            if _is_command(text, position):
                return self._command()
            return self._statement(position, values) if position < len(text) else None
        end = self._mark or self._end_of_blank()
        self._mark, self._line_ends = 0, False
        if end > position:
            return self._cut("space", end)
        if position == len(text):
            return None
        code = skip_space(text, position)
        if code == len(text) or text[code] == ";":
            return self._cut("space", min(code + 1, len(text)))
        if _is_command(text, code):
            return self._cut("space", code) if code > position else self._command()
        return self._statement(code, values)

    def follow(self, text: str) -> None:
        """Go on as the session is after a statement was sent."""
        self._strings.follow(text)

    def rows(self) -> Sequence[Piece]:
        """Cut the rest of the line, the rows after it and the line that ends them.

        Nothing is cut where something else than a comment stands on the rest of the line.
        """
        self._pass_empty_values()
        rest = _REST_OF_LINE.match(self._text, self._file.at)
        if not rest or len(self._sources) > 1:
            return ()
        pieces = [self._cut("space", rest.end())]
        mark = _END_OF_ROWS.search(self._text, self._file.at)
        pieces.append(self._cut("rows", mark.start() if mark else len(self._text)))
        pieces.append(self._cut("space", mark.end() if mark else len(self._text)))
        return [piece for piece in pieces if piece.text or piece.kind == "rows"]

    def _end_of_blank(self) -> int:
        """Of the white space here, with a comment where a statement has just ended on the line."""
        rest = _REST_OF_LINE.match(self._text, self._file.at) if self._line_ends else None
        blank = rest or _BLANK.match(self._text, self._file.at)
        return blank.end() if blank else self._file.at

    def _pass_empty_values(self) -> None:
        """Leave the values in which nothing follows the statement that ended there."""
        while len(self._sources) > 1:
            value = self._sources[-1]
            value.pass_to(skip_space(value.text, value.at))
            if value.text.startswith(";", value.at):
                value.pass_to(value.at + 1)
            elif value.at == value.end:
                self._sources.pop()
            else:
                return

    def _command(self) -> Piece:
        return self._cut("command", command_end(self._text, self._file.at))

    def _cut(self, kind: Literal["rows", "command", "space"], end: int) -> Piece:
        begin, self._file.at = self._file.at, end
        return Piece(kind, self._text[begin:end], *self._lines.place(begin))

    def _statement(self, code: int, values: Values | None) -> Piece:
        """Cut a statement, or what there is of it before a meta-command."""
        begin, nesting = self._file.at, self.nesting or Nesting()
        place = self._lines.place(begin)
        if len(self._sources) == 1:
            self._file.at = code
        self._file.taken = begin
        stretches: list[Stretch] = []
        unset: list[tuple[int, str]] = []
        while True:
            source = self._sources[-1]
            ending = find_end(
                source.text, source.at, nesting, self._visible(values), standard=self._strings.standard
            )
            stretches.append(self._take(source, ending.position))
            unset += [(self._offset_of(source, offset), name) for offset, name in ending.variables]
            if ending.reference is not None and values is not None:
                stretches += self._replace(source, ending.reference, values)
            elif ending.by == "backslash" and source.text.startswith("\\:", ending.position):
                stretches.append(Stretch(":", *self._place_of(source), verbatim=False))
                source.pass_to(ending.position + 2)
            elif source is self._file or ending.by == "semicolon":
                break
            elif ending.by == "backslash" and ending.position == source.end:
                self._sources.pop()
            else:
                raise self._refuse_value(source, ending.by)
        self.nesting = nesting if ending.by == "backslash" else None
        self._line_ends = self.nesting is None
        return Piece(
            "statement",
            self._text[begin : self._file.at],
            *place,
            code=code - begin,
            closed=ending.by == "semicolon",
            copies_stdin=ending.copies_stdin,
            variables=tuple((max(offset - begin, 0), name) for offset, name in unset),
            stretches=tuple(stretches) if len(stretches) > 1 or not stretches[0].verbatim else (),
        )

    def _take(self, source: _Source, end: int) -> Stretch:
        """What lies before an offset, and stands in the file where the source or its reference does."""
        begin, source.taken, source.at = source.taken, end, end
        place = self._lines.place(begin) if source is self._file else self._place_of(source)
        return Stretch(source.text[begin:end], *place, verbatim=source is self._file)

    def _place_of(self, source: _Source) -> tuple[int, int]:
        """Of what is put in at this point of a source."""
        return self._lines.place(source.at) if source is self._file else self._reference_place

    def _offset_of(self, source: _Source, offset: int) -> int:
        return offset if source is self._file else self._reference_offset

    def _replace(self, source: _Source, reference: Reference, values: Values) -> list[Stretch]:
        """Go on in the value of a plain reference; put any other form of it in its place."""
        self._reference_place = place = self._place_of(source)
        self._reference_offset = self._offset_of(source, reference.offset)
        source.pass_to(reference.end)
        try:
            text = values.replacement(reference.name, reference.form)
        except LookupError as unknown:
            raise UsageError(
                f"{self._name}:{place[0]}: psql's variable :{reference.name} is not known before the "
                "migration runs",
                hint=str(unknown.args[0]),
            ) from None
        if reference.form != "plain":
            return [Stretch(text, *place, verbatim=False)]
        # The backslash stops the search where no quote or comment of the value is open.
        self._sources.append(_Source(text + "\\", 0, len(text), reference.name))
        return []

    def _visible(self, values: Values | None) -> Container[str] | None:
        """The variables to replace; one inside its own value stays, as psql leaves it."""
        if len(self._sources) == 1 or values is None:
            return values
        return _Except(values, frozenset(source.name for source in self._sources))

    def _refuse_value(self, source: _Source, by: str) -> UsageError:
        return UsageError(
            f"{self._name}:{self._reference_place[0]}: the value of psql's variable :{source.name} "
            + ("holds a meta-command" if by == "backslash" else "ends inside a quote or comment"),
            hint="write it into the file; a value is part of a statement, or whole statements",
        )


def _is_command(text: str, position: int) -> bool:
    """Whether a meta-command begins here; ``\\:`` is a colon that begins no reference."""
    return text.startswith("\\", position) and not text.startswith("\\:", position)


def split_script(text: str, values: Values | None = None) -> list[Piece]:
    """Split a script where psql does: at semicolons outside quotes, parentheses and routine bodies.

    A comment on the line where a statement ends stays with that line, not with the next statement.
    Commands are not acted on, and without ``values`` nothing is refused. Time is linear in the text.
    """
    cutter = Cutter(text)
    pieces: list[Piece] = []
    while (piece := cutter.next(values)) is not None:
        pieces.append(piece)
        if piece.kind == "statement" and piece.closed:
            cutter.follow(statement_text(piece))
        if piece.copies_stdin and piece.closed:
            pieces += cutter.rows()
    return pieces


def statement_text(piece: Piece) -> str:
    """What is sent of a statement's piece. It starts where the piece starts."""
    sent = "".join(stretch.text for stretch in piece.stretches) if piece.stretches else piece.text
    return sent_text(sent, closed=piece.closed)


def sent_text(text: str, *, closed: bool) -> str:
    """A statement without the final semicolon, if that closes it, and outer white space."""
    return (text[:-1] if closed else text).rstrip(WHITE_SPACE)


def assemble(
    path: Path, pieces: Sequence[Piece], index: int, file: str | None, *, of_psql: bool = True
) -> tuple[Statement, bool]:
    """The statement that the pieces make, and whether the rows of its COPY follow.

    UsageError: a variable is not set, and the text is no SQL as it stands; ``of_psql``: it is psql's.
    """
    first, last = pieces[0], pieces[-1]
    stretches: tuple[Stretch, ...] = ()
    if len(pieces) == 1 and not first.stretches:
        text, copies = sent_text(first.text, closed=first.closed), first.copies_stdin
    else:
        stretches = tuple(stretch for piece in pieces for stretch in _stretches(piece))
        text = sent_text("".join(stretch.text for stretch in stretches), closed=last.closed)
        copies = copies_stdin(text)
    statement = Statement(
        index=index,
        line=first.line + first.text.count("\n", 0, first.code),
        text=text,
        kind=classify(text).kind,
        first_line=first.line,
        first_column=first.column,
        file=file,
        stretches=stretches,
    )
    _refuse_unset(path, pieces, statement, of_psql=of_psql)
    return statement, copies


def is_empty(pieces: Sequence[Piece]) -> bool:
    """Whether the pieces hold nothing to execute, as happens where variables have been replaced."""
    if not any(piece.stretches for piece in pieces):
        return False
    text = "".join(stretch.text for piece in pieces for stretch in _stretches(piece)).removesuffix(";")
    return skip_space(text, 0) == len(text)


def _stretches(piece: Piece) -> tuple[Stretch, ...]:
    return piece.stretches or (Stretch(piece.text, piece.line, piece.column, verbatim=True),)


def _refuse_unset(path: Path, pieces: Sequence[Piece], statement: Statement, *, of_psql: bool) -> None:
    """Where the grammar stumbles over a reference; ``a[1:n]`` is SQL, which psql leaves alone."""
    passed_over = [(piece, offset, name) for piece in pieces for offset, name in piece.variables]
    error = error_in(statement.text) if passed_over else None
    if error is None:
        return
    place = statement.locate(max(error.cursorpos, 1))
    for piece, offset, name in passed_over:
        if Stretch(piece.text, piece.line, piece.column, verbatim=True).locate(offset) == place:
            if not of_psql:
                raise UsageError(
                    f"{path}:{place[0]}: placeholder :{name} has no value",
                    hint=f'say it in suite.toml beside the migrations: [placeholders] "{name}" = "…"',
                )
            raise UsageError(
                f"{path}:{place[0]}: psql's variable :{name} is not set",
                hint=f"\\set {name} to a value before it, or write the value into the statement",
            )
