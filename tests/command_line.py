"""The command line as a user runs it: a process of its own, in a directory of its own."""

from __future__ import annotations

import atexit
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

DEADLINE_S = 180.0


def command(*arguments: str) -> list[str]:
    """The command that runs ``bench`` with these arguments."""
    return [sys.executable, "-m", "bench", *arguments]


class Loaded:
    """Command lines in children of an interpreter that has loaded bench already, one at a time."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    Path(__file__).with_name("loaded_interpreter.py"),
                    str(theirs.fileno()),
                ],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._ours.settimeout(DEADLINE_S)
        atexit.register(self.end)

    def run(self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str]) -> tuple[int, bytes, bytes]:
        """The exit code, and what it said on both streams."""
        asked = {"arguments": arguments, "cwd": str(cwd), "environment": dict(env)}
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as errors,
            Path(os.devnull).open("rb") as nothing,
        ):
            streams = [nothing.fileno(), out.fileno(), errors.fileno()]
            try:
                socket.send_fds(self._ours, [json.dumps(asked).encode()], streams)
                code = int(self._ours.recv(100))
            except BaseException:
                self.end(kill=True)
                raise
            out.seek(0)
            errors.seek(0)
            return code, out.read(), errors.read()

    def end(self, *, kill: bool = False) -> None:
        """Without anybody who asks it ends by itself; a command that hangs is killed with it."""
        loaded.cache_clear()
        atexit.unregister(self.end)
        self._ours.close()
        if kill:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=DEADLINE_S)


@cache
def loaded() -> Loaded:
    """The one of this process, started when it is first wanted."""
    return Loaded()


def bench(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``bench`` to its end, without a terminal."""
    environment = {**os.environ, "COLUMNS": "160", **(env or {})}
    code, out, errors = loaded().run(arguments, cwd, environment)
    return subprocess.CompletedProcess(command(*arguments), code, text(out), text(errors))


def text(data: bytes) -> str:
    """As ``subprocess.run`` reads it with ``text=True``."""
    return io.TextIOWrapper(io.BytesIO(data), encoding="utf-8").read()


class Running:
    """``bench`` in the background, with what it said so far."""

    def __init__(self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> None:
        self._log = cwd / "stderr.txt"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command(*arguments),
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        """Wait until it has said ``text``; fail if it ends before, or the deadline passes."""
        deadline = time.monotonic() + DEADLINE_S
        while text not in self.said:
            assert self.process.poll() is None, f"ended before it said {text!r}:\n{self.said}"
            assert time.monotonic() < deadline, f"never said {text!r}:\n{self.said}"
            time.sleep(0.02)

    def servers(self) -> list[psutil.Process]:
        """The PostgreSQL processes that it started and that still run."""
        return self._children(lambda child: child.name().startswith("postgres"))

    def postmasters(self) -> list[psutil.Process]:
        """Those of its servers, the oldest first."""
        found = self._children(lambda child: child.name().startswith("postgres") and "-D" in child.cmdline())
        return sorted(found, key=lambda child: child.create_time())

    def generators(self) -> list[psutil.Process]:
        """The processes that make its traffic."""
        return self._children(lambda child: "bench.workload.worker" in child.cmdline())

    def _children(self, wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile
                if wanted(child):
                    found.append(child)
        return found

    def end(self, number: signal.Signals) -> int:
        """Send a signal to it alone and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=DEADLINE_S)

    def kill(self) -> None:
        """End it and its servers without mercy if it still runs."""
        if self.process.poll() is None:
            servers = self.servers()
            self.process.kill()
            for server in servers:
                with suppress(psutil.NoSuchProcess):
                    server.kill()
        self.process.wait(timeout=DEADLINE_S)
