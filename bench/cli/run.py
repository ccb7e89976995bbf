"""``bench run``: the main job."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.data import add_source_options, data_options, dumped
from bench.cli.history import remember
from bench.cli.load import add_load_options, hazard_options, load_options
from bench.cli.options import (
    NEVER,
    WARNING,
    add_data_options,
    add_fail_option,
    add_output_options,
    add_picture_option,
    add_server_options,
    add_suite_options,
    add_tool_options,
    positive_count,
    require_writable,
    write_json,
)
from bench.cli.record import add_workdir_option, write_down
from bench.cli.since import Pending, add_pending_options, chosen_suite
from bench.cli.terminal import terminal
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.analyse.conclude import Conclusion
    from bench.analyse.traffic import PassFigures
    from bench.migrate.migration import Transaction
    from bench.migrate.suite import Suite
    from bench.model.deploy import HazardName
    from bench.model.run import Run
    from bench.pg.server import ServerSpec
    from bench.run.session import RunOptions
    from bench.run.traffic.passes import HazardOptions
    from bench.store.results import RunDirectory

EPILOG = """\
SUITE is the name of a directory under migrations/, or any directory of .sql files in version order. Files
of rollbacks (rollback/, *_rollback*, *.down.sql) are listed and never applied. bench.toml beside the
migrations, or in the working directory, states budgets: where one is broken the exit code is 1.

examples:
  bench run                                          the CRM suite at scale 1
  bench run crm_as_reviewed --scale 0.05             another suite, 5 k deals
  bench run db/migrations --base schema.sql          your own migrations, on an empty schema
  bench run db/migrations --base schema.sql --fill --rows orders=100k
  bench run crm --server cluster --repeats 5
  bench run crm --rate 200 --connections 20          the application's traffic, in requests per second
  bench run db/migrations --base schema.sql --workload pgbench:orders.sql@3 --workload pgbench:search.sql
  bench run crm --hazard long-reader                 behind a report that runs for 30 s
  bench run crm --hazard all --lock-timeout 2s --retries 20
  bench run db/migrations --base schema.sql --hazard backup,bulk-write --hazard-length 10s
  bench run db/migrations --base schema.sql --since origin/production
                                                     what is pending, on top of what is deployed
  bench run crm --server postgresql://me@staging/postgres
"""


PAIRS = 5
"""Repeats of each side, at least, where two sides are compared."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "run",
        help="seed, apply the migrations under watch, explain, report",
        description="Seed a server, apply each migration to a fresh clone while its locks and the clock are "
        "watched, cost the queries before and after, and write the report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_suite_options(parser)
    add_tool_options(parser)
    parser.add_argument(
        "--command",
        dest="sends",
        default=None,
        metavar="COMMAND",
        help="in place of SUITE: record what this command sends, and rehearse that (see bench record)",
    )
    add_workdir_option(parser)
    parser.add_argument(
        "--repeats",
        type=positive_count,
        default=3,
        metavar="N",
        help="each on a fresh clone (default: 3)",
    )
    parser.add_argument(
        "--probe",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="find which commands of an application would wait, on the schema without its data (default)",
    )
    parser.add_argument(
        "--no-explain",
        action="store_true",
        help="do not cost views, functions and queries, nor look inside statements",
    )
    add_source_options(parser)
    add_load_options(parser)
    parser.add_argument(
        "--against",
        default=None,
        metavar="REV",
        help="rehearse the suite of this git revision, too, in turn with today's, and say what got worse; 5 "
        "repeats or more of each, without probe",
    )
    add_pending_options(parser)
    add_data_options(parser)
    add_server_options(parser)
    add_output_options(parser)
    add_picture_option(parser)
    add_fail_option(parser)
    parser.set_defaults(command=run)


