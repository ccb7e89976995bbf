"""The gate through the command line: two revisions in turn, stored runs, a baseline, files that cannot be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import pytest
from command_line import bench
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
BASE = """
CREATE TABLE notes (id int PRIMARY KEY, owner int, body text);
INSERT INTO notes SELECT i, i % 100, repeat(md5(i::text), 16) FROM generate_series(1, 20000) AS i;
"""
ONLINE = "CREATE INDEX CONCURRENTLY notes_owner ON notes (owner);\n"
MIGRATION = "migrations/notes/001_owner.sql"


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose last commit builds the index online; the work tree has lost CONCURRENTLY."""
    top = tmp_path_factory.mktemp("repository")
    (top / "migrations" / "notes").mkdir(parents=True)
    (top / "migrations" / "notes" / "base.sql").write_text(BASE)
    (top / MIGRATION).write_text(ONLINE)
    git(top, "init", "-q")
    git(top, "add", ".")
    git(top, "commit", "-q", "-m", "online")
    return top


@pytest.fixture(scope="module")
def runs(repository: Path) -> Path:
    """Both revisions, rehearsed in turn: ``out`` and ``out/base``."""
    (repository / MIGRATION).write_text(ONLINE.replace(" CONCURRENTLY", ""))
    done = run_action(repository)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "notes got worse: 001_owner.sql:1: public.notes:" in " ".join(done.stdout.split())
    return repository


def run_action(directory: Path) -> subprocess.CompletedProcess[str]:
    """The action's own step as a runner would run it; ``out`` is the directory of its results."""
    action = YAML(typ="safe").load((ROOT / ".github/actions/rehearse/action.yml").read_text())
    (script,) = [step["run"] for step in action["runs"]["steps"] if step["name"] == "Rehearse"]
    (directory / "runner" / "bench" / "bin").mkdir(parents=True)
    (directory / "runner" / "bench" / "bin" / "bench").write_text(
        f'#!/bin/sh\nexec {sys.executable} -m bench "$@"\n'
    )
    (directory / "runner" / "bench" / "bin" / "bench").chmod(0o755)
    files = {"GITHUB_OUTPUT": "output.txt", "GITHUB_STEP_SUMMARY": "summary.md", "RUNNER_TEMP": "runner"}
    files["GITHUB_WORKSPACE"] = ""
    inputs = {"SUITE": "notes", "AGAINST": "HEAD", "BASE": "", "SCALE": "", "SERVER": "embedded"}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=directory,
        env={**os.environ, **inputs, **{name: str(directory / file) for name, file in files.items()}},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    (told,) = re.findall(r"(?m)^directory=(.*)$", (directory / "output.txt").read_text())
    (directory / "out").symlink_to(told)
    return done


def test_a_lost_concurrently_is_found_against_the_last_commit(runs: Path) -> None:
    compared = json.loads((runs / "out/comparison.json").read_text())
    assert compared["outcome"] == "fail"
    assert compared["design"] == "paired"
    (statement,) = compared["migrations"][0]["statements"]
    assert statement["presence"] == "edited"
    assert [(g["code"], g["new"]) for g in statement["gates"] if g["outcome"] == "fail"] == [
        ("lock", "ShareLock")
    ]


def test_the_action_leaves_summary_outcome_annotations_and_files(runs: Path) -> None:
    assert (runs / "summary.md").read_text().startswith("❌ notes got worse")
    assert "outcome=fail\n" in (runs / "output.txt").read_text()
    kept = {path.name for path in (runs / "out").iterdir()}
    assert {"report.html", "run.json", "comment.md", "junit.xml", "results.sarif", "comparison.json"} <= kept
    schema = json.loads((ROOT / "tests/data/sarif/sarif-2.1.0-rtm.5.json").read_text())
    jsonschema.validate(json.loads((runs / "out" / "results.sarif").read_text()), schema)


def test_repeats_alternate_and_start_from_the_same_rows(runs: Path) -> None:
    base = json.loads((runs / "out" / "base" / "run.json").read_text())
    head = json.loads((runs / "out" / "run.json").read_text())
    assert base["dataset"]["tables"] == head["dataset"]["tables"]
    counts = {len(run["passes"][0]["repeats"]) for run in (base, head)}
    assert counts in ({5}, {10})


def test_stored_runs_compare_the_same_way_and_back_the_lock_is_better_and_the_work_more(runs: Path) -> None:
    """An online build reads the table twice: its price is told beside what it gains."""
    assert bench("compare", "out/base", "out", cwd=runs).returncode == 1
    back = json.loads(bench("compare", "out", "out/base", "--json", "-", cwd=runs).stdout)
    (statement,) = back["migrations"][0]["statements"]
    outcomes = {(gate["code"], gate["subject"]): gate["outcome"] for gate in statement["gates"]}
    assert outcomes["lock", "public.notes"] == "improved"
    assert outcomes["counter", "blocks"] == "fail"


