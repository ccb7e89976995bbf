"""``bench report``: pictures and pages of a stored run, drawn again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import (
    Output,
    add_fail_option,
    add_output_options,
    add_picture_option,
    require_writable,
    write_json,
)
from bench.cli.terminal import terminal, write_document
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.analyse.conclude import Conclusion
    from bench.report.pullrequest import Change

EPILOG = """\
examples:
  bench report                          the last run
  bench report 20260102T030405Z-crm-1a2b3c
  bench report results/runs/x/run.json --out /tmp/report
  bench report latest --format sarif > results.sarif
  bench report rehearsal --format comment       of bench run --against … --out rehearsal: one comment
                                        about what is added and what got worse
  bench report old/run.json new/run.json --side-by-side --out /tmp/report
"""
SIDE_BY_SIDE_DIRECTORY = Path("results")


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    from bench.report.messages import FORMATS

    parser = commands.add_parser(
        "report",
        description="Draw the report of a stored run again: report.html, report.md and figures/. Or several "
        "runs side by side, on the same axes: side-by-side.png and .svg.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run",
        nargs="*",
        default=["latest"],
        metavar="RUN",
        help="id, directory, run.json or latest (default)",
    )
    parser.add_argument(
        "--side-by-side",
        action="store_true",
        help="how long each of several runs made the application wait, with nothing in the deploy's way and "
        "beside each hazard, in one picture and in figures; runs of the same files, data and rate that met "
        "different hazards are shown as one",
    )
    parser.add_argument(
        "--format",
        choices=("markdown", "comment", *FORMATS),
        default=None,
        help="print the findings in this format, and write no report",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="DIR",
        help="default: the run's own directory; with --side-by-side: results",
    )
    parser.add_argument(
        "--judge-anew",
        action="store_true",
        help="judge a stored run by the rules of this version; without it a run keeps the findings and the "
        "verdict that it was stored with",
    )
    add_fail_option(parser)
    add_output_options(parser)
    add_picture_option(parser)
    parser.set_defaults(command=report)


def report(
    *,
    run: Sequence[str],
    side_by_side: bool,
    format: str | None,
    out: Path | None,
    judge_anew: bool,
    fail_on: str,
    output: Output,
) -> int:
    """Draw the report of a stored run again; returns the exit code of the run, 0 for several."""
    from bench.analyse.conclude import conclude
    from bench.cli.explain import present_explained
    from bench.cli.run import exit_code, present
    from bench.store.results import find_run_file, load, refuse_pages_of_others

    json = output.json
    require_writable(json)
    if side_by_side:
        return _side_by_side(run, out or SIDE_BY_SIDE_DIRECTORY, json)
    if len(run) > 1:
        raise UsageError(
            f"{len(run)} runs are named, and a report is about one", "add --side-by-side to see them together"
        )
    rehearsed = load(run[0])
    if format is not None:
        from bench.report.pullrequest import render

        change = _change(conclude(rehearsed, anew=judge_anew), find_run_file(run[0]).parent)
        write_document(render(change, format))
        worse = change.comparison is not None and change.comparison.outcome == "fail"
        return exit_code(change.pending or change.head, fail_on) or int(worse)
    if out is not None:
        refuse_pages_of_others(out)
    if not rehearsed.passes and rehearsed.queries:
        return present_explained(rehearsed, out or find_run_file(run[0]).parent, json)
    stored = conclude(rehearsed, anew=judge_anew)
    return present(stored, out or find_run_file(run[0]).parent, json, fail_on=fail_on)


def _change(head: Conclusion, directory: Path) -> Change:
    """A run with what ``bench run --against`` stored beside it: the base's, and the added migrations'."""
    from bench.analyse.conclude import conclude
    from bench.cli.against import ADDED, BASE, in_turn
    from bench.report.pullrequest import Change
    from bench.store.results import RUN_FILE, load

    beside = {}
    for name in (BASE, ADDED):
        if (directory / name / RUN_FILE).is_file():
            stored = load(str(directory / name))
            if stored.run_id == f"{head.run.run_id}-{name}":
                beside[name] = stored
    return Change(
        head,
        conclude(beside[ADDED]) if ADDED in beside else None,
        in_turn(beside[BASE], head.run, final=True) if BASE in beside else None,
    )


def _side_by_side(names: Sequence[str], out: Path, json: str | None) -> int:
    import msgspec

    from bench.report.figures.sidebyside import draw_side_by_side
    from bench.report.sidebyside import document, print_sides, side_by_side
    from bench.report.write import write_picture
    from bench.store.results import load

    if len(names) < 2:
        raise UsageError(
            "--side-by-side needs two runs or more",
            "name them: bench report old/run.json latest --side-by-side",
        )
    compared = side_by_side([load(name) for name in names])
    written = write_picture(draw_side_by_side(compared), out)
    if json is not None:
        write_json(json, msgspec.json.format(msgspec.json.encode(document(compared)), indent=2) + b"\n")
    print_sides(compared, written[-1], terminal(stderr=json == "-"))
    return 0
