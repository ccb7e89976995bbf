"""``bench record``: what any command sends to its database, as a suite of plain SQL."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.data import SourceChoice, add_source_options, data_options, dumped
from bench.cli.options import (
    DataChoice,
    Output,
    ServerChoice,
    add_data_options,
    add_output_options,
    add_server_options,
    write_json,
)
from bench.cli.terminal import terminal
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.pg.spec import ServerSpec
    from bench.run.record.folder import Recording
    from bench.run.template.options import DataOptions

EPILOG = """\
The command runs once, against a copy of the state before on a server of ours that logs every statement. It
finds the address in DATABASE_URL and in PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE, or where {dsn},
{host}, {port}, {dbname}, {user} and {password} stand in it. Each row that it writes into its bookkeeping
table ends a migration. Transactions are as they were sent, and the time that the command thinks inside one
is a pause. bench run rehearses the directory like any other, and says whether its statements leave what the
command left.

examples:
  bench record 'python manage.py migrate' --base schema.sql --out recorded
  bench record 'alembic upgrade head' --from-dump shop.dump
  bench record 'bin/rails db:migrate' --workdir ../shop --role deploy
  bench record 'mig -url jdbc:postgresql://{host}:{port}/{dbname} -user {user} -password {password}'
  bench run --command 'npx knex migrate:latest' --base schema.sql
                                                     record and rehearse at once
"""
RECORDINGS = Path("results/recordings")


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "record",
        description="Run a command once against a database of ours, and write what it sent as a suite of SQL "
        "files: for migrations that are code, in whatever language.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sends", metavar="COMMAND", help="for a shell, in quotes")
    add_workdir_option(parser)
    parser.add_argument(
        "--base", type=Path, default=None, metavar="FILE", help="SQL of the state before the migrations"
    )
    parser.add_argument(
        "--out", type=Path, default=None, metavar="DIR", help="new directory (default: results/recordings/…)"
    )
    add_source_options(parser)
    add_data_options(parser)
    add_server_options(parser)
    add_output_options(parser)
    parser.set_defaults(command=record)


def add_workdir_option(parser: argparse.ArgumentParser) -> None:
    """``--workdir``."""
    parser.add_argument(
        "--workdir", type=Path, default=Path(), metavar="DIR", help="where the command runs (default: here)"
    )


def record(
    *,
    sends: str,
    workdir: Path,
    base: Path | None,
    out: Path | None,
    source: SourceChoice,
    data: DataChoice,
    server: ServerChoice,
    output: Output,
) -> int:
    """Record a command; returns the exit code."""
    import msgspec

    from bench.run.record.record import state_before

    json, spec = output.json, server.spec()
    with dumped(source, quiet=output.quiet) as dump:
        rows = data_options(state_before(base), data, source, dump)
        directory, recording = write_down(sends, workdir, base, rows, spec, out, quiet=output.quiet)
    if json is not None:
        write_json(json, msgspec.json.format(msgspec.json.encode(recording), indent=1))
    console = terminal(stderr=json == "-", highlight=False)
    for remark in recording.remarks:
        console.print(remark, markup=False, soft_wrap=True)
    files = len(list(directory.glob("*.sql")))
    console.print(f"{files} {'migration' if files == 1 else 'migrations'} in {directory}", markup=False)
    given = f" --base {base}" if base else f" --from-dump {source.from_dump}" if source.from_dump else ""
    console.print(f"Next: bench run {directory}{given}", markup=False, soft_wrap=True)
    return 0


def write_down(
    sends: str,
    workdir: Path,
    base: Path | None,
    data: DataOptions,
    spec: ServerSpec,
    out: Path | None,
    *,
    quiet: bool,
) -> tuple[Path, Recording]:
    """Record a command into a new directory, and return both."""
    from bench.cli.live import live
    from bench.run.record.folder import write_recording
    from bench.run.record.record import Command, state_before
    from bench.run.record.record import record as run_record
    from bench.run.template.keep import template_key

    if not sends.strip():
        raise UsageError("there is no command to record", "give it in quotes, as you type it in a shell")
    directory = out or _new_directory(sends)
    if directory.exists() and any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty", "name a new directory, or empty this one")
    spec = replace(spec, data_key=template_key(state_before(base), data) if data.cache else None)
    with live(quiet=quiet) as progress:
        recording, migrations = run_record(spec, Command(sends, workdir), base, data, progress)
    write_recording(directory, recording, migrations)
    return directory, recording


def _new_directory(sends: str) -> Path:
    """Named by the command, so that its runs are one history; below the time, so that it is new."""
    words = [Path(word).name for word in sends.split() if not word.startswith("-")]
    name = re.sub(r"[^A-Za-z0-9.]+", "-", " ".join(words[-2:])).strip("-.")[:40] or "command"
    return RECORDINGS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}" / name
