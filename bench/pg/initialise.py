"""The files of a new, empty cluster: made by initdb once, copied from then on.

initdb takes longer than anything else in the start of a server. What it has made is kept, one copy for each
installation, in a directory of ours that nobody else may write to.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from bench.errors import ServerError
from bench.pg.account import Account
from bench.pg.binaries import Installation
from bench.pg.lease import shared_root

COMPLETE = "complete"
"""Name of a kept copy whose making came to its end; it was renamed to that."""


def initialise(installation: Installation, account: Account, data: Path) -> None:
    """Make the data directory of a new cluster at ``data``; ServerError where there is no room or no right.

    All clusters of one installation have the same system identifier, like copies of one backup.
    """
    kept = shared_root() / f"initdb-{_key(installation, account)}" / COMPLETE
    if not kept.is_dir():
        _run(_initdb(installation, data), account, installation, data)
        _keep(data, kept)
        return
    # As root, -p gives the copy the same owner.
    _run(["cp", "-R", "-p", kept, data], None, installation, data)


def _keep(data: Path, kept: Path) -> None:
    """Keep a copy for the next time, if there is room; whoever is first wins."""
    kept.parent.mkdir(mode=0o755, exist_ok=True)
    unfinished = kept.with_name(f"unfinished-{secrets.token_hex(4)}")
    done = subprocess.run(["cp", "-R", "-p", data, unfinished], capture_output=True, check=False)
    if done.returncode == 0:
        with suppress(OSError):
            unfinished.rename(kept)
    for rest in kept.parent.glob("unfinished-*"):
        shutil.rmtree(rest, ignore_errors=True)


def _key(installation: Installation, account: Account) -> str:
    """What the files depend on: the program, its arguments, their owner."""
    program = (installation.bindir / "initdb").resolve()
    status = program.stat()
    facts = (installation.version, program, status.st_size, status.st_mtime_ns, account.uid)
    return hashlib.sha256(repr((facts, _initdb(installation, Path()))).encode()).hexdigest()[:16]


def _initdb(installation: Installation, data: Path) -> list[str | Path]:
    locale = ["--locale=C"]
    if installation.major >= 17:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command: list[str | Path] = [
        installation.bindir / "initdb",
        "--pgdata",
        data,
        "--username=postgres",
        "--auth=trust",
    ]
    command += ["--encoding=UTF8", "--no-sync", *locale]
    return command


def _run(
    command: Sequence[str | Path], account: Account | None, installation: Installation, data: Path
) -> None:
    done = subprocess.run(
        command,
        cwd="/",
        env=program_environment(),
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
        **(account.process() if account else {}),
    )
    if done.returncode != 0:
        raise ServerError(
            f"{Path(command[0]).name} for {installation.bindir} failed: {last_lines(done.stderr)}",
            f"check that {data.parent} has room and that the server's account may write there",
        )


def program_environment() -> dict[str, str]:
    """Return the environment without libpq's variables, which would steer the server's programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}


def last_lines(text: str, count: int = 5) -> str:
    """The last lines of a program's output in one."""
    return " | ".join(line.strip() for line in text.strip().splitlines()[-count:]) or "(empty)"
