"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bench.cli.terminal import write_document
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.migrate.migration import Transaction
    from bench.pg.locale import Locale
    from bench.pg.spec import ServerSpec

Choice = TypeVar("Choice")
Options = dict[str, Any]
"""Values of options by their names, as argparse has them."""

ERROR, WARNING, NEVER = "error", "warning", "never"
"""Values of ``--fail-on``."""
_SUFFIXES = {"k": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_UNITS_S = {"ms": 0.001, "s": 1, "": 1, "m": 60, "h": 3600}


def take(kind: type[Choice], options: Options) -> Choice:
    """The options that a dataclass has fields of, taken out of the others; one that is not there keeps the
    field's own default."""
    names = [field.name for field in fields(kind) if field.name in options]  # type: ignore[arg-type]  # a dataclass
    return kind(**{name: options.pop(name) for name in names})


def gather(parser: argparse.ArgumentParser, name: str, make: Callable[[Options], object]) -> None:
    """Let the command get several options as one argument, which is made of them by :func:`gathered`."""
    makers = parser.get_default("makers") or {}
    parser.set_defaults(makers={**makers, name: make})


def gathered(options: Options) -> Options:
    """The arguments of a command: its options, those that belong together as one."""
    makers = options.pop("makers", {})
    groups = {name: make(options) for name, make in makers.items()}
    return options | groups


@dataclass(frozen=True, slots=True)
class SuiteChoice:
    """Which migrations, and who sends them."""

    suite: str
    base: Path | None = None
    out: Path | None = None
    tool: str | None = None
    transaction: Transaction | None = None


@dataclass(frozen=True, slots=True)
class ServerChoice:
    """Which server."""

    server: str
    image: str | None = None
    pg_bindir: Path | None = None

    def spec(self, data_key: str | None = None) -> ServerSpec:
        """As it is opened, where the data of this key are wanted. UsageError: there is none of that name."""
        from dataclasses import replace

        from bench.pg.spec import DEFAULT_IMAGE, parse_server

        spec = parse_server(self.server, image=self.image or DEFAULT_IMAGE, pg_bindir=self.pg_bindir)
        return replace(spec, data_key=data_key)


@dataclass(frozen=True, slots=True)
class DataChoice:
    """How many generated rows, and how clean."""

    scale: float = 1.0
    rows: Sequence[tuple[str, int]] = ()
    seed: int = 1
    dirt: float | None = None
    workers: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """Where the result goes beside its directory."""

    json: str | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """What the options say of what is deployed already; all None: nothing of the suite."""

    since: str | None = None
    """A git revision."""
    from_version: str | None = None
    """The last migration that is deployed."""
    pending_of: str | None = None
    """Connection string of a database, or path of a dump, that has the tool's table."""


def add_pending_options(parser: argparse.ArgumentParser) -> None:
    """``--since``, ``--from``, ``--pending-of``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--since",
        default=None,
        metavar="REV",
        help="only the migrations that this git revision does not have, on top of those that it has",
    )
    group.add_argument(
        "--from",
        dest="from_version",
        default=None,
        metavar="VERSION",
        help="only the migrations after this one, on top of those up to it",
    )
    group.add_argument(
        "--pending-of",
        default=None,
        metavar="DSN|DUMP",
        help="only the migrations that the tool's own table in this database or dump does not have; it is "
        "read, and nothing else of it",
    )


def locale_name(text: str) -> Locale:
    """``de_DE.UTF-8`` or ``icu:de-DE``."""
    from bench.pg.locale import parse_locale

    return parse_locale(text)


def add_suite_options(parser: argparse.ArgumentParser) -> None:
    """SUITE, ``--base``, ``--out``, ``--tool``, ``--transaction``."""
    parser.add_argument("suite", nargs="?", default="crm", metavar="SUITE", help="default: crm")
    parser.add_argument(
        "--base", type=Path, default=None, metavar="FILE", help="SQL of the state before the migrations"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="DIR",
        help="default: results/runs/<run id>; DIR/x.run.json.gz: a compressed run file",
    )
    add_tool_options(parser)


def add_tool_options(parser: argparse.ArgumentParser) -> None:
    """``--tool``, ``--transaction``: who sends the files in production."""
    group = parser.add_argument_group("migration tool")
    group.add_argument(
        "--tool",
        default=None,
        metavar="NAME",
        help="whose migrations these are, if not what the files tell: plain, flyway, goose, …",
    )
    group.add_argument(
        "--transaction",
        choices=("file", "query", "all", "none"),
        default=None,
        help="what the runner sends in one transaction: a file, a file as one query, all pending files, "
        "or none; a file's own mark still counts (default: as its tool does, for plain SQL none)",
    )


def add_server_options(parser: argparse.ArgumentParser, default: str = "auto") -> None:
    """``--server``, ``--image``, ``--pg-bindir``."""
    group = parser.add_argument_group("server")
    group.add_argument(
        "--server",
        default=default,
        metavar="KIND|DSN",
        help="auto, container, embedded, cluster, or postgresql://… of a server where databases named "
        f"bench_… may be created (default: {default})",
    )
    group.add_argument(
        "--image", default=None, help="image of the container (default: postgres:17)", metavar="IMAGE"
    )
    group.add_argument(
        "--pg-bindir", type=Path, default=None, metavar="DIR", help="directory of initdb and postgres"
    )
    gather(parser, "server", lambda options: take(ServerChoice, options))


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """``--scale``, ``--rows``, ``--seed``, ``--dirt``, ``--workers``."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--scale", type=positive_number, default=1.0, metavar="X", help="1 = 100 k deals (default: 1)"
    )
    group.add_argument(
        "--rows",
        type=several_rows,
        action="extend",
        default=[],
        metavar="TABLE=N[,…]",
        help="rows of tables, over the scale's, for example deals=5M; may be repeated",
    )
    group.add_argument("--seed", type=int, default=1, help="same seed, same rows (default: 1)")
    group.add_argument(
        "--dirt",
        type=share,
        default=None,
        metavar="0…1",
        help="share of dirty rows",
    )
    group.add_argument(
        "--workers",
        type=positive_count,
        default=None,
        metavar="N",
        help="loading streams (default: cores)",
    )
    gather(parser, "data", lambda options: take(DataChoice, options))


