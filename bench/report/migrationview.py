"""Migrations as a page shows them: a line in the table, and a section each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.conclude import Conclusion
from bench.analyse.locks import without_block
from bench.analyse.stats import Spread
from bench.analyse.summary import MigrationSummary
from bench.analyse.waits import ACCESSES
from bench.model.finding import Finding
from bench.model.load import Access
from bench.report import format as fmt
from bench.report.figures import timeline_name
from bench.report.findingview import FindingView, finding_view
from bench.report.sections.answer import blocks
from bench.report.statementview import StatementView, statement_views

UNKNOWN_HOLD = 1e300
"""Sorts a hold that nobody knows above all that are known."""

SHORT = {"locked rows": "rows", "traffic": "under traffic", "hazard": "beside a hazard"}
"""Where a wait comes from that is no table lock."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A number in a table: its text, what to sort by, and where it comes from."""

    text: str
    key: float = -1.0
    detail: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class MigrationView:
    """One migration: its line in the table and its own section."""

    anchor: str
    position: int
    file: str
    short: str
    """The file's name without its version."""
    figure: str
    """Name of its lock timeline."""
    outcome: str
    duration: Cell
    spread: str
    """Duration with n and extremes."""
    reads: Cell
    writes: Cell
    wal: Cell
    growth: Cell
    statements: tuple[StatementView, ...]
    findings: tuple[FindingView, ...]
    error: str
    rollback: str


@dataclass(frozen=True, slots=True)
class TableUnits:
    """The units of the table of migrations, one per column."""

    duration: str
    hold: str
    volume: str


@dataclass(frozen=True, slots=True)
class _Texts:
    """The table's numbers, column by column, in one unit each."""

    units: TableUnits
    durations: list[str]
    lows: list[str]
    highs: list[str]
    reads: list[str]
    writes: list[str]
    wal: list[str]
    growth: list[str]


def migration_views(
    findings: Sequence[Finding], conclusion: Conclusion
) -> tuple[TableUnits, tuple[MigrationView, ...]]:
    """The migrations in the suite's order, and the units of their table."""
    summary, texts = conclusion.summary, _texts(conclusion)
    views = (
        _migration(
            at,
            migration,
            conclusion,
            texts,
            [finding_view(f, summary) for f in findings if f.migration == migration.id],
        )
        for at, migration in enumerate(summary.migrations)
    )
    return texts.units, tuple(views)


def _texts(conclusion: Conclusion) -> _Texts:
    migrations = conclusion.summary.migrations
    n = len(migrations)
    spreads = [migration.duration_s for migration in migrations]
    times = [[getattr(s, part) if s else None for s in spreads] for part in ("median", "low", "high")]
    duration_unit, durations = fmt.seconds_column([time for column in times for time in column])
    worst = [conclusion.longest(access, each.id) for access in ACCESSES for each in migrations]
    hold_unit, holds = fmt.seconds_column([wait.seconds if wait else None for wait in worst])
    volumes = [_median(m.wal_bytes) for m in migrations] + [_median(m.size_delta_bytes) for m in migrations]
    volume_unit, sizes = fmt.size_column(volumes)
    return _Texts(
        units=TableUnits(duration_unit, hold_unit, volume_unit),
        durations=durations[:n],
        lows=durations[n : 2 * n],
        highs=durations[2 * n :],
        reads=holds[:n],
        writes=holds[n:],
        wal=sizes[:n],
        growth=sizes[n:],
    )


def _migration(
    at: int,
    migration: MigrationSummary,
    conclusion: Conclusion,
    texts: _Texts,
    findings: Sequence[FindingView],
) -> MigrationView:
    anchor = f"m{at + 1}"
    spread = migration.duration_s
    ends = f"{texts.lows[at]}–{texts.highs[at]}" if spread and not spread.equal else ""
    return MigrationView(
        anchor=anchor,
        position=at + 1,
        file=migration.file,
        short=_slug(migration.id),
        figure=timeline_name(at + 1),
        outcome="interrupted" if migration.interrupted else migration.outcome or "not reached",
        duration=Cell(texts.durations[at], _key(_median(spread)), ends),
        spread=fmt.spread_seconds(spread),
        reads=_wait_cell(texts.reads[at], migration, anchor, conclusion, "read"),
        writes=_wait_cell(texts.writes[at], migration, anchor, conclusion, "write"),
        wal=Cell(texts.wal[at], _key(_median(migration.wal_bytes))),
        growth=Cell(texts.growth[at], _key(_median(migration.size_delta_bytes))),
        statements=statement_views(anchor, migration.statements),
        findings=tuple(findings),
        error=migration.error.message if migration.error else "",
        rollback=migration.rollback_file or "",
    )


def _wait_cell(
    text: str, migration: MigrationSummary, anchor: str, conclusion: Conclusion, access: Access
) -> Cell:
    wait = conclusion.longest(access, migration.id)
    if wait is not None:
        line = next((each.line for each in migration.statements if each.index == wait.statement), None)
        at = "" if line is None else f" :{line}"
        beside = "" if wait.source == "table lock" else f", {SHORT[wait.source]}"
        href = "" if wait.statement is None else f"#{anchor}-s{wait.statement}"
        return Cell(text, wait.seconds, f"{wait.relation}{at}{beside}", href)
    if any(blocks(lock, access) for lock in migration.locks):
        return Cell(fmt.UNKNOWN, UNKNOWN_HOLD, "hold not known")
    if migration.outcome == "failed":
        return Cell("none", 0.0, "until it failed")
    if migration.outcome != "applied":
        return Cell(fmt.UNKNOWN)
    return Cell(without_block(migration.locks, reads=access == "read"), 0.0)


def _slug(migration_id: str) -> str:
    version, _, slug = migration_id.partition("_")
    return slug.replace("_", " ") if slug and version.isdigit() else migration_id


def _key(value: float | None) -> float:
    return -1.0 if value is None else value


def _median(spread: Spread | None) -> float | None:
    return spread.median if spread else None
