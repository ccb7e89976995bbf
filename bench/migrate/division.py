"""How runners other than psql divide what goes one way into the statements that they send."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.metacommand import command_name
from bench.migrate.migration import Cutting
from bench.migrate.pieces import Cutter, assemble, is_empty
from bench.model.statement import Statement
from bench.sql.kinds import classify
from bench.sql.lexer import WHITE_SPACE, skip_space

_MARK = re.compile(r"[ \t]*--[ \t]*\+(?:goose|migrate)[ \t]+(\w+)", re.IGNORECASE)
_SEMICOLON_OF_PLAY = re.compile(r"(?<!;);(?!;)")


def read_pieces(path: Path, text: str, cutting: Cutting) -> tuple[Statement, ...]:
    """The statements of a text. UsageError, with file and line, for what the runner could not send."""
    divide: dict[Cutting, Callable[[Path, str], Iterator[Statement]]] = {
        "line ends": _by_lines,
        "play": _by_single_semicolons,
    }
    pieces = divide.get(cutting, _by_semicolons)(path, text)
    return tuple(replace(statement, index=index) for index, statement in enumerate(pieces))


def _by_semicolons(path: Path, text: str, first_line: int = 1) -> Iterator[Statement]:
    """Where PostgreSQL's grammar has them; psql's variables and commands are none here."""
    cutter = Cutter(text, str(path), first_line=first_line)
    while (piece := cutter.next(None)) is not None:
        if piece.kind == "command":
            raise UsageError(
                f"{path}:{piece.line}: \\{command_name(piece.text)} is a command of psql, which the "
                "migration tool would send to the server as SQL",
                hint="take it out; the server refuses it with a syntax error (42601)",
            )
        if piece.kind != "statement" or is_empty([piece]):
            continue
        statement, copies = assemble(path, [piece], 0, None, of_psql=False)
        if copies:
            rows = next((rest.text for rest in cutter.rows() if rest.kind == "rows"), None)
            statement = replace(statement, copy_data=rows)
        yield statement


def _by_lines(path: Path, text: str) -> Iterator[Statement]:
    """As goose and sql-migrate do: a statement ends with a line whose last word before ``--`` ends in ``;``.

    Between StatementBegin and StatementEnd no line ends one. What ends inside a statement is sent as it is.
    """
    buffer: list[str] = []
    begun, grouped = 0, False
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        mark = _MARK.match(line)
        word = mark[1].lower() if mark else ""
        if word == "statementbegin":
            grouped = True
        elif word == "statementend":
            grouped = False
            yield from _sent(path, "".join(buffer), begun)
            buffer = []
        elif not mark and (buffer or (line.strip() and not line.lstrip().startswith("--"))):
            begun = begun if buffer else number
            buffer.append(line)
            if not grouped and _ends_statement(line):
                yield from _sent(path, "".join(buffer), begun)
                buffer = []
    if skip_space(rest := "".join(buffer), 0) < len(rest):
        raise UsageError(
            f"{path}:{begun}: no semicolon at the end of a line ends this statement, so the migration tool "
            "refuses the file",
            hint="end it with a semicolon, or put it between StatementBegin and StatementEnd",
        )


def _ends_statement(line: str) -> bool:
    last = ""
    for word in line.split():
        if word.startswith("--"):
            break
        last = word
    return last.endswith(";")


def _sent(path: Path, text: str, line: int) -> Iterator[Statement]:
    """The statements of one query, or the query as it stands where it ends inside one."""
    if skip_space(text, 0) == len(text):
        return
    cutter, closed = Cutter(text, str(path), first_line=line), True
    while (piece := cutter.next(None)) is not None:
        if piece.kind == "statement":
            closed = piece.closed
    if closed or (cutter.nesting is None and _whole(text)):
        yield from _by_semicolons(path, text, line)
    else:
        yield _statement(text.strip(WHITE_SPACE), line, text)


def _whole(text: str) -> bool:
    return classify(text.strip(WHITE_SPACE)).parsed


def _statement(sent: str, line: int, raw: str) -> Statement:
    code = skip_space(sent, 0)
    above = raw[: len(raw) - len(raw.lstrip(WHITE_SPACE))].count("\n")
    first = line + above
    return Statement(
        index=0,
        line=first + sent.count("\n", 0, code),
        text=sent,
        kind=classify(sent).kind,
        first_line=first,
    )


def _by_single_semicolons(path: Path, text: str) -> Iterator[Statement]:
    """As Play does: at single semicolons, wherever they stand; two of them are one in the statement."""
    begin, line = 0, 1
    for end in [*(match.start() for match in _SEMICOLON_OF_PLAY.finditer(text)), len(text)]:
        part = text[begin:end]
        if skip_space(part, 0) < len(part):
            yield _statement(part.replace(";;", ";").strip(WHITE_SPACE), line, part)
        line += text.count("\n", begin, end)
        begin = end + 1
