"""The command line: ``bench COMMAND …``."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from bench import __version__
from bench.cli.options import gathered
from bench.cli.terminal import prepare_streams, say
from bench.errors import BenchError, Interrupted, UsageError
from bench.migrate.config import suggest
from bench.model.printable import concealed
from bench.model.typed import TYPED, retyped

DESCRIPTION = """\
Rehearse a PostgreSQL deploy: apply its migrations to production-sized data, and measure how long it takes,
which locks it holds on which tables, and what its queries cost before and after."""

EPILOG = """\
examples:
  bench demo                            a small shop and one bad migration, in seconds
  bench run                             the CRM suite on the server that `bench doctor` picks
  bench run db/migrations --base schema.sql
  bench run crm --server postgresql://me@staging/postgres --scale 0.1
  bench run --command 'python manage.py migrate' --base schema.sql
                                        migrations in code: any command, recorded and rehearsed
  bench advise crm --scale 0.1          the lock_timeout to set, run behind a long reader, and to be pasted
  bench trace migration.sql --base schema.sql
                                        what a script locks, and who would wait
  bench prove crm --scale 0.1           does the way back work, what does a crash leave, who may read what
  bench explain crm --scale 0.1         plans and times of views, functions and requests, before and after
  bench report latest                   draw the report of the last run again
  bench templates list                  the loaded data that runs keep for later runs
  bench compare crm latest              what got worse since the suite's baseline
  bench history crm                     how its figures went from run to run
  bench aa crm --scale 0.1              learn this machine's noise, for bench compare
  bench doctor                          what this machine can do
  bench help rewrite                    what a finding means, and the way out

exit codes: 0 the migrations applied, 1 something got worse, a budget is broken, a rollback failed, or the
verdict is one of --fail-on, 2 usage, configuration or unreadable input, 3 not comparable, 4 a migration
failed, alone or under traffic, 5 server trouble, 6 with --fail-on: incomplete, 70 a fault of pgrehearse,
130 interrupted (bench help exit-codes)
"""


READER_GONE = 141
"""128 and the number of SIGPIPE, as a shell tells it of programs that the signal ends."""

COMMANDS = {
    "run": "seed, apply the migrations under watch, explain, report",
    "demo": "a small shop and one bad migration: what a rehearsal shows, in seconds",
    "record": "what any command sends to its database, as migrations of plain SQL",
    "harden": "write the safe version of a deploy, prove it equal, and measure both",
    "advise": "the lock_timeout to set: computed, run behind a reader, and to be pasted",
    "prove": "rollbacks, crash points, second runs, access: tried for real",
    "trace": "locks, rewrites, scans and waits of a script, on an empty schema",
    "explain": "views, functions and requests before and after: plans, times, estimates",
    "forecast": "duration, locks, WAL and disk at a size too large to rehearse",
    "report": "html, markdown and figures again from a stored run; several runs in one picture",
    "templates": "list the data that runs keep for later runs, or remove them",
    "doctor": "what this machine can do, and which server auto takes",
    "compare": "what got worse between two runs; exit code 1 where something did",
    "baseline": "accept a run as what later ones are compared with",
    "aa": "learn this machine's noise, for bench compare",
    "history": "how a suite's figures went from run to run, and where they changed",
    "help": "what a finding means, and other topics",
}
"""What each does; a module of this package has its name, and only the one that is asked for is loaded."""


class Parser(argparse.ArgumentParser):
    """Takes options as they are written in full, and repeats no password in what it says of others."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def error(self, message: str) -> NoReturn:
        """Raise UsageError: argparse would print the whole usage above the one line that matters."""
        raise UsageError(
            f"{self.prog}: {message.removeprefix('argument ')}", f"all options: {self.prog} --help"
        )


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of one command, or of what is said of all of them."""
    parser = Parser(
        prog="bench",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"pgrehearse {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    if command is None:
        for name, what in COMMANDS.items():
            commands.add_parser(name, help=what)
    else:
        import_module(f"{__name__}.{command}").add_parser(commands)
        of_command = commands.choices[command]
        of_command.set_defaults(parsed_by=(command, of_command))
    return parser


def parse(argv: Sequence[str]) -> dict[str, Any]:
    """The options of one command. SystemExit for ``--help`` and ``--version``.

    Raises UsageError: no such command or option, with the one that may be meant, or a value it cannot have.
    """
    names = list(COMMANDS)
    if not argv:
        raise UsageError("bench needs a command", f"commands: {', '.join(names)}; bench demo shows one")
    if not argv[0].startswith("-") and argv[0] not in names:
        raise UsageError(
            f"there is no command {argv[0]}", f"{suggest(argv[0], names)}commands: {', '.join(names)}"
        )
    word = next((word for word in argv if not word.startswith("-")), None)
    namespace, rest = build_parser(word if word in COMMANDS else None).parse_known_args(argv)
    arguments = vars(namespace)
    name, parser = arguments.pop("parsed_by")
    if rest:
        option = rest[0].partition("=")[0]
        known = sorted(set(re.findall(r"--[a-z][\w-]*", parser.format_help())))
        raise UsageError(
            f"{name}: {option} is not one of its options"
            if option.startswith("-")
            else f"bench {name}: {option} is one word too many",
            f"{suggest(option, known)}all of them: bench {name} --help",
        )
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. SystemExit for ``--help``."""
    prepare_streams()
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
    except UsageError as error:
        return _tell(error)
    command = arguments.pop("command")
    debug = arguments.pop("debug", False)
    if arguments.pop("no_pictures", False):
        os.environ["BENCH_NO_PICTURES"] = "1"
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or trap "" INT, asks to be let alone
            signal.signal(number, _end)
    sys.unraisablehook = _once_more
    TYPED.set(retyped(sys.argv[1:] if argv is None else argv))
    ending = Ending(debug)
    with ending:
        ending.code = command(**gathered(arguments))
    return ending.code


