"""What a comparison decided: numbers and categories alone; words are made of them at the very end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from bench.model.record import Noise

Level = Literal["E0", "E1", "W", "S"]
"""Categorical, exact counters, wall time, absolute budgets."""
Outcome = Literal["fail", "inconclusive", "warn", "improved", "pass"]
ORDER: tuple[Outcome, ...] = ("fail", "inconclusive", "warn", "improved", "pass")
"""Worst first."""
Presence = Literal["both", "edited", "renamed", "missing", "added"]


@dataclass(frozen=True, slots=True)
class Gate:
    """One thing that was judged."""

    level: Level
    code: str
    """``lock``, ``rewrite``, ``rows``, ``temp-spill``, ``plan``, ``proof``, ``error``, ``counter``,
    ``added-work``, ``wall-time``, ``query``, ``presence``, ``access``, ``budget``."""
    outcome: Outcome
    subject: str
    """The relation, counter, query or proof; ``duration`` for times."""
    old: float | str | None
    new: float | str | None
    unit: Literal["s", "bytes", "blocks", "records", "rows", "images", "mode", "plan", ""] = ""
    note: str | None = None
    """Why nothing can be said, where that is so."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """Head's time over base's, with its 95 % interval."""

    estimate: float
    low: float
    high: float
    limit: float
    """A ratio from here on is a regression."""
    base_s: float
    """Median."""
    head_s: float
    n: tuple[int, int]
    """Repeats of base and head."""
    paired: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """Of one statement or query."""

    migration: str
    """Its id on the head's side, on the base's where it is missing; empty for a query."""
    file: str
    line: int
    kind: str
    text: str
    presence: Presence
    gates: tuple[Gate, ...] = ()
    ratio: Ratio | None = None
    """None where both sides are too short to be timed, or too few repeats are there."""

    @property
    def outcome(self) -> Outcome:
        """The worst of its gates."""
        return worst(gate.outcome for gate in self.gates)


@dataclass(frozen=True, slots=True)
class MigrationDecision:
    id: str
    file: str
    presence: Presence
    statements: tuple[Decision, ...]
    gates: tuple[Gate, ...] = ()
    """What concerns the migration as a whole."""
    was: str | None = None
    """Its id on the base's side, where it was renamed."""

    @property
    def outcome(self) -> Outcome:
        """The worst of its own gates and of its statements; one that is missing or added is a warning."""
        own = worst(gate.outcome for gate in self.gates)
        unmatched: tuple[Outcome, ...] = ("warn",) if self.presence in ("missing", "added", "renamed") else ()
        return worst((own, *unmatched, *(decision.outcome for decision in self.statements)))


@dataclass(frozen=True, slots=True)
class Difference:
    """A key that differs between the two sides."""

    key: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that was decided about two runs."""

    suite: str
    base: str
    """Run ids."""
    head: str
    limit: float
    """δ: the ratio from which a time is a regression."""
    design: Literal["paired", "same machine", "other machine"]
    migrations: tuple[MigrationDecision, ...]
    queries: tuple[Decision, ...] = ()
    gates: tuple[Gate, ...] = ()
    """Proofs and budgets: of the suite as a whole."""
    machine: tuple[Difference, ...] = ()
    geometric_mean: float | None = None
    """Of the time ratios of the statements that both sides have and that could be timed."""
    timed: int = 0
    """How many these are."""
    path: str = ""
    """The suite's directory, for places in files."""
    noise: Noise | None = None
    """What this machine's times do where nothing changed, where it has been learnt."""

    @property
    def outcome(self) -> Outcome:
        """The worst of everything."""
        return worst(
            [
                *(gate.outcome for gate in self.gates),
                *(decision.outcome for decision in self.migrations),
                *(query.outcome for query in self.queries),
            ]
        )

    @property
    def wants_repeats(self) -> bool:
        """Whether more repeats may change what is said of a time: one accuses, or leaves something open."""
        timed = [gate for decision in self.verdicts for gate in decision.gates if gate.level == "W"]
        return any(gate.outcome in ("fail", "inconclusive") for gate in timed)

    @property
    def verdicts(self) -> tuple[Decision, ...]:
        """Every statement and query."""
        return (
            *(decision for migration in self.migrations for decision in migration.statements),
            *self.queries,
        )


def worst(outcomes: Iterable[Outcome]) -> Outcome:
    """The worst of them; ``pass`` where there is none."""
    return min(outcomes, key=ORDER.index, default="pass")
