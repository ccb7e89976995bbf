"""The command line as a user runs it: a process of its own, in a directory of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

DEADLINE_S = 180.0


def command(*arguments: str) -> list[str]:
    """The command that runs ``bench`` with these arguments."""
    return [sys.executable, "-m", "bench", *arguments]


def bench(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``bench`` to its end, without a terminal."""
    return subprocess.run(
        command(*arguments),
        cwd=cwd,
        env={**os.environ, "COLUMNS": "160", **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


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
