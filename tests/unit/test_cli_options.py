"""Values of options, and what progress looks like without a terminal."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.cli.live import Plain
from bench.cli.options import positive_count, positive_number, share, table_rows
from bench.cli.run import repeat_options
from bench.model.metric import Counters
from bench.model.statement import Statement, StatementError, StatementRun
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


def test_the_next_command_repeats_the_options_but_never_a_connection_string() -> None:
    def again(**options: Any) -> str:
        return repeat_options(**{"base": None, "image": None, "pg_bindir": None, **options})

    assert again(server="auto") == ""
    assert again(server="cluster", base=Path("my base.sql")) == "--base 'my base.sql' --server cluster"
    assert again(server="postgresql://me:secret@host/db") == '--server "$DSN"'
