"""The history of a suite's runs: one line of JSON for each run and each accepted baseline."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median

import msgspec

from bench.analyse.compare.key import machine_digest
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

    Raises UsageError: the file cannot be written.
    """
    line = msgspec.json.encode(entry(record)) + b"\n"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab", buffering=0) as lines:
            lines.write(line)
    except OSError as error:
        raise unwritable(file, len(line), error) from error


def read(suite: str, files: Iterable[Path]) -> tuple[Entry, ...]:
    """A suite's lines of all files that are there, oldest first.

    A last line that was cut off is left out. Raises UsageError for any other that is no line of a history.
    """
    found: list[Entry] = []
    for file in files:
        lines = file.read_bytes().splitlines() if file.exists() else []
        for number, line in enumerate(lines, start=1):
            try:
                each = msgspec.json.decode(line, type=Entry)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                if number == len(lines):
                    continue
                raise UsageError(f"{file}:{number}: no line of a history: {error}") from error
            if each.suite == suite:
                found.append(each)
    return tuple(sorted(found, key=lambda each: (each.started_at, each.because is not None)))


def entry(record: Record) -> Entry:
    """One line: totals of the whole suite."""
    statements = [each for migration in record.migrations for each in migration.statements]
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
    repeats = zip(*(each.durations_s for each in statements), strict=False)
    known = [[value for value in repeat if value is not None] for repeat in repeats]
    return tuple(round(sum(each), 6) for each in known if len(each) == len(statements))


def _counted(statements: Sequence[StatementRecord], name: str) -> float | None:
    values = [[v for v in each.counters.get(name, ()) if v is not None] for each in statements]
    return sum(median(each) for each in values) if values and all(values) else None
