"""Leases: who owns what, and whether the owner still lives."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from bench.errors import ServerError
from bench.pg.lease import (
    Owner,
    end_lease,
    lease_directory,
    orphans,
    private_directory,
    read_leases,
    this_process,
    write_lease,
)


@pytest.fixture(autouse=True)
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("BENCH_STATE_DIR", str(tmp_path))
    return lease_directory()


def test_a_lease_is_read_back_as_it_was_written(directory: Path) -> None:
    written = write_lease("cluster", {"root": "/var/tmp/x", "socket": "/var/tmp/y"})
    assert read_leases() == (written,)
    assert read_leases("container") == ()
    assert orphans() == ()
    end_lease(written)
    end_lease(written)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"kind": "cluster"}', '{"kind":"x","owner":{"pid":1},"details":{}}']
)
def test_a_file_that_is_no_lease_is_left_out(directory: Path, content: str) -> None:
    (directory / "cluster-0.json").write_text(content)
    assert read_leases() == ()


def test_leases_are_kept_where_the_environment_says(directory: Path, tmp_path: Path) -> None:
    assert directory == tmp_path / "leases"
    write_lease("cluster", {})
    assert len(list(directory.iterdir())) == 1


def test_this_process_lives_and_another_start_of_its_number_does_not() -> None:
    owner = this_process()
    assert owner.alive
    assert not dataclasses.replace(owner, started=owner.started - 3600).alive
    assert not dataclasses.replace(owner, pid=2**22 + 1).alive


def test_an_owner_on_another_machine_is_left_alone() -> None:
    assert Owner(2**22 + 1, 0.0, "elsewhere pid:[1]").alive


def test_a_dead_owners_lease_is_an_orphan(directory: Path) -> None:
    written = write_lease("container", {})
    assert written.path is not None
    body = json.loads(written.path.read_text())
    body["owner"]["started"] = 0.0
    written.path.write_text(json.dumps(body))
    (orphan,) = orphans()
    assert orphan.owner.described == f"process {os.getpid()} of 1970-01-01 00:00:00 UTC"


def test_a_directory_that_others_can_write_is_refused(tmp_path: Path) -> None:
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(ServerError, match="not a directory of ours alone"):
        private_directory(open_to_all)
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    with pytest.raises(ServerError, match="not a directory of ours alone"):
        private_directory(link)
    assert private_directory(tmp_path / "new").stat().st_mode & 0o777 == 0o700
