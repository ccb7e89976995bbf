"""The files for CI against the schemas of the services that read them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from bench.cli import build_parser

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


def scripts() -> list[str]:
    """Every shell script of the files for CI."""
    action, job = the_action(), the_job()
    template = YAML(typ="safe").load((ROOT / ".github/gitlab-ci.yml").read_text())["rehearse"]
    steps = [*action["runs"]["steps"], *job["steps"]]
    return [*(step["run"] for step in steps if "run" in step), "\n".join(template["script"])]


def the_action() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load((ROOT / ".github/actions/rehearse/action.yml").read_text())
    return found


def the_job() -> dict[str, Any]:
    (job,) = YAML(typ="safe").load((ROOT / ".github/workflows/rehearse.yml").read_text())["jobs"].values()
    return dict(job)


def test_expressions_name_steps_outputs_and_inputs_that_exist() -> None:
    action, job = the_action(), the_job()
    told = {step["id"]: None for step in job["steps"] if "id" in step}
    told["rehearse"] = set(action["outputs"])
    text = (ROOT / ".github/workflows/rehearse.yml").read_text()
    used = re.findall(r"steps\.([\w-]+)\.outputs\.([\w-]+)", text)
    assert len(used) >= 4
    assert all(output in told[step] for step, output in used)
    own = re.findall(r"inputs\.([\w-]+)", (ROOT / ".github/actions/rehearse/action.yml").read_text())
    assert set(own) == set(action["inputs"])


def test_a_step_gets_every_variable_that_its_script_reads() -> None:
    given = {"RUNNER_TEMP", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_REPOSITORY"}
    given |= {"GITHUB_WORKSPACE", "GITHUB_ACTION_PATH"}
    for step in [*the_action()["runs"]["steps"], *the_job()["steps"]]:
        read = set(re.findall(r"\$\{?([A-Z][A-Z_]+)\b", step.get("run", "")))
        assert read <= given | set(step.get("env", {})), step["name"]


@pytest.mark.parametrize("script", scripts(), ids=lambda script: script.split("\n")[0][:40])
def test_a_script_is_valid_shell(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_commands_have_options_that_exist() -> None:
    hook = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
    commands = [f"{hook['entry']} migrations/001.sql"]
    for script in scripts():
        text = script.replace('"${sides[@]}"', "a b --format").replace('"${options[@]}"', "--against x")
        found = re.findall(r'(?:\$bench"|\bbench) ((?:run|compare|report) [^>|;\n]+)', text)
        found = [call.removesuffix(" 2") for call in found]  # of 2>&1
        commands += [f"bench {each}" for each in found]
    assert len(commands) >= 8
    for command in commands:
        words = shlex.split(command)[1:]
        build_parser(words[0]).parse_args(words)


def test_the_hook_is_for_migrations_and_not_for_their_way_back() -> None:
    hook = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text())[0]
    assert {"id", "name", "entry", "language"} <= hook.keys()

    def meant(path: str) -> bool:
        return bool(re.search(hook["files"], path)) and not re.search(hook["exclude"], path)

    for path in ("001_a.sql", "0042-rollback-window.sql", "001_shut-down.sql", "2024_a/up.sql"):
        assert meant(f"db/migrations/{path}")
    ways_back = ("rollback/001_a.sql", "001_a.down.sql", "001.undo.a.undo.sql", "2024_a/down.sql")
    for path in (*ways_back, "base.sql"):
        assert not meant(f"db/migrations/{path}")
    assert not meant("a.sql")
