"""How far a load or a write has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Phase = Literal["copy", "index", "foreign key", "vacuum"]


@dataclass(frozen=True, slots=True)
class Progress:
    """One state; units are rows while copying, indexes and tables afterwards."""

    phase: Phase
    done: int
    total: int
    bytes: int
    """Bytes sent or written."""
    elapsed_s: float


Listener = Callable[[Progress], None]


class Meter:
    """Adds up what several threads report, and tells a listener."""

    def __init__(self, listener: Listener | None) -> None:
        self.started = time.perf_counter()
        self.bytes = 0
        self._listener = listener
        self._phase: Phase = "copy"
        self._done = 0
        self._total = 0
        self._lock = threading.Lock()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the meter was made."""
        return time.perf_counter() - self.started

    def begin(self, phase: Phase, total: int) -> None:
        """Start counting another phase."""
        self._phase, self._done, self._total = phase, 0, total
        self.add(0, 0)

    def add(self, done: int, size: int = 0) -> None:
        """Count what was done, and bytes."""
        with self._lock:
            self._done += done
            self.bytes += size
            if self._listener:
                state = Progress(self._phase, self._done, self._total, self.bytes, self.elapsed_s)
                self._listener(state)
