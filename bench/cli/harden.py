"""``bench harden``: the safe version of a deploy, written, proved equal and measured beside the original."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.data import add_source_options, data_options, dumped
from bench.cli.load import add_load_options, load_options
from bench.cli.options import (
    add_data_options,
    add_output_options,
    add_picture_option,
    add_server_options,
    add_suite_options,
    add_tool_options,
    positive_count,
    require_writable,
    write_json,
)
from bench.cli.since import Pending, add_pending_options, chosen_suite
from bench.cli.terminal import terminal

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

exit codes: 0 the safe version comes to the same, or nothing needs to change; 1 they differ; 4 the original
fails
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "harden",
        help="write the safe version of a deploy, prove it equal, and measure both",
        description="Write the statements of a suite that hurt in the ways that hurt nobody, prove that both "
        "versions come to the same, and measure both.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_suite_options(parser)
    add_tool_options(parser)
    parser.add_argument(
        "--repeats", type=positive_count, default=1, metavar="N", help="of both versions (default: 1)"
    )
    add_pending_options(parser)
    add_source_options(parser)
    add_load_options(parser)
    add_data_options(parser)
    add_server_options(parser)
    add_output_options(parser)
    add_picture_option(parser)
    parser.set_defaults(command=harden)


def harden(
    *,
    suite: str,
    base: Path | None,
    out: Path | None,
    tool: str | None,
    transaction: Any,
    since: str | None,
    from_version: str | None,
    pending_of: str | None,
    from_dump: Path | None,
    from_dsn: str | None,
    exclude_table_data: Sequence[str],
    repeats: int,
    server: str,
    image: str | None,
    pg_bindir: Path | None,
    json: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Harden a suite; returns the exit code."""
    from bench.cli.live import live
    from bench.pg.opening import open_server
    from bench.pg.server import DEFAULT_IMAGE, parse_server
    from bench.run.harden.session import harden_suite
    from bench.run.progress import Said
    from bench.run.session import RunOptions
    from bench.run.template.key import template_key
    from bench.store.results import RUNS, create_directory, new_run_id

    require_writable(json)
    for name in ("hazard", "hazard_length", "lock_timeout", "retries"):
        options.pop(name)
    deployed = Pending(since, from_version, pending_of)
    traffic = {name: options.pop(name) for name in ("no_load", "workload", "rate", "arrivals", "connections")}
    with (
        dumped(from_dump, from_dsn, exclude_table_data, quiet=quiet) as dump,
        chosen_suite(suite, base, dump, deployed, tool=tool, transaction=transaction) as found,
        live(quiet=quiet) as progress,
    ):
        data = data_options(found, dump=dump, **options)
        load = load_options(found.path, seed=data.seed, **traffic)
        run_options = RunOptions(repeats=repeats, explain=False, probe=False, load=load, data=data)
        run_id = new_run_id(found.name, datetime.now(UTC))
        target = out or RUNS / run_id / "safe"
        runs = {
            name: create_directory(RUNS / run_id / name, lambda text: progress(Said(text)))
            for name in ("before", "after")
        }
        spec = parse_server(server, image=image or DEFAULT_IMAGE, pg_bindir=pg_bindir)
        spec = replace(spec, data_key=template_key(found, data) if data.cache else None)
        with open_server(spec, lambda text: progress(Said(text))) as opened:
            outcome = harden_suite(
                opened, found, run_options, target, run_id=run_id,
                save=lambda name: runs[name].save, progress=progress,
            )  # fmt: skip
    return present(outcome, json)


def present(outcome: Outcome, json: str | None) -> int:
    """Print what became of the suite, and return the exit code."""
    import msgspec

    from bench.cli.hardened import describe, document

    if json is not None:
        write_json(json, msgspec.json.format(msgspec.json.encode(document(outcome)), indent=2))
    console = terminal(stderr=json == "-", highlight=False)
    for line in describe(outcome):
        console.print(line, markup=False, soft_wrap=True)
    if outcome.before.summary.failed:
        return 4
    return 1 if outcome.ends is not None and outcome.ends.differences else 0
