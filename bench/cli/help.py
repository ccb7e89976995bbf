"""``bench help``: what a finding means, and the topics that no single command's options explain."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from bench.cli.terminal import say
from bench.errors import EXIT_CODES, UsageError
from bench.migrate.config import suggest

_MARKS = re.compile(r"``")


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "help",
        description="Explain a finding by its code, or a topic.",
        epilog="topics: " + ", ".join(TOPICS) + "\n\nexamples:\n  bench help findings\n  bench help rewrite",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "topic", nargs="?", default=None, metavar="CODE|TOPIC", help="default: which topics there are"
    )
    parser.add_argument("--debug", action="store_true", help="show a traceback on errors")
    parser.set_defaults(command=explain_topic)


def explain_topic(*, topic: str | None) -> int:
    """Print a topic's page. UsageError for one that there is not, with the one that may be meant."""
    from bench.analyse.findings import BY_CODE
    from bench.report.dangertext import as_text

    if topic is None:
        say(["topics:", *_table((name, summary) for name, (summary, _) in TOPICS.items())])
        say(["", "bench help CODE explains a finding; every command has --help."])
    elif topic in TOPICS:
        say(TOPICS[topic][1]())
    elif topic in BY_CODE:
        say(as_text(BY_CODE[topic]).rstrip("\n"))
    else:
        near = suggest(topic, [*TOPICS, *BY_CODE])
        raise UsageError(
            f'there is no topic "{topic}"', f"{near}topics: {', '.join(TOPICS)}; codes: bench help findings"
        )
    return 0


def _findings() -> Iterator[str]:
    from bench.analyse.dangers.danger import RISKS
    from bench.analyse.findings import DANGERS

    yield "What a rehearsal finds, by what it puts at risk. bench help CODE tells why and the way out."
    for risk in (*RISKS, None):
        yield from ("", risk or "Words alone")
        yield from _table((danger.code, danger.title) for danger in DANGERS if danger.risk == risk)


def _hazards() -> Iterator[str]:
    from bench.run.hazards import HAZARDS, what_it_is

    yield "What stands in the way of a deploy, made on purpose: bench run --hazard NAME, or all."
    yield ""
    yield from _table((name, what_it_is(name)) for name in HAZARDS)


def _budgets() -> Iterator[str]:
    from bench.migrate.budgets import NAME
    from bench.model.budget import KEYS

    yield f"The most that you allow a deploy, in {NAME} beside the migrations or in the working directory:"
    yield ""
    yield "  [budget]                     with nothing in the way of the deploy"
    yield "  deploy_s = 60.0"
    yield "  [budget.hold_s]              of locks that block writers, by table"
    yield '  "public.deals" = 1.0'
    yield "  [budget.hazard]              beside every hazard"
    yield "  [budget.hazard.backup]       beside this one, in its place"
    yield ""
    yield from _table(KEYS.items())
    yield ""
    yield 'Where one is broken the verdict is "not ready", and the exit code 1.'


def _servers() -> Iterator[str]:
    from bench.pg.spec import KINDS

    yield "Which PostgreSQL a rehearsal runs on: --server KIND, or a connection string."
    yield ""
    yield from _table(KINDS.items())
    yield ""
    yield "bench doctor says what this machine can run, and what auto takes."


def _psql() -> Iterator[str]:
    from bench.migrate.metacommand import reference

    yield "Plain files are read as psql -f with ON_ERROR_STOP reads them."
    for heading, rows in reference():
        yield from ("", heading)
        yield from _table(rows)


def _tools() -> Iterator[str]:
    from bench.migrate.tools.code import CODE_TOOLS
    from bench.migrate.tools.table import TOOLS

    yield "Migrations of these tools are read as they read them; they are told by their files, or by --tool."
    yield ""
    yield from _table((tool.name, _first_line(sys.modules[tool.read.__module__].__doc__)) for tool in TOOLS)
    yield ""
    yield "Migrations in code are rehearsed by bench run --command 'COMMAND', or from their SQL:"
    yield ""
    yield from _table((tool.title, tool.command) for tool in CODE_TOOLS)


def _exit_codes() -> Iterator[str]:
    yield from _table((str(number), words) for number, words in EXIT_CODES.items())


TOPICS: Mapping[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "findings": ("the codes of findings, by what is at risk", _findings),
    "hazards": ("what can stand in the way of a deploy", _hazards),
    "budgets": ("what you allow a deploy to take", _budgets),
    "servers": ("which PostgreSQL a rehearsal runs on", _servers),
    "psql": ("which of psql's commands a migration may use", _psql),
    "tools": ("whose migrations are read", _tools),
    "exit-codes": ("what a command's exit code says", _exit_codes),
}


def _first_line(doc: str | None) -> str:
    return _MARKS.sub("", inspect.cleandoc(doc or "").partition(" Source:")[0].partition("\n")[0])


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names, and beside them words in lines that a terminal holds."""
    from bench.report.dangertext import filled

    listed = list(rows)
    width = max((len(name) for name, _ in listed), default=0) + 4
    for name, words in listed:
        yield f"  {name:<{width - 2}}{filled(words, indent=width).lstrip()}"
