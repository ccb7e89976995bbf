"""Somebody's own data as the state before the deploy: a file of pg_dump, or a copy that pg_dump takes now."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.script import statements_of
from bench.model.run import Dataset, Note
from bench.pg.clients import Client, find_clients, for_dumping, for_restoring
from bench.pg.endpoint import OWN_SETTINGS, Endpoint, with_options
from bench.pg.notes import Row, notes_in_script
from bench.pg.server import Server
from bench.run.progress import Progress, Step

_ROLE = re.compile(r'role "([^"]+)" does not exist')
_EXTENSION = re.compile(r'extension "([^"]+)" is not available')
_READ_ONLY = "-c default_transaction_read_only=on -c statement_timeout=0"
_UNKNOWN_SETTING = re.compile(r'unrecognized configuration parameter "(?:transaction_timeout)"')
_TOO_OLD = re.compile(r"unsupported version .* in file header")
_DUMPED_BY = re.compile(r"^; +Dumped by pg_dump version: (\d+)", re.MULTILINE)
_BEGINS, _ENDS = b"-- PostgreSQL database dump", b"-- PostgreSQL database dump complete"
_EDGE_BYTES = 1 << 14
"""Of a plain dump at either end, in which its first and its last line are looked for."""


@dataclass(frozen=True)
class Dump:
    """A dump that is there."""

    path: Path

    @cached_property
    def _head(self) -> bytes:
        with self.path.open("rb") as file:
            return file.read(_EDGE_BYTES)

    @property
    def tar(self) -> bool:
        """Whether it is in tar format, from which one process alone can restore."""
        return not self.path.is_dir() and self._head[257:262] == b"ustar"

    @property
    def archive(self) -> bool:
        """Whether pg_restore reads it: a directory, custom or tar format."""
        return self.path.is_dir() or self.tar or self._head.startswith(b"PGDMP")

    @property
    def cut_off(self) -> bool:
        """Whether a plain dump lacks the last line that pg_dump writes."""
        if self.archive or _BEGINS not in self._head:
            return False
        with self.path.open("rb") as file:
            file.seek(max(0, self.path.stat().st_size - _EDGE_BYTES))
            return _ENDS not in file.read()

    @cached_property
    def sha256(self) -> str:
        """Of the file, or of the directory's files with their names."""
        digest = hashlib.sha256()
        for path in sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def written_by_dump(path: Path) -> bool:
    """Whether pg_dump wrote a file of SQL."""
    with path.open("rb") as file:
        return _BEGINS in file.read(_EDGE_BYTES)


def database_in(path: Path) -> str | None:
    """The CREATE DATABASE with which pg_dump --create begins a file of SQL; None without one."""
    with path.open("rb") as file:
        head = file.read(_EDGE_BYTES).decode(errors="replace")
    match = re.search(r"^CREATE DATABASE .*?;$", head, re.MULTILINE) if _BEGINS.decode() in head else None
    return match[0] if match else None


def require_dump(path: Path) -> Dump:
    """The dump at a path; UsageError where there is none, or where it does not go to its end."""
    if path.is_dir() and not (path / "toc.dat").is_file():
        raise UsageError(
            f"{path} is a directory without toc.dat", "give what pg_dump --format=directory wrote"
        )
    if not path.exists() or not os.access(path, os.R_OK):
        raise UsageError(f"there is no dump {path} that can be read", "give a file or directory of pg_dump")
    if path.is_file() and path.stat().st_size == 0:
        raise UsageError(f"the dump {path} is empty", "take it again: pg_dump ended before it wrote a byte")
    dump = Dump(path)
    if dump.cut_off:
        raise UsageError(
            f'the dump {path} was cut off: its last line, "{_ENDS.decode()}", is missing',
            "take it again, or copy it again; a part of the rows gives times of a part of the rows",
        )
    return dump


def outline(dump: Dump) -> tuple[str, ...]:
    """The statements of an archive without its rows, those that make the database and its settings first.

    UsageError where the newest pg_restore cannot read it.
    """
    program = max(find_clients("pg_restore"), key=lambda client: client.major)
    done = _run(
        [str(program.path), "--create", "--schema-only", "--no-subscriptions", "--file=-", str(dump.path)], {}
    )
    if done.returncode != 0:
        raise _refused(f"{dump.path} cannot be read", done.stderr, program)
    return statements_of(done.stdout)


def notes_in_dump(path: Path, table: str) -> tuple[str, tuple[Row, ...]]:
    """Name and rows of the table in which a migration tool notes what it has applied.

    UsageError: the dump cannot be read, or has no such table or several.
    """
    dump = require_dump(path)
    if not dump.archive:
        with path.open(encoding="utf-8", errors="replace") as lines:
            return notes_in_script(lines, table, str(path))
    program = max(find_clients("pg_restore"), key=lambda client: client.major)
    done = _run([str(program.path), "--data-only", "--table", table, "--file=-", str(path)], {})
    if done.returncode != 0:
        raise _refused(f"{path} cannot be read", done.stderr, program)
    return notes_in_script(iter(done.stdout.splitlines(keepends=True)), table, str(path))


