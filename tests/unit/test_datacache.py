"""Kept data directories: whole or not there, within the budget, safe against other runs."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.pg import datacache
from bench.pg.account import Account
from bench.pg.datacache import CacheError, CopyFiles, entries, prune, put, remove, take_out

K, OLD, OLDER, NEW, NEWEST = (digit * 32 for digit in "01234")
US = Account("us", os.geteuid(), os.getegid(), switch=False)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BENCH_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def keep(key: str, tmp_path: Path, content: bytes = b"x" * 1000) -> None:
    source = tmp_path / f"source-{key}"
    source.write_bytes(content)

    def write(directory: Path, copy: CopyFiles) -> None:
        (directory / "base").mkdir()
        copy([(source, directory / "base" / "1")])
        (directory / "backup_label").write_text("label")

    put(key, {"suite": "s"}, write)


def age(cache: Path, key: str, seconds: float) -> None:
    entry = cache / key / "entry.json"
    then = entry.stat().st_mtime - seconds
    os.utime(entry, (then, then))


def test_what_was_kept_comes_out_again(tmp_path: Path) -> None:
    keep(K, tmp_path)
    assert take_out(K, tmp_path / "out", US, durable=True)
    assert (tmp_path / "out" / "base" / "1").read_bytes() == b"x" * 1000
    assert (tmp_path / "out" / "backup_label").read_text() == "label"
    assert not take_out("other", tmp_path / "out2", US, durable=False)
    assert not (tmp_path / "out2").exists()


@pytest.mark.parametrize("damage", ["changed", "shorter", "gone"])
def test_a_damaged_entry_is_told_and_removed(tmp_path: Path, cache: Path, damage: str) -> None:
    keep(K, tmp_path)
    file = cache / K / "data" / "base" / "1"
    match damage:
        case "changed":
            file.write_bytes(b"x" * 999 + b"y")
        case "shorter":
            file.write_bytes(b"x" * 999)
        case _:
            file.unlink()
    with pytest.raises(CacheError, match="damaged"):
        take_out(K, tmp_path / "out", US, durable=False)
    assert not (tmp_path / "out").exists()
    assert entries() == []
    keep(K, tmp_path)
    assert take_out(K, tmp_path / "out", US, durable=False)


KILLED = """
import os, signal, sys
from pathlib import Path
from bench.pg.datacache import put

def write(directory, copy):
    (directory / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

put("0" * 32, {}, write)
"""


def test_an_entry_whose_maker_was_killed_is_never_used_and_is_swept(tmp_path: Path, cache: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (cache / f"{K}.partial" / "data" / "half").exists()
    assert entries() == []
    assert not take_out(K, tmp_path / "out", US, durable=False)
    prune(2**40)
    assert not (cache / f"{K}.partial").exists()
    keep(K, tmp_path)
    assert [entry.key for entry in entries()] == [K]


def test_beyond_the_budget_those_used_longest_ago_go(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, key in enumerate((OLD, OLDER, NEW)):
        keep(key, tmp_path)
        age(cache, key, {0: 100, 1: 200, 2: 10}[number])
    assert [entry.key for entry in entries()] == [OLDER, OLD, NEW]
    assert [entry.key for entry in prune(2100)] == [OLDER]
    assert [entry.key for entry in prune(2**40, older_than_s=50)] == [OLD]
    monkeypatch.setenv("BENCH_CACHE_BYTES", "1100")
    keep(NEWEST, tmp_path)
    assert [entry.key for entry in entries()] == [NEWEST]


def test_an_entry_larger_than_the_budget_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH_CACHE_BYTES", "500")
    with pytest.raises(CacheError, match="may hold"):
        keep(K, tmp_path)
    assert entries() == []


def test_a_disk_without_room_is_told_before_anything_is_copied(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datacache, "RESERVE_BYTES", 2**60)
    with pytest.raises(CacheError, match="bytes free"):
        keep(K, tmp_path)
    assert entries() == []
    assert list(cache.glob("*.partial")) == []


def test_an_entry_in_use_stays_and_one_in_the_making_is_not_made_twice(tmp_path: Path, cache: Path) -> None:
    keep(K, tmp_path)
    with (cache / f"{K}.lock").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert prune(0) == []
        assert not remove(K)
        assert take_out(K, tmp_path / "out", US, durable=False)
        with pytest.raises(CacheError, match="another run"):
            keep(K, tmp_path)
    assert [entry.key for entry in prune(0)] == [K]
