"""The lock modes conflict as the PostgreSQL manual's table 13.2 has it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import a_lock

from bench.model.lock import COMMAND_MODES, LockMode

# Table 13.2 "Conflicting Lock Modes", as printed: one row per requested mode, X where it conflicts.
MANUAL = """
ACCESS SHARE             .  .  .  .  .  .  .  X
ROW SHARE                .  .  .  .  .  .  X  X
ROW EXCLUSIVE            .  .  .  .  X  X  X  X
SHARE UPDATE EXCLUSIVE   .  .  .  X  X  X  X  X
SHARE                    .  .  X  X  .  X  X  X
SHARE ROW EXCLUSIVE      .  .  X  X  X  X  X  X
EXCLUSIVE                .  X  X  X  X  X  X  X
ACCESS EXCLUSIVE         X  X  X  X  X  X  X  X
"""


def manual_conflicts() -> dict[tuple[str, str], bool]:
    rows = [line.split("  ") for line in MANUAL.strip().splitlines()]
    names = [row[0].strip() for row in rows]
    return {
        (row[0].strip(), name): mark.strip() == "X"
        for row in rows
        for name, mark in zip(names, [cell for cell in row[1:] if cell.strip()], strict=True)
    }


def test_conflicts_are_those_of_the_manual() -> None:
    ours = {(a.sql_name, b.sql_name): a.conflicts_with(b) for a in LockMode for b in LockMode}
    assert ours == manual_conflicts()
    assert len(ours) == 64


@pytest.mark.parametrize("one", LockMode)
@pytest.mark.parametrize("other", LockMode)
def test_conflict_is_symmetric(one: LockMode, other: LockMode) -> None:
    assert one.conflicts_with(other) == other.conflicts_with(one)


def test_strength_counts_from_one_in_the_documented_order() -> None:
    assert [mode.strength for mode in LockMode] == list(range(1, 9))
    assert LockMode.ACCESS_EXCLUSIVE.sql_name == "ACCESS EXCLUSIVE"


def test_names_are_those_of_pg_locks() -> None:
    assert [mode.value for mode in LockMode] == [
        "".join(word.capitalize() for word in mode.sql_name.split()) + "Lock" for mode in LockMode
    ]


def test_only_access_exclusive_blocks_a_select() -> None:
    assert [mode for mode in LockMode if mode.blocks_reads] == [LockMode.ACCESS_EXCLUSIVE]


def test_writes_are_blocked_from_share_on_without_share_update_exclusive() -> None:
    assert [mode.sql_name for mode in LockMode if mode.blocks_writes] == [
        "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "blocked"),
    [
        (LockMode.ACCESS_SHARE, ()),
        (LockMode.SHARE_UPDATE_EXCLUSIVE, ("VACUUM", "CREATE INDEX")),
        (LockMode.SHARE, ("INSERT", "UPDATE", "DELETE", "VACUUM")),
        (LockMode.ACCESS_EXCLUSIVE, tuple(COMMAND_MODES)),
    ],
)
def test_commands_that_wait(mode: LockMode, blocked: tuple[str, ...]) -> None:
    assert mode.blocks == blocked


@pytest.mark.parametrize(
    ("target", "table", "named"),
    [
        ("table", True, True),
        ("partitioned table", True, True),
        ("view", False, True),
        ("materialized view", False, True),
        ("index", False, False),
        ("sequence", False, False),
        ("transient", False, False),
    ],
)
def test_what_a_lock_is_on(target: str, table: bool, named: bool) -> None:
    lock = replace(a_lock(), target=target)
    assert (lock.on_table, lock.on_named) == (table, named)


def test_a_lock_counts_where_somebody_can_meet_it() -> None:
    lock = replace(a_lock(mode=LockMode.ACCESS_EXCLUSIVE), new=False)
    assert (lock.felt, lock.blocks_reads, lock.blocks_writes) == (True, True, True)
    for unfelt in (replace(lock, new=True), replace(lock, relation="pg_toast.pg_toast_1", target="toast")):
        assert (unfelt.felt, unfelt.blocks_reads, unfelt.blocks_writes) == (False, False, False)
    assert not replace(lock, target="materialized view").blocks_writes  # nobody writes to one


def test_what_serves_a_moment_does_not_stay() -> None:
    made = replace(a_lock(), new=True)
    assert made.stays
    assert not replace(made, target="transient").stays
    assert not replace(made, relation="pg_temp_3.pg_temp_16388_2").stays
    assert not replace(made, new=False).stays
