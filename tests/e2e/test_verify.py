"""sqitch's verify scripts, run on what the migrations left."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.command_line import bench

SAMPLE = Path(__file__).parents[1] / "samples" / "sqitch"


def project(tmp_path: Path) -> Path:
    """The sample without the change that fails."""
    directory = tmp_path / "shop"
    shutil.copytree(SAMPLE, directory)
    plan = (directory / "sqitch.plan").read_text()
    (directory / "sqitch.plan").write_text("\n".join(plan.splitlines()[:-1]) + "\n")
    return directory


def verified(tmp_path: Path) -> tuple[int, list[tuple[str, str | None]], str]:
    done = bench(
        "run", "shop", "--server", "embedded", "--repeats", "1", "--no-load", "--no-explain", "--no-probe",
        "--fail-on", "error", "--out", "out", cwd=tmp_path,
    )  # fmt: skip
    run = json.loads((tmp_path / "out" / "run.json").read_bytes())
    found = [(one["file"], one["error"] and one["error"]["sqlstate"]) for one in run["verified"]]
    return done.returncode, found, done.stdout


def test_every_verify_script_is_run_after_the_deploy(tmp_path: Path) -> None:
    project(tmp_path)
    code, found, _ = verified(tmp_path)
    assert code == 0
    assert found == [("verify/item.sql", None), ("verify/body.sql", None), ("verify/index.sql", None)]


def test_one_that_fails_makes_the_verdict_not_ready(tmp_path: Path) -> None:
    (project(tmp_path) / "verify" / "body.sql").write_text("SELECT 1;\nSELECT absent FROM item;\n")
    code, found, said = verified(tmp_path)
    assert found[1] == ("verify/body.sql", "42703")
    assert code == 1
    assert "verify/body.sql:2" in said
