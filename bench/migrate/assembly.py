"""A statement put together from the pieces that a script has of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.pieces import Piece, sent_text
from bench.model.statement import Statement, Stretch
from bench.sql.kinds import classify
from bench.sql.lexer import copies_stdin, skip_space
from bench.sql.syntax import error_in


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
