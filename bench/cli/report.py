"""``bench report``: pictures and pages of a stored run, drawn again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bench.cli.options import add_output_options

EPILOG = """\
examples:
  bench report                          the last run
  bench report 20260102T030405Z-crm-1a2b3c
  bench report results/runs/x/run.json --out /tmp/report
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "report",
        help="html, markdown and figures again from a stored run",
        description="Draw the report of a stored run again: report.html, report.md and figures/.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "run",
        nargs="?",
        default="latest",
        metavar="RUN",
        help="id, directory, run.json or latest (default)",
    )
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="default: the run's own directory"
    )
    add_output_options(parser)
    parser.set_defaults(command=report)


def report(*, run: str, out: Path | None, json: str | None, quiet: bool) -> int:
    """Draw the report of a stored run again; returns the exit code of the run."""
    from bench.cli.run import conclude, present
    from bench.store.results import find_run_file, load

    stored = conclude(load(run))
    return present(stored, out or find_run_file(run).parent, json)
