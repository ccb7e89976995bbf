"""Every danger has a page, and what is known of it is read there by everybody who tells of it."""

from __future__ import annotations

import json

import pytest

from bench.analyse.dangers.danger import Danger, read_page
from bench.analyse.findings import BY_CODE, DANGERS
from bench.cli import main
from bench.cli.help import TOPICS
from bench.model.budget import KEYS
from bench.model.deploy import HAZARDS
from bench.report.dangertext import as_markdown, as_text
from bench.report.messages import Message, sarif


def test_every_danger_has_a_code_of_its_own() -> None:
    assert len(BY_CODE) == len(DANGERS) >= 55


@pytest.mark.parametrize("danger", DANGERS, ids=lambda danger: danger.code)
def test_a_page_says_what_why_the_way_out_and_where_it_comes_from(danger: Danger) -> None:
    page = danger.page
    assert page.what.endswith(".")
    assert all(source.startswith("https://") for source in page.sources)
    assert page.instead or page.way_out.startswith("None"), "where there is no other SQL, it says so"
    assert page.example != page.instead


@pytest.mark.parametrize("part", ["Why", "Way out", "Example", "Source"])
def test_a_page_without_one_of_its_parts_is_refused(part: str) -> None:
    whole = "It is.\n\nWhy: it hurts.\nWay out: none.\nExample:\n    SELECT 1;\nSource: https://example.org\n"
    assert read_page(whole).example == "SELECT 1;"
    with pytest.raises(ValueError, match=part):
        read_page(whole.replace(f"{part}:", f"{part.lower()}"))


@pytest.mark.parametrize("danger", DANGERS, ids=lambda danger: danger.code)
def test_its_code_prints_it(danger: Danger, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", danger.code]) == 0
    printed = capsys.readouterr().out
    assert printed == as_text(danger)
    for line in f"{danger.page.example}\n{danger.page.instead}".splitlines():
        assert line in printed
    assert all(len(line) <= 110 for line in printed.splitlines())


TOLD = {
    "findings": tuple(BY_CODE),
    "hazards": HAZARDS,
    "budgets": tuple(KEYS),
    "servers": ("auto", "container", "embedded", "cluster"),
    "psql": ("\\ir", "\\gexec", "\\echo"),
    "tools": ("flyway", "prisma", "Django"),
    "exit-codes": ("70", "130"),
}


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_names_all_that_belongs_to_it(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", topic]) == 0
    printed = capsys.readouterr().out
    assert [name for name in TOLD[topic] if f"  {name}" not in printed and f", {name}" not in printed] == []
    assert "``" not in printed


def test_what_there_is_not_is_refused_with_what_may_be_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "rewrit"]) == 2
    assert 'did you mean "rewrite"?' in capsys.readouterr().err
    assert main(["help"]) == 0
    assert all(topic in capsys.readouterr().out for topic in ["findings"])


def test_the_rule_of_a_sarif_file_has_the_page() -> None:
    told = [Message("error", f"BENCH-{code}", "", 0, "text", (code,)) for code in ("REWRITE", "FAILED")]
    failed, rewrite = json.loads(sarif(told))["runs"][0]["tool"]["driver"]["rules"]
    danger = BY_CODE["rewrite"]
    assert rewrite["shortDescription"]["text"] == danger.title
    assert rewrite["help"] == {"text": as_text(danger), "markdown": as_markdown(danger)}
    assert rewrite["helpUri"].startswith("https://www.postgresql.org/")
    assert "help" not in failed
