"""A rehearsal as a test asserts on it: who is blocked, which locks, rewrites and plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.analyse.compare.record import record
from bench.model.finding import Finding
from bench.model.lock import Lock, LockMode
from bench.model.plan import Query, QueryCost
from bench.model.run import MigrationRun, Run
from bench.model.statement import StatementError, StatementRun

NEEDS: dict[str, LockMode] = {
    "SELECT": LockMode.ACCESS_SHARE,
    "SELECT FOR UPDATE": LockMode.ROW_SHARE,
    "INSERT": LockMode.ROW_EXCLUSIVE,
    "UPDATE": LockMode.ROW_EXCLUSIVE,
    "DELETE": LockMode.ROW_EXCLUSIVE,
}
"""The lock that a command of the application asks for on the table that it names.

https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
"""


@dataclass(frozen=True, slots=True)
class StatementPlace:
    """A statement of a migration."""

    file: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """A command that had to wait for a statement."""

    op: str
    relation: str
    by: StatementPlace
    waits_on: str
    """The relation whose lock it waited for: by a foreign key or a view another than the one it names."""
    mode: str | None
    """The migration's lock on that, as SQL names it; None where it was not a table's lock."""
    held_s: float | None
    """How long that was held at most, over all repeats, as the verdict counts it; None: not known."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lock on a relation that was there before the migrations."""

    relation: str
    mode: str
    """As SQL names it: ``ACCESS EXCLUSIVE``."""
    by: StatementPlace
    held_s: float | None
    """As of :class:`Blocked`."""


