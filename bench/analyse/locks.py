"""The locks of a statement over all repeats, those it asks for by its kind, and who waits behind them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analyse.stats import Spread
from bench.model.lock import Lock, LockMode, LockSource, OnRelation
from bench.model.lock import is_toast as is_toast
from bench.model.run import MigrationFile
from bench.model.statement import StatementRun
from bench.sql.names import is_named
from bench.sql.tree import relation_name, statement_of, tree


@dataclass(frozen=True, slots=True)
class LockSummary(OnRelation):
    """One mode on one relation, as one statement took it, merged over the repeats.

    Where a statement took the same lock several times in one repeat (a block that commits inside),
    the longest hold of that repeat counts: it is what a single request would have waited for.
    """

    migration: str
    file: str
    statement: int
    line: int
    relation: str
    table: str | None
    """For an index, the table that it belongs to."""
    mode: LockMode
    target: str
    new: bool
    """The migration created the relation, so nobody waits for it."""
    source: LockSource
    """``sampled`` where any repeat had to rely on samples."""
    held_s: Spread | None
    """The longest hold of each repeat, from grant to release; None where no hold is known."""
    held_s_bounds: tuple[float, float] | None
    """[shortest, longest] that agrees with what was seen of the longest hold of all repeats."""
    waited_s: Spread | None
    """From request to grant, the longest wait of each repeat."""
    granted_at_s: Spread | None
    """Seconds after the start of the migration's first statement."""
    released_at_s: Spread | None

    @property
    def where(self) -> str:
        """``file:line`` of the statement that took it."""
        return f"{self.file}:{self.line}"

    @property
    def subject(self) -> str:
        """The relation whose users wait: an index is felt through its table."""
        return self.table or self.relation

    @property
    def longest_s(self) -> float | None:
        """The longest hold that agrees with what was seen in any repeat; None where no hold is known."""
        if self.held_s_bounds is not None:
            return self.held_s_bounds[1]
        return self.held_s.high if self.held_s else None


def merge_locks(file: MigrationFile, runs: Sequence[StatementRun]) -> tuple[LockSummary, ...]:
    """One statement's locks over its repeats, strongest mode first, then longest hold, then name."""
    repeats: dict[tuple[str, LockMode], list[list[Lock]]] = {}
    for run in runs:
        by_key: dict[tuple[str, LockMode], list[Lock]] = {}
        for lock in run.locks:
            by_key.setdefault((lock.relation, lock.mode), []).append(lock)
        for key, locks in by_key.items():
            repeats.setdefault(key, []).append(locks)
    merged = (_merge(file, runs[0], repeat) for repeat in repeats.values())
    return tuple(sorted(merged, key=lambda lock: (-lock.mode.strength, longest_first(lock), lock.relation)))


def longest_first(lock: LockSummary) -> float:
    """Sort key: the longest hold first, an unknown one last."""
    return 0.0 if lock.longest_s is None else -lock.longest_s


def worst_block(locks: Iterable[LockSummary]) -> LockSummary | None:
    """The lock with the longest known hold; among equals the stronger, then the earlier."""
    known = [lock for lock in locks if lock.longest_s is not None]
    return min(known, key=lambda lock: (longest_first(lock), -lock.mode.strength), default=None)


def without_block(locks: Iterable[LockSummary], *, reads: bool) -> str:
    """What to say where no table lock makes reads, or else writes, wait.

    ``no lock``: nothing was held on an existing table; ``rows only``: writers of the same rows wait until
    the transaction ends; ``no wait``: what was held stands in nobody's way.
    """
    modes = {lock.mode for lock in locks if lock.felt}
    if not modes:
        return "no lock"
    return "rows only" if LockMode.ROW_EXCLUSIVE in modes and not reads else "no wait"


def _merge(file: MigrationFile, statement: StatementRun, repeats: Sequence[Sequence[Lock]]) -> LockSummary:
    longest = [max(locks, key=_upper) for locks in repeats]
    worst = max(longest, key=_upper)
    locks = [lock for repeat in repeats for lock in repeat]
    return LockSummary(
        migration=file.id,
        file=statement.file_beside(file.file),
        statement=statement.index,
        line=statement.line,
        relation=worst.relation,
        table=worst.table,
        mode=worst.mode,
        target=worst.target,
        new=all(lock.new for lock in locks),
        source="sampled" if any(lock.source == "sampled" for lock in locks) else "exact",
        held_s=Spread.of(lock.held_s for lock in longest),
        held_s_bounds=worst.held_s_bounds,
        waited_s=Spread.of(_longest_wait(repeat) for repeat in repeats),
        granted_at_s=Spread.of(lock.granted_at_s for lock in longest),
        released_at_s=Spread.of(lock.released_at_s for lock in longest),
    )


