"""A statement sent as its file has it, and the server's refusal in our words."""

from __future__ import annotations

import re

import psycopg
from psycopg.rows import TupleRow

from bench.model.statement import Statement, StatementError

_COPY_LINE = re.compile(r"^COPY .*, line (\d+)", re.MULTILINE)


def execute(conn: psycopg.Connection[TupleRow], statement: Statement) -> int | None:
    """Send the statement's own text and wait for its end.

    Returns the rows that it returned or changed, None for a command that has no such count.
    Raises psycopg.Error.
    """
    with conn.cursor() as cursor:
        if statement.copy_data is not None:
            with cursor.copy(statement.text.encode()) as copy:
                copy.write(statement.copy_data)
        else:
            cursor.execute(statement.text.encode(), prepare=False)
        return cursor.rowcount if cursor.rowcount >= 0 else None


def describe_error(error: psycopg.Error, statement: Statement) -> StatementError:
    """What the server said; the line and column are the file's where the server points at one."""
    diag = error.diag
    line, column = statement.line, None
    if diag.statement_position:
        line, column = statement.locate(int(diag.statement_position))
    elif statement.copy_data is not None and (row := _COPY_LINE.search(diag.context or "")):
        # The rows begin on the line after the one on which the statement ends.
        line = statement.locate(len(statement.text) + 1)[0] + int(row[1])
    return StatementError(
        sqlstate=error.sqlstate,
        message=diag.message_primary or str(error).strip() or type(error).__name__,
        detail=diag.message_detail,
        hint=diag.message_hint,
        line=line,
        column=column,
        context=diag.context,
    )
