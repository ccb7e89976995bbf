"""``bench harden``: the safe version of a deploy, written, proved equal and measured beside the original."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import add_pending_options, positive_count, write_json
from bench.cli.rehearsing import Given, add_given_options, choose, opened
from bench.cli.terminal import terminal
from bench.cli.traffic import TrafficChoice, add_traffic_options, hazard_options, traffic_options

if TYPE_CHECKING:
    from bench.run.harden.session import Outcome

EPILOG = """\
The suite is rehearsed first. What hurt on this data is written otherwise, and nothing else: indexes
CONCURRENTLY, constraints NOT VALID and then validated, columns and rows filled in batches that commit, locks
that give way after two seconds. The original is never touched. Both versions are then applied to copies of
the same state, and every object and every row is compared; the safe one is rehearsed like the first.

examples:
  bench harden crm_as_reviewed --scale 0.2 --dirt 0
  bench harden db/migrations --base schema.sql --fill --rows orders=1M --out db/migrations.safe
  bench harden db/migrations --from-dump shop.dump --rate 300
  bench harden crm_as_reviewed --scale 0.2 --dirt 0 --hazard long-reader --lock-timeout 2s
                                                     both versions also behind a report that runs for 30 s

exit codes: 0 the safe version comes to the same, or nothing needs to change; 1 they differ; 4 the original
fails
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "harden",
        description="Write the statements of a suite that hurt in the ways that hurt nobody, prove that both "
        "versions come to the same, and measure both.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_given_options(parser)
    parser.add_argument(
        "--repeats",
        type=positive_count,
        default=1,
        metavar="N",
        help="of both versions, alone and under traffic (default: 1)",
    )
    add_pending_options(parser)
    add_traffic_options(parser)
    parser.set_defaults(command=harden)


def harden(*, given: Given, traffic: TrafficChoice, repeats: int) -> int:
    """Harden a suite; returns the exit code."""
    from bench.run.harden.session import harden_suite
    from bench.run.progress import Said
    from bench.run.session import RunOptions
    from bench.store.results import create_directory

    with choose(replace(given, which=replace(given.which, out=None))) as chosen:
        load = traffic_options(chosen.suite.path, traffic, chosen.data.seed)
        load = None if load is None else replace(load, repeats=repeats)
        hazards = hazard_options(traffic, None)
        options = RunOptions(
            repeats, explain=False, probe=False, load=load, hazards=hazards, data=chosen.data
        )
        with opened(chosen.spec, chosen.out, quiet=chosen.output.quiet) as on:
            runs = {
                name: create_directory(chosen.path / name, lambda text: on.progress(Said(text)))
                for name in ("before", "after")
            }
            outcome = harden_suite(
                on.server, chosen.suite, options, given.which.out or chosen.path / "safe",
                run_id=chosen.run_id, save=lambda name: runs[name].save, progress=on.progress,
            )  # fmt: skip
    return present(outcome, chosen.path, chosen.output.json)


def present(outcome: Outcome, directory: Path, json: str | None) -> int:
    """Print what became of the suite, write it for a pull request, and return the exit code."""
    import msgspec

    from bench.cli.proposal import blocks, document, proposal
    from bench.report.render.markdown import render
    from bench.report.render.terminal import print_blocks
    from bench.store.results import write_atomic

    if json is not None:
        write_json(json, msgspec.json.format(msgspec.json.encode(document(outcome)), indent=2))
    proposed = directory / "harden.md"
    write_atomic(proposed, render(proposal(outcome)).encode())
    console = terminal(stderr=json == "-", highlight=False)
    print_blocks(blocks(outcome), console)
    console.print(f"For a pull request: {proposed}", markup=False, soft_wrap=True)
    if outcome.before.summary.failed:
        return 4
    return 1 if outcome.ends is not None and outcome.ends.differences else 0
