"""Migrations, their statements and locks as a page shows them: what opens, is searched and is sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.lock import WEAKEST_SHOWN, LockMode
from bench.report import format as fmt
from bench.report.document import Block
from bench.report.figures import timeline_name
from bench.report.format import excerpt
from bench.report.nestedview import InsideView, inside_view
from bench.report.sections.migrations import statement_blocks

EXCERPT = 160


@dataclass(frozen=True, slots=True)
class Strongest:
    """The strongest lock of a statement on a relation that existed before."""

    mode: str
    strength: int
    weak: bool
    """Stands in the way of nothing that applications and maintenance do all day."""
    source: str


@dataclass(frozen=True, slots=True)
class StatementView:
    """One statement with everything that opens under it."""

    anchor: str
    line: int
    excerpt: str
    outcome: str
    duration: str
    duration_s: float
    """To sort by; 0 where not known."""
    share: float
    """Of the migration's longest statement, 0 to 1, for the bar."""
    strongest: Strongest | None
    blocks: str
    """``reads``, ``writes`` or empty: what waits behind its strongest lock."""
    rewrites: bool
    wal: str
    told: tuple[Block, ...]
    inside: InsideView


@dataclass(frozen=True, slots=True)
class MigrationView:
    """One migration with its statements."""

    anchor: str
    position: int
    file: str
    short: str
    """The file's name without its version."""
    figure: str
    """Name of its lock timeline."""
    outcome: str
    spread: str
    """Duration with n and extremes."""
    statements: tuple[StatementView, ...]
    rollback: str


def migration_views(migrations: Sequence[MigrationSummary]) -> tuple[MigrationView, ...]:
    """The migrations in the suite's order."""
    return tuple(_migration(at, migration) for at, migration in enumerate(migrations, start=1))


def _migration(at: int, migration: MigrationSummary) -> MigrationView:
    return MigrationView(
        anchor=f"m{at}",
        position=at,
        file=migration.file,
        short=_slug(migration.id),
        figure=timeline_name(at),
        outcome="interrupted" if migration.interrupted else migration.outcome or "not reached",
        spread=fmt.spread_seconds(migration.duration_s),
        statements=statement_views(f"m{at}", migration.statements),
        rollback=migration.rollback_file or "",
    )


def _slug(migration_id: str) -> str:
    version, _, slug = migration_id.partition("_")
    return slug.replace("_", " ") if slug and version.isdigit() else migration_id


def statement_views(anchor: str, statements: Sequence[StatementSummary]) -> tuple[StatementView, ...]:
    """The statements of one migration; ``anchor`` starts their ids."""
    longest_s = max(
        (statement.duration_s.median for statement in statements if statement.duration_s), default=0.0
    )
    return tuple(_statement(f"{anchor}-s{statement.index}", statement, longest_s) for statement in statements)


def _statement(anchor: str, statement: StatementSummary, longest_s: float) -> StatementView:
    spread, lock = statement.duration_s, statement.strongest_lock
    weak = lock is not None and lock.mode.strength < WEAKEST_SHOWN.strength
    return StatementView(
        anchor=anchor,
        line=statement.line,
        excerpt=excerpt(statement.text, EXCERPT),
        outcome=statement.outcome,
        duration=fmt.seconds(spread.median if spread else None),
        duration_s=spread.median if spread else 0.0,
        share=spread.median / longest_s if spread and longest_s else 0.0,
        strongest=Strongest(lock.mode.sql_name, lock.mode.strength, weak, lock.source) if lock else None,
        blocks=_blocks(lock.mode if lock else None),
        rewrites=bool(statement.rewrites),
        wal=fmt.size(statement.counters.wal_bytes),
        told=tuple(statement_blocks(statement)),
        inside=inside_view(statement),
    )


def _blocks(mode: LockMode | None) -> str:
    if mode is None or not mode.blocks_writes:
        return ""
    return "reads" if mode.blocks_reads else "writes"
