"""``bench explain``: views, functions and requests before and after a suite."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.data import add_source_options, data_options, dumped
from bench.cli.load import request_rate
from bench.cli.options import (
    add_data_options,
    add_output_options,
    add_picture_option,
    add_server_options,
    add_suite_options,
    add_tool_options,
    require_writable,
    write_json,
)
from bench.cli.terminal import terminal

if TYPE_CHECKING:
    from bench.migrate.migration import Transaction
    from bench.model.run import Run
    from bench.pg.locale import Locale
    from bench.run.explain.session import ExplainOptions
    from bench.run.template.options import DataOptions

EPILOG = """\
Views are found in the catalog, functions and queries in queries.toml, requests in workload.toml of the
suite; without that, reads and writes by key on its tables. Each is executed before and after the suite, warm
and with a cold cache, as the owner and as the role of the requests, and where it has parameters as a prepared
statement with custom and generic plans; views and functions beside the application's traffic, too. What it
writes is rolled back. Every index is audited: who uses it, what it costs writers, and whether it could go.
The run's directory has the report and in plans/ each plan as a file for viewers such as pev2.

examples:
  bench explain                                      the CRM suite at scale 1
  bench explain crm --scale 0.1 --query 'deal*'      some of its queries
  bench explain db/migrations --base schema.sql --workload pgbench:orders.sql
  bench explain crm --server cluster --no-cold --json - | jq '.queries[] | select(.plan_changed)'
  bench compare OLDER latest                         after two explains: what got another plan, or slower

exit codes: 0 explained, 2 usage, 4 a migration failed, 5 server trouble, 130 interrupted
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "explain",
        help="views, functions and requests before and after: plans, times, estimates",
        description="Execute the views, functions and requests of a suite before it and after it, in every "
        "way an application does, and compare plans, times and estimates.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_suite_options(parser)
    add_tool_options(parser)
    parser.add_argument(
        "--query",
        action="append",
        default=[],
        metavar="PATTERN",
        help="only those with such a name, * and ? as in a shell; may be repeated; without index audit",
    )
    parser.add_argument(
        "--workload",
        action="append",
        default=[],
        metavar="FILE|pgbench:FILE@N",
        help="classes of requests, or a pgbench script (default: workload.toml of the suite)",
    )
    parser.add_argument(
        "--no-cold", action="store_true", help="leave the cold cache out, which may restart the server"
    )
    parser.add_argument(
        "--no-load", action="store_true", help="do not cost views and functions beside the traffic"
    )
    parser.add_argument(
        "--rate",
        type=request_rate,
        default=None,
        metavar="N",
        help="requests per second of the traffic (default: half of what the server can do)",
    )
    parser.add_argument("--no-indexes", action="store_true", help="leave the index audit out")
    add_source_options(parser)
    add_data_options(parser)
    add_server_options(parser)
    add_output_options(parser)
    add_picture_option(parser)
    parser.set_defaults(command=explain)


def explain(
    *,
    from_dump: Path | None = None,
    from_dsn: str | None = None,
    exclude_table_data: Sequence[str] = (),
    **options: Any,
) -> int:
    """Explain a suite, on a dump where one is named; returns the exit code."""
    with dumped(from_dump, from_dsn, exclude_table_data, quiet=options["quiet"]) as dump:
        return explain_on(dump=dump, **options)


def explain_on(
    *,
    dump: Path | None,
    suite: str,
    base: Path | None,
    tool: str | None,
    transaction: Transaction | None,
    no_cache: bool,
    fill: bool,
    columns: Path | None,
    role: str | None,
    size: Sequence[tuple[str, int]],
    locale: Locale | None,
    out: Path | None,
    scale: float,
    rows: Sequence[tuple[str, int]],
    seed: int,
    dirt: float | None,
    dirt_kinds: tuple[str, ...] | None,
    like: Path | None,
    workers: int | None,
    server: str,
    image: str | None,
    pg_bindir: Path | None,
    json: str | None,
    quiet: bool,
    **ways: Any,
) -> int:
    """Explain a suite; returns the exit code. ``ways``: what :func:`explain_options` takes."""
    from dataclasses import replace
    from datetime import UTC, datetime

    from bench.cli.live import live
    from bench.migrate.suite import find_suite
    from bench.pg.opening import open_server
    from bench.pg.server import DEFAULT_IMAGE, parse_server
    from bench.run.explain.session import explain_suite
    from bench.run.progress import Said
    from bench.run.template.keep import template_key
    from bench.store.results import RUNS, create_directory, new_run_id

    found = find_suite(suite, base=base, tool=tool, transaction=transaction, on_data=dump is not None)
    if dump is not None:  # in place of the suite's own state before
        found = replace(found, base=base, data=None)
    data = data_options(
        found, scale=scale, rows=rows, seed=seed, dirt=dirt, dirt_kinds=dirt_kinds, like=like, size=size,
        workers=workers, no_cache=no_cache, fill=fill, columns=columns, dump=dump, role=role, locale=locale,
    )  # fmt: skip
    require_writable(json)
    spec = parse_server(server, image=image or DEFAULT_IMAGE, pg_bindir=pg_bindir)
    spec = replace(spec, data_key=template_key(found, data) if data.cache else None)
    run_id = new_run_id(found.name, datetime.now(UTC))
    chosen = explain_options(found.path, data, **ways)
    with live(quiet=quiet) as progress:
        directory = create_directory(out or RUNS / run_id, lambda text: progress(Said(text)))
        with open_server(spec, lambda text: progress(Said(text))) as opened:
            explained = explain_suite(
                opened, found, chosen, run_id=run_id, save=directory.save, progress=progress
            )
    return present_explained(explained, directory.path, json)


def explain_options(
    suite: Path,
    data: DataOptions,
    *,
    query: Sequence[str],
    workload: Sequence[str],
    no_cold: bool,
    no_load: bool,
    rate: float | None,
    no_indexes: bool,
) -> ExplainOptions:
    """In which ways to explain the suite of this directory. UsageError for an unusable workload."""
    from bench.run.explain.session import ExplainOptions
    from bench.workload.config import given_mix

    return ExplainOptions(
        data,
        given_mix(suite, workload),
        tuple(query),
        cold=not no_cold,
        load=not no_load,
        rate_per_s=rate,
        indexes=not no_indexes,
    )


def present_explained(run: Run, directory: Path, json: str | None) -> int:
    """Write the pages, print the tables, and return the exit code: 0."""
    import msgspec

    from bench.analyse.summary import summarise
    from bench.report.explain.console import print_explained
    from bench.report.explain.document import explain_document
    from bench.report.write import write_explained

    summary = summarise(run)
    paths = write_explained(run, summary, directory)
    if json is not None:
        write_json(json, msgspec.json.encode(explain_document(run, summary)) + b"\n")
    print_explained(run, summary, paths.html, terminal(stderr=json == "-"))
    return 0
