"""Rules about memory and workers: what went to temporary files, and help that did not come."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.advice.nodes import Executed
from bench.analyse.advice.rule import Advice, advice
from bench.analyse.quantity import count, size

KIB = 1024


def sort_spill(plan: Executed) -> Iterator[Advice]:
    """A sort that did not fit into work_mem."""
    for node in plan.nodes:
        if node.raw.get("Sort Space Type") == "Disk":
            used = float(node.raw.get("Sort Space Used", 0)) * KIB
            yield advice(
                "sort-spill",
                node,
                f"sorts {count(node.rows)} rows in {size(round(used))} of temporary files",
                f"work_mem of {size(round(3 * used))} for this query, or an index in the order of "
                f"{node.text('Sort Key').replace(' AND ', ', ')}",
                disk_bytes=used,
                rows=node.rows,
            )


def hash_batches(plan: Executed) -> Iterator[Advice]:
    """A hash table that did not fit into work_mem."""
    for node in plan.nodes:
        batches = float(node.raw.get("Hash Batches", 1))
        if batches > 1:
            peak = float(node.raw.get("Peak Memory Usage", 0)) * KIB
            yield advice(
                "hash-batches",
                node,
                f"in {count(batches)} batches of {size(round(peak))}, all but one through temporary files",
                f"work_mem × hash_mem_multiplier of {size(round(peak * batches))}, or fewer columns and rows",
                batches=batches,
                memory_bytes=peak,
            )


def aggregate_spill(plan: Executed) -> Iterator[Advice]:
    """Groups that did not fit into work_mem."""
    for node in plan.nodes:
        disk = float(node.raw.get("Disk Usage", 0)) * KIB
        if node.kind == "Aggregate" and disk:
            yield advice(
                "aggregate-spill",
                node,
                f"groups {count(node.rows)} keys with {size(round(disk))} of temporary files",
                "more work_mem for this query, or an index in the order of its grouping",
                disk_bytes=disk,
                groups=node.rows,
            )


def workers_missing(plan: Executed) -> Iterator[Advice]:
    """Parallel workers that were planned for and did not come."""
    for node in plan.nodes:
        planned, launched = (float(node.raw.get(f"Workers {what}", 0)) for what in ("Planned", "Launched"))
        if launched < planned:
            yield advice(
                "workers-not-launched",
                node,
                f"{count(launched)} of {count(planned)} planned workers were launched",
                "raise max_parallel_workers and max_worker_processes, or plan for none where they are taken",
                planned=planned,
                launched=launched,
            )
