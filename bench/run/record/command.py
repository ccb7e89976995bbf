"""The user's own command, run once against a database: where it finds the address, and what it said."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

import psutil

from bench.errors import UsageError

LAST_LINES = 15
_FIELDS = re.compile(r"\{(dsn|host|port|dbname|user|password)\}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where the command finds its database."""

    host: str
    port: str
    user: str
    password: str = field(repr=False)
    dbname: str

    @property
    def dsn(self) -> str:
        """A URL that every client reads."""
        user, password, dbname = (quote(part, safe="") for part in (self.user, self.password, self.dbname))
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{dbname}"

    def environ(self) -> dict[str, str]:
        """``DATABASE_URL`` and libpq's variables."""
        return {
            "DATABASE_URL": self.dsn,
            "PGHOST": self.host,
            "PGPORT": self.port,
            "PGUSER": self.user,
            "PGPASSWORD": self.password,
            "PGDATABASE": self.dbname,
        }

    def put_into(self, command: str) -> str:
        """The command with ``{dsn}``, ``{host}`` … replaced, quoted for the shell."""
        values = {"dsn": self.dsn, "host": self.host, "port": self.port, "dbname": self.dbname}
        values |= {"user": self.user, "password": self.password}
        return _FIELDS.sub(lambda match: shlex.quote(values[match[1]]), command)

    def scrub(self, text: str) -> str:
        """The text without the password."""
        return text.replace(self.password, "***").replace(quote(self.password, safe=""), "***")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the command ended."""

    code: int
    """Negative: the signal that ended it."""
    last_lines: tuple[str, ...]
    """Of what it wrote, without the password."""

    def describe(self) -> str:
        """Its end and its last lines."""
        ended = f"ended with code {self.code}" if self.code >= 0 else f"was ended by signal {-self.code}"
        said = "\n".join(f"  {line}" for line in self.last_lines)
        return f"{ended}. It said last:\n{said}" if said else f"{ended}, and said nothing"


def run_command(command: str, address: Address, workdir: Path, tell: Callable[[str], None]) -> Outcome:
    """Run a shell's command in a directory until it ends; ``tell`` gets each line that it writes.

    It and what it has started end with us, also on Ctrl-C. Raises UsageError where it cannot be started.
    """
    if not workdir.is_dir():
        raise UsageError(f"--workdir {workdir}: there is no such directory")
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", address.put_into(command)],
            cwd=workdir,
            env=_environ() | address.environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise UsageError(f"the command cannot be started: {error.strerror}") from error
    lines: deque[str] = deque(maxlen=LAST_LINES)
    assert process.stdout is not None
    with process.stdout as output:
        reader = threading.Thread(target=_read, args=(output, address, lines, tell), daemon=True)
        reader.start()
        try:
            code = process.wait()
        finally:
            _end(process)
            reader.join()
    return Outcome(code, tuple(lines))


def _environ() -> dict[str, str]:
    """The user's environment; addresses of other databases in libpq's variables would win over ours."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in ("PGSERVICE", "PGHOSTADDR", "PGOPTIONS")
    }


def _read(output: IO[str], address: Address, lines: deque[str], tell: Callable[[str], None]) -> None:
    for line in output:
        text = address.scrub(line.rstrip("\n"))
        lines.append(text)
        tell(text)


def _end(process: subprocess.Popen[str]) -> None:
    """End what is left of the command's own session of processes, which might hold its output open."""
    left = [child for child in psutil.process_iter(["pid"]) if _is_of(child, process.pid)]
    for child in left:
        _signal(child, signal.SIGTERM)
    _, stubborn = psutil.wait_procs(left, timeout=3)
    for child in stubborn:
        _signal(child, signal.SIGKILL)
    process.wait()


def _is_of(child: psutil.Process, session: int) -> bool:
    try:
        return os.getsid(child.pid) == session
    except OSError:
        return False


def _signal(child: psutil.Process, number: signal.Signals) -> None:
    try:
        child.send_signal(number)
    except psutil.NoSuchProcess:
        return
