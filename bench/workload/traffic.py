"""The generator as the run sees it: processes that are started, told what to do, heard, and ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.errors import ServerError
from bench.model.load import Arrivals
from bench.workload.parameters import WireClass
from bench.workload.records import DTYPE, OK, Said, read_frame

CONNECT_S = 60.0
DRAIN_S = 10.0
"""After the end of the traffic, requests on their way are waited for so long, then counted as they are."""
MOST_PER_S = 10_000.0
"""Requests per second of one generator process: one loop makes and sends hardly more."""
END_S = 5.0
"""What a worker may take on top of that."""


class TooFewConnectionsError(ServerError):
    """The traffic's connections could not be opened; the server itself goes on."""


@dataclass(frozen=True, slots=True)
class Requests:
    """What became of the requests, and what was said of the first of every kind of error."""

    rows: npt.NDArray[Any]
    """As :data:`DTYPE` has them, in no order."""
    said: Mapping[tuple[int, str], Said]
    """By class and SQLSTATE."""


@dataclass(slots=True)
class _Process:
    """One worker, and the thread that hears it."""

    popen: subprocess.Popen[bytes]
    heard: bytearray = field(default_factory=bytearray)
    said: dict[tuple[int, str], Said] = field(default_factory=dict)
    connected: threading.Event = field(default_factory=threading.Event)
    trouble: str | None = None
    done: bool = False
    missed: int = 0
    """Requests that were due and that it did not make."""
    thread: threading.Thread | None = None

    def listen(self) -> None:
        """Take in frames until the worker ends."""
        assert self.popen.stdout is not None
        while (found := read_frame(self.popen.stdout)) is not None:
            letter, body = found
            if letter == b"R":
                self.heard += body
                continue
            told = json.loads(body)
            if letter == b"C":
                self.connected.set()
            elif letter == b"E":
                said = Said(told["message"], told["constraint"])
                self.said.setdefault((told["cls"], told["sqlstate"]), said)
            elif letter == b"X":
                self.trouble = told["message"]
            elif letter == b"D":
                self.done, self.missed = True, told["missed"]
        self.connected.set()

    def order(self, **what: Any) -> None:
        """Tell the worker; a dead one hears nothing."""
        assert self.popen.stdin is not None
        try:
            self.popen.stdin.write(json.dumps(what).encode() + b"\n")
            self.popen.stdin.flush()
        except OSError:
            return

    def end(self) -> None:
        """Close its input, which ends it, and make sure of it."""
        assert self.popen.stdin is not None
        with suppress(OSError):
            self.popen.stdin.close()
        try:
            self.popen.wait(END_S)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        if self.thread is not None:
            self.thread.join(END_S)
        if self.popen.stdout is not None:
            self.popen.stdout.close()


class Traffic:
    """Workers that are connected; use :func:`open_traffic`."""

    def __init__(self, processes: Sequence[_Process], connections: int) -> None:
        self._processes = processes
        self.connections = connections
        self.began = float("nan")
        """Reading of ``time.perf_counter`` at the start of the open loop: zero of the workload's clock."""
        self.ended = float("nan")

    @property
    def pids(self) -> tuple[int, ...]:
        """Of the workers."""
        return tuple(process.popen.pid for process in self._processes)

    @property
    def lost(self) -> int:
        """Workers that ended before their time."""
        return sum(not process.done and process.popen.poll() is not None for process in self._processes)

    @property
    def missed(self) -> int:
        """Requests that were due and were not made, as too many waited already or the rate was too high."""
        return sum(process.missed for process in self._processes)

    def measure_capacity(self, clients: int, warm_s: float, trial_s: float) -> float:
        """Requests per second that end well while every one of ``clients`` connections always has one."""
        number = max(1, clients // len(self._processes))
        for process in self._processes:
            process.order(do="closed", clients=number)
        time.sleep(warm_s)
        begin = time.perf_counter()
        time.sleep(trial_s)
        end = time.perf_counter()
        for process in self._processes:
            process.order(do="closed", clients=0)
        time.sleep(0.2)  # what is on its way ends, and the last report comes
        rows = self.requests().rows
        good = (rows["outcome"] == OK) & (rows["finished"] >= begin) & (rows["finished"] < end)
        return float(np.count_nonzero(good)) / trial_s

    def begin(self, rate_per_s: float, arrivals: Arrivals) -> None:
        """Start the open loop."""
        self.began = time.perf_counter() + 0.05
        count = len(self._processes)
        for position, process in enumerate(self._processes):
            process.order(
                do="open",
                rate_per_s=rate_per_s / count,
                arrivals=arrivals,
                start=self.began + (position / rate_per_s if arrivals == "fixed" else 0.0),
            )

    def end(self, drain_s: float = DRAIN_S) -> None:
        """Let no more become due, and wait until all requests have ended, or their time is up."""
        self.ended = time.perf_counter()
        for process in self._processes:
            process.order(do="end", at=self.ended, drain_s=drain_s)
        deadline = self.ended + drain_s + END_S
        for process in self._processes:
            if process.thread is not None:
                process.thread.join(max(0.0, deadline - time.perf_counter()))

    def requests(self) -> Requests:
        """What has been heard until now."""
        whole = [bytes(process.heard) for process in self._processes]
        said: dict[tuple[int, str], Said] = {}
        for process in self._processes:
            said = {**process.said, **said}
        return Requests(np.frombuffer(b"".join(whole), dtype=DTYPE), said)


@contextmanager
def open_traffic(
    conninfo: str, classes: Sequence[WireClass], *, connections: int, workers: int, seed: int
) -> Iterator[Traffic]:
    """Start the workers and wait for their connections; they end with the block, and with this process.

    TooFewConnectionsError where they cannot connect. The connection string goes through a pipe and is in no
    argument.
    """
    processes: list[_Process] = []
    try:
        for position in range(workers):
            share = connections // workers + (position < connections % workers)
            processes.append(_start(conninfo, classes, share, seed * 1000 + position))
        deadline = time.perf_counter() + CONNECT_S
        for process in processes:
            if not process.connected.wait(max(0.0, deadline - time.perf_counter())) or process.trouble:
                raise TooFewConnectionsError(
                    f"the traffic's {connections} connections could not be opened: "
                    f"{process.trouble or f'not within {CONNECT_S:.0f} s'}",
                    hint="raise max_connections, or ask for fewer with --connections",
                )
        yield Traffic(processes, connections)
    finally:
        for process in processes:
            process.end()


def _start(conninfo: str, classes: Sequence[WireClass], connections: int, seed: int) -> _Process:
    popen = subprocess.Popen(
        [sys.executable, "-m", "bench.workload.worker", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    process = _Process(popen)
    process.thread = threading.Thread(target=process.listen, name="traffic", daemon=True)
    process.thread.start()
    process.order(
        conninfo=conninfo,
        connections=connections,
        seed=seed,
        classes=[wire_class.as_json() for wire_class in classes],
    )
    return process
