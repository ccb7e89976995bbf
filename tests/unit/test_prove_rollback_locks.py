"""The locks of a rollback that are told: on what a query names."""

from __future__ import annotations

from dataclasses import replace

from factories import a_lock, a_migration, a_statement

from bench.model.lock import LockMode
from bench.run.prove.rollback import strongest_locks


def test_partitioned_tables_and_views_of_any_kind_are_among_them() -> None:
    locks = (
        a_lock("public.parted", LockMode.SHARE, target="partitioned table"),
        a_lock("public.parted", LockMode.ACCESS_EXCLUSIVE, target="partitioned table"),
        a_lock("public.totals", LockMode.EXCLUSIVE, target="materialized view"),
        a_lock("public.parted_pkey", target="index", table="public.parted"),
        a_lock("public.made", new=True),
    )
    found = strongest_locks(a_migration([replace(a_statement(), locks=locks)]))
    assert [(lock.relation, lock.mode) for lock in found] == [
        ("public.parted", LockMode.ACCESS_EXCLUSIVE),
        ("public.totals", LockMode.EXCLUSIVE),
    ]
