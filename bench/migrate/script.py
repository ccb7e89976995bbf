"""Reading of a migration file: the statements that psql would send for it, in order."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.division import read_pieces
from bench.migrate.metacommand import (
    CONDITIONALS,
    INCLUDES,
    RELATIVE_INCLUDES,
    SENDS,
    command_arguments,
    command_name,
    refusal,
)
from bench.migrate.migration import Part, find_file, name_beside, read_text
from bench.migrate.pieces import Cutter, Piece, assemble, is_empty
from bench.migrate.psql import Argument, BadArgument, Conditionals, Undo, read_arguments, read_copy
from bench.migrate.variables import Variables, parse_boolean
from bench.model.statement import Statement, Stretch
from bench.sql.kinds import classify
from bench.sql.strings import Strings


def read_statements(
    path: Path, variables: Mapping[str, str] | None = None, *, of_database: bool = False
) -> tuple[Statement, ...]:
    """Read the statements of a file and of those that it includes; none where it holds only comments.

    ``variables`` are psql's, by name: those that ``psql -v`` would set, and those that psql has from the
    server. Files that a command names are looked for in the working directory, as psql does, and then
    beside the file that names them. ``of_database``: it makes a database and connects to it, as what pg_dump
    wrote with --create does; the connection is the caller's.

    UsageError, with file and line: a file that cannot be read, is not UTF-8 or holds a NUL; a meta-command
    that cannot be rehearsed, or is used wrongly; a variable that is not set, or not known beforehand.
    """
    return read_part(Part(path), variables, of_database=of_database)


def read_part(
    part: Part, variables: Mapping[str, str] | None = None, *, of_database: bool = False
) -> tuple[Statement, ...]:
    """Read the statements of what goes one way, as its runner divides it; see :func:`read_statements`.

    Commands and variables are psql's alone. UsageError as there, and where the runner would refuse the part.
    """
    if part.cutting == "psql":
        session = _Session(part.path, Variables({**(variables or {}), **dict(part.variables)}), of_database)
        _Script(part.path, session, part.text).read()
        return tuple(session.statements)
    text = read_text(part.path) if part.text is None else part.text
    return tuple(_traced_back(part, piece) for piece in read_pieces(part.path, text, part.cutting))


def _traced_back(part: Part, statement: Statement) -> Statement:
    """With the file and lines that it comes from, where its runner has put files together."""
    if not part.origins:
        return statement
    file, line = part.origins[statement.line - 1]
    first = part.origins[(statement.first_line or statement.line) - 1][1]
    return replace(statement, file=file, line=line, first_line=min(first, line))


def statements_of(text: str) -> tuple[str, ...]:
    """The statements of SQL that pg_restore wrote without rows; what it tells psql is passed over."""
    cutter, statements = Cutter(text, "the dump"), []
    while (piece := cutter.next(None)) is not None:
        if piece.kind == "statement" and not is_empty([piece]):
            statements.append(piece.text[piece.code :])
    return tuple(statements)


@dataclass(slots=True)
class _Session:
    """What a file shares with those that it includes."""

    migration: Path
    variables: Variables
    of_database: bool = False
    statements: list[Statement] = field(default_factory=list)
    including: list[tuple[Path, int]] = field(default_factory=list)
    """The files that wait for the end of one that they include, each with the line that names it."""
    strings: Strings = field(default_factory=Strings)
    stops: bool = False
    """The file itself has psql stop at the first error."""


class _Script:
    """One file, read from its beginning to its end."""

    def __init__(self, path: Path, session: _Session, text: str | None = None) -> None:
        self._path = path
        self._session = session
        self._file = None if path == session.migration else name_beside(path, session.migration)
        self._cutter = Cutter(read_text(path) if text is None else text, str(path), session.strings)
        self._conditionals = Conditionals(self._mark)
        self._open: list[Piece] = []
        """Parts of a statement that meta-commands have interrupted."""

    def read(self) -> None:
        """Add the file's statements to those of the session."""
        # psql replaces nothing in a branch that it skips.
        while (piece := self._cutter.next(self._values if self._conditionals.active else None)) is not None:
            if piece.kind == "command":
                self._command(piece)
            elif piece.kind == "statement" and self._conditionals.active:
                self._open.append(piece)
                if piece.closed:
                    self._end_statement()
        if (line := self._conditionals.open_line) is not None:
            raise UsageError(f"{self._path}:{line}: psql's \\if has no \\endif", hint="add \\endif")
        if self._open:
            self._end_statement()

    @property
    def _values(self) -> Variables:
        return self._session.variables

    def _mark(self) -> Undo:
        count, nesting = len(self._open), copy(self._cutter.nesting)

        def undo() -> None:
            del self._open[count:]
            self._cutter.nesting = nesting

        return undo

    def _end_statement(self) -> None:
        pieces, self._open = self._open, []
        if is_empty(pieces):
            return
        statement, copies = assemble(self._path, pieces, len(self._session.statements), self._file)
        if copies:
            last = pieces[-1]
            rows = self._rows(last.line + last.text.count("\n"))
            statement = replace(statement, copy_data=rows)
        self._cutter.follow(statement.text)
        self._session.statements.append(replace(statement, stops=self._session.stops))

    def _rows(self, line: int) -> str:
        for piece in self._cutter.rows():
            if piece.kind == "rows":
                return piece.text
        raise UsageError(
            f"{self._path}:{line}: text after COPY … FROM stdin on the same line",
            hint="the rows begin on the next line; move what follows below them",
        )

    def _command(self, piece: Piece) -> None:
        """Do what psql does, or say what to try where that cannot be."""
        name = command_name(piece.text)
        if name in CONDITIONALS:
            self._conditional(piece, name)
        elif not self._conditionals.active:
            if name == ".":
                raise self._refused(piece, "psql reads the rows of a COPY that it skips as SQL; use INSERT")
        elif name in SENDS:
            self._send(piece)
        elif name == "set":
            self._set(piece)
        elif name == "unset":
            self._unset(piece)
        elif name in INCLUDES:
            self._include(piece, relative=name in RELATIVE_INCLUDES)
        elif name == "copy":
            self._copy(piece)
        elif name in ("echo", "qecho"):
            self._echo(piece)
        elif name in ("c", "connect") and self._session.of_database:
            return
        elif (hint := refusal(piece.text)) is not None:
            raise self._refused(piece, hint)

    def _refused(self, piece: Piece, hint: str, why: str = "cannot be rehearsed") -> UsageError:
        return UsageError(f"{self._path}:{piece.line}: psql's \\{command_name(piece.text)} {why}", hint=hint)

    def _arguments(self, piece: Piece) -> list[Argument]:
        try:
            return read_arguments(command_arguments(piece.text), self._values)
        except BadArgument as error:
            raise self._refused(piece, "write the argument out", f"has {error}") from None
        except LookupError as error:
            raise self._refused(
                piece, str(error.args[0]), "has a variable that is not known before the migration runs"
            ) from None

    def _conditional(self, piece: Piece, name: str) -> None:
        def condition() -> bool:
            text = " ".join(argument.text for argument in self._arguments(piece))
            value = parse_boolean(text)
            if value is None:
                hint = "write true or false, on or off, 1 or 0, or \\set the variable to one of them"
                raise self._refused(piece, hint, f'has no condition that is true or false: "{text}"')
            return value

        try:
            if name == "if":
                self._conditionals.begin(piece.line, condition)
            elif name == "elif":
                self._conditionals.next_branch(condition)
            elif name == "else":
                self._conditionals.last_branch()
            else:
                self._conditionals.end()
        except ValueError as error:
            raise self._refused(piece, str(error), "is out of place") from None

    def _send(self, piece: Piece) -> None:
        if self._cutter.nesting is None:
            raise self._refused(piece, "remove it, or write out the statement that it would run again")
        if self._arguments(piece):
            raise self._refused(
                piece, "end the statement with a semicolon", "with arguments cannot be rehearsed"
            )
        self._cutter.nesting = None
        self._end_statement()

    def _set(self, piece: Piece) -> None:
        name, *values = [argument.text for argument in self._arguments(piece)] or [""]
        if not name:
            return  # it prints all variables
        try:
            self._values.set(name, "".join(values))
        except ValueError as error:
            raise self._refused(piece, str(error)) from None
        self._session.stops = self._session.stops or name == "ON_ERROR_STOP"

    def _echo(self, piece: Piece) -> None:
        """Keep what psql prints, with the statement that it is printed after."""
        if self._session.statements and "`" not in piece.text:
            try:
                words = read_arguments(command_arguments(piece.text), self._values)
            except (BadArgument, LookupError):
                return
            last = self._session.statements[-1]
            said = " ".join(word.text for word in words).removeprefix("-n ")
            self._session.statements[-1] = replace(last, echoes=(*last.echoes, (piece.line, said)))

    def _unset(self, piece: Piece) -> None:
        name, *_ = [argument.text for argument in self._arguments(piece)] or [""]
        try:
            self._values.unset(name)
        except ValueError as error:
            raise self._refused(piece, str(error)) from None

    def _include(self, piece: Piece, *, relative: bool) -> None:
        self._must_stand_between(piece)
        arguments = self._arguments(piece)
        name = arguments[0].without_semicolons() if arguments else ""
        path = self._find(piece, name, relative=relative)
        here = (self._path, piece.line)
        chain = [*self._session.including, here]
        if any(path.samefile(waiting) for waiting, _ in chain):
            places = " → ".join(f"{waiting}:{line}" for waiting, line in chain)
            raise self._refused(piece, f"{places} → {path}", f"includes {path} again, without end")
        self._session.including.append(here)
        _Script(path, self._session).read()
        self._session.including.pop()

    def _copy(self, piece: Piece) -> None:
        self._must_stand_between(piece)
        try:
            read = read_copy(command_arguments(piece.text))
        except ValueError as error:
            raise self._refused(piece, str(error)) from None
        file = None if read.file is None else str(self._find(piece, read.file))
        self._session.statements.append(
            Statement(
                index=len(self._session.statements),
                line=piece.line,
                text=read.sql,
                kind=classify(read.sql).kind,
                copy_data=self._rows(piece.line) if file is None else None,
                file=self._file,
                copy_file=file,
                stretches=(Stretch(read.sql, piece.line, piece.column, verbatim=False),),
                stops=self._session.stops,
            )
        )

    def _find(self, piece: Piece, name: str, *, relative: bool = False) -> Path:
        path = find_file(name, self._path, relative=relative) if name else None
        if path is None:
            where = f'beside "{self._path}"' if relative else f'here or beside "{self._path}"'
            raise self._refused(piece, f"there is no such file {where}", f'cannot find "{name}"')
        return path

    def _must_stand_between(self, piece: Piece) -> None:
        if self._cutter.nesting is not None:
            hint = "move it between two statements"
            raise self._refused(piece, hint, "cannot be rehearsed inside a statement")
