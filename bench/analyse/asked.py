"""The lock that a statement asks for by its kind, on the relations that it names.

A session that holds a lock already shows nothing when a later statement asks for the same again. Modes are
those of https://www.postgresql.org/docs/current/sql-altertable.html and
https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.model.lock import LockMode
from bench.sql.names import is_named
from bench.sql.tree import relation_name, statement_of, tree

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
    found = statement_of(text)
    if found is None:
        return None
    kind, node = found
    modes = [mode for name, mode in _asked(kind, node) if is_named(relation, {name.replace('"', "")})]
    return max(modes, key=lambda mode: mode.strength, default=None)


def _asked(kind: str, node: Any) -> Iterator[tuple[str, LockMode]]:
    """Relations as the statement names them, and the mode on each."""
    match kind:
        case "alter_table_stmt":
            modes = [_of_part(each.alter_table_cmd) for each in node.cmds]
            yield relation_name(node.relation), max(modes, key=lambda mode: mode.strength)
        case "index_stmt":
            mode = LockMode.SHARE_UPDATE_EXCLUSIVE if node.concurrent else LockMode.SHARE
            yield relation_name(node.relation), mode
        case "create_trig_stmt":
            yield relation_name(node.relation), LockMode.SHARE_ROW_EXCLUSIVE
        case "truncate_stmt":
            for each in node.relations:
                yield relation_name(each.range_var), LockMode.ACCESS_EXCLUSIVE
        case "lock_stmt":
            for each in node.relations:
                yield relation_name(each.range_var), list(LockMode)[node.mode - 1]
        case "rename_stmt" | "cluster_stmt":
            yield relation_name(node.relation), LockMode.ACCESS_EXCLUSIVE
        case "refresh_mat_view_stmt":
            mode = LockMode.EXCLUSIVE if node.concurrent else LockMode.ACCESS_EXCLUSIVE
            yield relation_name(node.relation), mode
        case "drop_stmt" if node.remove_type in (tree.OBJECT_TABLE, tree.OBJECT_VIEW, tree.OBJECT_MATVIEW):
            for each in node.objects:
                yield ".".join(part.string.sval for part in each.list.items), LockMode.ACCESS_EXCLUSIVE


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