def _upper(lock: Lock) -> float:
    """Upper bound of a hold; below every known one where nothing is known."""
    if lock.held_s_bounds is not None:
        return lock.held_s_bounds[1]
    return -1.0 if lock.held_s is None else lock.held_s


def _longest_wait(locks: Sequence[Lock]) -> float | None:
    return max((lock.waited_s for lock in locks if lock.waited_s is not None), default=None)


_ONLINE = frozenset(
    {
        tree.AT_ValidateConstraint,
        tree.AT_SetStatistics,
        tree.AT_SetOptions,
        tree.AT_ResetOptions,
        tree.AT_ClusterOn,
        tree.AT_DropCluster,
        tree.AT_SetRelOptions,
        tree.AT_ResetRelOptions,
        tree.AT_AttachPartition,
        tree.AT_DetachPartitionFinalize,
    }
)
"""Parts of ALTER TABLE that take SHARE UPDATE EXCLUSIVE."""
_TRIGGERS = frozenset(
    {
        tree.AT_EnableTrig,
        tree.AT_EnableAlwaysTrig,
        tree.AT_EnableReplicaTrig,
        tree.AT_EnableTrigAll,
        tree.AT_EnableTrigUser,
        tree.AT_DisableTrig,
        tree.AT_DisableTrigAll,
        tree.AT_DisableTrigUser,
    }
)


def asks_for(text: str, relation: str) -> LockMode | None:
    """The mode that a statement asks for on a relation (``schema.name``); None where it names it not.

    None, too, where the grammar refuses the text, and for statements whose lock their text does not tell.
    """
    tagged = statement_of(text)
    if tagged is None:
        return None
    kind, node = tagged
    modes = [mode for name, mode in _asked(kind, node) if is_named(relation, {name.replace('"', "")})]
    return max(modes, key=lambda mode: mode.strength, default=None)


def _asked(kind: str, node: Any) -> Iterator[tuple[str, LockMode]]:
    """Relations as the statement names them, and the mode on each."""
    match kind:
        case "alter_table_stmt":
            modes = [_of_part(cmd.alter_table_cmd) for cmd in node.cmds]
            yield relation_name(node.relation), max(modes, key=lambda mode: mode.strength)
        case "index_stmt":
            mode = LockMode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else LockMode.SHARE
            yield relation_name(node.relation), mode
        case "create_trig_stmt":
            yield relation_name(node.relation), LockMode.SHARE_ROW_EXCLUSIVE
        case "truncate_stmt":
            for relation in node.relations:
                yield relation_name(relation.range_var), LockMode.ACCESS_EXCLUSIVE
        case "lock_stmt":
            for relation in node.relations:
                yield relation_name(relation.range_var), list(LockMode)[node.mode - 1]
        case "rename_stmt" | "cluster_stmt":
            yield relation_name(node.relation), LockMode.ACCESS_EXCLUSIVE
        case "refresh_mat_view_stmt":
            mode = LockMode.EXCLUSIVE if node.concurrent else LockMode.ACCESS_EXCLUSIVE
            yield relation_name(node.relation), mode
        case "drop_stmt" if node.remove_type in (tree.OBJECT_TABLE, tree.OBJECT_VIEW, tree.OBJECT_MATVIEW):
            for relation in node.objects:
                yield ".".join(part.string.sval for part in relation.list.items), LockMode.ACCESS_EXCLUSIVE


def _of_part(command: Any) -> LockMode:
    """The mode of one part of an ALTER TABLE."""
    definition = getattr(command, "def")
    if command.subtype in _ONLINE:
        return LockMode.SHARE_UPDATE_EXCLUSIVE
    if command.subtype == tree.AT_DetachPartition and definition.partition_cmd.concurrent:
        return LockMode.SHARE_UPDATE_EXCLUSIVE
    foreign_key = (
        command.subtype == tree.AT_AddConstraint and definition.constraint.contype == tree.CONSTR_FOREIGN
    )
    if foreign_key or command.subtype in _TRIGGERS:
        return LockMode.SHARE_ROW_EXCLUSIVE
    return LockMode.ACCESS_EXCLUSIVE
