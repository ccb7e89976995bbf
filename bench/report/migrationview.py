"""Migrations, their statements and locks as a page shows them: what opens, is searched and is sorted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.analyse.locks import is_toast
from bench.analyse.summary import LockSummary, MigrationSummary, StatementSummary
from bench.model.lock import LockMode
from bench.model.statement import Counters, Rewrite
from bench.model.texts import cut
from bench.report import format as fmt
from bench.report.document import Facts
from bench.report.figures import timeline_name
from bench.report.format import excerpt
from bench.report.nestedview import InsideView, inside_view
from bench.report.sections.migrations import error_facts, notice_lines
from bench.report.timeline import WEAKEST_SHOWN

EXCERPT = 160
NAMED = 8
"""So many relations are named of those that a statement locked in one weak mode."""
LABELS: Sequence[tuple[str, str]] = (
    ("wal_bytes", "WAL"),
    ("wal_records", "WAL records"),
    ("wal_fpi", "full-page images"),
    ("blocks_hit", "blocks hit"),
    ("blocks_read", "blocks read"),
    ("blocks_dirtied", "blocks dirtied"),
    ("temp_bytes", "temporary files"),
    ("size_delta_bytes", "growth on disk"),
)
TRANSACTIONS = {
    "file": "in the file's own transaction",
    "own": "in a transaction of its own",
    "none": "outside a transaction",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value, both text."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class LockView:
    """One lock on a relation that existed before."""

    relation: str
    target: str
    mode: str
    strength: int
    weak: bool
    """Stands in the way of nothing that applications and maintenance do all day."""
    waiting: str
    """Which commands wait behind it."""
    held: str
    waited: str
    source: str


@dataclass(frozen=True, slots=True)
class StatementView:
    """One statement with everything that opens under it."""

    anchor: str
    line: int
    place: str
    """``file:line``."""
    kind: str
    excerpt: str
    sql: str
    outcome: str
    duration: str
    spread: str
    duration_s: float
    """To sort by; 0 where not known."""
    share: float
    """Of the migration's longest statement, 0 to 1, for the bar."""
    strongest: LockView | None
    blocks: str
    """``reads``, ``writes`` or empty: what waits behind its strongest lock."""
    locks: tuple[LockView, ...]
    """Those that stand in somebody's way, strongest first."""
    weak_locks: str
    """The others on relations that existed before, in words."""
    new_locks: int
    transaction: str
    rewrites: tuple[str, ...]
    scans: tuple[str, ...]
    wal: str
    counters: tuple[Fact, ...]
    inside: InsideView
    notices: tuple[str, ...]
    """What the server said while it ran."""
    error: tuple[Facts, ...]
    """What the server said where it failed."""


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
    longest_s = max((each.duration_s.median for each in statements if each.duration_s), default=0.0)
    return tuple(_statement(f"{anchor}-s{each.index}", each, longest_s) for each in statements)


def _statement(anchor: str, statement: StatementSummary, longest_s: float) -> StatementView:
    spread = statement.duration_s
    felt = [lock for lock in statement.locks if lock.felt]
    strongest = statement.strongest_lock
    return StatementView(
        anchor=anchor,
        line=statement.line,
        place=statement.where,
        kind=statement.kind,
        excerpt=excerpt(statement.text, EXCERPT),
        sql=cut(statement.text.strip("\n")),
        outcome=statement.outcome,
        duration=fmt.seconds(spread.median if spread else None),
        spread=fmt.spread_seconds(spread),
        duration_s=spread.median if spread else 0.0,
        share=spread.median / longest_s if spread and longest_s else 0.0,
        strongest=_lock(strongest) if strongest else None,
        blocks=_blocks(strongest.mode if strongest else None),
        locks=tuple(_lock(lock) for lock in felt if lock.mode.strength >= WEAKEST_SHOWN.strength),
        weak_locks=_weak([lock for lock in felt if lock.mode.strength < WEAKEST_SHOWN.strength]),
        new_locks=sum(lock.new for lock in statement.locks),
        transaction=TRANSACTIONS[statement.transaction],
        rewrites=tuple(
            f"{_rewritten(each)}{f', {fmt.size(each.bytes)}' if each.bytes is not None else ''}"
            for each in statement.rewrites
        ),
        scans=tuple(f"{each.relation}, {fmt.count(each.rows)} rows" for each in statement.validations),
        wal=fmt.size(statement.counters.wal_bytes),
        counters=_counters(statement),
        inside=inside_view(statement),
        notices=notice_lines(statement),
        error=_error(statement),
    )


def _lock(lock: LockSummary) -> LockView:
    kind = "" if lock.target == "table" else lock.target
    return LockView(
        relation=lock.relation,
        target=f"{kind} of {lock.table}" if kind and lock.table else kind,
        mode=lock.mode.sql_name,
        strength=lock.mode.strength,
        weak=lock.mode.strength < WEAKEST_SHOWN.strength,
        waiting=", ".join(lock.mode.blocks) or "nothing",
        held=fmt.bounds_seconds(lock.held_s_bounds)
        if lock.held_s_bounds
        else fmt.seconds(lock.held_s.median if lock.held_s else None),
        waited=fmt.seconds(lock.waited_s.high) if lock.waited_s and lock.waited_s.high > 0 else "",
        source=lock.source,
    )


def _rewritten(rewrite: Rewrite) -> str:
    return f"TOAST of {rewrite.table}" if is_toast(rewrite.relation) and rewrite.table else rewrite.relation


def _weak(locks: Sequence[LockSummary]) -> str:
    """``ROW EXCLUSIVE on a, b, c and 3 more; ACCESS SHARE on c``."""
    parts = []
    for mode in sorted({lock.mode for lock in locks}, key=lambda mode: -mode.strength):
        names = list(dict.fromkeys(lock.subject for lock in locks if lock.mode is mode))
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        parts.append(f"{mode.sql_name} on {', '.join(names[:NAMED])}{more}")
    return "; ".join(parts)


def _blocks(mode: LockMode | None) -> str:
    if mode is None or not mode.blocks_writes:
        return ""
    return "reads" if mode.blocks_reads else "writes"


def _counters(statement: StatementSummary) -> tuple[Fact, ...]:
    facts = [Fact("rows", fmt.count(statement.rows))] if statement.rows is not None else []
    for name, label in LABELS:
        value = getattr(statement.counters, name)
        write = fmt.size if name.endswith("_bytes") else fmt.count
        spread = statement.varying.get(name)
        note = f"{write(spread.low)} to {write(spread.high)}" if spread else ""
        if value is not None:
            facts.append(Fact(label, write(value), note))
    if statement.outcome == "applied" and statement.counters == Counters():
        facts.append(Fact("counters", fmt.UNKNOWN, "not read for this statement"))
    return tuple(facts)


def _error(statement: StatementSummary) -> tuple[Facts, ...]:
    error = statement.error
    return () if error is None else (Facts(error_facts(error, statement.where)),)
