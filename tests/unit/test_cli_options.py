"""Values of options, and what progress looks like without a terminal."""

from __future__ import annotations

import argparse
import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from bench.cli import parse
from bench.cli.live import Plain
from bench.cli.options import duration, gathered, positive_count, positive_number, share, table_rows
from bench.cli.traffic import TrafficChoice, hazard_options, hazards
from bench.errors import UsageError
from bench.model.deploy import HAZARDS
from bench.model.statement import Counters, Statement, StatementError, StatementRun
from bench.run.progress import Event, Loading, Said, StatementBegan, StatementEnded, Step


@pytest.mark.parametrize(
    ("text", "rows"), [("deals=5M", 5_000_000), ("deals=0", 0), ("a=1.5k", 1500), ("a=20", 20)]
)
def test_rows_of_a_table(text: str, rows: int) -> None:
    assert table_rows(text) == (text.partition("=")[0], rows)


@pytest.mark.parametrize(
    "text", ["deals", "=5", "deals=", "deals=many", "deals=-1", "deals=5X", "deals=inf", "deals=nan"]
)
def test_rows_that_are_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="TABLE=N"):
        table_rows(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((positive_number, text) for text in ("0", "inf", "-1", "abc", "nan")),
        *((positive_count, text) for text in ("0", "1.5", "x")),
    ],
)
def test_numbers_that_cannot_be(parse: Any, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse(text)


def test_a_share_lies_between_0_and_1() -> None:
    assert share("0.02") == 0.02
    with pytest.raises(argparse.ArgumentTypeError):
        share("1.1")


@pytest.mark.parametrize(
    ("command", "former", "today"),
    [
        (["forecast", "crm", "--at", "deals=1M"], ["--budget", "1h"], ["--within", "1h"]),
        (["forecast", "crm"], ["--probe"], ["--production-sql"]),
        (["prove", "crm"], ["--budget", "90"], ["--within", "90s"]),
        (["trace", "a.sql"], ["--schema", "s.sql"], ["--base", "s.sql"]),
    ],
)
def test_an_option_still_has_its_former_name_and_no_help_lists_it(
    command: list[str], former: list[str], today: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = (gathered(parse(command + option)) for option in (former, today))
    assert old == new
    with pytest.raises(SystemExit):
        parse([command[0], "--help"])
    shown = set(re.findall(r"--[a-z][\w-]*", capsys.readouterr().out.partition("examples:")[0]))
    assert today[0] in shown
    assert former[0] not in shown


def ended(duration_s: float, error: StatementError | None = None) -> StatementEnded:
    outcome = "failed" if error else "applied"
    run = StatementRun(
        0, 7, "SELECT 1", "SELECT", "own", outcome, duration_s, None, None, Counters(), error=error
    )
    return StatementEnded("001_a", 0, run)


def lines(*events: Event) -> list[str]:
    out = io.StringIO()
    plain = Plain(Console(file=out, width=40))
    for event in events:
        plain.show(event)
    return [line.partition("] ")[2] for line in out.getvalue().splitlines()]


def test_without_a_terminal_there_is_a_line_for_what_matters() -> None:
    statement = Statement(0, 7, "SELECT 1", "SELECT")
    assert lines(
        Step("solo pass"),
        Said("removed [bold]something"),
        Loading("copy", 0, 1000),
        Loading("copy", 500, 1000),
        StatementBegan("001_a", 0, 0, 12, statement, tuple),
        ended(0.5),
        ended(2.5),
        ended(0.1, StatementError("42P01", "no such thing", line=8)),
    ) == [
        "solo pass",
        "removed [bold]something",
        "loading: copy, 1,000 rows",
        "001_a: 12 statements",
        "001_a:7 SELECT: 2.5 s",
        "001_a:8: no such thing (42P01)",
    ]


@pytest.mark.parametrize(
    ("text", "time_s"), [("500ms", 0.5), ("90s", 90), ("30", 30), ("1.5m", 90), ("1h", 3600)]
)
def test_times(text: str, time_s: float) -> None:
    assert duration(text) == time_s


@pytest.mark.parametrize("text", ["0s", "-1s", "s", "2 s", "2d", "inf", ""])
def test_times_that_are_none(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a time"):
        duration(text)


def test_hazards_come_in_their_own_order_and_once() -> None:
    assert hazards("bulk-write, long-reader,bulk-write") == ["long-reader", "bulk-write"]
    assert hazards("backup,all") == list(HAZARDS)


def test_a_misspelt_hazard_is_refused_with_what_was_meant() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"long_reader.*did you mean long-reader"):
        hazards("backup,long_reader")


ASKED = TrafficChoice(hazard=["long-reader", "backup"])


def asked(against: str | None = None, **changes: Any) -> Any:
    return hazard_options(replace(ASKED, **changes), against)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"no_load": True}, "--hazard and --no-load"),
        ({"no_load": True, "hazard": [], "lock_timeout": 2.0}, "--lock-timeout and --no-load"),
        ({"against": "main"}, "--hazard and --against"),
        ({"retries": 3}, "--retries without --lock-timeout"),
    ],
)
def test_hazards_and_what_does_not_go_with_them(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        asked(**changes)


def test_each_hazard_is_met_waiting_and_then_with_retries() -> None:
    waiting = [("long-reader", None), ("backup", None)]
    assert list(asked().passes()) == waiting
    both = asked(lock_timeout=2.0).passes()
    assert [(name, policy and policy.lock_timeout_s) for name, policy in both] == [
        ("long-reader", None),
        ("long-reader", 2.0),
        ("backup", None),
        ("backup", 2.0),
    ]
    assert both[1][1].retries == 20
    assert [
        (name, policy.retries) for name, policy in asked(hazard=[], lock_timeout=2.0, retries=3).passes()
    ] == [(None, 3)]
    assert asked(hazard=[]).passes() == ()


def test_only_all_leaves_out_what_a_server_cannot_have() -> None:
    assert asked(hazard=list(HAZARDS)).every
    assert not asked().every
