"""Hazards: what meets a deploy in production, made on purpose and seen to be there before it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from bench.errors import ServerError
from bench.model.deploy import HAZARDS, HazardName, HazardRecord
from bench.pg.server import Server
from bench.run.hazards import autovacuum, backup, replica, sessions
from bench.run.hazards.scene import NotThereError, Scene, Setting, clock

__all__ = ["HAZARDS", "Hazard", "NotThereError", "Setting"]


class _Stage(Protocol):
    def __call__(self, server: Server, dbname: str, setting: Setting) -> AbstractContextManager[Scene]: ...


class _Refusal(Protocol):
    def __call__(self, server: Server) -> str | None: ...


def _anywhere(server: Server) -> str | None:
    return None


_STAGES: Mapping[HazardName, tuple[_Stage, _Refusal]] = {
    "long-reader": (sessions.long_reader, _anywhere),
    "backup": (backup.backup, backup.refusal),
    "idle-in-transaction": (sessions.idle_in_transaction, _anywhere),
    "autovacuum": (autovacuum.autovacuum, autovacuum.refusal),
    "bulk-write": (sessions.bulk_write, _anywhere),
    "replica": (replica.replica, replica.refusal),
}


def what_it_is(name: HazardName) -> str:
    """A hazard in a sentence."""
    return (_STAGES[name][0].__doc__ or "").partition("\n")[0].replace("``length_s``", "--hazard-length")


@dataclass(slots=True)
class Hazard:
    """One hazard; ``record`` is what became of it, once its block has been left."""

    name: HazardName
    setting: Setting = field(default_factory=Setting)
    record: HazardRecord | None = None

    def refusal(self, server: Server) -> str | None:
        """Why this server cannot have it; None where it can."""
        return _STAGES[self.name][1](server)

    @contextmanager
    def around(self, server: Server, dbname: str) -> Iterator[None]:
        """Make it, wait until it is seen to be there, and end it and all that belongs to it after the block.

        NotThereError where it did not come about; ServerError where the server itself is gone.
        """
        self.record = None
        began = clock()
        scene: Scene | None = None
        ready = began
        try:
            with _STAGES[self.name][0](server, dbname, self.setting) as scene:
                ready = clock()
                yield
        except ServerError as error:
            if scene is not None or not server.endpoint.answers():
                raise
            raise NotThereError(error.message) from error
        finally:
            if scene is not None:
                self.record = scene.record(self.name, began, ready)
