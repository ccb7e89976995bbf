"""``bench demo``: a small shop and one bad migration, in seconds."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

from bench.cli.options import ServerChoice, add_server_options, gathered
from bench.cli.terminal import say

EPILOG = """\
The shop has two tables and 155,000 rows. Its migration adds two columns, fills one, and makes an index and a
foreign key, all in one transaction: each statement is correct, and nobody could order while it runs.

examples:
  bench demo
  bench demo --server cluster
"""
TRAFFIC_PER_S = 40.0
OF_EVERY_COMMAND = ("debug", "no_pictures")
"""What the command line itself takes."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "demo",
        description="Rehearse the bad migration of a small shop that comes with the program.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_server_options(parser, default="embedded")  # the one that starts fastest
    parser.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    parser.set_defaults(command=demo)


def demo(*, server: ServerChoice) -> int:
    """Rehearse the shop's migration as ``bench run`` would, once; returns its exit code."""
    from bench.cli.run import add_parser as add_run_parser
    from bench.migrate.suite import shipped_suites

    parser = argparse.ArgumentParser()
    add_run_parser(parser.add_subparsers())
    suite = str(shipped_suites() / "demo")
    options = ["--repeats", "1", "--rate", str(TRAFFIC_PER_S), "--no-cache"]
    chosen = gathered(vars(parser.parse_args(["run", suite, *options])))
    command, given = chosen.pop("command"), replace(chosen.pop("given"), server=server)
    kept = {name: value for name, value in chosen.items() if name not in OF_EVERY_COMMAND}
    code = int(command(given=given, **kept))
    # A connection string may hold a password, which is not printed.
    where = "" if "://" in server.server else f" --server {server.server}"
    say(f"Harden    bench harden demo --rate {TRAFFIC_PER_S:g}{where}")
    return code
