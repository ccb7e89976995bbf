"""The command line: ``bench COMMAND …``."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from bench import __version__
from bench.cli import (
    aa,
    baseline,
    compare,
    doctor,
    explain,
    forecast,
    history,
    prove,
    report,
    run,
    templates,
    trace,
)
from bench.errors import BenchError, Interrupted

DESCRIPTION = """\
Rehearse a PostgreSQL deploy: apply its migrations to production-sized data, and measure how long it takes,
which locks it holds on which tables, and what its queries cost before and after."""

EPILOG = """\
examples:
  bench run                             the CRM suite on the server that `bench doctor` picks
  bench run db/migrations --base schema.sql
  bench run crm --server postgresql://me@staging/postgres --scale 0.1
  bench trace migration.sql --schema schema.sql
                                        what a script locks, and who would wait
  bench prove crm --scale 0.1           does the way back work, what does a crash leave, who may read what
  bench explain crm --scale 0.1         plans and times of views, functions and requests, before and after
  bench report latest                   draw the report of the last run again
  bench templates list                  the loaded data that runs keep for later runs
  bench compare crm latest              what got worse since the suite's baseline
  bench history crm                     how its figures went from run to run
  bench aa crm --scale 0.1              learn this machine's noise, for bench compare
  bench doctor                          what this machine can do

exit codes: 0 the migrations applied, 1 something got worse, 2 usage, configuration or unreadable input,
3 not comparable, 4 a migration failed, 5 server trouble, 130 interrupted
"""


COMMANDS = (
    run, prove, trace, explain, forecast, report, templates, doctor, compare, baseline, aa, history,
)  # fmt: skip


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pgrehearse {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. SystemExit for ``--help`` and wrong options."""
    arguments = vars(build_parser().parse_args(argv))
    command = arguments.pop("command")
    debug = arguments.pop("debug", False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        code: int = command(**arguments)
        return code
    except BenchError as error:
        if debug:
            raise
        return _tell(error)
    except KeyboardInterrupt:
        return _tell(Interrupted("interrupted"))
    except BrokenPipeError:
        sys.stderr.close()
        return 1


class _Ended(KeyboardInterrupt):
    """A signal asked for the end.

    Not KeyboardInterrupt itself: where that is raised inside ``exec``, as when a dataclass is made, Python
    remembers it and ends by the signal however well it was handled, so that the exit code would be lost.
    """


def _end(number: int, frame: FrameType | None) -> None:
    """End as on Ctrl-C: every context on the way out stops what it started."""
    raise _Ended


def _tell(error: BenchError) -> int:
    print(f"bench: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  try: {error.hint}", file=sys.stderr)
    return error.exit_code
