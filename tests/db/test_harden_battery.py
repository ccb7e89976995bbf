"""Many statements that hurt in one deploy, each on a schema of its own: all of it ends in the same place.

The forms are those that tools and people write: quoted names, several statements on a line, partitions,
triggers, views, composite keys. What has no safe form stays, with its reason; what is safe stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.migrate.suite import find_suite
from bench.model.budget import DEFAULT_LIMITS
from bench.pg.server import Server
from bench.run.harden.plan import Hardened
from bench.run.harden.session import Outcome, harden_suite
from bench.run.progress import silent
from bench.run.session import RunOptions

STRICT = replace(DEFAULT_LIMITS, noticeable_s=0.0, conditional_s=0.0, many_rows=100)
"""So that on small tables everything that would hurt on large ones does."""
_CASE = re.compile(
    r"^-- case: (?P<name>\w+), (?P<becomes>\w+)(?:: (?P<why>.+))?\n"
    r"(?P<base>(?s:.*?))-- deploy\n(?P<text>(?s:.*?))(?=^-- case:|\Z)",
    re.MULTILINE,
)
_TABLE = re.compile(r"^-- table: (\w)\n((?s:.*?))(?=^-- )", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    becomes: str
    why: str
    base: str
    text: str


def read_cases() -> Mapping[str, Case]:
    text = (Path(__file__).parent / "harden/cases.sql").read_text()
    tables = dict(_TABLE.findall(text))
    cases = {}
    for match in _CASE.finditer(text):
        base = re.sub(r"^\[(\w)\]", lambda named: tables[named[1]], match["base"], flags=re.MULTILINE)
        base, deployed = (part.replace("S.", f"s_{match['name']}.") for part in (base, match["text"]))
        cases[match["name"]] = Case(match["becomes"], match["why"] or "", base, deployed)
    return cases


CASES = read_cases()


def named(becomes: str) -> list[str]:
    return [name for name, case in CASES.items() if case.becomes == becomes]


@pytest.fixture(scope="module")
def outcome(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """All cases hardened as one deploy, a file for each."""
    directory = tmp_path_factory.mktemp("battery")
    (directory / "db").mkdir()
    for number, (name, case) in enumerate(CASES.items(), 1):
        (directory / f"db/{number:03d}_{name}.sql").write_text(case.text)
    base = "\n".join(f"CREATE SCHEMA s_{name};\n{case.base}" for name, case in CASES.items())
    (directory / "base.sql").write_text(base)
    return harden_suite(
        server, find_suite(str(directory / "db"), base=directory / "base.sql"),
        RunOptions(repeats=1, explain=False, probe=False), directory / "safe", run_id="x",
        save=lambda _: lambda run: None, progress=silent, limits=STRICT,
    )  # fmt: skip


def of(outcome: Outcome, name: str) -> Hardened:
    return next(item for item in outcome.hardened if item.migration.id.partition("_")[2] == name)


def codes(outcome: Outcome, name: str) -> set[str]:
    return {change.code for change in of(outcome, name).changes}


def test_both_versions_come_to_the_same(outcome: Outcome) -> None:
    assert not outcome.before.summary.failed
    assert outcome.ends is not None
    assert outcome.ends.differences == ()


def test_its_own_output_is_left_alone(outcome: Outcome) -> None:
    assert outcome.still == ()


@pytest.mark.parametrize("name", named("rewritten"))
def test_what_hurts_is_written_otherwise(name: str, outcome: Outcome) -> None:
    assert codes(outcome, name) - {"no-lock-timeout"}


@pytest.mark.parametrize("name", named("limited"))
def test_what_is_short_waits_for_its_locks_no_longer_than_said(name: str, outcome: Outcome) -> None:
    assert codes(outcome, name) == {"no-lock-timeout"}


@pytest.mark.parametrize("name", named("refused"))
def test_what_has_no_safe_form_stays_with_its_reason(name: str, outcome: Outcome) -> None:
    said = [refusal.why for refusal in of(outcome, name).refusals]
    assert [why for why in said if CASES[name].why in why], said
    assert codes(outcome, name) <= {"no-lock-timeout"}


@pytest.mark.parametrize("name", named("kept"))
def test_what_is_safe_stays_as_it_is(name: str, outcome: Outcome) -> None:
    assert not of(outcome, name).changed
