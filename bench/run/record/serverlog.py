"""What a command sent, read from the server's own log: no proxy, and every client of every language.

``log_statement = all`` writes each statement before it runs, ``log_duration`` a line when it has ended; with
``jsonlog`` each line has its session. A query of several statements is logged once, whole; parameters of the
extended protocol come as texts in DETAIL.
https://www.postgresql.org/docs/current/runtime-config-logging.html#RUNTIME-CONFIG-LOGGING-JSONLOG
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from postgast import scan
from psycopg import sql

from bench.errors import ServerError

OLDEST = 150000
"""The first version with ``jsonlog``."""
SERVER_SETTINGS: Mapping[str, str] = {
    "logging_collector": "on",
    "log_destination": "stderr,jsonlog",
    "log_rotation_age": "0",
    "log_rotation_size": "0",
    "log_timezone": "UTC",
}
"""Of the server that a command is recorded on."""
DATABASE_SETTINGS: Mapping[str, str] = {
    "log_statement": "all",
    "log_duration": "on",
    "log_min_duration_statement": "-1",
    "log_min_messages": "warning",
    "log_min_error_statement": "error",
    "log_parameter_max_length": "-1",
    "log_error_verbosity": "default",
    "lc_messages": "C",
}
"""Of the database that the command gets; nobody else's statements are logged."""
CHUNK_BYTES = 8 * 2**20
MARK_TIMEOUT_S = 30.0

_STATEMENT = re.compile(r"(?:statement|execute (?P<fetch>fetch from )?(?P<name>.*?)): ", re.DOTALL)
_DURATION = re.compile(r"duration: [0-9.]+ ms\Z")
_FASTPATH = "fastpath function call: "
_PARAMETERS = re.compile(r"[Pp]arameters: ")
_VALUE = re.compile(r"\$(\d+) = (NULL|'(?:[^']|'')*')(?:, )?")


@dataclass(frozen=True, slots=True)
class Sent:
    """One query as a client sent it, with its parameters written into it."""

    session: str
    text: str
    began_s: float
    """Seconds since 1970, by the server's clock, to the millisecond."""
    ended_s: float
    sqlstate: str | None = None
    """Of the error that it ended with."""


def read_log(conn: psycopg.Connection[Any], dbname: str) -> tuple[Sent, ...]:
    """Everything that was sent to a database so far, in the order in which it began.

    Raises ServerError where the log does not come to its end in time, or is not there.
    """
    row = conn.execute("SELECT pg_current_logfile('jsonlog')").fetchone()
    if row is None or row[0] is None:
        raise ServerError(
            "the server writes no jsonlog, so nothing can be recorded", "use PostgreSQL 15 or newer"
        )
    entries = _until_now(conn, str(row[0]))
    return tuple(sent_in(entry for entry in entries if entry.get("dbname") == dbname))


def sent_in(entries: Iterable[Mapping[str, Any]]) -> Iterator[Sent]:
    """The queries of log entries, those of all sessions in the order in which they began."""
    sent: list[Sent] = []
    open_: dict[str, int] = {}
    for entry in entries:
        session, message = str(entry["session_id"]), str(entry.get("message", ""))
        moment_s = _moment_s(str(entry["timestamp"]))
        severity = entry.get("error_severity")
        if severity == "LOG" and (text := _text(message, entry.get("detail"))) is not None:
            open_[session] = len(sent)
            sent.append(Sent(session, text, moment_s, moment_s))
        elif session not in open_:
            continue
        elif severity == "LOG" and _DURATION.match(message):
            position = open_.pop(session)
            sent[position] = replace(sent[position], ended_s=moment_s)
        elif severity in ("ERROR", "FATAL", "PANIC"):
            position = open_.pop(session)
            sent[position] = replace(
                sent[position], ended_s=moment_s, sqlstate=str(entry.get("state_code", "XX000"))
            )
    yield from sent


def _moment_s(timestamp: str) -> float:
    """``2026-12-01 06:30:00.123 UTC``; the server logs in UTC, as its settings say."""
    return datetime.fromisoformat(timestamp.removesuffix(" UTC")).replace(tzinfo=UTC).timestamp()


def _text(message: str, detail: str | None) -> str | None:
    if message.startswith(_FASTPATH):
        return f"-- {message}"
    head = _STATEMENT.match(message)
    if head is None or head["fetch"]:
        return None
    return with_literals(message[head.end() :], parameters_in(detail or ""))


def parameters_in(detail: str) -> dict[int, str]:
    """Number of each parameter → its value as a literal without a type, or NULL."""
    head = _PARAMETERS.match(detail)
    if head is None:
        return {}
    return {int(number): _literal(value) for number, value in _VALUE.findall(detail, head.end())}


def _literal(value: str) -> str:
    """A literal that means the same whatever standard_conforming_strings says."""
    return f" E{value.replace(chr(92), chr(92) * 2)}" if "\\" in value else value


def with_literals(text: str, values: Mapping[int, str]) -> str:
    """The text with each ``$n`` outside quotes and comments replaced by its value."""
    if not values:
        return text
    data = text.encode()
    parts: list[bytes] = []
    done = 0
    for token in scan(text).tokens:
        word = data[token.start : token.end]
        if word.startswith(b"$") and word[1:].isdigit() and int(word[1:]) in values:
            parts += [data[done : token.start], values[int(word[1:])].encode()]
            done = token.end
    return b"".join([*parts, data[done:]]).decode()


def _until_now(conn: psycopg.Connection[Any], path: str) -> list[Mapping[str, Any]]:
    """The entries up to a mark that is set now: the collector writes a moment after the statement."""
    mark = f"pgrehearse mark {time.monotonic_ns()}"
    conn.execute(sql.SQL("DO {}").format(sql.Literal(f"BEGIN RAISE LOG '{mark}'; END")))
    deadline = time.monotonic() + MARK_TIMEOUT_S
    data = b""
    while mark.encode() not in data[-CHUNK_BYTES:]:
        if time.monotonic() > deadline:
            raise ServerError("the server's log did not come to its end", "look at the disk's room and load")
        row = conn.execute(
            "SELECT pg_read_binary_file(%s, %s, %s, true)", (path, len(data), CHUNK_BYTES)
        ).fetchone()
        piece = bytes(row[0]) if row and row[0] is not None else b""
        data += piece
        if not piece:
            conn.execute("SELECT pg_sleep(0.02)")
    return entries_in(data)


def entries_in(data: bytes) -> list[Mapping[str, Any]]:
    """The entries of a log: one to a line, which ends with a newline alone; the last one may be cut off."""
    *whole, _ = data.decode("utf-8", "replace").split("\n")
    return [json.loads(line) for line in whole if line.strip()]
