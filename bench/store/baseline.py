"""Baselines, their history, and what is known of this machine's noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bench.analyse.compare.match import machine_digest
from bench.errors import UsageError
from bench.model.record import RECORD_VERSION, Noise, Record
from bench.pg.lease import state_directory
from bench.store import history
from bench.store.history import BASELINES
from bench.store.results import unwritable, write_atomic


def accept(record: Record, because: str, root: Path = BASELINES) -> Path:
    """Store a record as its suite's baseline and add it to the history; returns the file.

    Raises UsageError: the reason is empty, a migration did not apply, or the place cannot be written.
    """
    if not because.strip():
        raise UsageError("a baseline needs a reason", 'say why it is right: --because "…"')
    failed = [migration.file for migration in record.migrations if migration.outcome != "applied"]
    if failed or not record.migrations:
        what = f"{failed[0]} did not apply" if failed else "it has no migrations"
        raise UsageError(f"{record.run_id} cannot be a baseline: {what}")
    accepted = replace(
        record, because=because.strip(), accepted_at=datetime.now(UTC).isoformat(timespec="seconds")
    )
    path = root / f"{record.suite}.json"
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, 0, error) from error
    write_atomic(path, encode_record(accepted))
    history.append(accepted, history.accepted_history(record.suite, root))
    return path


def encode_record(record: Record) -> bytes:
    """The baseline's bytes: one line for each statement and key, so that a difference can be reviewed."""
    return b"".join(_lines(msgspec.to_builtins(record), "")) + b"\n"


def _lines(value: object, indent: str) -> Iterator[bytes]:
    """JSON with a line for each member of the outer objects and lists, a statement or query on one line."""
    inner = indent + "  "
    if isinstance(value, dict) and value and (not indent or "statements" in value or _is_flat(value)):
        yield b"{\n"
        for at, (key, below) in enumerate(value.items()):
            yield (",\n" if at else "").encode() + inner.encode() + msgspec.json.encode(key) + b": "
            yield from _lines(below, inner)
        yield f"\n{indent}}}".encode()
    elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        yield b"[\n"
        for at, below in enumerate(value):
            yield (",\n" if at else "").encode() + inner.encode()
            if "statements" in below:
                yield from _lines(below, inner)
            else:
                yield msgspec.json.encode(below)
        yield f"\n{indent}]".encode()
    else:
        yield msgspec.json.encode(value)


def _is_flat(value: dict[str, object]) -> bool:
    return all(isinstance(item, str | int | bool) for item in value.values())


def decode_record(data: bytes, source: str) -> Record:
    """The record in a baseline's bytes.

    Raises UsageError: not JSON, not a baseline, or written by a newer version.
    """
    try:
        version = msgspec.json.decode(data, type=_Head).record_version
        if version > RECORD_VERSION:
            raise UsageError(
                f"{source}: written by a newer version of pgrehearse (record version {version}, "
                f"this one reads up to {RECORD_VERSION})",
                "upgrade pgrehearse: pip install --upgrade pgrehearse",
            )
        return msgspec.json.decode(data, type=Record)
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: neither a run file nor a baseline: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{source}: not JSON: {error}", "was the file cut off or edited?") from error


def is_record(data: bytes) -> bool:
    """Whether JSON says of itself that it is a baseline."""
    try:
        return isinstance(msgspec.json.decode(data, type=_Head).record_version, int)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False


def find_baseline(which: str, root: Path = BASELINES) -> Path | None:
    """The baseline that ``which`` names: ``baseline``-file, or a suite that has one; None where none does."""
    path = Path(which)
    if path.is_file() and is_record(path.read_bytes()):
        return path
    named = root / f"{which}.json"
    return named if named.is_file() else None


class _Head(msgspec.Struct):
    record_version: int


def save_noise(noise: Noise) -> Path:
    """Keep what was learnt in place of what was known; returns the file."""
    path = state_directory("noise") / f"{noise.machine}.json"
    write_atomic(path, msgspec.json.format(msgspec.json.encode(noise), indent=2) + b"\n")
    return path


def load_noise(machine: Mapping[str, str]) -> Noise | None:
    """What is known of a machine; None where nothing is, or what there is cannot be read."""
    path = state_directory("noise") / f"{machine_digest(machine)}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Noise)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
