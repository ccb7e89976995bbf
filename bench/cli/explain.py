"""``bench explain``: views, functions and requests before and after a suite."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import gather, take, write_json
from bench.cli.rehearsing import Given, add_given_options, choose, opened
from bench.cli.terminal import terminal
from bench.cli.traffic import request_rate

if TYPE_CHECKING:
    from bench.model.run import Run

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
        description="Execute the views, functions and requests of a suite before it and after it, in every "
        "way an application does, and compare plans, times and estimates.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_given_options(parser)
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
    gather(parser, "ways", lambda options: take(WaysChoice, options))
    parser.set_defaults(command=explain)


@dataclass(frozen=True, slots=True)
class WaysChoice:
    """Which queries, and in which ways they are executed."""

    query: Sequence[str] = ()
    workload: Sequence[str] = ()
    no_cold: bool = False
    no_load: bool = False
    rate: float | None = None
    no_indexes: bool = False


def explain(*, given: Given, ways: WaysChoice) -> int:
    """Explain a suite, on a dump where one is named; returns the exit code."""
    from bench.run.explain.session import ExplainOptions, explain_suite
    from bench.workload.config import given_mix

    with choose(given) as chosen:
        options = ExplainOptions(
            chosen.data,
            given_mix(chosen.suite.path, ways.workload),
            tuple(ways.query),
            cold=not ways.no_cold,
            load=not ways.no_load,
            rate_per_s=ways.rate,
            indexes=not ways.no_indexes,
        )
        with opened(chosen.spec, chosen.out, quiet=chosen.output.quiet) as on:
            explained = explain_suite(
                on.server, chosen.suite, options,
                run_id=chosen.run_id, save=on.directory.save, progress=on.progress,
            )  # fmt: skip
    return present_explained(explained, on.directory.path, chosen.output.json)


def present_explained(run: Run, directory: Path, json: str | None) -> int:
    """Write the pages, print the tables, and return the exit code: 0."""
    import msgspec

    from bench.analyse.conclude import conclude
    from bench.report.explained import explain_document, print_explained
    from bench.report.write import write_explained

    summary = conclude(run).summary
    paths = write_explained(run, summary, directory)
    if json is not None:
        write_json(json, msgspec.json.encode(explain_document(run, summary)) + b"\n")
    print_explained(run, summary, paths.html, terminal(stderr=json == "-"))
    return 0
