"""Which locks can make an application wait."""

from __future__ import annotations

import pytest

from bench.model.lock import LockMode
from bench.model.statement import AdvisoryLock
from bench.observe.intervals import HeldLocks

TABLE = 20000


def held(*modes: LockMode, has_xid: bool = False, advisory: bool = False) -> HeldLocks:
    return HeldLocks(
        relations=tuple((TABLE, mode.value) for mode in modes),
        advisory=(AdvisoryLock("1", "ExclusiveLock"),) if advisory else (),
        has_xid=has_xid,
        shared_entries=len(modes),
    )


@pytest.mark.parametrize("mode", list(LockMode))
def test_a_lock_blocks_somebody_if_it_conflicts_with_a_command(mode: LockMode) -> None:
    asked = (LockMode.ACCESS_SHARE, LockMode.ROW_SHARE, LockMode.ROW_EXCLUSIVE)
    conflicts = any(mode.conflicts_with(other) for other in asked)
    nobody = held(mode).blocks_nobody(rows=False)
    # SHARE UPDATE EXCLUSIVE conflicts with none of them, and is tried all the same.
    assert nobody is False if conflicts else nobody or mode == LockMode.SHARE_UPDATE_EXCLUSIVE


def test_rows_may_be_locked_where_nothing_else_is() -> None:
    assert held(LockMode.ROW_EXCLUSIVE, has_xid=True).blocks_nobody(rows=False)
    assert not held(LockMode.ROW_EXCLUSIVE, has_xid=True).blocks_nobody(rows=True)
    assert not held(LockMode.ROW_SHARE, has_xid=True).blocks_nobody(rows=False)
    assert held(LockMode.ROW_SHARE).blocks_nobody(rows=False)


def test_an_advisory_lock_may_block_a_trigger() -> None:
    assert not held(advisory=True).blocks_nobody(rows=False)


def test_locks_on_other_relations_can_be_left_out() -> None:
    assert held(LockMode.ACCESS_EXCLUSIVE).without({TABLE}).blocks_nobody(rows=False)
    assert held(LockMode.ACCESS_EXCLUSIVE).only(set()).strongest == 0
