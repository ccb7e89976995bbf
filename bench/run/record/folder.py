"""A recording as a directory of SQL files, and the state that the command itself left behind."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from bench.errors import UsageError
from bench.migrate.tools.recorded import HEAD, MIGRATION, TOGETHER
from bench.model.run import Note
from bench.model.statement import PAUSE
from bench.pg.catalog import describe_schema
from bench.pg.contents import read_contents
from bench.run.record.divide import Line, Recorded

FILE = "recording.json"
MOST_TOLD = 10


@dataclass(frozen=True, slots=True)
class EndState:
    """What a database holds: its schema object by object, and a count and a checksum of each table."""

    schema: Mapping[str, str]
    rows: Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Recording:
    """What is known of a command that was recorded."""

    command: str
    """As typed, without passwords."""
    end: EndState
    data_key: str | None = None
    """Of the state before; with another one the end states cannot be equal."""
    remarks: tuple[str, ...] = field(default=())


def read_end(conn: psycopg.Connection[Any]) -> EndState:
    """The state of a connection's database; reads every row once."""
    contents = read_contents(conn)
    rows = {name: (total.rows, total.checksum) for name, total in contents.tables.items()}
    return EndState(describe_schema(conn), rows)


def differences(wanted: EndState, end: EndState) -> Iterator[str]:
    """What of the state that the command left is otherwise, object by object, then table by table."""
    for name in sorted({*wanted.schema, *end.schema}):
        if name not in end.schema:
            yield f"{name} is not there"
        elif name not in wanted.schema:
            yield f"{name} is there, and the command did not leave it"
        elif wanted.schema[name] != end.schema[name]:
            yield f"{name} is otherwise"
    for table in sorted({*wanted.rows} & {*end.rows}):
        (had, checksum), (has, other) = wanted.rows[table], end.rows[table]
        if had != has:
            yield f"{table} has {has:,} rows, and the command left {had:,}"
        elif checksum != other:
            yield f"{table} has other values in its {has:,} rows"


def note_on_end(recording: Recording, end: EndState, data_key: str | None) -> Note:
    """Whether a replay has come to the state that the command itself left, or what is otherwise."""
    if data_key != recording.data_key:
        return Note(
            "recording",
            "The state before is not the one on which the command was recorded: the ends are not compared.",
            incomplete=True,
        )
    told = list(differences(recording.end, end))
    if not told:
        return Note(
            "recording", "Repeated, the statements leave the same schema and the same rows as the command."
        )
    more = f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return Note(
        "recording",
        f"Repeated, the statements do not leave what the command left: {'; '.join(told[:MOST_TOLD])}{more}.",
        incomplete=True,
    )


def write_recording(directory: Path, recording: Recording, migrations: Sequence[Recorded]) -> None:
    """Write the suite's files and ``recording.json``. Raises UsageError where files are there already."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise UsageError(f"{directory} is not empty", "name a new directory, or empty this one")
        for number, migration in enumerate(migrations, start=1):
            name = f"{number:04d}_{_slug(migration.name)}.sql"
            (directory / name).write_text(_text(recording.command, migration), encoding="utf-8")
        (directory / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(recording), indent=1))
    except OSError as error:
        raise UsageError(f"{error.filename or directory}: cannot be written: {error.strerror}") from error


def read_recording(directory: Path) -> Recording | None:
    """The recording that a directory holds; None: it holds none. Raises UsageError for one that is broken."""
    path = directory / FILE
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Recording)
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"{path}: cannot be read: {error}", "record the command again") from error


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_")[:80] or "migration"


def _text(command: str, migration: Recorded) -> str:
    head = [f"{HEAD}{_one_line(command)}", f"{MIGRATION}{_one_line(migration.name)}"]
    lines = list(migration.lines)
    if migration.together:
        head.append(TOGETHER)
        lines = _without_own(lines)
    return "\n".join([*head, "", *(text for line in lines for text in _written(line)), ""])


def _without_own(lines: list[Line]) -> list[Line]:
    """Without the BEGIN before and the COMMIT after, which stand round all files of the transaction."""
    if lines and re.match(r"(?:BEGIN|START\s+TRANSACTION)\b", lines[0].text, re.IGNORECASE):
        lines = lines[1:]
    if lines and re.match(r"(?:COMMIT|END)\b", lines[-1].text, re.IGNORECASE):
        lines = lines[:-1]
    return lines


def _written(line: Line) -> Iterator[str]:
    if line.pause_s is not None:
        yield f"{PAUSE.format(line.pause_s)};"
    elif line.left_out is not None:
        yield f"-- not repeated, as {line.left_out}:"
        yield from (f"--   {part}" for part in line.text.splitlines())
    else:
        text = line.text.rstrip().rstrip(";").rstrip()
        yield f"{text}\n;" if "--" in text.splitlines()[-1] else f"{text};"


def _one_line(text: str) -> str:
    return " ".join(text.split())
