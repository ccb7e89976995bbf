"""What a comparison needs to know of a run, and no more: small enough to be stored beside the code.

Every figure is raw, one value for each repeat, in the repeats' order. Field names are an interface: a stored
baseline holds them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.model.budget import BudgetCheck

RECORD_VERSION = 1


@dataclass(frozen=True, slots=True)
class StatementRecord:
    """One statement over the repeats of the solo pass."""

    line: int
    kind: str
    text: str
    """The beginning of its text, comments and white space normalised."""
    sha256: str
    """Of the whole normalised text: the first 16 hexadecimal digits."""
    durations_s: tuple[float | None, ...]
    calibrations_s: tuple[float | None, ...]
    """The calibration query's time nearest to each execution."""
    rows: tuple[int | None, ...]
    counters: dict[str, tuple[int | None, ...]]
    """By name: blocks (hit and read), blocks_dirtied, wal_records, wal_fpi, wal_bytes, temp_bytes."""
    locks: dict[str, str] = field(default_factory=dict)
    """Existing relation → strongest mode that every repeat read exactly."""
    sampled: dict[str, str] = field(default_factory=dict)
    """Existing relation → strongest mode that any repeat saw, by chance or exactly."""
    rewrites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MigrationRecord:
    id: str
    file: str
    sha256: str
    outcome: str
    """``failed`` where it failed in any repeat."""
    statements: tuple[StatementRecord, ...]


@dataclass(frozen=True, slots=True)
class QueryRecord:
    """A view, function or workload query on the migrated schema."""

    name: str
    fingerprint: str | None
    """Of the plan's shape."""
    blocks: int | None
    temp_bytes: int | None
    rows: int | None
    error: str | None = None
    durations_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessRecord:
    """How far one actor came with one command after the suite."""

    rows: int | None
    """None where the command was refused."""
    opened: str | None = None
    """Why it counts as opened by the suite."""


@dataclass(frozen=True, slots=True)
class Record:
    """One side of a comparison."""

    record_version: int
    run_id: str
    started_at: str
    suite: str
    path: str
    key: dict[str, str]
    """What must be the same on both sides, as text."""
    machine: dict[str, str]
    """Which machine it was: a difference widens the limit for times."""
    pages: dict[str, int]
    """Table → pages of 8 KiB before the migrations, indexes and TOAST included."""
    migrations: tuple[MigrationRecord, ...]
    queries: tuple[QueryRecord, ...] = ()
    proofs: dict[str, bool] = field(default_factory=dict)
    """What was proved or refuted, by name."""
    access: dict[str, AccessRecord] = field(default_factory=dict)
    """By actor, command, whose rows and relation, as far as it was tried."""
    budgets: tuple[BudgetCheck, ...] = ()
    because: str | None = None
    """Why it was accepted as a baseline."""
    accepted_at: str | None = None


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
