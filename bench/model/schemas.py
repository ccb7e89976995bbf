"""The deploy applied to many schemas: one for each tenant, with the same tables in each."""

from __future__ import annotations

from dataclasses import dataclass

from bench.model.statement import StatementError


@dataclass(frozen=True, slots=True)
class SchemaFailure:
    """Where the deploy stopped."""

    schema: str
    number: int
    """Of the schema, from 1, in the order in which they are taken."""
    migration: str
    line: int | None
    error: StatementError
    partial: bool
    """Its objects are neither those of before nor all of those that the deploy makes."""


@dataclass(frozen=True, slots=True)
class LocksHeld:
    """Entries of the shared lock table that one transaction held when it had come so far."""

    schemas: int
    locks: int


@dataclass(frozen=True, slots=True)
class Passed:
    """How many schemas were done after how long."""

    schemas: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Schemas:
    """What became of all of them."""

    names: tuple[str, ...]
    """In the order in which they are taken."""
    made: bool
    """Copies of ours of the base's schema; False: they are the base's own."""
    workers: int
    """Sessions that take the next schema in turn."""
    one_transaction: bool
    applied: int
    """Schemas that have the whole deploy, after the first start."""
    duration_s: float
    slowest_s: float
    """Of one schema."""
    passed: tuple[Passed, ...]
    """At eighths, the last one included."""
    wal_bytes: int
    locks: tuple[LocksHeld, ...] = ()
    """Where all schemas are one transaction."""
    cut: int | None = None
    """The session was ended on purpose in the schema of this number."""
    failures: tuple[SchemaFailure, ...] = ()
    """At most one for each session."""
    resumed: int | None = None
    """Schemas that have the whole deploy after a second start, at the file that failed; None: there was
    none."""
    resumed_failures: tuple[SchemaFailure, ...] = ()