def run(
    *,
    suite: str,
    base: Path | None = None,
    tool: str | None = None,
    transaction: Transaction | None = None,
    since: str | None = None,
    from_version: str | None = None,
    pending_of: str | None = None,
    sends: str | None = None,
    workdir: Path = Path(),
    from_dump: Path | None = None,
    from_dsn: str | None = None,
    exclude_table_data: Sequence[str] = (),
    hazard: Sequence[HazardName] = (),
    hazard_length: float = 30.0,
    lock_timeout: float | None = None,
    retries: int | None = None,
    **options: Any,
) -> int:
    """Rehearse a suite, on a dump where one is named; returns the exit code."""
    hazards = hazard_options(
        no_load=options["no_load"], against=options["against"], hazard=hazard, hazard_length=hazard_length,
        lock_timeout=lock_timeout, retries=retries,
    )  # fmt: skip
    deployed = Pending(since, from_version, pending_of)
    if deployed != Pending() and options["against"] is not None:
        raise UsageError(
            "--against excludes --since, --from and --pending-of", "compare the two runs: bench compare"
        )
    with dumped(from_dump, from_dsn, exclude_table_data, quiet=options["quiet"]) as dump:
        own = {name: options.pop(name) for name in ("role", "size", "locale")}
        if sends is not None:
            if deployed != Pending() or options["against"] is not None:
                raise UsageError(
                    "--command takes what is pending from its own table, and cannot be compared by --against",
                    "leave the other option out",
                )
            suite = _recorded(sends, workdir, base, dump, options | own)
        with chosen_suite(suite, base, dump, deployed, tool=tool, transaction=transaction) as found:
            return run_on(found=found, dump=dump, own=own, hazards=hazards, **options)


_OF_DATA = (
    *("scale", "rows", "seed", "dirt", "dirt_kinds", "like", "workers", "no_cache", "fill", "columns"),
    *("role", "size", "locale"),
)


def _recorded(
    sends: str, workdir: Path, base: Path | None, dump: Path | None, options: Mapping[str, Any]
) -> str:
    """Record the command with the options of the run; returns the suite's directory."""
    from bench.run.record.record import state_before

    data = data_options(state_before(base), dump=dump, **{name: options[name] for name in _OF_DATA})
    spec = _spec(options["server"], options["image"], options["pg_bindir"], None)
    directory, recording = write_down(sends, workdir, base, data, spec, None, quiet=options["quiet"])
    console = terminal(stderr=True, highlight=False)
    for remark in (*recording.remarks, f"recorded in {directory}"):
        console.print(remark, markup=False, soft_wrap=True)
    return str(directory)


def run_on(
    *,
    found: Suite,
    dump: Path | None,
    repeats: int,
    probe: bool,
    no_explain: bool,
    no_cache: bool,
    fill: bool,
    columns: Path | None,
    own: Mapping[str, Any],
    against: str | None,
    out: Path | None,
    scale: float,
    rows: Sequence[tuple[str, int]],
    seed: int,
    dirt: float | None,
    dirt_kinds: tuple[str, ...] | None,
    like: Path | None,
    workers: int | None,
    server: str,
    image: str | None,
    pg_bindir: Path | None,
    json: str | None,
    quiet: bool,
    fail_on: str,
    hazards: HazardOptions,
    **traffic: Any,
) -> int:
    """Rehearse a suite; returns the exit code. ``traffic``: what :func:`load_options` takes."""
    from bench.analyse.conclude import conclude
    from bench.run.session import RunOptions
    from bench.run.template.keep import template_key
    from bench.store.results import RUNS, new_run_id

    data = data_options(
        found, scale=scale, rows=rows, seed=seed, dirt=dirt, dirt_kinds=dirt_kinds, like=like,
        workers=workers, no_cache=no_cache, fill=fill, columns=columns, dump=dump, **own,
    )  # fmt: skip
    require_writable(json)
    spec = _spec(server, image, pg_bindir, template_key(found, data) if data.cache else None)
    run_id = new_run_id(found.name, datetime.now(UTC))
    options = RunOptions(
        repeats=repeats,
        explain=not no_explain,
        probe=probe,
        load=load_options(found.path, seed=seed, **traffic),
        hazards=hazards,
        data=data,
    )
    path = out or RUNS / run_id
    if against is not None:
        return _against(spec, found, against, options, path, json, quiet=quiet, fail_on=fail_on)
    rehearsed, directory = _rehearse(spec, found, options, run_id, path, quiet=quiet)
    concluded = conclude(rehearsed)
    directory.save(concluded.run)
    remember(concluded.run, directory.path)
    return present(concluded, directory.path, json, fail_on=fail_on)


def _spec(server: str, image: str | None, pg_bindir: Path | None, data_key: str | None) -> ServerSpec:
    """The server that the options name, on which these data are wanted."""
    from bench.pg.server import DEFAULT_IMAGE, parse_server

    spec = parse_server(server, image=image or DEFAULT_IMAGE, pg_bindir=pg_bindir)
    return replace(spec, data_key=data_key)


