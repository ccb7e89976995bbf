"""``bench baseline accept``: what later runs are compared with."""

from __future__ import annotations

import argparse
from typing import Any

from bench.cli.terminal import say

EPILOG = """\
The baseline is a small file to commit beside the migrations. bench compare and CI hold later runs against it.

examples:
  bench baseline accept latest --because "first measurement"
  bench baseline accept results/runs/x/run.json --because "the new index costs 3 s, agreed with the team"
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "baseline",
        description="Store a run, raw repeats included, as results/baselines/<suite>.json.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    accepting = actions.add_parser("accept", help="store a run as its suite's baseline")
    accepting.add_argument("run", metavar="RUN", help="id, directory, run.json or latest")
    accepting.add_argument("--because", required=True, metavar="REASON", help="why these figures are right")
    accepting.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    accepting.set_defaults(command=accept)


def accept(*, run: str, because: str) -> int:
    """Store a run as its suite's baseline; returns 0."""
    from bench.analyse.compare.record import record
    from bench.store.baseline import accept as store
    from bench.store.results import load

    path = store(record(load(run)), because)
    say(f"accepted as {path}; commit it")
    return 0
