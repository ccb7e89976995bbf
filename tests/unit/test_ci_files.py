"""The files for CI against the schemas of the services that read them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("schema", "file"),
    [
        ("vendor.github-actions", ".github/actions/rehearse/action.yml"),
        ("vendor.github-workflows", ".github/workflows/rehearse.yml"),
        ("vendor.gitlab-ci", ".github/gitlab-ci.yml"),
    ],
)
def test_a_file_for_ci_follows_its_schema(schema: str, file: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(ROOT / file)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_shell_never_holds_what_an_input_says() -> None:
    """An expression inside a script is code that whoever opens a pull request can write."""
    action = YAML(typ="safe").load((ROOT / ".github/actions/rehearse/action.yml").read_text())
    jobs = YAML(typ="safe").load((ROOT / ".github/workflows/rehearse.yml").read_text())["jobs"]
    steps = [*action["runs"]["steps"], *(step for job in jobs.values() for step in job["steps"])]
    scripts = [step["run"] for step in steps if "run" in step]
    assert len(scripts) >= 3
    assert not [script for script in scripts if "${{" in script]


def test_the_workflow_gives_the_action_inputs_that_it_has() -> None:
    action = YAML(typ="safe").load((ROOT / ".github/actions/rehearse/action.yml").read_text())
    (job,) = YAML(typ="safe").load((ROOT / ".github/workflows/rehearse.yml").read_text())["jobs"].values()
    (used,) = [step["with"] for step in job["steps"] if step.get("uses", "").endswith("actions/rehearse")]
    assert used.keys() <= action["inputs"].keys()
    needed = {name for name, given in action["inputs"].items() if given.get("required")}
    assert needed <= used.keys()
