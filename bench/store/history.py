"""The history of a suite's runs: one line of JSON for each run and each accepted baseline."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import BinaryIO

import msgspec

from bench.analyse.compare.match import machine_digest
from bench.analyse.trend import Entry
from bench.errors import UsageError
from bench.model.record import Record, StatementRecord
from bench.store.results import unwritable

BASELINES = Path("results/baselines")
RUN_HISTORY = Path("results/history/runs.jsonl")


def accepted_history(suite: str, root: Path = BASELINES) -> Path:
    """The file of a suite's accepted baselines, stored with them."""
    return root / f"{suite}.history.jsonl"


def append(record: Record, file: Path) -> None:
    """Add a record's line in one write, so that runs side by side do not mix theirs.

    A line that was cut off before it stays a line of its own. Raises UsageError: the file cannot be written.
    """
    line = msgspec.json.encode(entry(record)) + b"\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+b", buffering=0) as lines:
            lines.write(b"" if _ends_a_line(lines) else b"\n")
            lines.write(line)
    except OSError as error:
        raise unwritable(file, len(line), error) from error


def _ends_a_line(file: BinaryIO) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


@dataclass(frozen=True, slots=True)
class Read:
    """A suite's entries, oldest first, and the lines that are none."""

    entries: tuple[Entry, ...]
    passed_over: tuple[str, ...]
    """``file:line: reason`` of each line that cannot be read: one that was cut off when it was written."""


def read(suite: str, files: Iterable[Path]) -> Read:
    """A suite's lines of all files that are there. Raises UsageError: a file cannot be read."""
    entries: list[Entry] = []
    passed_over = []
    for file in files:
        try:
            lines = file.read_bytes().splitlines() if file.exists() else []
        except OSError as error:
            raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
        for number, line in enumerate(lines, start=1):
            try:
                entry = msgspec.json.decode(line, type=Entry)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                passed_over.append(f"{file}:{number}: {error}")
                continue
            if entry.suite == suite:
                entries.append(entry)
    ordered = sorted(entries, key=lambda entry: (entry.started_at, entry.because is not None))
    return Read(tuple(ordered), tuple(passed_over))


def entry(record: Record) -> Entry:
    """One line: totals of the whole suite."""
    statements = [statement for migration in record.migrations for statement in migration.statements]
    return Entry(
        suite=record.suite,
        run_id=record.run_id,
        started_at=record.started_at,
        because=record.because,
        accepted_at=record.accepted_at,
        key=_key(record),
        postgresql=record.key.get("PostgreSQL version"),
        scale=record.key.get("scale"),
        processor=record.machine.get("processor"),
        durations_s=_totals(statements),
        wal_bytes=_counted(statements, "wal_bytes"),
        blocks=_counted(statements, "blocks"),
        statements=len(statements),
    )


def _key(record: Record) -> str:
    """The same for runs whose figures stand on one line: same data, server and machine."""
    told = "\n".join(f"{name}={value}" for name, value in sorted(record.key.items()))
    return hashlib.sha256(f"{told}\n{machine_digest(record.machine)}".encode()).hexdigest()[:16]


def _totals(statements: Sequence[StatementRecord]) -> tuple[float, ...]:
    """Seconds of all statements in each repeat that has them all."""
    repeats = zip(*(statement.durations_s for statement in statements), strict=False)
    known = [[value for value in repeat if value is not None] for repeat in repeats]
    return tuple(round(sum(group), 6) for group in known if len(group) == len(statements))


def _counted(statements: Sequence[StatementRecord], name: str) -> float | None:
    values = [[v for v in statement.counters.get(name, ()) if v is not None] for statement in statements]
    return sum(median(value) for value in values) if values and all(values) else None
