"""The directories of runs: ``results/runs/<run_id>/run.json``, written whole or not at all."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import re
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.errors import UsageError
from bench.model.run import Run
from bench.pg.filecopy import write_through
from bench.store.codec import compressed, decode, encode

RUNS = Path("results/runs")
RUN_FILE = "run.json"
GZIP = ".gz"
_RUN_FILES = (RUN_FILE, RUN_FILE + GZIP)
_PAGES = ("report.html", "report.md", "validation.md")
_OURS = (b"pgrehearse", b"# Rehearsal of ", b"# Validation of ", b"# What the queries of ")
"""Words of which each page of ours has one."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Where one run keeps its file, its report and its pictures."""

    path: Path
    name: str = RUN_FILE
    """Of the run file, which is compressed where it ends in ``.gz``."""

    @classmethod
    def of(cls, out: Path) -> RunDirectory:
        """The directory that ``--out`` names, or that of the run file that it names: ``x.run.json[.gz]``."""
        named = out.name.endswith(_RUN_FILES) and not out.is_dir()
        return cls(out.parent, out.name) if named else cls(out)

    @property
    def run_file(self) -> Path:
        """The run file, which may not exist yet."""
        return self.path / self.name

    def save(self, run: Run) -> Path:
        """Write the run file; after any failure the previous one is still there, whole.

        Raises UsageError: the directory cannot be written, or the disk is full.
        """
        data = encode(run)
        write_atomic(self.run_file, compressed(data) if self.name.endswith(GZIP) else data)
        return self.run_file

    def load(self) -> Run:
        """The run in the run file. Raises UsageError: missing, unreadable or not a run file."""
        return _read(self.run_file)


def new_run_id(suite: str, now: datetime) -> str:
    """A name that sorts by start: UTC time to the second, the suite, six random hexadecimal digits.

    ``now`` must carry its time zone.
    """
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", suite).strip("-")[:40] or "suite"
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{slug}-{secrets.token_hex(3)}"


def create_directory(out: Path, say: Callable[[str], None]) -> RunDirectory:
    """Make the directory of a new run, and clear what killed writers left in it and beside it.

    ``out`` names it, or the run file in it.

    Raises UsageError: it cannot be made or written, holds a run already, or a page that is not ours.
    """
    directory = RunDirectory.of(out)
    path = directory.path
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, 0, error) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise unwritable(path, 0, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    for name in {*_RUN_FILES, directory.name}:
        if (path / name).exists():
            raise UsageError(f"{path}: holds a run already", "name another directory with --out")
    refuse_pages_of_others(path)
    for left in sweep(path.parent) + sweep(path):
        say(f"removed {left}, half-written by a run that was killed")
    return directory


def refuse_pages_of_others(directory: Path) -> None:
    """Raise UsageError where a file that a report would replace was not written by one."""
    for name in _PAGES:
        path = directory / name
        try:
            content = path.read_bytes()
        except OSError:
            continue  # there is none, or what cannot be read cannot be written either, which says so
        if not any(words in content for words in _OURS):
            raise UsageError(
                f"{path}: is there already, and is no report of this tool",
                "name another directory with --out",
            )


def load(which: str, root: Path = RUNS) -> Run:
    """A stored run: ``latest``, a run id below ``root``, a run's directory, or a run file.

    Raises UsageError: there is no such run, or its file cannot be read.
    """
    return _read(find_run_file(which, root))


def find_run_file(which: str, root: Path = RUNS) -> Path:
    """The run file that ``which`` names, as :func:`load` understands it. Raises UsageError: none."""
    stored = list_runs(root)
    if which == "latest":
        if not stored:
            raise UsageError(f"no run is stored in {root}", "make one: bench run")
        return stored[-1].run_file
    for path in (root / which, Path(which)):
        if path.is_file():
            return path
        for name in _RUN_FILES:
            if (path / name).is_file():
                return path / name
    close = difflib.get_close_matches(which, [directory.path.name for directory in stored], n=1)
    hint = f"did you mean {close[0]}?" if close else f"runs are listed by: ls {root}"
    raise UsageError(f"no run {which!r}: neither a run in {root} nor a file or directory", hint)


def list_runs(root: Path = RUNS) -> tuple[RunDirectory, ...]:
    """The directories below ``root`` that hold a run file, the one written last at the end.

    Not by name: ``--out`` gives any.
    """
    paths = (path for name in _RUN_FILES for path in root.glob(f"*/{name}"))
    files = sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path))
    return tuple(RunDirectory(path.parent, path.name) for path in files)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file in one step: readers see the old bytes or the new ones, also after a power cut.

    Raises UsageError naming path and size: the disk is full, or the place cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.bench-tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        write_through(path.parent)
    except OSError as error:
        raise unwritable(path, len(data), error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def sweep(directory: Path) -> list[Path]:
    """Remove temporary files whose writer is no longer alive, in a directory and one level below."""
    removed = []
    for path in sorted([*directory.glob(".*.bench-tmp"), *directory.glob("*/.*.bench-tmp")]):
        writer = re.fullmatch(r"\..+\.(\d+)\.bench-tmp", path.name)
        if writer and not _alive(int(writer[1])):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path)
    return removed


def _read(path: Path) -> Run:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    return decode(data, str(path))


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def unwritable(path: Path, needed_bytes: int, error: OSError) -> UsageError:
    """Why a file could not be written: a full disk with what is needed and free, or the system's words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        free = shutil.disk_usage(path.parent).free
        return UsageError(
            f"{path}: {error.strerror}: {needed_bytes:,} bytes are needed, {free:,} are free",
            "free some space, or name another directory with --out; what was stored before is intact",
        )
    return UsageError(
        f"{path}: cannot be written: {error.strerror}", "check its permissions, or name another with --out"
    )