def test_every_format_names_the_file_and_line(runs: Path) -> None:
    def told(form: str) -> str:
        return bench("compare", "out/base", "out", "--format", form, cwd=runs).stdout

    assert told("markdown").startswith("❌ notes got worse: 001_owner.sql:1: public.notes: ")
    assert "<!-- bench:notes -->" in told("markdown")
    assert told("annotations").startswith(f"::error file={MIGRATION},line=1::")
    failure = ElementTree.fromstring(told("junit")).find(".//testcase[@name='E0']/failure")
    assert failure is not None
    assert "SHARE" in str(failure.text)
    result = json.loads(told("sarif"))["runs"][0]["results"][0]
    assert result["ruleId"] == "BENCH-E0-LOCK"
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == MIGRATION
    assert json.loads(told("gitlab"))[0]["location"] == {"path": MIGRATION, "lines": {"begin": 1}}


def test_an_accepted_baseline_is_what_the_next_run_is_compared_with(runs: Path) -> None:
    accepted = bench("baseline", "accept", "out/base", "--because", "first", cwd=runs)
    assert accepted.returncode == 0, accepted.stderr
    stored = json.loads((runs / "results/baselines/notes.json").read_text())
    assert stored["because"] == "first"
    assert len(stored["migrations"][0]["statements"][0]["durations_s"]) >= 5
    assert bench("compare", "notes", "out/base", cwd=runs).returncode == 0
    assert bench("compare", "notes", "out", cwd=runs).returncode == 1
    assert bench("baseline", "accept", "out", "--because", " ", cwd=runs).returncode == 2
    history = (runs / "results/baselines/notes.history.jsonl").read_text().splitlines()
    assert [json.loads(line)["because"] for line in history] == ["first"]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("{", 2, "not JSON"),
        ("{}", 2, "not a run file"),
        ('{"record_version": 99}', 2, "newer version"),
        ('{"schema_version": 99}', 2, "newer version"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(runs: Path, text: str, code: int, said: str) -> None:
    (runs / "foreign.json").write_text(text)
    done = bench("compare", "foreign.json", "out", cwd=runs)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_another_suite_is_not_comparable(runs: Path) -> None:
    stored = json.loads((runs / "out/run.json").read_text())
    stored["suite"]["name"] = "others"
    (runs / "others.json").write_text(json.dumps(stored))
    done = bench("compare", "others.json", "out", cwd=runs)
    assert done.returncode == 3
    assert "suite: others → notes" in done.stderr


def test_an_unknown_revision_is_refused_before_a_server_starts(repository: Path) -> None:
    done = bench("run", "notes", "--against", "no-such-branch", cwd=repository)
    assert done.returncode == 2
    assert "no-such-branch" in done.stderr


def test_a_machine_learns_its_noise_and_the_next_comparison_says_so(runs: Path, tmp_path: Path) -> None:
    (runs / "naps").mkdir()
    (runs / "naps" / "001_nap.sql").write_text("SELECT pg_sleep(0.06);\n")
    state = {"BENCH_STATE_DIR": str(tmp_path)}
    options = ("--server", "embedded", "--repeats", "20", "--quiet")
    learnt = bench("aa", "naps", *options, "--json", "noise.json", cwd=runs, env=state)
    assert learnt.returncode == 0, learnt.stderr
    assert "in turn: 0 % would fail at 1.25" in learnt.stdout.replace("×", "")
    noise = json.loads((runs / "noise.json").read_text())
    assert (noise["repeats"], noise["statements"]) == (20, 1)
    compared = bench("compare", "out/base", "out/base", cwd=runs, env=state)
    assert "learnt" in compared.stdout
    assert "20 repeats of naps" in " ".join(compared.stdout.split())
    few = bench("aa", "--run", "out", cwd=runs, env=state)
    assert (few.returncode, "repeats of every statement" in few.stderr) == (2, True)


def test_both_sides_in_one_picture(runs: Path) -> None:
    assert "what became of the times" in (runs / "out/figures/comparison.svg").read_text()
    assert bench("compare", "out/base", "out", "--picture", "drawn", cwd=runs).returncode == 1
    assert (runs / "drawn/comparison.png").stat().st_size > 1000


def test_a_single_run_is_told_to_other_programs(runs: Path) -> None:
    """The plain build of the index waits for writers of a table: a finding, whatever there is to compare."""

    def told(form: str) -> str:
        done = bench("report", "out", "--format", form, cwd=runs)
        assert done.returncode == 1, done.stderr
        return done.stdout

    assert told("markdown").startswith("#")
    result = json.loads(told("sarif"))
    jsonschema.validate(result, json.loads((ROOT / "tests/data/sarif/sarif-2.1.0-rtm.5.json").read_text()))
    rules = {each["ruleId"] for each in result["runs"][0]["results"]}
    assert "BENCH-NO-LOCK-TIMEOUT" in rules
    suites = ElementTree.fromstring(told("junit"))
    assert suites.find(".//testsuite[@name='001_owner.sql']/testcase[@name='applies']") is not None
    assert all(each["fingerprint"] for each in json.loads(told("gitlab")))
    assert told("annotations").startswith("::")
