"""Settings of the servers that we start."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.pg.settings import GIB, MIB, format_settings, managed_settings


def megabytes(text: str) -> int:
    assert text.endswith("MB")
    return int(text.removesuffix("MB"))


def test_measured_runs_keep_durability_and_repeat_exactly() -> None:
    chosen = managed_settings(memory_bytes=16 * GIB, durable=True, statements_library=True, extra={})
    assert not {"fsync", "full_page_writes", "synchronous_commit"} & set(chosen)
    assert chosen["shared_buffers"] == "2048MB"
    assert chosen["maintenance_work_mem"] == "512MB"
    for name in ("max_parallel_maintenance_workers", "max_parallel_workers_per_gather"):
        assert chosen[name] == "0"
    assert (chosen["autovacuum"], chosen["jit"]) == ("off", "off")
    assert chosen["shared_preload_libraries"] == "pg_stat_statements"


def test_tests_may_lose_a_power_cut() -> None:
    chosen = managed_settings(memory_bytes=16 * GIB, durable=False, statements_library=True, extra={})
    assert (chosen["fsync"], chosen["synchronous_commit"]) == ("off", "off")


def test_an_installation_without_the_library_starts_without_it() -> None:
    chosen = managed_settings(memory_bytes=GIB, durable=True, statements_library=False, extra={})
    assert "shared_preload_libraries" not in chosen
    assert "compute_query_id" not in chosen


def test_what_the_caller_asks_for_wins() -> None:
    extra = {"jit": "on", "work_mem": "64MB"}
    chosen = managed_settings(memory_bytes=GIB, durable=True, statements_library=True, extra=extra)
    assert (chosen["jit"], chosen["work_mem"]) == ("on", "64MB")


@given(st.integers(min_value=256 * MIB, max_value=4096 * GIB))
def test_memory_settings_fit_the_machine(memory_bytes: int) -> None:
    chosen = managed_settings(memory_bytes=memory_bytes, durable=True, statements_library=True, extra={})
    buffers, maintenance = (megabytes(chosen[name]) for name in ("shared_buffers", "maintenance_work_mem"))
    assert 128 <= buffers <= 2048
    assert 64 <= maintenance <= 512
    assert (buffers + maintenance) * MIB <= memory_bytes


def test_quotes_in_a_value_stay_inside_it() -> None:
    assert format_settings({"a": "it's", "b.c": "1"}) == "a = 'it''s'\nb.c = '1'\n"
