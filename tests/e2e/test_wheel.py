"""The wheel, installed outside the checkout: its suites and data files are in it."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel, and this environment's libraries."""
    wheels = tmp_path_factory.mktemp("wheels")
    build = ["wheel", str(ROOT), "--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", str(wheels)]
    subprocess.run([sys.executable, "-m", "pip", *build], check=True)
    (wheel,) = wheels.glob("*.whl")
    place = tmp_path_factory.mktemp("environment")
    venv.create(place)
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python")]
    subprocess.run([*pip, "install", "--no-deps", "--no-compile", "--quiet", str(wheel)], check=True)
    (libraries,) = place.glob("lib/python*/site-packages")
    (libraries / "others.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return place / "bin"


def test_the_demo_runs_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "bench", "demo"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    (report,) = tmp_path.glob("results/runs/*/report.html")
    assert str(report.relative_to(tmp_path)) in done.stdout
    assert "bench harden demo --rate 40 --server embedded\n" in done.stdout
    page = report.read_text(encoding="utf-8")
    assert "index-built-under-lock" in page or "blocks-writes" in page


def test_the_suites_are_in_it(installed: Path, tmp_path: Path) -> None:
    options = (
        "--scale",
        "0.001",
        "--repeats",
        "1",
        "--no-load",
        "--no-explain",
        "--no-probe",
        "--server",
        "embedded",
    )
    done = subprocess.run(
        [installed / "bench", "run", "crm", *options, "--server", "embedded"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "4 migrations apply" in done.stdout
