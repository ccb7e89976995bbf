"""``bench compare``: what got worse between two runs, baselines or files of either."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import Output, add_output_options, require_writable, write_json
from bench.cli.terminal import terminal, write_document
from bench.model.record import Record

if TYPE_CHECKING:
    from bench.analyse.compare.result import Comparison

EPILOG = """\
BASE and HEAD are run ids, directories or files of runs, latest, the file of a baseline, or the name of a
suite that has one in results/baselines.

examples:
  bench compare crm latest              the last run against the suite's baseline
  bench compare old/run.json new/run.json --json -
  bench compare crm latest --format markdown > comment.md

exit codes: 0 nothing got worse, 1 something did, 2 a file cannot be read, 3 the two are not comparable
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    from bench.report.messages import FORMATS

    parser = commands.add_parser(
        "compare",
        description="Compare two runs: locks, rewrites, plans and rows, exact counters, times.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("base", metavar="BASE", help="the run or baseline before")
    parser.add_argument("head", nargs="?", default="latest", metavar="HEAD", help="default: latest")
    parser.add_argument(
        "--format",
        choices=("console", "markdown", *FORMATS),
        default="console",
        help="what to print (default: console)",
    )
    parser.add_argument(
        "--picture", type=Path, default=None, metavar="DIR", help="draw the ratios: comparison.svg and .png"
    )
    add_output_options(parser)
    parser.set_defaults(command=compare)


def compare(*, base: str, head: str, format: str, picture: Path | None, output: Output) -> int:
    """Compare two runs; returns 1 where something got worse."""
    from bench.analyse.compare.decide import compare as decide
    from bench.cli.compare import load_side
    from bench.store.baseline import load_noise

    json = output.json
    require_writable(json)
    old, new = load_side(base), load_side(head)
    # The two of one `bench run --against`, whose repeats took turns, and which had the repeats that it adds.
    paired = old.run_id == f"{new.run_id}-base"
    noise = load_noise(new.machine)
    decided = decide(old, new, paired=paired, final=paired, noise=noise)
    if picture is not None:
        draw(decided, picture)
    return present(decided, format, json)


def draw(comparison: Comparison, directory: Path) -> None:
    """Draw the ratios of a comparison into a directory."""
    from bench.report.figures.forest import draw_forest
    from bench.report.write import write_picture

    write_picture(draw_forest(comparison), directory)


def present(comparison: Any, format: str, json: str | None) -> int:
    """Print a comparison in one format, write it as JSON where asked; returns the exit code."""
    from bench.report.compared import encode, print_comparison, render

    if json is not None:
        write_json(json, encode(comparison))
    if format == "console":
        print_comparison(comparison, terminal(stderr=json == "-"))
    elif json != "-":
        write_document(render(comparison, format))
    return 1 if comparison.outcome == "fail" else 0


def load_side(which: str) -> Record:
    """The record of a run id, a run's directory or file, ``latest``, a baseline's file, or its suite.

    Raises UsageError: there is no such thing, or it cannot be read.
    """
    from bench.analyse.compare.record import record
    from bench.store.baseline import decode_record, find_baseline
    from bench.store.results import load

    baseline = find_baseline(which)
    if baseline is not None:
        return decode_record(baseline.read_bytes(), str(baseline))
    return record(load(which))
