"""What a pull request is told in CI: about the migrations that it adds, and also where one fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from factories import loaded_run
from ruamel.yaml import YAML

from bench.analyse.conclude import conclude
from bench.report.pullrequest import Change, comment

ROOT = Path(__file__).parents[2]
SCHEMA = """
CREATE TABLE orders (id int PRIMARY KEY, note text);
INSERT INTO orders SELECT g FROM generate_series(1, 2000) g;
"""


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)


def rehearsed_in_ci(directory: Path, added: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """The action's own step, as a runner runs it, on a pull request that adds a migration."""
    (directory / "db").mkdir()
    (directory / "base.sql").write_text(SCHEMA)
    (directory / "db" / "V1__a.sql").write_text("ALTER TABLE orders ADD COLUMN a int;\n")
    git(directory, "init", "-q")
    git(directory, "add", ".")
    git(directory, "commit", "-q", "-m", "deployed")
    (directory / "db" / "V2__b.sql").write_text(added)
    action = YAML(typ="safe").load((ROOT / ".github/actions/rehearse/action.yml").read_text())
    (script,) = [step["run"] for step in action["runs"]["steps"] if step["name"] == "Rehearse"]
    program = directory / "runner" / "bench" / "bin" / "bench"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m bench "$@"\n')
    program.chmod(0o755)
    places = {"GITHUB_OUTPUT": "output.txt", "GITHUB_STEP_SUMMARY": "summary.md", "RUNNER_TEMP": "runner"}
    places["GITHUB_WORKSPACE"] = ""
    inputs = {"SUITE": "db", "AGAINST": "HEAD", "BASE": "base.sql", "SCALE": "", "SERVER": "embedded"}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=directory,
        env={**os.environ, **inputs, **{name: str(directory / file) for name, file in places.items()}},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    (told,) = re.findall(r"(?m)^directory=(.*)$", (directory / "output.txt").read_text())
    return done, Path(told)


def test_newcomer_05_ci_says_nothing_about_new_migrations(tmp_path: Path) -> None:
    added = "ALTER TABLE orders ALTER COLUMN id TYPE bigint;\n"
    done, out = rehearsed_in_ci(tmp_path, added)
    assert done.returncode in (0, 1), done.stderr
    told = (out / "comment.md").read_text()
    assert "`V2__b.sql`" in told
    assert re.search(r"`V2__b.sql` .* \| ✅ applied \| .*orders", told), "who waits for it"
    assert re.search(r"\| ✅ applied \| [\d.]+ m?s", told), "its duration"
    assert "no-lock-timeout" in told, "its findings"
    assert "Way out" in told
    assert "V1__a.sql" not in re.sub(r"(?s)<details>.*", "", told), "not about what is deployed"
    assert "<!-- bench:db -->" in told
    assert len(told) <= 20_000
    assert told in (tmp_path / "summary.md").read_text()
    results = json.loads((out / "results.sarif").read_text())["runs"][0]["results"]
    places = {
        place["physicalLocation"]["artifactLocation"]["uri"] for r in results for place in r["locations"]
    }
    assert places == {"db/V2__b.sql"}
    assert "::notice file=db/V2__b.sql" in done.stdout or "::warning file=db/V2__b.sql" in done.stdout
    assert ElementTree.parse(out / "junit.xml").find(".//testsuite[@name='V2__b.sql']") is not None
    (sarif,) = re.findall(r"(?m)^sarif=(.*)$", (tmp_path / "output.txt").read_text())
    assert Path(sarif).is_relative_to(tmp_path), "in the workspace, where the upload looks"


def test_a_migration_that_fails_is_told_in_every_file_of_ci(tmp_path: Path) -> None:
    done, out = rehearsed_in_ci(tmp_path, "SELECT 1;\nALTER TABLE nope ADD COLUMN b int;\n")
    assert done.returncode == 4
    assert "did not get worse" not in done.stdout
    for file in ("comment.md", "junit.xml", "results.sarif"):
        assert re.search(r"relation \W+nope\W+ does not exist|relation &quot;nope", (out / file).read_text())
    assert "::error file=db/V2__b.sql,line=2::" in done.stdout
    assert "outcome=fail" in (tmp_path / "output.txt").read_text()


@pytest.mark.parametrize("longest", [1_200, 20_000])
def test_a_comment_is_kept_short_and_says_what_it_leaves_out(longest: int) -> None:
    concluded = conclude(loaded_run())
    told = comment(Change(concluded), longest)
    assert len(told) <= longest
    assert concluded.verdict.sentence.split(":")[0] in told
    assert ("more sections" in told) == (longest == 1_200)