def restore(
    server: Server, dbname: str, dump: Dump, progress: Progress, *, leave_out: Sequence[str] = ()
) -> tuple[Dataset, tuple[Note, ...]]:
    """Restore an archive with pg_restore; UsageError names the roles and extensions that are missing.

    ``leave_out``: options such as ``--no-owner``.
    """
    started = time.perf_counter()
    progress(Step(f"data from {dump.path}"))
    jobs = [] if dump.tar else ["--jobs", str(os.cpu_count() or 1)]
    options = [*leave_out, *jobs, "--no-subscriptions"]
    environment = server.environ(dbname)
    environment["PGOPTIONS"] = with_options(environment.get("PGOPTIONS"), OWN_SETTINGS)
    own = server.postmaster.installation.bindir if server.postmaster is not None else None
    candidates = for_restoring(
        find_clients("pg_restore", first=own),
        server=server.info.version_num // 10000,
        dump=_dumped_by(dump),
    )
    for program in candidates:
        done = _run(
            [str(program.path), *options, "--dbname", dbname, str(dump.path)],
            environment,
        )
        said = _complaints(done.stderr)
        if done.returncode == 0 or (_UNKNOWN_SETTING.search(done.stderr) and not said):
            return described(dump, time.perf_counter() - started)
        if not _TOO_OLD.search(done.stderr):
            break
    raise _refused(f"{dump.path} cannot be restored", done.stderr, program)


def _dumped_by(dump: Dump) -> int:
    """Major version of the pg_dump that wrote an archive; 0 where it does not say."""
    program = max(find_clients("pg_restore"), key=lambda client: client.major)
    done = _run([str(program.path), "--list", str(dump.path)], {})
    if done.returncode != 0:
        raise _refused(f"{dump.path} cannot be read", done.stderr, program)
    match = _DUMPED_BY.search(done.stdout)
    return int(match[1]) if match else 0


def _complaints(said: str) -> list[str]:
    """pg_restore's errors but those on settings that came with a newer pg_restore, not with the dump.

    A newer pg_restore sets transaction_timeout, which servers before 17 do not know, and goes on.
    """
    return [
        line
        for line in said.splitlines()
        if ("error:" in line or "ERROR:" in line) and not _UNKNOWN_SETTING.search(line)
    ]


def described(dump: Dump, load_s: float) -> tuple[Dataset, tuple[Note, ...]]:
    """The data set of a dump, whose tables are still to be counted, and its note."""
    note = Note("data", f"From the dump {dump.path.name}, SHA-256 {dump.sha256}.")
    return Dataset(None, None, None, load_s, from_template=False, tables=()), (note,)


def take_dump(source: Endpoint, target: Path, exclude: Sequence[str], progress: Progress) -> Dump:
    """Copy a database with pg_dump, in a read-only session; ``exclude`` leaves the rows of tables out.

    The password goes to pg_dump by its environment alone. Raises UsageError where pg_dump refuses.
    """
    progress(Step(f"copying {source.describe()} with pg_dump, read-only"))
    with source.connect(application_name="pgrehearse dump") as conn:
        major = conn.info.server_version // 10000
    program = for_dumping(find_clients("pg_dump"), server=major)
    if program is None:
        raise UsageError(
            f"the source is PostgreSQL {major}, and every pg_dump on this machine is older",
            f"install the client programs of PostgreSQL {major}",
        )
    excluded = [f"--exclude-table-data={pattern}" for pattern in exclude]
    done = _run(
        [str(program.path), "--format=custom", "--no-subscriptions", "--file", str(target), *excluded],
        source.environ() | {"PGOPTIONS": _READ_ONLY, "PGAPPNAME": "pgrehearse dump"},
    )
    if done.returncode != 0:
        raise _refused("the source cannot be copied", source.scrub(done.stderr), program)
    return Dump(target)


def _run(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    passed = {name: os.environ[name] for name in ("PGPASSFILE", "PGPASSWORD") if name in os.environ}
    return subprocess.run(
        command,
        env={**kept, **passed, **environment, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        preexec_fn=_die_with_parent,
    )


_C = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Have the kernel end this child when we are killed: it reads production. Linux alone, prctl(2)."""
    if sys.platform == "linux":
        _C.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _refused(what: str, said: str, program: Client) -> UsageError:
    missing = [f"role {role}" for role in sorted(set(_ROLE.findall(said)))]
    cures = ["put CREATE ROLE for each into a file for --base, which is applied first"] if missing else []
    if extensions := sorted(set(_EXTENSION.findall(said))):
        missing += [f"extension {name}" for name in extensions]
        cures.append("choose a server that has them")
    if missing:
        return UsageError(f"{what}: the server lacks {', '.join(missing)}", "; ".join(cures))
    lines = _first_errors(said)
    return UsageError(
        f"{what} by {program.path} {program.major}: {lines[0] if lines else 'it says nothing'}",
        "; ".join(lines[1:3]) or "the file may be cut off or damaged: take the dump again",
    )


def _first_errors(said: str) -> list[str]:
    stripped: Iterable[str] = (line.strip() for line in said.splitlines())
    lines = [line for line in stripped if line]
    return [line for line in lines if "rror:" in line or "ERROR" in line] or lines
