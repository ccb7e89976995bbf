"""A recorder in the server's place: it answers psql, and keeps the queries and rows that psql sends."""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from bench.pg.binaries import find_installations
from bench.pg.embedded import embedded_installation


def _programs() -> dict[str, Path]:
    """psql of each installation, by major version: psql's own lexer has changed over time."""
    found = [embedded_installation(), *find_installations()]
    return {str(each.major): each.bindir / "psql" for each in found if (each.bindir / "psql").is_file()}


PROGRAMS = _programs()


_COPY = re.compile(
    r"(?:\s|--[^\n]*\n|/\*[^*/]*\*/)*copy\b[^']*\bfrom(?:\s|/\*[^*/]*\*/)+std(in|out)\b", re.IGNORECASE
)


@dataclass(slots=True)
class Sent:
    """A query, and the rows that followed it."""

    query: str
    rows: bytes | None = None


@dataclass(slots=True)
class Session:
    """What one psql sent, and how it ended."""

    sent: list[Sent] = field(default_factory=list)
    returncode: int = 0
    errors: str = ""


class Recorder:
    """Answers every query with success, and COPY … FROM stdin by taking rows."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.conninfo = (
            f"host=127.0.0.1 port={self._listener.getsockname()[1]} user=u dbname=d "
            "sslmode=disable gssencmode=disable"
        )

    def record(
        self,
        program: Path,
        arguments: Sequence[str],
        *,
        directory: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Session:
        """Run psql once, in a directory, and return what it sent."""
        session = Session()
        server = threading.Thread(target=self._serve, args=(session,))
        server.start()
        settings = [f"--set={name}={value}" for name, value in (variables or {}).items()]
        done = subprocess.run(
            [program, "-X", "-q", "-d", self.conninfo, *settings, *arguments],
            capture_output=True, text=True, timeout=60, check=False, cwd=directory,
            env={"PATH": os.environ["PATH"], "PGCLIENTENCODING": "UTF8"},
        )  # fmt: skip
        server.join(timeout=20)
        session.returncode, session.errors = done.returncode, done.stderr
        return session

    def close(self) -> None:
        self._listener.close()

    def _serve(self, session: Session) -> None:
        connection, _ = self._listener.accept()
        with connection, connection.makefile("rb") as stream:
            stream.read(struct.unpack("!i", stream.read(4))[0] - 4)
            parameters = {
                "client_encoding": "UTF8",
                "standard_conforming_strings": "on",
                "server_version": "15.0",
            }
            connection.sendall(_message(b"R", struct.pack("!i", 0)))
            for name, value in parameters.items():
                connection.sendall(_message(b"S", f"{name}\0{value}\0".encode()))
            connection.sendall(_message(b"Z", b"I"))
            self._answer(connection, stream, session)

    def _answer(self, connection: socket.socket, stream: BinaryIO, session: Session) -> None:
        while (kind := stream.read(1)) not in (b"", b"X"):
            body = stream.read(struct.unpack("!i", stream.read(4))[0] - 4)
            if kind == b"Q":
                session.sent.append(Sent(body[:-1].decode()))
                if _COPY.match(session.sent[-1].query):
                    session.sent[-1].rows = b""
                    connection.sendall(_message(b"G", struct.pack("!bh", 0, 0)))
                    continue
            if kind == b"d":
                session.sent[-1].rows = (session.sent[-1].rows or b"") + body
            if kind in b"Qcf":
                connection.sendall(_message(b"C", b"SET\0") + _message(b"Z", b"I"))


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body