def add_output_options(parser: argparse.ArgumentParser) -> None:
    """``--json``, ``--quiet``, ``--debug``."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "--json",
        default=None,
        metavar="FILE|-",
        help="write the result as JSON to a file, or to stdout",
    )
    group.add_argument("--quiet", action="store_true", help="no progress")
    group.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    gather(parser, "output", lambda options: take(Output, options))


def add_picture_option(parser: argparse.ArgumentParser) -> None:
    """``--no-pictures``."""
    parser.add_argument(
        "--no-pictures",
        action="store_true",
        help="write the pages without figures, which is faster (default: where BENCH_NO_PICTURES is set)",
    )


def add_fail_option(parser: argparse.ArgumentParser) -> None:
    """``--fail-on``."""
    parser.add_argument(
        "--fail-on",
        choices=(ERROR, WARNING, NEVER),
        default=NEVER,
        help="which verdict ends with exit code 1: error, not ready; warning, conditions, too; never "
        "(default). An incomplete run then ends with 6. Without it, too, a broken budget and a rollback that "
        "fails end with 1, and a migration that fails with 4",
    )


def add_former_name(parser: argparse._ActionsContainer, former: str, dest: str, **options: Any) -> None:
    """The name that an option had before: it works as the option does, and no help lists it."""
    parser.add_argument(former, dest=dest, default=argparse.SUPPRESS, help=argparse.SUPPRESS, **options)


def require_writable(json: str | None) -> None:
    """Raise UsageError where the file that ``--json`` names cannot be written, before the work begins."""
    if json in (None, "-"):
        return
    path = Path(str(json)).resolve()
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"--json {json} cannot be written", hint="name a file in a directory that exists")
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageError(f"--json {json} cannot be written: the file is protected", hint="name another file")


def write_json(json: str, document: bytes) -> None:
    """Write a document to where ``--json`` says: whole, or not at all.

    Raises UsageError: there is no room for it, or the place cannot be written.
    """
    from bench.store.results import write_atomic

    path = Path(json).resolve()
    if json == "-":
        write_document(document)
    elif path.exists() and not path.is_file():  # a pipe or a device
        path.write_bytes(document)
    else:
        write_atomic(path, document)


def positive_number(text: str) -> float:
    """A number above 0."""
    value = _number(text)
    if value is None or not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def positive_count(text: str) -> int:
    """A whole number from 1."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return value


def duration(text: str) -> float:
    """``500ms``, ``90s``, ``10m`` or ``1h`` in seconds; a number alone is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text)
    if match is None or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a time such as 500ms, 90s, 10m or 1h")
    return float(match[1]) * _UNITS_S[match[2]]


def share(text: str) -> float:
    """A number from 0 to 1."""
    value = _number(text)
    if value is None or not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 1")
    return value


def names(text: str) -> tuple[str, ...]:
    """``bad_email,year_9999`` as names."""
    named = tuple(part.strip() for part in text.split(",") if part.strip())
    if not named:
        raise argparse.ArgumentTypeError("name at least one")
    return named


def table_rows(text: str) -> tuple[str, int]:
    """``deals=5M`` as (table, rows)."""
    table, equals, count = text.partition("=")
    factor = _SUFFIXES.get(count[-1:], 1)
    digits = count[:-1] if factor > 1 else count
    value = _number(digits)
    if not equals or not table or value is None or not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f'"{text}" is not TABLE=N, for example deals=5M')
    return table, round(value * factor)


def several_rows(text: str) -> list[tuple[str, int]]:
    """``deals=5M,contacts=2M`` as (table, rows)."""
    return [table_rows(part) for part in text.split(",")]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
