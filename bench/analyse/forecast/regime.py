"""How the server did a statement, so that only sizes are compared at which it did the same."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bench.analyse.forecast.series import Memory
from bench.analyse.nested import hottest
from bench.analyse.plans import nodes
from bench.model.run import Run
from bench.model.statement import StatementRun

_SHAPE = ("Node Type", "Relation Name", "Index Name", "Function Name", "Join Type", "Strategy", "Sort Method")
_UNITS = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_IN_MEMORY = 2.0
"""Bytes in memory for each byte of an index that is sorted for its build: tuple headers and pointers."""


def regime(run: StatementRun) -> str:
    """Shape of the plan that takes the time, spills, workers, rewrites and the exact locks, as one word."""
    hot = hottest(run.nested)
    plan = hot.plan if hot is not None and hot.plan is not None else None
    facts = {
        "plan": [_node(node) for node in nodes(plan)] if plan is not None else None,
        "spilled": bool(run.counters.temp_bytes),
        "rewrites": sorted(each.relation for each in run.rewrites),
        "locks": sorted(
            (lock.relation, lock.mode.value)
            for lock in run.locks
            if not lock.new and lock.source == "exact" and lock.target == "table"
        ),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


def _node(node: Mapping[str, Any]) -> list[Any]:
    batches = node.get("Hash Batches", node.get("HashAgg Batches", 1))
    return [*(node.get(key) for key in _SHAPE), batches > 1, node.get("Workers Launched", 0) > 0]


def memory(run: StatementRun, of: Run) -> dict[str, Memory]:
    """What sorts, hashes, index builds and tables took of the memory there is for them."""
    settings, version = of.environment.server.settings, of.environment.server.version_num
    found = dict(_limits(run, settings, version))
    touched = {lock.relation for lock in run.locks if not lock.new and lock.target == "table"}
    tables = of.dataset.tables if of.dataset is not None else ()
    table_bytes = sum(table.bytes for table in tables if table.name in touched)
    buffers = setting_bytes(settings.get("shared_buffers"))
    if table_bytes and buffers:
        found["shared_buffers"] = Memory(float(table_bytes), buffers)
    if table_bytes:
        found["the machine's memory"] = Memory(float(table_bytes), float(of.environment.host.memory_bytes))
    return found


def _limits(run: StatementRun, settings: Mapping[str, str], version: int) -> Iterator[tuple[str, Memory]]:
    work_mem = setting_bytes(settings.get("work_mem"))
    hot = hottest(run.nested)
    if work_mem and hot is not None and hot.plan is not None:
        sorts = [
            1024.0 * node.get("Sort Space Used", 0)
            for node in nodes(hot.plan)
            if node.get("Sort Space Type") == "Memory" and node.get("Sort Method") != "top-N heapsort"
        ]
        if sorts:
            yield "work_mem of a sort", Memory(max(sorts), work_mem)
        hashes = [
            1024.0 * node.get("Peak Memory Usage", 0)
            for node in nodes(hot.plan)
            if "Peak Memory Usage" in node and node.get("Hash Batches", node.get("HashAgg Batches", 1)) <= 1
        ]
        if hashes:
            default = "2" if version >= 150000 else "1"
            multiplier = float(settings.get("hash_mem_multiplier", default))
            yield "work_mem of a hash", Memory(max(hashes), work_mem * multiplier)
    maintenance = setting_bytes(settings.get("maintenance_work_mem"))
    built = run.counters.size_delta_bytes
    if maintenance and built and built > 0 and "INDEX" in run.kind and not run.counters.temp_bytes:
        # What a build in memory took cannot have been more than there was.
        yield "maintenance_work_mem", Memory(min(_IN_MEMORY * built, 0.99 * maintenance), maintenance)


def setting_bytes(value: str | None) -> float | None:
    """``64MB`` in bytes; None where there is no such setting."""
    found = re.fullmatch(r"(\d+)\s*([kMGT]?B)", value or "")
    return float(found[1]) * _UNITS[found[2]] if found else None
