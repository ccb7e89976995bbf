"""Data directories that are kept for later servers: copied in and out whole, checked, within a budget.

An entry is ``<key>/data`` and ``<key>/entry.json``, which is written last and lists every file's size and
CRC; ``<key>.partial`` is one in the making. ``<key>.lock`` is locked (flock) shared by who copies an entry
out, and alone by who makes or removes it: a lock goes with its process, however that ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.pg.account import Account
from bench.pg.filecopy import Copied, copy_files, sync_file
from bench.pg.lease import private_directory, shared_root

CopyFiles = Callable[[list[tuple[Path, Path]]], None]
"""Copies (from, to) files into an entry in the making, and notes what is in each."""
Write = Callable[[Path, CopyFiles], None]
"""Fills a directory, made already."""

_OWN_NAME = re.compile(r"[0-9a-f]{32}(?:\.partial|\.lock)?")
"""An entry, one in the making, a lock: by a key, which is a digest."""
FORMAT = 1
GIB = 1024**3
BUDGET_BYTES = 20 * GIB
"""Of all entries; BENCH_CACHE_BYTES in the environment is another one."""
RESERVE_BYTES = 2 * GIB
"""What a disk keeps free beside an entry and one copy of it."""


class CacheError(BenchError):
    """An entry cannot be made or used; the caller goes on without it."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept data directory."""

    key: str
    path: Path
    bytes: int
    made_at: float
    """Seconds since 1970, as all times here."""
    used_at: float
    about: Mapping[str, str]
    """What is in it, for people."""


def cache_root() -> Path:
    """BENCH_CACHE_DIR, else pgrehearse/templates below XDG_CACHE_HOME, ~/.cache or /var/tmp.

    In a BENCH_CACHE_DIR with things of others it is the directory pgrehearse; the mode of one that is there
    stays as it is.
    """
    if chosen := os.environ.get("BENCH_CACHE_DIR"):
        named = private_directory(Path(chosen), keep_mode=True)
        shared = any(not _OWN_NAME.fullmatch(entry.name) for entry in named.iterdir())
        return private_directory(named / "pgrehearse") if shared else named
    home = os.environ.get("XDG_CACHE_HOME")
    try:
        return private_directory(Path(home or Path("~/.cache").expanduser()) / "pgrehearse" / "templates")
    except (OSError, RuntimeError):
        return private_directory(shared_root() / "templates")


def budget_bytes() -> int:
    """The disk that entries may take together."""
    named = os.environ.get("BENCH_CACHE_BYTES", "")
    return int(named) if named.isdecimal() else BUDGET_BYTES


def entries() -> list[Entry]:
    """The whole entries, the one used longest ago first."""
    files = cache_root().glob("*/entry.json")
    entries = [_read(path.parent) for path in files if _OWN_NAME.fullmatch(path.parent.name)]
    return sorted((entry for entry in entries if entry is not None), key=lambda entry: entry.used_at)


def take_out(key: str, target: Path, account: Account, *, durable: bool) -> bool:
    """Copy an entry's data directory to ``target``, for an account; False where there is none.

    Raises CacheError where a file is missing, has another size or another CRC than when it was kept; such an
    entry is removed, and so is what was copied of it.
    """
    with _locked(key, exclusive=False) as held:
        entry = _read(cache_root() / key) if held else None
        if entry is None:
            return False
        try:
            _copy_out(entry, target, account, durable=durable)
        except (CacheError, OSError) as error:
            shutil.rmtree(target, ignore_errors=True)
            reason = str(error)
        else:
            os.utime(entry.path / "entry.json")
            return True
    remove(key)
    raise CacheError(f"the kept template {key[:12]} was damaged, and is removed: {reason}")


def _copy_out(entry: Entry, target: Path, account: Account, *, durable: bool) -> None:
    listed = json.loads((entry.path / "entry.json").read_text(encoding="utf-8"))
    _require_room(target.parent, entry.bytes)
    target.mkdir(mode=0o700)
    for directory in listed["directories"]:
        (target / directory).mkdir(mode=0o700)
    data = entry.path / "data"
    copied = copy_files([(data / name, target / name) for name in listed["files"]], sync=durable)
    for (name, expected), found in zip(listed["files"].items(), copied, strict=True):
        if [found.bytes, found.crc] != expected:
            raise CacheError(f"{name} is not as it was kept")
    for path in (target, *target.rglob("*")):
        account.own(path)


