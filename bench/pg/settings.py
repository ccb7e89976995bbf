"""The settings of the servers that we start, and the settings that a run records."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil

MIB = 1024**2
GIB = 1024**3

RECORDED = (
    "autovacuum",
    "checkpoint_timeout",
    "compute_query_id",
    "data_checksums",
    "default_toast_compression",
    "effective_cache_size",
    "effective_io_concurrency",
    "file_copy_method",
    "fsync",
    "full_page_writes",
    "huge_pages",
    "idle_in_transaction_session_timeout",
    "io_method",
    "jit",
    "lc_collate",
    "lc_ctype",
    "lock_timeout",
    "maintenance_work_mem",
    "max_connections",
    "max_locks_per_transaction",
    "max_parallel_maintenance_workers",
    "max_parallel_workers_per_gather",
    "max_wal_size",
    "pg_stat_statements.track",
    "pg_stat_statements.track_utility",
    "random_page_cost",
    "server_encoding",
    "shared_buffers",
    "shared_preload_libraries",
    "statement_timeout",
    "synchronous_commit",
    "TimeZone",
    "track_io_timing",
    "wal_compression",
    "wal_level",
    "work_mem",
)
"""What a run records even at its default: it explains a difference between two runs."""


def machine_memory_bytes() -> int:
    """Return the memory that we may use: the machine's, or the control group's limit if that is lower."""
    total = int(psutil.virtual_memory().total)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def managed_settings(
    *, memory_bytes: int, durable: bool, statements_library: bool, extra: Mapping[str, str]
) -> dict[str, str]:
    """Return the settings of a server that we start; ``extra`` wins over each of them.

    Sized to the memory: shared_buffers a quarter of it, 128 MB … 2 GB; maintenance_work_mem a sixteenth,
    64 … 512 MB. Parallel workers, JIT and autovacuum are off so that counters repeat exactly.
    """
    shared_buffers = max(128 * MIB, min(2 * GIB, memory_bytes // 4))
    maintenance = max(64 * MIB, min(512 * MIB, memory_bytes // 16))
    settings = {
        "autovacuum": "off",
        "checkpoint_timeout": "30min",
        # In files of the data directory, which go with it also where the server is killed.
        "dynamic_shared_memory_type": "mmap",
        "jit": "off",
        "maintenance_work_mem": f"{maintenance // MIB}MB",
        "max_connections": "100",
        "max_parallel_maintenance_workers": "0",
        "max_parallel_workers_per_gather": "0",
        "max_wal_size": "8GB",
        "shared_buffers": f"{shared_buffers // MIB}MB",
        "TimeZone": "UTC",
        "track_io_timing": "on",
    }
    if statements_library:
        settings |= {
            "compute_query_id": "on",
            "shared_preload_libraries": "pg_stat_statements",
        }
    if not durable:
        settings |= {
            "fsync": "off",
            "full_page_writes": "off",
            "shared_buffers": "128MB",
            "synchronous_commit": "off",
        }
    return settings | dict(extra)


def format_settings(settings: Mapping[str, str]) -> str:
    """Return the settings as lines of a postgresql.conf."""
    return "".join(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items())
