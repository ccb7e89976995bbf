"""Somebody's own data as the state before the deploy: a file of pg_dump, or a copy that pg_dump takes now."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.errors import ServerError, UsageError
from bench.model.run import Dataset, Note
from bench.pg.binaries import Installation, find_installations
from bench.pg.embedded import embedded_installation
from bench.pg.endpoint import Endpoint
from bench.pg.server import Server
from bench.run.progress import Progress, Step

_ROLE = re.compile(r'role "([^"]+)" does not exist')
_EXTENSION = re.compile(r'extension "([^"]+)" is not available')
_READ_ONLY = "-c default_transaction_read_only=on -c statement_timeout=0"


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump that is there."""

    path: Path

    @property
    def archive(self) -> bool:
        """Whether pg_restore reads it: a directory, custom or tar format."""
        if self.path.is_dir():
            return True
        with self.path.open("rb") as file:
            head = file.read(512)
        return head.startswith(b"PGDMP") or head[257:262] == b"ustar"

    @property
    def sha256(self) -> str:
        """Of the file, or of the directory's files with their names."""
        digest = hashlib.sha256()
        for path in sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]:
            digest.update(path.name.encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def require_dump(path: Path) -> Dump:
    """The dump at a path; UsageError where there is none."""
    if path.is_dir() and not (path / "toc.dat").is_file():
        raise UsageError(
            f"{path} is a directory without toc.dat", "give what pg_dump --format=directory wrote"
        )
    if not path.exists() or not os.access(path, os.R_OK):
        raise UsageError(f"there is no dump {path} that can be read", "give a file or directory of pg_dump")
    return Dump(path)


def restore(server: Server, dbname: str, dump: Dump, progress: Progress) -> tuple[Dataset, tuple[Note, ...]]:
    """Restore an archive with pg_restore; UsageError names the roles and extensions that are missing."""
    started = time.perf_counter()
    progress(Step(f"data from {dump.path}"))
    program = _program("pg_restore")
    done = _run(
        [program, "--no-owner", "--jobs", str(os.cpu_count() or 1), "--dbname", dbname, str(dump.path)],
        server.environ(dbname),
    )
    if done.returncode != 0:
        raise _refused(f"{dump.path} cannot be restored", done.stderr, program)
    return described(dump, time.perf_counter() - started)


def described(dump: Dump, load_s: float) -> tuple[Dataset, tuple[Note, ...]]:
    """The data set of a dump, whose tables are still to be counted, and its note."""
    note = Note("data", f"From the dump {dump.path.name}, SHA-256 {dump.sha256}; owners are left out.")
    return Dataset(None, None, None, load_s, from_template=False, tables=()), (note,)


def take_dump(source: Endpoint, target: Path, exclude: Sequence[str], progress: Progress) -> Dump:
    """Copy a database with pg_dump, in a read-only session; ``exclude`` leaves the rows of tables out.

    The password goes to pg_dump by its environment alone. Raises UsageError where pg_dump refuses.
    """
    progress(Step(f"copying {source.describe()} with pg_dump, read-only"))
    program = _program("pg_dump")
    excluded = [f"--exclude-table-data={pattern}" for pattern in exclude]
    done = _run(
        [program, "--format=custom", "--no-owner", "--file", str(target), *excluded],
        source.environ() | {"PGOPTIONS": _READ_ONLY, "PGAPPNAME": "pgrehearse dump"},
    )
    if done.returncode != 0:
        raise _refused("the source cannot be copied", source.scrub(done.stderr), program)
    return Dump(target)


def _program(name: str) -> str:
    """The newest installation's program: it reads what older ones wrote, and talks to older servers."""
    found: list[Installation] = list(find_installations())
    with suppress(ServerError):
        found.append(embedded_installation())
    usable = [each for each in found if (each.bindir / name).is_file()]
    if not usable:
        raise UsageError(f"there is no {name} on this machine", "install PostgreSQL's client programs")
    return str(max(usable, key=lambda each: each.major).bindir / name)


def _run(command: Sequence[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    passed = {name: os.environ[name] for name in ("PGPASSFILE", "PGPASSWORD") if name in os.environ}
    return subprocess.run(
        command,
        env={**kept, **passed, **environment, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _refused(what: str, said: str, program: str) -> UsageError:
    roles = sorted(set(_ROLE.findall(said)))
    extensions = sorted(set(_EXTENSION.findall(said)))
    if roles or extensions:
        missing = [f"role {role}" for role in roles] + [f"extension {each}" for each in extensions]
        cure = "; ".join(f'CREATE ROLE "{role}"' for role in roles)
        return UsageError(
            f"{what}: the server lacks {', '.join(missing)}",
            f"put {cure} into a file for --base, which is applied first"
            if roles
            else "choose another server",
        )
    lines = [line for line in said.strip().splitlines() if "error:" in line] or said.strip().splitlines()
    return UsageError(f"{what} by {program}: {lines[0] if lines else 'it says nothing'}", "see the message")
