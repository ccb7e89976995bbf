"""A generator process: one loop that sends requests when they are due, whatever became of those before.

It is started as ``python -m bench.workload.worker PARENT``, takes its orders on standard input and tells on
standard output what became of each request. It ends when standard input ends, and with its parent.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import random
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from bench.workload.parameters import WireClass, drawing
from bench.workload.records import FAILED, QUEUED, REQUEST, UNFINISHED, frame
from bench.workload.schedule import Schedule
from bench.workload.session import Request, Session, open_session

FLUSH_S = 0.05
"""Between two reports to the parent."""
RECONNECT_S = 0.25
MOST_DRAWS = 2_000
"""In one turn of the loop: so that it hears its orders at any rate."""
MOST_DUE = 100_000
"""That wait for a connection, some tens of MB. What becomes due beyond that is not made, and is counted."""

_PR_SET_PDEATHSIG = 1

clock = time.perf_counter


class Worker:
    """The connections, the requests that are due, and those on their way."""

    def __init__(self, orders: Mapping[str, Any], further: bytes = b"") -> None:
        self._classes = [WireClass.from_json(order) for order in orders["classes"]]
        self._random = random.Random(orders["seed"])
        self._draws = [drawing(wire_class, self._random) for wire_class in self._classes]
        self._weights = [wire_class.weight for wire_class in self._classes]
        self._idle: deque[Session] = deque()
        self._busy: dict[int, Session] = {}
        self._due: deque[Request] = deque()
        self._missed = 0
        """That were due and not made."""
        self._schedule: Schedule | None = None
        self._closed_loop = 0
        self._drain_until: float | None = None
        self._told: set[tuple[int, str]] = set()
        self._out = bytearray()
        self._requests = bytearray()
        self._flushed = clock()
        self._orders_in = further
        self._reconnects = _Reconnects(orders["conninfo"], self._classes)
        for _ in range(orders["connections"]):
            self._idle.append(open_session(orders["conninfo"], self._classes))

    def run(self) -> None:
        """Serve orders until told to end."""
        self._tell(b"C", {"connected": len(self._idle)})
        self._report(now=True)
        while not self._drained():
            self._schedule_due()
            self._dispatch()
            self._report()
            readable = self._wait()
            if 0 in readable:
                self._read_orders()
            if self._reconnects.descriptor in readable:
                self._idle.extend(self._reconnects.take())
            for descriptor in readable:
                session = self._busy.get(descriptor)
                if session is not None and session.proceed():
                    self._ended(descriptor, session)
        self._give_up()
        self._tell(b"D", {"missed": self._missed})
        self._report(now=True)

    # What is due

    def _schedule_due(self) -> None:
        now = clock()
        if self._schedule is not None:
            self._make(self._schedule, now, MOST_DRAWS)
        if self._closed_loop:
            for _ in range(self._closed_loop - len(self._busy) - len(self._due)):
                cls = self._random.choices(range(len(self._classes)), self._weights)[0]
                self._due.append(Request(cls, now, self._draws[cls]()))

    def _make(self, schedule: Schedule, until: float, most: int) -> None:
        """Make the requests that are due before this time; what is beyond the bounds is missed."""
        for _ in range(most):
            if schedule.due > until:
                return
            if len(self._due) >= MOST_DUE:
                break
            due, cls = schedule.take()
            flags = 0 if len(self._due) < len(self._idle) else QUEUED
            self._due.append(Request(cls, due, self._draws[cls](), flags))
        self._missed += schedule.skip(until)

    def _dispatch(self) -> None:
        while self._due and self._idle:
            session, request = self._idle.popleft(), self._due.popleft()
            request.sent = clock()
            session.begin(request, self._classes[request.cls])
            if session.alive:
                self._busy[session.pgconn.socket] = session
            else:
                self._ended(None, session)

    def _wait(self) -> list[int]:
        now = clock()
        until = self._flushed + FLUSH_S
        if self._schedule is not None:
            until = min(until, self._schedule.due)
        descriptors = [0, self._reconnects.descriptor, *self._busy]
        # Unlike poll, select takes a time finer than a millisecond.
        readable, _, _ = select.select(descriptors, [], [], max(0.0, until - now))
        return readable

    def _ended(self, descriptor: int | None, session: Session) -> None:
        request = session.request
        assert request is not None
        request.finished = clock()
        session.request = None
        if descriptor is not None:
            del self._busy[descriptor]
        self._record(request, session.pid)
        if session.alive:
            self._idle.append(session)
        else:
            self._reconnects.ask()

    # What the parent says and hears

    def _read_orders(self) -> None:
        found = os.read(0, 65536)
        if not found:
            os._exit(0)  # the parent is gone
        *lines, self._orders_in = (self._orders_in + found).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _obey(self, order: Mapping[str, Any]) -> None:
        match order["do"]:
            case "closed":
                self._closed_loop = order["clients"]
            case "open":
                self._closed_loop = 0
                self._schedule = Schedule(
                    order["rate_per_s"], self._weights, order["arrivals"], order["start"], self._random
                )
            case "end":
                self._closed_loop = 0
                if self._schedule is not None:
                    self._make(self._schedule, order["at"], MOST_DUE)
                self._schedule = None
                self._drain_until = clock() + order["drain_s"]

    def _drained(self) -> bool:
        if self._drain_until is None:
            return False
        nothing_left = not self._busy and not self._due
        hopeless = not self._busy and not self._idle and self._reconnects.failing
        return nothing_left or hopeless or clock() > self._drain_until

    def _give_up(self) -> None:
        """Nobody is forgiven: what has no answer yet is counted with the time that it had waited."""
        now = clock()
        for session in self._busy.values():
            request = session.request
            assert request is not None
            request.outcome, request.finished = UNFINISHED, now
            self._record(request, session.pid)
        for request in self._due:
            request.outcome, request.finished = UNFINISHED, now
            self._record(request, 0)

    def _record(self, request: Request, pid: int) -> None:
        if request.outcome == FAILED and (request.cls, request.sqlstate) not in self._told:
            self._told.add((request.cls, request.sqlstate))
            said = {"message": request.message[:500], "constraint": request.constraint}
            self._tell(b"E", {"cls": request.cls, "sqlstate": request.sqlstate, **said})
        self._requests += REQUEST.pack(
            request.cls,
            request.outcome,
            request.flags,
            pid,
            min(request.rows, 2**31 - 1),
            request.sqlstate.encode()[:8],
            request.scheduled,
            request.sent,
            request.finished,
        )

    def _tell(self, letter: bytes, what: Mapping[str, Any]) -> None:
        self._out += frame(letter, json.dumps(what).encode())

    def _report(self, *, now: bool = False) -> None:
        moment = clock()
        if moment - self._flushed < FLUSH_S and not now:
            return
        self._flushed = moment
        if self._requests:
            self._out[:0] = frame(b"R", bytes(self._requests))
            self._requests.clear()
        if self._out:
            sys.stdout.buffer.write(self._out)
            sys.stdout.buffer.flush()
            self._out.clear()


class _Reconnects:
    """Opens connections in place of broken ones, in a thread of its own; a pipe tells when one is there."""

    def __init__(self, conninfo: str, classes: Sequence[WireClass]) -> None:
        self._conninfo, self._classes = conninfo, classes
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[Session] = queue.SimpleQueue()
        self.descriptor, self._bell = os.pipe()
        self.failing = False
        threading.Thread(target=self._connect, name="reconnects", daemon=True).start()

    def ask(self) -> None:
        """Have another connection opened."""
        self._asked.put(None)

    def take(self) -> list[Session]:
        """Those that are ready."""
        count = len(os.read(self.descriptor, 1024))
        return [self._ready.get() for _ in range(count)]

    def _connect(self) -> None:
        while True:
            self._asked.get()
            while True:
                try:
                    self._ready.put(open_session(self._conninfo, self._classes))
                    break
                except psycopg.OperationalError:
                    self.failing = True
                    time.sleep(RECONNECT_S)
            self.failing = False
            os.write(self._bell, b".")


def end_with_parent(parent: int) -> None:
    """Have the kernel end this process when its parent ends, where it can (Linux).

    https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(0)


def main() -> None:
    """Take the first line as the orders for the whole life of the process; its argument is its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to hear
    end_with_parent(int(sys.argv[1]))
    found = b""
    while b"\n" not in found:
        part = os.read(0, 1 << 20)
        if not part:
            return
        found += part
    line, _, rest = found.partition(b"\n")
    try:
        Worker(json.loads(line), rest).run()
    except psycopg.OperationalError as error:
        reason = frame(b"X", json.dumps({"message": str(error).strip()}).encode())
        sys.stdout.buffer.write(reason)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