@dataclass(frozen=True, slots=True)
class PlanOf:
    """What a view, function or query costs after the migrations."""

    name: str
    cost: QueryCost

    @property
    def nodes(self) -> tuple[str, ...]:
        """The types of the plan's nodes, from the top: ``("Aggregate", "Index Scan")``."""
        return tuple(node["Node Type"] for node in _nodes(self.cost.plan))

    @property
    def seq_scans(self) -> tuple[str, ...]:
        """The relations that the plan reads in full."""
        scans = [node for node in _nodes(self.cost.plan) if node["Node Type"] == "Seq Scan"]
        return tuple(node["Relation Name"] for node in scans)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """One rehearsal. Relations may be named without their schema where one alone has that name."""

    run: Run
    path: Path
    """The run's directory, for ``bench report``."""

    def blocks(self, relation: str, op: str | None = None) -> Blocked | None:
        """The longest wait of a command on a relation, or of any command; None: nobody had to wait.

        ``op``: SELECT, SELECT FOR UPDATE, INSERT, UPDATE or DELETE, as they were tried by other sessions
        while each statement's transaction was open. What a statement that refuses a transaction locks is
        judged by the modes that were seen. Raises LookupError for a relation or command that there is not,
        and where nobody is known to wait but not every statement could be tried.
        """
        if op is not None and op not in NEEDS:
            raise LookupError(f"no command {op!r}: {', '.join(NEEDS)}")
        name = self._named(relation)
        blockeds = [
            blocked for blocked in self._waits() if blocked.relation == name and op in (None, blocked.op)
        ]
        if not blockeds and (untried := self._untried(name)) is not None:
            raise LookupError(f"who waits for {name} was not tried at {untried}")
        return max(blockeds, key=lambda blocked: blocked.held_s or 0.0, default=None)

    def locks(self, relation: str | None = None, mode: str | None = None) -> tuple[Held, ...]:
        """The table locks of the migrations, strongest first; ``mode`` as SQL names it.

        Raises LookupError for a relation or mode that there is not.
        """
        if mode is not None and mode not in {other.sql_name for other in LockMode}:
            raise LookupError(f"no lock mode {mode!r}: {', '.join(other.sql_name for other in LockMode)}")
        name = None if relation is None else self._named(relation)
        found = [
            (lock.mode.strength, Held(lock.relation, lock.mode.sql_name, place, self._held_s(place, lock)))
            for place, statement in self._statements()
            for lock in statement.locks
            if not lock.new and name in (None, lock.relation) and mode in (None, lock.mode.sql_name)
        ]
        return tuple(held for _, held in sorted(found, key=lambda pair: -pair[0]))

    @property
    def rewrites(self) -> tuple[str, ...]:
        """The relations from before the migrations that were written anew."""
        found = (rewrite.relation for _, statement in self._statements() for rewrite in statement.rewrites)
        return tuple(dict.fromkeys(found))

    @property
    def read_in_full(self) -> tuple[str, ...]:
        """The tables that a statement read in full, for a constraint or an index."""
        return tuple(
            dict.fromkeys(
                validation.relation
                for _, statement in self._statements()
                for validation in statement.validations
            )
        )

    def plan(self, name: str) -> PlanOf:
        """What a view, function or query costs after the migrations.

        Raises LookupError: there is none of that name, or it could not be explained.
        """
        found = {query.name: query.after for query in self.run.queries if query.after is not None}
        cost = found.get(_one(name, tuple(found), "view, function or query after the migrations"))
        if cost is None or cost.error is not None:
            raise LookupError(f"{name} has no plan: {cost.error if cost else 'it was not costed'}")
        return PlanOf(name, cost)

    def findings(self, code: str | None = None) -> tuple[Finding, ...]:
        """What the report warns of, except what the suite's authors accept."""
        return tuple(
            finding
            for finding in self.run.findings
            if code in (None, finding.code) and finding.accepted is None
        )

    @property
    def counters(self) -> dict[str, float]:
        """Duration, WAL, blocks and temporary files of the whole suite: sums of medians over the repeats."""
        totals: dict[str, float] = {"duration_s": 0.0}
        for migration in record(self.run).migrations:
            for statement in migration.statements:
                if known := [v for v in statement.durations_s if v is not None]:
                    totals["duration_s"] += median(known)
                for name, values in statement.counters.items():
                    if counted := [v for v in values if v is not None]:
                        totals[name] = totals.get(name, 0) + median(counted)
        return totals

    @property
    def failed(self) -> MigrationRun | None:
        """The migration that failed."""
        return next(
            (migration for migration in self.run.solo[-1].migrations if migration.outcome == "failed"), None
        )

    @property
    def error(self) -> StatementError | None:
        """The server's refusal, where a migration failed."""
        return self.failed.error if self.failed else None

    def _untried(self, relation: str) -> StatementPlace | None:
        """The first statement of which it is not known whether it makes users of a relation wait."""
        for place, statement in self._statements():
            unknown = statement.blocks is None and statement.transaction != "none"
            if statement.outcome == "applied" and (unknown or relation in statement.untried):
                return place
        return None

    def _waits(self) -> Iterator[Blocked]:
        for place, statement in self._statements():
            for block in statement.blocks or ():
                locks = [other for other in statement.locks if other.relation == block.waits_on]
                worst = max(locks, key=lambda other: other.mode.strength, default=None)
                mode = worst.mode.sql_name if worst and block.wait_kind == "relation" else None
                held_s = self._held_s(place, worst) if worst else None
                yield Blocked(block.op, block.relation, place, block.waits_on, mode, held_s)
            if statement.transaction != "none":
                continue
            for lock in statement.locks:
                for op, needed in NEEDS.items():
                    if not lock.new and lock.mode.conflicts_with(needed):
                        held_s = self._held_s(place, lock)
                        yield Blocked(op, lock.relation, place, lock.relation, lock.mode.sql_name, held_s)

    def _held_s(self, place: StatementPlace, lock: Lock) -> float | None:
        """The longest that the same lock of the same statement may have been held, over all repeats."""
        holds = [
            longest_s
            for repeat in self.run.solo
            for migration in repeat.migrations
            for statement in migration.statements
            if self._place(migration, statement) == place
            for held in statement.locks
            if (held.relation, held.mode) == (lock.relation, lock.mode)
            and (longest_s := held.longest_s) is not None
        ]
        return max(holds, default=None)

    def _statements(self) -> Iterator[tuple[StatementPlace, StatementRun]]:
        """Those of the last repeat, which holds what was tried, too."""
        for migration in self.run.solo[-1].migrations:
            for statement in migration.statements:
                yield self._place(migration, statement), statement

    def _place(self, migration: MigrationRun, statement: StatementRun) -> StatementPlace:
        files = {file.id: file.file for file in self.run.suite.migrations}
        return StatementPlace(
            statement.file_beside(files[migration.id]), statement.line, " ".join(statement.text.split())[:200]
        )

    def _named(self, relation: str) -> str:
        tables = [size.name for size in self.run.dataset.tables] if self.run.dataset else []
        views = [query.name for query in self.run.queries if _is_old_view(query)]
        seen = [block.relation for _, statement in self._statements() for block in statement.blocks or ()]
        return _one(
            relation, tuple(dict.fromkeys([*tables, *views, *seen])), "relation before the migrations"
        )


def _is_old_view(query: Query) -> bool:
    return query.kind == "view" and query.before is not None


def _one(name: str, known: tuple[str, ...], what: str) -> str:
    """The one that is named, with its schema or without. Raises LookupError listing those that there are."""
    if name in known:
        return name
    found = [text for text in known if text.rpartition(".")[2] == name]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(found or known) or "none"
    raise LookupError(f"{'more than one' if found else 'no'} {what} named {name!r}: {listed}")


def _nodes(plan: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    if plan is None:
        return
    yield plan
    for item in plan.get("Plans", ()):
        yield from _nodes(item)
