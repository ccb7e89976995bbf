"""The lock modes conflict as the PostgreSQL manual's table 13.2 has it."""

from __future__ import annotations

import pytest

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
