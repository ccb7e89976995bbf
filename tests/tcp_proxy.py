"""A proxy on loopback that can be cut, so that all connections break and none is accepted, or stand still."""

from __future__ import annotations

import select
import socket
import threading
from types import TracebackType


class TcpProxy:
    """Passes bytes between its own port and another one; a context manager."""

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._gone = threading.Event()
        self._stalled = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()

    def cut(self) -> None:
        """Break everything, now and for good."""
        self._gone.set()
        self._thread.join()

    def stall(self) -> None:
        """Pass nothing on any more, and answer nobody; connections stay open."""
        self._stalled.set()

    def _serve(self) -> None:
        partner: dict[socket.socket, socket.socket] = {}
        while not self._gone.is_set():
            if self._stalled.is_set():
                self._gone.wait()
                break
            readable, _, _ = select.select([self._listener, *partner], [], [], 0.02)
            for each in readable:
                if each is self._listener:
                    client, _ = self._listener.accept()
                    server = socket.create_connection(("127.0.0.1", self._target))
                    partner[client], partner[server] = server, client
                elif each in partner:
                    self._pass_on(each, partner)
        for each in (*partner, self._listener):
            each.close()

    @staticmethod
    def _pass_on(each: socket.socket, partner: dict[socket.socket, socket.socket]) -> None:
        try:
            found = each.recv(65536)
            if found:
                partner[each].sendall(found)
                return
        except OSError:
            pass
        other = partner.pop(each)
        partner.pop(other, None)
        each.close()
        other.close()
