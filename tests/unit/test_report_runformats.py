"""A single run in the formats of other programs."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

from factories import rich_run

from bench.analyse.conclude import conclude
from bench.model.budget import BudgetCheck
from bench.model.finding import Finding, Place
from bench.report.messages import FORMATS
from bench.report.runformats import messages
from bench.report.runformats import told as told_of

CONCLUDED = conclude(rich_run(3))
RUN = CONCLUDED.run
FILE = RUN.suite.migrations[0]
ERROR = Finding(
    "rewrite", "error", FILE.id, 0, "public.deals", "50 % <written> anew\x00", place=Place(FILE.file, 12)
)
NOTED = Finding("growth", "info", None, None, None, "grows")
ACCEPTED = replace(ERROR, accepted="small")
BROKEN = BudgetCheck("deploy_s", 2.0, "bench.toml:3", 2.5, broken=True)
TOLD = replace(CONCLUDED, findings=(NOTED, ERROR, ACCEPTED), checks=(BROKEN,))


def test_what_is_accepted_is_left_out_and_the_worst_comes_first() -> None:
    assert [each.level for each in messages(TOLD)] == ["error", "error", "note"]
    assert {each.rule for each in messages(TOLD)} == {"BENCH-REWRITE", "BENCH-S-BUDGET", "BENCH-GROWTH"}


def test_a_finding_has_the_line_of_its_statement_and_a_fingerprint_without_values() -> None:
    (first, *_) = [each for each in messages(TOLD) if each.rule == "BENCH-REWRITE"]
    assert (first.file, first.line) == (f"{RUN.suite.path}/{FILE.file}", 12)
    again = replace(TOLD, findings=(replace(ERROR, message="70 % written anew"),))
    assert first.fingerprint in {each.fingerprint for each in messages(again)}


def test_each_format_holds_the_error() -> None:
    told = {name: render(told_of(TOLD)) for name, render in FORMATS.items()}
    failures = ElementTree.fromstring(told["junit"]).findall(".//failure")
    assert [each.get("message") for each in failures] == [
        f"{FILE.file}:12: 50 % <written> anew",
        "the deploy takes 2.50 s, over its budget of 2.00 s (bench.toml:3)",
    ]  # fmt: skip
    assert told["annotations"].splitlines()[0].endswith("50 %25 <written> anew\x00")
    assert json.loads(told["sarif"])["runs"][0]["results"][0]["level"] == "error"
    assert [each["severity"] for each in json.loads(told["gitlab"])] == ["major", "major", "info"]
    first, *_, last = told["azure"].splitlines()
    where = f"sourcepath={RUN.suite.path}/{FILE.file};linenumber=12;"
    assert first == f"##vso[task.logissue type=error;{where}code=BENCH-REWRITE;]50 %AZP25 <written> anew\x00"
    assert "##vso" not in last
