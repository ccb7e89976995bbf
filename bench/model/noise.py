"""What a machine's times do where nothing changed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noise:
    """Limits for ratios of times, learnt from repeats of one suite on one machine."""

    machine: str
    """Digest of what tells machines apart."""
    learnt_at: str
    run_id: str
    suite: str
    repeats: int
    statements: int
    """So many are long enough to be timed."""
    draws: int
    """Comparisons of the suite with itself that were drawn from the repeats, of each design."""
    in_turn: float
    """Ratio that at most one in a hundred of them reaches, where repeats of both sides took turns."""
    stored: float
    """The same where one side had run before the other."""
    in_turn_alarms: float
    """Share of the draws that would fail at the design's own limit."""
    stored_alarms: float