def put(key: str, about: Mapping[str, str], write: Write) -> Entry:
    """Keep a data directory: ``write(directory, copy)`` fills it, where ``copy`` copies (from, to) files.

    Raises CacheError where another run makes the same entry just now, where the disk has no room, or where
    the entry alone is larger than the budget. Older entries go until all fit the budget.
    """
    root = cache_root()
    with _locked(key, exclusive=True) as held:
        if not held:
            raise CacheError("another run keeps the same template at this moment")
        partial = root / f"{key}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(root / key, ignore_errors=True)
        try:
            entry = _make(partial, key, about, write)
        except OSError as error:
            raise CacheError(f"{partial}: {error.strerror or error}") from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    prune(budget_bytes(), spare=key)
    return entry


def _make(partial: Path, key: str, about: Mapping[str, str], write: Write) -> Entry:
    data = partial / "data"
    partial.mkdir(mode=0o700)
    data.mkdir(mode=0o700)
    copied: dict[str, Copied] = {}

    def copy(files: list[tuple[Path, Path]]) -> None:
        _require_room(partial, 2 * sum(source.stat().st_size for source, _ in files))
        for (_, target), done in zip(files, copy_files(files, sync=True), strict=True):
            copied[str(target.relative_to(data))] = done

    write(data, copy)
    for path in data.rglob("*"):
        name = str(path.relative_to(data))
        if path.is_file() and name not in copied:
            copied[name] = sync_file(path)
    size = sum(file.bytes for file in copied.values())
    if size > budget_bytes():
        raise CacheError(f"its {size:,} bytes are more than the cache may hold, {budget_bytes():,}")
    listed = {
        "format": FORMAT,
        "bytes": size,
        "made_at": time.time(),
        "about": dict(about),
        "directories": sorted(str(path.relative_to(data)) for path in data.rglob("*") if path.is_dir()),
        "files": {name: [file.bytes, file.crc] for name, file in copied.items()},
    }
    (partial / "entry.json").write_text(json.dumps(listed), encoding="utf-8")
    sync_file(partial / "entry.json")
    final = partial.with_name(key)
    partial.rename(final)
    entry = _read(final)
    assert entry is not None
    return entry


def _require_room(directory: Path, size: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < size + RESERVE_BYTES:
        raise CacheError(
            f"{directory} has {free:,} bytes free; {size:,} and {RESERVE_BYTES:,} in reserve are needed"
        )


def prune(keep_bytes: int, *, older_than_s: float | None = None, spare: str | None = None) -> list[Entry]:
    """Remove entries unused for long, then those used longest ago until the rest fits; returns the removed.

    Entries in use stay, and so does ``spare``. What dead runs left half-made goes as well.
    """
    sweep_partial()
    removed = []
    left = entries()
    for entry in list(left):
        too_old = older_than_s is not None and time.time() - entry.used_at > older_than_s
        over = sum(entry.bytes for entry in left) > keep_bytes
        if entry.key != spare and (too_old or over) and remove(entry.key):
            left.remove(entry)
            removed.append(entry)
    return removed


def sweep_partial() -> list[str]:
    """Remove what dead runs left half-made, which nobody has locked; return one sentence for each."""
    said = []
    for partial in cache_root().glob("*.partial"):
        if not _OWN_NAME.fullmatch(partial.name):
            continue
        with _locked(partial.stem, exclusive=True) as held:
            if held:
                shutil.rmtree(partial, ignore_errors=True)
                said.append(f"removed {partial}, a template left half-made by a run that is gone")
    return said


def remove(key: str) -> bool:
    """Remove an entry; False where it is in use."""
    with _locked(key, exclusive=True) as held:
        if held:
            # Without its list it is no entry, should the rest take long or be cut off.
            (cache_root() / key / "entry.json").unlink(missing_ok=True)
            shutil.rmtree(cache_root() / key, ignore_errors=True)
        return held


def _read(path: Path) -> Entry | None:
    """The entry in a directory, or None where it is not whole or of another format."""
    try:
        used_at = (path / "entry.json").stat().st_mtime
        listed: dict[str, Any] = json.loads((path / "entry.json").read_text(encoding="utf-8"))
        if listed["format"] != FORMAT:
            return None
        return Entry(path.name, path, listed["bytes"], listed["made_at"], used_at, listed["about"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _locked(key: str, *, exclusive: bool) -> Iterator[bool]:
    """Whether the lock of a key could be had, at once; held until the end of the block."""
    with (cache_root() / f"{key}.lock").open("ab") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
