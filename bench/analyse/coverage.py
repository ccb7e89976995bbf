"""Which tables the deploy locks and no request of the traffic touches: of those a quiet pass says nothing."""

from __future__ import annotations

from bench.analyse.locks import longest_first
from bench.analyse.quantity import seconds
from bench.analyse.summary import RunSummary
from bench.model.run import Run, UncoveredTable
from bench.sql.names import bare


def find_uncovered(run: Run, summary: RunSummary) -> tuple[UncoveredTable, ...] | None:
    """The tables with rows that are locked and not touched, the longest hold first; None without traffic.

    Locks count behind which reads or writes wait, in the solo pass; a hold of which nothing is known is no
    part of this. What a class touches is what its author names, and what a few of its requests were seen to
    lock, also through views, triggers, functions and foreign keys. Who touches a partitioned table touches
    its partitions.
    """
    workloads = [workload for part in run.loaded for workload in part.workloads]
    if not workloads or run.dataset is None:
        return None
    classes = [load for workload in workloads for load in workload.classes]
    touched = {name for load in classes for name in load.tables}
    touched |= {taken.relation for load in classes for taken in load.takes or ()}
    for key in run.dataset.keys:
        if key.name in touched or bare(key.name) in touched:
            touched.update(key.partitions)
    filled = {table.name for table in run.dataset.tables if table.rows}
    uncovered: dict[str, UncoveredTable] = {}
    for lock in sorted((lock for lock in summary.locks if lock.blocks), key=longest_first):
        name, held_s = lock.subject, lock.longest_s
        if held_s is None or name not in filled or name in touched or bare(name) in touched:
            continue
        uncovered.setdefault(name, UncoveredTable(name, lock.mode.sql_name, held_s, lock.where))
    return tuple(uncovered.values())


def say_uncovered(table: UncoveredTable) -> str:
    """One such table in words."""
    return (
        f"not covered: {table.relation} is locked for up to {seconds(table.held_s)} ({table.mode}, "
        f"{table.place}) and no request touches it"
    )
