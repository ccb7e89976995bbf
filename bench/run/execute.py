"""A statement sent as its file has it, and the server's refusal in our words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from bench.errors import UsageError
from bench.model.run import ServerInfo
from bench.model.statement import CURRENT_DATABASE, Statement, StatementError
from bench.observe.notices import inner_line
from bench.pg.globals import writing_down_roles

COPY_BYTES = 1 << 17
"""Of a file at a time; psycopg sends as much at once."""
NOT_IN_TRANSACTION = frozenset({"25001", "2D000", "55P04"})
"""active_sql_transaction, invalid_transaction_termination, unsafe_new_enum_value_usage.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_TO_STDOUT = re.compile(r"\bTO\s+STDOUT\b", re.IGNORECASE)
_COPY_LINE = re.compile(r"^COPY .*, line (\d+)", re.MULTILINE)


def psql_variables(info: ServerInfo) -> dict[str, str]:
    """The variables that psql takes from the server, and a migration may ask for."""
    return {"SERVER_VERSION_NUM": str(info.version_num)}


def execute(
    conn: psycopg.Connection[TupleRow], statement: Statement, *, roles_stay: bool = False
) -> int | None:
    """Send the statement's own text and wait for its end.

    ``roles_stay``: roles that it makes on a server that is not ours are not dropped with the run.
    Returns the rows that it returned or changed, None for a command that has no such count.
    Raises psycopg.Error; UsageError where the file of a ``\\copy`` can no longer be read.
    """
    noting = nullcontext() if roles_stay else writing_down_roles(conn, statement.text)
    with conn.cursor() as cursor, noting:
        return execute_with(cursor, statement)


def execute_with(cursor: psycopg.Cursor[TupleRow], statement: Statement) -> int | None:
    """As :func:`execute`, with a cursor that keeps what was returned."""
    if statement.copy_file is not None:
        _copy_file(cursor, statement.text, Path(statement.copy_file))
    elif statement.copy_data is not None:
        with cursor.copy(statement.text.encode()) as copy:
            copy.write(statement.copy_data)
    elif statement.kind == "COPY" and _TO_STDOUT.search(statement.text):
        with cursor.copy(statement.text.encode()) as copy:
            for _ in copy:
                pass  # psql prints the rows; what is not fetched would keep the session from going on
    else:
        text = statement.text
        if CURRENT_DATABASE in text:
            name = cursor.connection.info.dbname
            text = text.replace(CURRENT_DATABASE, sql.Identifier(name).as_string(cursor))
        cursor.execute(text.encode(), prepare=False)
    return cursor.rowcount if cursor.rowcount >= 0 else None


def _copy_file(cursor: psycopg.Cursor[TupleRow], text: str, path: Path) -> None:
    """Send the file's bytes as they are, a part at a time, as psql does."""
    try:
        with path.open("rb") as rows, cursor.copy(text.encode()) as copy:
            while part := rows.read(COPY_BYTES):
                copy.write(part)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def first_failure(
    conn: psycopg.Connection[TupleRow], statements: Iterable[Statement]
) -> tuple[Statement, psycopg.Error] | None:
    """Execute statements on a session up to the first that fails; returns it with its error."""
    for statement in statements:
        try:
            execute(conn, statement)
        except psycopg.Error as error:
            return statement, error
    return None


def describe_error(error: psycopg.Error, statement: Statement) -> StatementError:
    """What the server said; the line and column are the file's where the server points at one."""
    diag = error.diag
    line, column = statement.line, None
    if diag.statement_position:
        line, column = statement.locate(int(diag.statement_position))
    elif (inner := inner_line(statement, diag.context)) is not None:
        line = inner
    elif statement.copy_data is not None and (row := _COPY_LINE.search(diag.context or "")):
        # The rows begin on the line after the one on which the statement ends.
        line = statement.locate(len(statement.text) + 1)[0] + int(row[1])
    return StatementError(
        sqlstate=error.sqlstate,
        message=diag.message_primary or str(error).strip() or type(error).__name__,
        detail=diag.message_detail,
        hint=_hint(error.sqlstate, diag.message_hint, statement),
        line=line,
        column=column,
        context=diag.context,
        constraint=diag.constraint_name,
    )


def _hint(sqlstate: str | None, hint: str | None, statement: Statement) -> str | None:
    """The server's hint, and whose transaction it is that the statement cannot run in."""
    ours = statement.outside if sqlstate in NOT_IN_TRANSACTION else None
    return " ".join(part for part in (hint, ours) if part) or None
