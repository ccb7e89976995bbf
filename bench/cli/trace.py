"""``bench trace``: what a script locks and who would wait, in about a second."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import (
    Output,
    ServerChoice,
    add_former_name,
    add_output_options,
    add_server_options,
    add_tool_options,
)
from bench.cli.terminal import terminal, write_document
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.migrate.migration import Transaction
    from bench.migrate.selection import Selection
    from bench.model.run import MigrationRun, ServerInfo
    from bench.model.statement import Statement

EPILOG = """\
Durations mean nothing here: the tables are empty, or small. `bench run` measures those.

A lock is exact where it was read at the end of its statement, before the commit; frozen where the statement
was made to wait half-way (CONCURRENTLY, VACUUM, procedures that commit, errors); else sampled.

examples:
  bench trace migration.sql --fix > safer.sql
  bench trace migration.sql --base schema.sql
  pg_dump --schema-only mydb > schema.sql; bench trace *.sql --base schema.sql
  bench trace migration.sql --base schema.sql --data rows.sql --json - | jq .summary.blocks
  bench trace migration.sql --base schema.sql --server cluster --no-probe
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "trace",
        description="Apply scripts to a new database and print, statement by statement, what each locks, "
        "writes anew and reads in full, and which commands of an application would wait for it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="scripts, applied in this order; those of a migration tool in its own, ways back left out",
    )
    parser.add_argument(
        "--base",
        type=Path,
        default=None,
        metavar="FILE",
        help="SQL of the schema before, for example of pg_dump --schema-only",
    )
    add_former_name(parser, "--schema", "base", type=Path)
    parser.add_argument(
        "--data", type=Path, default=None, metavar="FILE", help="SQL that fills it with a few rows"
    )
    parser.add_argument(
        "--probe",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="try an application's commands while each statement's transaction is open (default)",
    )
    parser.add_argument(
        "--fix",
        action="store_true",
        help="print the scripts as they would be written otherwise; not measured (see bench harden)",
    )
    add_tool_options(parser)
    add_server_options(parser, default="embedded")  # the one that starts fastest
    add_output_options(parser)
    parser.set_defaults(command=trace)


def trace(
    *,
    files: Sequence[Path],
    base: Path | None,
    data: Path | None,
    probe: bool,
    fix: bool,
    tool: str | None,
    transaction: Transaction | None,
    server: ServerChoice,
    output: Output,
) -> int:
    """Trace some scripts; returns the exit code: 4 where one failed."""
    import msgspec

    from bench.analyse.findings import trace_findings, traced
    from bench.cli.options import require_writable, write_json
    from bench.migrate.selection import read_given
    from bench.report.tracejson import trace_document
    from bench.report.tracetext import print_trace

    json = output.json
    require_writable(json)
    given = read_given(files, tool=tool, transaction=transaction)
    _say(given.remarks)
    if not given.scripts:
        return 0
    before = _existing(base=base, data=data)
    runs, info = _traced(server, given, before, probe=probe, quiet=output.quiet or json == "-")
    if fix:
        return _print_fixed(runs, info, given.scripts)
    findings = trace_findings(traced(runs, info))
    if json is not None:
        document = trace_document(runs, info, findings)
        write_json(json, msgspec.json.format(msgspec.json.encode(document), indent=2))
    if json != "-":
        print_trace(runs, terminal(highlight=False), findings)
    return _exit_code(runs)


def _traced(
    server: ServerChoice, given: Selection, before: Sequence[Path], *, probe: bool, quiet: bool
) -> tuple[Sequence[MigrationRun], ServerInfo]:
    """Trace the scripts on a server that is opened for them."""
    from dataclasses import replace

    from bench.cli.live import live
    from bench.pg.opening import open_server
    from bench.run.progress import Said
    from bench.run.trace import trace as run_trace
    from bench.run.trace import trace_settings

    spec = replace(server.spec(), durable=False, settings=trace_settings())
    with live(quiet=quiet) as progress, open_server(spec, lambda text: progress(Said(text))) as opened:
        runs = run_trace(
            opened,
            given.scripts,
            before=before,
            probe=probe,
            kept=given.keeps_session,
            disposable=opened.managed,
            progress=progress,
        )
        return runs, opened.info


def _exit_code(runs: Sequence[MigrationRun]) -> int:
    return 4 if any(run.outcome == "failed" for run in runs) else 0


def _print_fixed(
    runs: Sequence[MigrationRun], info: ServerInfo, scripts: Sequence[tuple[Path, Sequence[Statement]]]
) -> int:
    from bench.analyse.findings import traced
    from bench.run.harden.unmeasured import fixed

    for script in fixed(traced(runs, info), scripts):
        write_document(script)
    return _exit_code(runs)


def _existing(**files: Path | None) -> list[Path]:
    """The named files of the state before; UsageError, before a server starts, for what is none."""
    for option, path in files.items():
        if path is not None and not path.is_file():
            raise UsageError(f"there is no file {path}", f"give --{option} a file of SQL")
    return [path for path in files.values() if path is not None]


def _say(remarks: Sequence[str]) -> None:
    """Whose migrations these are, and what was left out: not among the results, which may be JSON."""
    console = terminal(stderr=True, highlight=False)
    for remark in remarks:
        console.print(remark, markup=False, soft_wrap=True)
