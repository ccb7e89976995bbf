"""Jobs over several connections: each connection takes the next job as soon as it can begin with it."""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Generic, TypeVar

import psycopg
from psycopg.rows import TupleRow

from datagen.errors import ServerError, UsageError

Connection = psycopg.Connection[TupleRow]
Job = TypeVar("Job")
Result = TypeVar("Result")
Work = Callable[[Connection, Job, threading.Event], Result]
"""What is done with one job; the event is set when everybody is to stop."""
Stream = Callable[[Connection, Iterator[Job], threading.Event], Iterable[Result]]
"""What one connection does with all jobs that it takes; the next one is its own from when it is asked for."""

APPLICATION = "pgrehearse datagen"
_SOCKET_BYTES = 512 * 1024
"""Linux grants twice that, or twice its own limit, 208 kB unless somebody raised it; more took longer."""
_CANCEL_EVERY_S = 0.5

_SESSION = (
    "SET synchronous_commit = off",
    "SET statement_timeout = 0",
    "SET lock_timeout = '60s'",
    "SET client_min_messages = warning",
    "SET search_path = pg_catalog",
    "SET maintenance_work_mem = '256MB'",
    # The jobs themselves run side by side.
    "SET max_parallel_maintenance_workers = 0",
)
_NOTICE_DEATH = "SET client_connection_check_interval = '2s'"
"""A statement whose client was killed ends soon; since PostgreSQL 14, and not on every system."""


@contextmanager
def connect(conninfo: str) -> Iterator[Connection]:
    """An autocommit connection with the loader's settings; ServerError where there is none."""
    try:
        conn = psycopg.connect(conninfo, autocommit=True, application_name=APPLICATION, connect_timeout=10)
    except psycopg.ProgrammingError as error:
        raise UsageError(
            "the DSN cannot be read", "for example postgresql://user@host:5432/database"
        ) from error
    except psycopg.OperationalError as error:
        raise ServerError(
            f"cannot connect: {str(error).strip()}", "is the server running, and is the DSN right?"
        ) from error
    with conn:
        _widen(conn)
        for statement in _SESSION:
            conn.execute(statement)
        with suppress(psycopg.Error):
            conn.execute(_NOTICE_DEATH)
        yield conn


def _widen(conn: Connection) -> None:
    """Let a Unix socket hold more, for the server to work on while nothing is sent; TCP adapts by itself."""
    with socket.socket(fileno=os.dup(conn.fileno())) as same:
        if same.family == socket.AF_UNIX:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)


class _Crew(Generic[Job, Result]):
    """The threads' common state: jobs left, results, the first failure."""

    def __init__(self, jobs: Sequence[Job], stream: Stream[Job, Result]) -> None:
        self.jobs = deque(jobs)
        self.stream = stream
        self.stop = threading.Event()
        self.results: list[Result] = []
        self.failures: list[BaseException] = []
        self.connections: list[Connection] = []

    def run(self, conninfo: str) -> None:
        try:
            with connect(conninfo) as conn:
                self.connections.append(conn)
                for result in self.stream(conn, self._taken(), self.stop):
                    self.results.append(result)  # not extend: other threads append between two results
        except BaseException as error:  # raised again by run_streams
            self.failures.append(error)
            self.halt()

    def _taken(self) -> Iterator[Job]:
        while not self.stop.is_set():
            try:
                job = self.jobs.popleft()
            except IndexError:
                return
            yield job

    def halt(self) -> None:
        """Let nobody take another job, and end what the server is doing."""
        self.stop.set()
        for conn in self.connections:
            with suppress(psycopg.Error):
                conn.cancel()

    def wait_for(self, threads: Sequence[threading.Thread]) -> None:
        """Until all have ended; once they are to stop, cancel again what began after the last time.

        A request that finds no statement running does nothing (PostgreSQL, "Canceling Requests in Progress").
        """
        for thread in threads:
            while thread.is_alive():
                thread.join(_CANCEL_EVERY_S)
                if self.stop.is_set():
                    self.halt()


def run_jobs(conninfo: str, streams: int, jobs: Sequence[Job], work: Work[Job, Result]) -> list[Result]:
    """Do all jobs over at most ``streams`` connections, in any order; the first failure stops all."""

    def one_by_one(conn: Connection, taken: Iterator[Job], stop: threading.Event) -> Iterator[Result]:
        return (work(conn, job, stop) for job in taken)

    return run_streams(conninfo, streams, jobs, one_by_one)


def run_streams(
    conninfo: str, streams: int, jobs: Sequence[Job], stream: Stream[Job, Result]
) -> list[Result]:
    """The same where a connection's jobs overlap: ``stream`` takes them itself, once a connection."""
    crew = _Crew(jobs, stream)
    threads = [
        threading.Thread(target=crew.run, args=(conninfo,), daemon=True)
        for _ in range(min(streams, len(jobs)))
    ]
    for thread in threads:
        thread.start()
    try:
        crew.wait_for(threads)
    except BaseException:
        crew.halt()
        crew.wait_for(threads)
        raise
    if crew.failures:
        raise crew.failures[0]
    return crew.results
