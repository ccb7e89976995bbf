"""The report on disk: whole or not at all, the same bytes again, and a clear refusal."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import a_migration, a_run, a_statement, empty_run, rich_run

from bench.analyse.conclude import conclude
from bench.errors import UsageError
from bench.report.write import MANIFEST, NO_PICTURES, write_report


@pytest.fixture(autouse=True)
def _with_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(NO_PICTURES)


def test_the_report_is_written_whole_and_stale_timelines_go(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "locks-09.svg").touch()
    (tmp_path / "figures" / "locks-mine.svg").touch()
    (tmp_path / "figures" / MANIFEST).write_text('{"written": ["locks-09.svg", "../elsewhere.svg"]}')
    run = a_run([a_migration([a_statement()])])
    paths = write_report(conclude(run), tmp_path)
    assert paths.html == tmp_path / "report.html"
    assert paths.markdown.read_text(encoding="utf-8").startswith("# Rehearsal")
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {path.name for path in paths.figures} | {"locks-mine.svg", MANIFEST}
    assert {path.suffix for path in paths.figures} == {".svg", ".png"}
    assert not list(tmp_path.rglob("*.bench-tmp"))
    before = paths.html.read_bytes()
    assert write_report(conclude(run), tmp_path, figures=True).html.read_bytes() == before


@pytest.mark.parametrize("by_option", [True, False])
def test_without_figures_only_pages_are_written(
    by_option: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not by_option:
        monkeypatch.setenv(NO_PICTURES, "1")
    paths = write_report(conclude(rich_run()), tmp_path / "new" / "place", figures=not by_option)
    assert paths.figures == ()
    assert sorted(path.name for path in (tmp_path / "new" / "place").iterdir()) == [
        "plans",
        "report.html",
        "report.md",
    ]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/report\.md: cannot be written: File exists") as refused:
        write_report(conclude(empty_run()), tmp_path / "file", figures=False)
    assert "--out" in (refused.value.hint or "")
    blocked = tmp_path / "blocked"
    (blocked / "report.html").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"report\.html: cannot be written"):
        write_report(conclude(empty_run()), blocked, figures=False)
    assert not list(blocked.glob(".*.bench-tmp"))
