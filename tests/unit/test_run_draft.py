"""A run is saved while it grows: often enough for a reader, and in all as much as there is to save."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from factories import empty_run

from bench.run.draft import GROWN, UNSAVED_S, RunDraft


def saved_after(files: int, seconds: Callable[[int], float]) -> list[int]:
    """After which files a repeat of so many is saved, each of which ends at its ``seconds``."""
    now = [0.0]
    saves: list[int] = []
    draft = RunDraft(empty_run(), lambda _: saves.append(at), clock=lambda: now[0])
    for at in range(1, files + 1):
        now[0] = seconds(at)
        if draft.is_due(at):
            draft.update()
    return saves


def test_of_a_few_files_each_is_saved() -> None:
    assert saved_after(GROWN, lambda _: 0.0) == list(range(1, GROWN + 1))


@pytest.mark.parametrize("files", [100, 1_000, 10_000])
def test_what_is_written_in_all_grows_with_the_files_and_not_with_their_square(files: int) -> None:
    saves = saved_after(files, lambda _: 0.0)
    assert sum(saves) <= (GROWN + 1) * files
    assert files - saves[-1] <= files / GROWN


def test_what_took_long_is_saved_however_many_files_there_are() -> None:
    saves = saved_after(1_000, lambda at: UNSAVED_S * (at > 990))
    assert 991 in saves
