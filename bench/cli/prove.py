"""``bench prove``: the way back, crash points, second runs and access, proved on clones."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.data import add_source_options, data_options, dumped
from bench.cli.options import (
    add_data_options,
    add_fail_option,
    add_output_options,
    add_picture_option,
    add_server_options,
    add_suite_options,
    add_tool_options,
    positive_number,
    require_writable,
)
from bench.cli.since import Pending, add_pending_options, chosen_suite

if TYPE_CHECKING:
    from bench.migrate.migration import Transaction
    from bench.migrate.suite import Suite
    from bench.model.run import Run
    from bench.pg.server import ServerSpec
    from bench.run.prove.session import ProofOptions
    from bench.run.template.options import DataOptions
    from bench.store.results import RunDirectory

EPILOG = """\
Everything is tried for real on copies of one prepared database: each migration and its rollback, alone and
all in reverse, also after an application wrote in between. Schema (every catalog object) and contents
(every row) are compared with the state before. Every new constraint is tried with values, every new function
and table as every role, the CRM's suites on each kind of dirty data. Then each migration is cut off at every
statement boundary and run again.
validation.md in the run's directory sums up what was measured, and what was not.

examples:
  bench prove crm --scale 0.1                        the CRM suite on 10 k deals
  bench prove db/migrations --base schema.sql --fill your own migrations, on rows that the schema demands
  bench prove db/migrations --from-dump shop.dump    or on a copy of production
  bench prove db/migrations --draft-rollback         also draft the rollbacks that are missing, and prove them
  bench prove crm --scale 0.02 --json - | jq '.proofs.rollback[] | {migrations, scope, outcome}'
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "prove",
        help="rollbacks, crash points, second runs, access: tried for real",
        description="Rehearse a suite once, then prove on clones what its rollbacks bring back, "
        "what a crash leaves, what a second run does and who may reach what.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_suite_options(parser)
    add_tool_options(parser)
    parser.add_argument(
        "--draft-rollback",
        action="store_true",
        help="draft the rollbacks that are missing from what changed in the catalog, into drafts/ of the "
        "run's directory, and prove the drafts",
    )
    parser.add_argument(
        "--budget",
        type=positive_number,
        default=180.0,
        metavar="S",
        help="seconds for crash points; those left untried are counted (default: 180)",
    )
    parser.add_argument(
        "--no-dirt",
        dest="dirty",
        action="store_false",
        help="do not apply a suite with generated data to each kind of dirty data",
    )
    parser.add_argument(
        "--allow-roles",
        action="store_true",
        help="on a server that runs already, let migrations make, change and drop its roles; those that they "
        "made are dropped again",
    )
    add_pending_options(parser)
    add_source_options(parser)
    add_data_options(parser)
    add_server_options(parser)
    add_output_options(parser)
    add_picture_option(parser)
    add_fail_option(parser)
    parser.set_defaults(command=prove)


def prove(
    *,
    suite: str,
    base: Path | None,
    tool: str | None,
    transaction: Transaction | None,
    since: str | None,
    from_version: str | None,
    pending_of: str | None,
    from_dump: Path | None,
    from_dsn: str | None,
    exclude_table_data: Sequence[str],
    quiet: bool,
    **options: Any,
) -> int:
    """Prove a suite, on a dump where one is named; returns the exit code."""
    deployed = Pending(since, from_version, pending_of)
    with (
        dumped(from_dump, from_dsn, exclude_table_data, quiet=quiet) as dump,
        chosen_suite(suite, base, dump, deployed, tool=tool, transaction=transaction) as found,
    ):
        return prove_on(found=found, dump=dump, quiet=quiet, **options)


def prove_on(
    *,
    found: Suite,
    dump: Path | None,
    out: Path | None,
    draft_rollback: bool,
    allow_roles: bool,
    dirty: bool,
    budget: float,
    server: str,
    image: str | None,
    pg_bindir: Path | None,
    json: str | None,
    quiet: bool,
    fail_on: str,
    **chosen: Any,
) -> int:
    """Prove a suite; returns the exit code. ``chosen``: what :func:`data_options` takes."""
    from datetime import UTC, datetime

    from bench.analyse.conclude import conclude
    from bench.cli.run import present
    from bench.pg.server import DEFAULT_IMAGE, parse_server
    from bench.run.prove.session import ProofOptions
    from bench.run.template.keep import template_key
    from bench.store.results import RUNS, new_run_id

    data = data_options(found, dump=dump, **chosen)
    require_writable(json)
    spec = parse_server(server, image=image or DEFAULT_IMAGE, pg_bindir=pg_bindir)
    spec = replace(spec, data_key=template_key(found, data) if data.cache else None)
    run_id = new_run_id(found.name, datetime.now(UTC))
    path = out or RUNS / run_id
    options = ProofOptions(budget, path / "drafts" if draft_rollback else None, allow_roles, dirty)
    proved, directory = _prove(spec, found, options, data, run_id, path, quiet=quiet)
    concluded = conclude(proved)
    directory.save(concluded.run)
    return present(concluded, directory.path, json, fail_on=fail_on)


def _prove(
    spec: ServerSpec,
    suite: Suite,
    options: ProofOptions,
    data: DataOptions,
    run_id: str,
    out: Path,
    *,
    quiet: bool,
) -> tuple[Run, RunDirectory]:
    """Prove on a server that is opened for it, and save every state of the run."""
    from contextlib import suppress

    from bench.cli.live import live
    from bench.pg.opening import open_server
    from bench.run.progress import Said
    from bench.run.prove.session import prove as run_proofs
    from bench.store.results import create_directory

    with live(quiet=quiet) as progress:
        directory = create_directory(out, lambda text: progress(Said(text)))
        try:
            with open_server(spec, lambda text: progress(Said(text))) as opened:
                proved = run_proofs(
                    opened, suite, options, data, run_id=run_id, save=directory.save, progress=progress
                )
        finally:
            if not directory.run_file.exists():
                with suppress(OSError):  # somebody else's files are in it
                    directory.path.rmdir()
    return proved, directory
