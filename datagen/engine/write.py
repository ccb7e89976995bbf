"""Write a plan to files: CSV or COPY's binary format, with a psql script that loads them, or Parquet."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

from datagen.engine.blocks import Shard, binary_block, blocks
from datagen.engine.columns import Block, columns_of
from datagen.engine.encode import HEADER, TRAILER
from datagen.engine.plan import Plan
from datagen.engine.progress import Listener, Meter
from datagen.errors import UsageError

Format = Literal["csv", "binary", "parquet"]


_ENDINGS: dict[Format, str] = {"csv": "csv", "binary": "copy", "parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One table's file."""

    table: str
    path: Path
    rows: int
    bytes: int
    sha256: str


def write(
    directory: Path,
    plan: Plan,
    *,
    form: Format = "csv",
    progress: Listener | None = None,
) -> tuple[WrittenFile, ...]:
    """One file per table, and load.sql for those that COPY reads, into a new or empty directory.

    Raises UsageError where the directory holds files, BenchError where they cannot be written.
    """
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise UsageError(f"{directory} is not an empty directory", "give a new directory")
    meter = Meter(progress)
    meter.begin("copy", plan.total_rows)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        files = tuple(_write_table(directory, plan, table, form, meter) for table in plan.rows)
        if form != "parquet":
            script = "".join(_copy_line(plan, file, form) for file in files)
            (directory / "load.sql").write_text(script, encoding="utf-8")
    except OSError as error:
        hint = "free some space, or write less: --scale, --rows" if error.errno == errno.ENOSPC else None
        raise UsageError(f"writing to {directory}: {error.strerror}", hint) from error
    return files


def digest(plan: Plan, shard: Shard, *, block_rows: int) -> str:
    """SHA-256 of a shard's rows in COPY's binary format: the same for any block size."""
    result = sha256()
    for block in blocks(plan, shard, block_rows):
        for piece in binary_block(block):
            result.update(piece)
    return result.hexdigest()


def _write_table(directory: Path, plan: Plan, table: str, form: Format, meter: Meter) -> WrittenFile:
    path = directory / f"{table}.{_ENDINGS[form]}"
    if form == "parquet":
        return _write_parquet(path, plan, table, meter)
    hashed = sha256()
    size = 0
    with path.open("wb") as file:
        for rows, data in _chunks(plan, table, form):
            file.write(data)
            hashed.update(data)
            size += len(data)
            meter.add(rows, len(data))
    return WrittenFile(table, path, plan.rows[table], size, hashed.hexdigest())


def _write_parquet(path: Path, plan: Plan, table: str, meter: Meter) -> WrittenFile:
    from datagen.engine.arrow import write_parquet

    with path.open("wb") as file:
        for rows in write_parquet(file, plan, table):
            meter.add(rows)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = path.stat().st_size
    meter.add(0, size)
    return WrittenFile(table, path, plan.rows[table], size, digest)


def _chunks(plan: Plan, table: str, form: Format) -> Iterator[tuple[int, bytes | memoryview]]:
    yield 0, HEADER if form == "binary" else f"{','.join(_names(plan, table))}\n".encode()
    encoded = binary_block if form == "binary" else _csv_block
    for block in blocks(plan, Shard(table, 0, plan.rows[table])):
        for piece in encoded(block):
            yield 0, piece
        yield len(block.rows), b""
    if form == "binary":
        yield 0, TRAILER


def _csv_block(block: Block) -> Iterator[memoryview]:
    from datagen.engine.arrow import csv_block  # Arrow's 40 MB are for files alone

    yield csv_block(block)


def _names(plan: Plan, table: str) -> list[str]:
    return [column.name for column in columns_of(plan, table)]


def _copy_line(plan: Plan, file: WrittenFile, form: Format) -> str:
    names = ", ".join(_names(plan, file.table))
    options = "FORMAT csv, HEADER" if form == "csv" else "FORMAT binary"
    return f"\\copy {file.table} ({names}) FROM '{file.path.name}' WITH ({options})\n"
