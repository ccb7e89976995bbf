"""Run files are written whole or not at all, and found again."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from factories import empty_run, rich_run

from bench.errors import UsageError
from bench.model.run import Run
from bench.store.codec import encode
from bench.store.results import (
    RunDirectory,
    create_directory,
    find_run_file,
    list_runs,
    load,
    new_run_id,
    sweep,
    write_atomic,
)

NOON = datetime(2025, 11, 3, 12, 0, 5, tzinfo=UTC)


def quiet(_: str) -> None: ...


def store(root: Path, run_id: str) -> Run:
    run = replace(empty_run(), run_id=run_id)
    create_directory(root / run_id, quiet).save(run)
    return run


def test_saved_run_is_loaded_again_by_id_directory_file_and_latest(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    old, new = store(root, "20251103T120000Z-crm-aaaaaa"), store(root, "20251103T120001Z-crm-000000")
    assert load(old.run_id, root) == old
    assert load(str(root / old.run_id), root) == old
    assert load(str(root / old.run_id / "run.json"), root) == old
    assert load("latest", root) == new
    assert [each.path.name for each in list_runs(root)] == [old.run_id, new.run_id]


def test_the_latest_run_is_the_one_written_last_whatever_its_name(tmp_path: Path) -> None:
    for name in ("forecast", "20251103T120000Z-crm-aaaaaa"):
        store(tmp_path, name)
    assert [each.path.name for each in list_runs(tmp_path)] == ["forecast", "20251103T120000Z-crm-aaaaaa"]


def test_a_run_file_whose_name_says_gz_is_compressed_and_read_wherever_one_is(tmp_path: Path) -> None:
    run = rich_run()
    saved = create_directory(tmp_path / "runs" / "mail" / "run.json.gz", quiet).save(run)
    named = create_directory(tmp_path / "named" / "x.run.json.gz", quiet).save(run)
    assert len(saved.read_bytes()) < len(encode(run)) / 3
    for which in ("latest", "mail", str(saved), str(named)):
        assert load(which, tmp_path / "runs") == run
    with pytest.raises(UsageError, match="holds a run already"):
        create_directory(tmp_path / "runs" / "mail", quiet)
    saved.write_bytes(saved.read_bytes()[:-20])
    with pytest.raises(UsageError, match="cannot be unpacked"):
        load("mail", tmp_path / "runs")


def test_a_directory_without_run_file_is_no_run(tmp_path: Path) -> None:
    run = store(tmp_path, "20251103T120000Z-crm-aaaaaa")
    (tmp_path / "20991231T000000Z-crm-ffffff").mkdir()
    assert load("latest", tmp_path) == run


def test_an_unknown_run_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    store(tmp_path, "20251103T120000Z-crm-aaaaaa")
    with pytest.raises(UsageError) as refused:
        find_run_file("20251103T120000Z-crm-aaaaab", tmp_path)
    assert refused.value.hint == "did you mean 20251103T120000Z-crm-aaaaaa?"


def test_latest_without_any_run_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run is stored") as refused:
        load("latest", tmp_path / "none")
    assert "bench run" in (refused.value.hint or "")


def test_run_ids_sort_by_start_in_any_time_zone_and_are_safe_names() -> None:
    tokyo = timezone(timedelta(hours=9))
    early = new_run_id("crm", NOON.astimezone(tokyo))
    late = new_run_id("../my suite/ü", NOON + timedelta(seconds=1))
    assert early.startswith("20251103T120005Z-crm-")
    assert early < late
    assert late.startswith("20251103T120006Z-my-suite-")
    assert len({new_run_id("crm", NOON) for _ in range(50)}) > 45


def test_a_directory_that_holds_a_run_is_not_used_again(tmp_path: Path) -> None:
    store(tmp_path, "a")
    with pytest.raises(UsageError, match="holds a run already"):
        create_directory(tmp_path / "a", quiet)


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match=r"file/run: cannot be written: Not a directory"):
        create_directory(tmp_path / "file" / "run", quiet)


def test_saving_again_replaces_and_leaves_no_other_file(tmp_path: Path) -> None:
    directory = create_directory(tmp_path / "a", quiet)
    directory.save(empty_run())
    directory.save(rich_run())
    assert directory.load() == rich_run()
    assert [each.name for each in directory.path.iterdir()] == ["run.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_leaves_the_previous_run_file_whole_and_says_what_was_needed(tmp_path: Path) -> None:
    directory = create_directory(tmp_path / "a", quiet)
    directory.save(empty_run())
    (directory.path / f".run.json.{os.getpid()}.bench-tmp").symlink_to("/dev/full")
    with pytest.raises(
        UsageError, match=r"run\.json: No space left on device: [\d,]+ bytes are needed"
    ) as refused:
        directory.save(rich_run())
    assert f"{len(encode(rich_run())):,} bytes" in refused.value.message
    assert directory.load() == empty_run()
    assert [each.name for each in directory.path.iterdir()] == ["run.json"]


def test_a_write_that_stops_in_the_middle_leaves_the_previous_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "run.json"
    target.write_bytes(b"before")
    program = (
        "import resource, sys, pathlib\n"
        "from bench.store.results import write_atomic\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))\n"
        "write_atomic(pathlib.Path(sys.argv[1]), b'x' * 1000000)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(target)], capture_output=True, text=True, check=False
    )
    assert "UsageError" in ended.stderr
    assert "1,000,000 bytes are needed" in ended.stderr
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_write_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        create_directory(tmp_path / "a", quiet)


def test_an_unwritable_target_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(UsageError, match=r"run\.json: cannot be written: Is a directory"):
        write_atomic(tmp_path / "run.json", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["run.json"]


def test_the_run_file_never_shows_a_half_written_state(tmp_path: Path) -> None:
    """A reader that looks at every step of a write sees the old bytes or the new ones."""
    target = tmp_path / "run.json"
    write_atomic(target, b"old")
    seen: list[bytes] = []
    real = os.fsync

    def look_then_sync(descriptor: int) -> None:
        seen.append(target.read_bytes())
        real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", look_then_sync)
        write_atomic(target, b"new")
    assert seen == [b"old", b"new"], "the file is synced before it is renamed, its directory after"


def test_leftovers_of_dead_writers_are_removed_and_said_and_those_of_living_ones_kept(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    run = tmp_path / "20251103T120000Z-crm-aaaaaa"
    run.mkdir()
    killed = run / f".run.json.{dead.pid}.bench-tmp"
    living = run / f".run.json.{os.getppid()}.bench-tmp"
    foreign = run / f".other.{dead.pid}.tmp"
    for path in (killed, living, foreign):
        path.write_text("{")
    said: list[str] = []
    create_directory(tmp_path / "next", said.append)
    assert said == [f"removed {killed}, half-written by a run that was killed"]
    assert sorted(run.iterdir()) == sorted([living, foreign])
    assert sweep(tmp_path) == []


def test_a_run_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_bytes(b"{")
    with pytest.raises(UsageError, match=str(tmp_path / "run.json")):
        load(str(tmp_path))
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        RunDirectory(tmp_path / "none").load()