def _rehearse(
    spec: ServerSpec, suite: Suite, options: RunOptions, run_id: str, out: Path, *, quiet: bool
) -> tuple[Run, RunDirectory]:
    """Rehearse on a server that is opened for it, and save every state of the run."""
    from bench.cli.live import live
    from bench.pg.opening import open_server
    from bench.run.progress import Said
    from bench.run.session import rehearse
    from bench.store.results import create_directory

    with live(quiet=quiet) as progress:
        directory = create_directory(out, lambda text: progress(Said(text)))
        try:
            with open_server(spec, lambda text: progress(Said(text))) as opened:
                rehearsed = rehearse(
                    opened, suite, options, run_id=run_id, save=directory.save, progress=progress
                )
        finally:
            if not directory.run_file.exists():
                with suppress(OSError):  # somebody else's files are in it
                    directory.path.rmdir()
    return rehearsed, directory


def _against(
    spec: ServerSpec,
    suite: Suite,
    revision: str,
    options: RunOptions,
    out: Path,
    json: str | None,
    *,
    quiet: bool,
    fail_on: str,
) -> int:
    """Rehearse both states and compare them, then what is added alone, with probe and traffic.

    1 where something got worse, else the run's own exit code; ``fail_on`` is about what is added.
    """
    from bench.analyse.conclude import conclude
    from bench.cli.against import BASE, in_turn, run_against
    from bench.cli.compare import draw
    from bench.cli.compare import present as present_comparison
    from bench.store.results import RunDirectory

    asked = options
    if options.repeats < PAIRS:
        options = replace(options, repeats=PAIRS)
    base, head = run_against(spec, suite, revision, options, out, quiet=quiet)
    concluded = conclude(head)
    RunDirectory(out).save(concluded.run)
    RunDirectory(out / BASE).save(conclude(base).run)
    decided = in_turn(base, head, final=True)
    draw(decided, out / "figures")
    worse = present_comparison(decided, "console", json)
    failed = present(concluded, out, None)
    if not concluded.summary.failed:
        failed = _added(spec, suite, revision, asked, out, quiet=quiet, fail_on=fail_on) or failed
    return failed or worse


def _added(
    spec: ServerSpec,
    suite: Suite,
    revision: str,
    options: RunOptions,
    out: Path,
    *,
    quiet: bool,
    fail_on: str,
) -> int:
    """Rehearse the migrations that the revision does not have, on top of those that it has; 0 where none."""
    from bench.analyse.conclude import conclude
    from bench.cli.against import ADDED, suite_at
    from bench.cli.since import pending

    with suite_at(suite, revision) as before:
        if not {migration.id for migration in suite.migrations} - {old.id for old in before.migrations}:
            return 0
        rehearsed, directory = _rehearse(
            replace(spec, data_key=None), pending(suite, before, revision), options,
            f"{out.name}-{ADDED}", out / ADDED, quiet=quiet,
        )  # fmt: skip
    concluded = conclude(rehearsed)
    directory.save(concluded.run)
    return present(concluded, directory.path, None, fail_on=fail_on)


def present(conclusion: Conclusion, directory: Path, json: str | None, *, fail_on: str = NEVER) -> int:
    """Write the report, print the summary, and return the exit code."""

    from bench.report.console import print_summary
    from bench.report.write import write_report
    from bench.store.codec import encode

    paths = write_report(conclusion, directory)
    if json is not None:
        write_json(json, encode(conclusion.run))
    print_summary(conclusion, paths.html, terminal(stderr=json == "-"))
    return exit_code(conclusion, fail_on)


def exit_code(conclusion: Conclusion, fail_on: str) -> int:
    """The exit code that a run comes to.

    4 where a migration failed, alone or under traffic with nothing in its way; 1 where a budget is broken or
    a rollback failed; with ``fail_on`` ``error`` or ``warning`` also 1 where the verdict is not ready (with
    ``warning``: or has conditions), and 6 where it is incomplete.
    """
    if conclusion.summary.failed or any(_fails_alone(figures) for figures in conclusion.card.passes):
        return 4
    failed_back = any(
        proof.outcome == "failed" and not proof.draft for proof in conclusion.run.proofs.rollback
    )
    if failed_back or any(check.broken for check in conclusion.checks):
        return 1
    if fail_on == NEVER:
        return 0
    codes = {"not_ready": 1, "incomplete": 6, "conditional": 1 if fail_on == WARNING else 0}
    return codes.get(conclusion.verdict.status, 0)


def _fails_alone(figures: PassFigures) -> bool:
    """Whether a migration fails under traffic with neither a hazard nor a lock timeout of ours in its way."""
    return figures.hazard is None and not figures.retried and figures.stop is not None