FAULT = 70
"""Exit code of a fault of ours: EX_SOFTWARE of sysexits.h."""


class Ending:
    """Says what ended a command, and which exit code that is; SystemExit goes on."""

    def __init__(self, debug: bool) -> None:
        self.code = 0
        self._debug = debug

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if raised is None or isinstance(raised, SystemExit):
            return False
        if isinstance(raised, BrokenPipeError):
            sys.stderr.close()
            self.code = READER_GONE
            return True
        if self._debug:
            traceback.print_exception(raised)
        self.code = _tell(_as_error(raised))
        return True


class _Fault(BenchError):
    """A fault of ours."""

    exit_code = FAULT


def _as_error(raised: BaseException) -> BenchError:
    if isinstance(raised, BenchError):
        return raised
    if isinstance(raised, KeyboardInterrupt):
        return Interrupted("interrupted")
    last = traceback.extract_tb(raised.__traceback__)[-1]
    said = (str(raised).splitlines() or ["no message"])[0]
    return _Fault(
        f"this is a fault of pgrehearse: {type(raised).__name__}: {said} "
        f"({Path(last.filename).name}:{last.lineno})",
        "the same command with --debug shows where it happened; please report what that prints",
    )


class _Ended(KeyboardInterrupt):
    """A signal asked for the end.

    Not KeyboardInterrupt itself: where that is raised inside ``exec``, as when a dataclass is made, Python
    remembers it and ends by the signal however well it was handled, so that the exit code would be lost.
    """


def _end(number: int, frame: FrameType | None) -> None:
    """End as on Ctrl-C: every context on the way out stops what it started."""
    if (network := sys.modules.get("bench.pg.endpoint")) is not None:  # else no server is open
        network.end_dead_waits()
    raise _Ended(number)


AGAIN_AFTER_S = 0.05


def _once_more(lost: sys.UnraisableHookArgs) -> None:
    """Send the signal again where its exception was raised in a finaliser, or in a callback from C.

    There Python drops what is raised, and compiled code comes with such callbacks: Ctrl-C would be lost.
    https://docs.python.org/3/library/sys.html#sys.unraisablehook
    """
    if not isinstance(lost.exc_value, _Ended):
        sys.__unraisablehook__(lost)
        return
    again = threading.Timer(AGAIN_AFTER_S, os.kill, (os.getpid(), lost.exc_value.args[0]))
    again.daemon = True
    again.start()


def _tell(error: BenchError) -> int:
    say(f"bench: {concealed(error.message)}", stderr=True)
    if error.hint:
        say(f"  try: {concealed(error.hint)}", stderr=True)
    return error.exit_code
