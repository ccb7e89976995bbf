"""Files copied with a checksum of each, a few at a time."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

STREAMS = 4
PART_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Copied:
    """One file as it was read."""

    bytes: int
    crc: int
    """CRC-32 of its bytes."""


def copy_files(files: Sequence[tuple[Path, Path]], *, sync: bool) -> list[Copied]:
    """Copy (from, to) files, in whose order the result is; ``sync`` writes each through to the disk.

    Where the file system can share blocks between files, the copies do. Raises OSError.
    """
    with ThreadPoolExecutor(STREAMS) as pool:
        return list(pool.map(lambda pair: _copy_file(*pair, sync=sync), files))


def sync_file(path: Path) -> Copied:
    """Write a file through to the disk, and say what is in it."""
    copied = _read(path)
    write_through(path)
    return copied


def _copy_file(source: Path, target: Path, *, sync: bool) -> Copied:
    copied = _read(source)
    if hasattr(os, "copy_file_range"):
        _copy_range(source, target, copied.bytes)
    else:
        shutil.copyfile(source, target)
    target.chmod(0o600)
    if sync:
        write_through(target)
    return copied


def _copy_range(source: Path, target: Path, size: int) -> None:
    """Let the system copy, which shares the blocks where it can (XFS, Btrfs); else byte by byte."""
    with source.open("rb") as reader, target.open("wb") as writer:
        try:
            left = size
            while left and (done := os.copy_file_range(reader.fileno(), writer.fileno(), left)):
                left -= done
        except OSError:  # not between these two file systems
            writer.seek(0)
            writer.truncate()
            reader.seek(0)
            shutil.copyfileobj(reader, writer, PART_BYTES)


def _read(path: Path) -> Copied:
    size = crc = 0
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            crc = zlib.crc32(part, crc)
            size += len(part)
    return Copied(size, crc)


def write_through(path: Path) -> None:
    """Wait until a file, or the names in a directory, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
