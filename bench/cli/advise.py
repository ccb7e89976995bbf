"""``bench advise``: the lock timeout to set, computed, run behind a reader, and to be pasted."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import add_pending_options, duration, positive_count, write_json
from bench.cli.rehearsing import Given, add_given_options, choose, opened
from bench.cli.terminal import terminal
from bench.cli.traffic import TrafficChoice, add_traffic_options, hazard_options, traffic_options
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.run.advise import Outcome

EPILOG = """\
The suite is rehearsed, alone and under traffic. From its locks and times, and from how long the requests of
the application take, the lock_timeout and the number of tries are computed that keep requests waiting least
behind a reader of 10, 30 and 120 s. Then the deploy is run behind a reader in turn: as its files are, and
with the advice. CONCURRENTLY, VALIDATE and backfills get no timeout: they wait in nobody's way.

examples:
  bench advise crm --scale 0.1
  bench advise db/migrations --base schema.sql --fill --reader-s 30 --repeats 3
  bench advise db/migrations --base schema.sql --form django

exit codes: 0 the advice gets the deploy through, or nothing is to be set; 1 it does not; 4 the deploy fails
by itself
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "advise",
        description="Find the lock_timeout and the number of tries that get a deploy through behind a long "
        "reader with the least standstill, run them, and print what to paste.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_given_options(parser)
    parser.add_argument(
        "--reader-s",
        type=duration,
        default=10.0,
        metavar="S",
        help="for how long the reader is open behind which the advice is run (default: 10 s)",
    )
    parser.add_argument(
        "--repeats", type=positive_count, default=1, metavar="N", help="of both ways, in turn (default: 1)"
    )
    parser.add_argument(
        "--form",
        default=None,
        metavar="NAME",
        help="how it is set: file, pgoptions, role, url, jdbc, flyway, alembic, django, drizzle, retry, or "
        "all (default: as the suite's migration tool is told best)",
    )
    add_pending_options(parser)
    add_traffic_options(parser)
    parser.set_defaults(command=advise)


def advise(*, given: Given, traffic: TrafficChoice, reader_s: float, repeats: int, form: str | None) -> int:
    """Advise on a suite; returns the exit code."""
    from bench.cli.advised import FORMS
    from bench.cli.history import remember
    from bench.report.write import write_report
    from bench.run.advise import Trial, advise_suite
    from bench.run.session import RunOptions

    if traffic.hazard or traffic.lock_timeout is not None:
        raise UsageError(
            "bench advise puts the reader in the way itself, and finds the timeout",
            "leave --hazard and --lock-timeout out, or take bench run",
        )
    if form not in (None, *FORMS, "all"):
        raise UsageError(f"--form {form}: there is no such form", f"one of {', '.join(FORMS)}, or all")
    with choose(given) as chosen:
        load = traffic_options(chosen.suite.path, traffic, chosen.data.seed)
        hazards = hazard_options(traffic, None)
        options = RunOptions(1, explain=False, probe=False, load=load, hazards=hazards, data=chosen.data)
        with opened(chosen.spec, chosen.out, quiet=chosen.output.quiet) as on:
            outcome = advise_suite(
                on.server, chosen.suite, options, Trial(reader_s, repeats),
                run_id=chosen.run_id, save=on.directory.save, progress=on.progress,
            )  # fmt: skip
            on.directory.save(outcome.rehearsed.run)
    remember(outcome.rehearsed.run, chosen.path)
    write_report(outcome.rehearsed, chosen.path)
    return present(outcome, chosen.path, chosen.output.json, form, chosen.data.role)


def present(outcome: Outcome, directory: Path, json: str | None, form: str | None, role: str | None) -> int:
    """Print the advice, write it for a pull request, and return the exit code."""
    import msgspec

    from bench.cli.advised import blocks, document, proposal
    from bench.report.render.markdown import render
    from bench.report.render.terminal import print_blocks
    from bench.store.results import write_atomic

    if json is not None:
        write_json(json, msgspec.json.format(msgspec.json.encode(document(outcome, role)), indent=2))
    proposed = directory / "advise.md"
    write_atomic(proposed, render((proposal(outcome, role),)).encode())
    console = terminal(stderr=json == "-", highlight=False)
    print_blocks(blocks(outcome, form, role), console)
    console.print(f"For a pull request: {proposed}", markup=False, soft_wrap=True)
    if outcome.rehearsed.summary.failed:
        return 4
    return 1 if outcome.ways and not outcome.ways[-1].through else 0
