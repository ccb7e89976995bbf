"""``bench run``: the main job."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.data import data_options, dumped
from bench.cli.history import remember
from bench.cli.options import (
    NEVER,
    WARNING,
    Pending,
    add_fail_option,
    add_pending_options,
    gather,
    positive_count,
    take,
    write_json,
)
from bench.cli.record import add_workdir_option, write_down
from bench.cli.rehearsing import Chosen, Given, add_given_options, choose, opened
from bench.cli.terminal import terminal
from bench.cli.traffic import TrafficChoice, add_traffic_options, hazard_options, traffic_options
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.analyse.conclude import Conclusion
    from bench.analyse.traffic import PassFigures
    from bench.model.run import Run
    from bench.run.schemas import SchemaOptions
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
  bench run db/migrations --base schema.sql --tenants 1000
                                                     a schema for each tenant: the same over 1,000 of them
  bench run crm --server postgresql://me@staging/postgres
"""


@dataclass(frozen=True, slots=True)
class RunChoice:
    """How often, and what else is done."""

    repeats: int = 3
    probe: bool = True
    no_explain: bool = False
    against: str | None = None
    fail_on: str = NEVER


@dataclass(frozen=True, slots=True)
class SchemaChoice:
    """The deploy over many schemas."""

    schemas: str | None = None
    tenants: int | None = None
    tenants_workers: int = 1
    tenants_at_once: bool = False
    tenants_cut: int | None = None

    def options(self) -> SchemaOptions | None:
        """What they come to. UsageError where they do not go together."""
        from bench.run.schemas import SchemaOptions

        if self.schemas is None and self.tenants is None:
            if self != SchemaChoice():
                raise UsageError(
                    "--tenants-… without schemas: there is nothing to go over",
                    "add --tenants N, or --schemas 'tenant_%'",
                )
            return None
        if self.schemas is not None and self.tenants is not None:
            raise UsageError("--schemas and --tenants: the base's own schemas, or copies", "leave one out")
        if self.tenants_at_once and self.tenants_workers > 1:
            raise UsageError(
                "--tenants-at-once and --tenants-workers: one transaction has one session", "leave one out"
            )
        return SchemaOptions(
            self.schemas, self.tenants, self.tenants_workers, self.tenants_at_once, self.tenants_cut
        )


PAIRS = 5
"""Repeats of each side, at least, where two sides are compared."""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "run",
        description="Seed a server, apply each migration to a fresh clone while its locks and the clock are "
        "watched, cost the queries before and after, and write the report.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_given_options(parser)
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
    add_traffic_options(parser)
    parser.add_argument(
        "--against",
        default=None,
        metavar="REV",
        help="rehearse the suite of this git revision, too, in turn with today's, and say what got worse; 5 "
        "repeats or more of each, without probe",
    )
    add_pending_options(parser)
    _add_schema_options(parser)
    add_fail_option(parser)
    gather(parser, "how", lambda options: take(RunChoice, options))
    parser.set_defaults(command=run)


def _add_schema_options(parser: argparse.ArgumentParser) -> None:
    """``--schemas``, ``--tenants``, ``--tenants-workers``, ``--tenants-at-once``, ``--tenants-cut``."""
    group = parser.add_argument_group("a schema for each tenant")
    group.add_argument(
        "--schemas",
        default=None,
        metavar="PATTERN",
        help="apply the migrations to every schema of the base whose name is LIKE this, too: 'tenant_%%'",
    )
    group.add_argument(
        "--tenants",
        type=positive_count,
        default=None,
        metavar="N",
        help="the same over N copies of the base's schema public, made for this",
    )
    group.add_argument(
        "--tenants-workers",
        type=positive_count,
        default=1,
        metavar="N",
        help="sessions that take the schemas in turn (default: 1)",
    )
    group.add_argument(
        "--tenants-at-once", action="store_true", help="all schemas in one transaction, not each in its own"
    )
    group.add_argument(
        "--tenants-cut",
        type=positive_count,
        default=None,
        metavar="N",
        help="end the session in the N-th schema, see what is left, and start again",
    )
    gather(parser, "over", lambda options: take(SchemaChoice, options))


def run(
    *,
    given: Given,
    traffic: TrafficChoice,
    how: RunChoice,
    over: SchemaChoice,
    sends: str | None,
    workdir: Path,
) -> int:
    """Rehearse a suite, or what a command sends; returns the exit code."""
    schemas = over.options()
    if schemas is not None and how.against is not None:
        raise UsageError(
            "--against compares two revisions on one schema", "leave --schemas and --tenants out"
        )
    hazards = hazard_options(traffic, how.against)
    if given.deployed != Pending() and how.against is not None:
        raise UsageError(
            "--against excludes --since, --from and --pending-of", "compare the two runs: bench compare"
        )
    if sends is not None:
        if given.deployed != Pending() or how.against is not None:
            raise UsageError(
                "--command takes what is pending from its own table, and cannot be compared by --against",
                "leave the other option out",
            )
        given = replace(given, which=replace(given.which, suite=_recorded(sends, workdir, given)))
    with choose(given) as chosen:
        return _run_on(chosen, traffic, hazards, how, schemas)


def _recorded(sends: str, workdir: Path, given: Given) -> str:
    """Record the command with the options of the run; returns the suite's directory."""
    from bench.run.record.record import state_before

    base, quiet = given.which.base, given.output.quiet
    with dumped(given.source, quiet=quiet) as dump:
        data = data_options(state_before(base), given.data, given.source, dump)
        directory, recording = write_down(sends, workdir, base, data, given.server.spec(), None, quiet=quiet)
    console = terminal(stderr=True, highlight=False)
    for remark in (*recording.remarks, f"recorded in {directory}"):
        console.print(remark, markup=False, soft_wrap=True)
    return str(directory)


def _run_on(
    chosen: Chosen,
    traffic: TrafficChoice,
    hazards: HazardOptions,
    how: RunChoice,
    schemas: SchemaOptions | None,
) -> int:
    """Rehearse a suite; returns the exit code."""
    from bench.analyse.conclude import conclude
    from bench.run.session import RunOptions

    options = RunOptions(
        repeats=how.repeats,
        explain=not how.no_explain,
        probe=how.probe,
        load=traffic_options(chosen.suite.path, traffic, chosen.data.seed),
        hazards=hazards,
        schemas=schemas,
        data=chosen.data,
    )
    if how.against is not None:
        return _against(chosen, how.against, options, how.fail_on)
    rehearsed, directory = _rehearse(chosen, options)
    concluded = conclude(rehearsed)
    directory.save(concluded.run)
    remember(concluded.run, directory.path)
    return present(concluded, directory.path, chosen.output.json, fail_on=how.fail_on)


def _rehearse(chosen: Chosen, options: RunOptions) -> tuple[Run, RunDirectory]:
    """Rehearse on a server that is opened for it, and save every state of the run."""
    from bench.run.session import rehearse

    with opened(chosen.spec, chosen.out, quiet=chosen.output.quiet) as on:
        rehearsed = rehearse(
            on.server, chosen.suite, options,
            run_id=chosen.run_id, save=on.directory.save, progress=on.progress,
        )  # fmt: skip
    return rehearsed, on.directory


def _against(chosen: Chosen, revision: str, options: RunOptions, fail_on: str) -> int:
    """Rehearse both states and compare them, then what is added alone, with probe and traffic.

    1 where something got worse, else the run's own exit code; ``fail_on`` is about what is added.
    """
    from bench.analyse.conclude import conclude
    from bench.cli.against import BASE, in_turn, run_against
    from bench.cli.compare import draw
    from bench.cli.compare import present as present_comparison
    from bench.store.results import RunDirectory

    out, quiet = chosen.path, chosen.output.quiet
    paired = replace(options, repeats=max(options.repeats, PAIRS))
    base, head = run_against(chosen.spec, chosen.suite, revision, paired, out, quiet=quiet)
    concluded = conclude(head)
    RunDirectory(out).save(concluded.run)
    RunDirectory(out / BASE).save(conclude(base).run)
    decided = in_turn(base, head, final=True)
    draw(decided, out / "figures")
    worse = present_comparison(decided, "console", chosen.output.json)
    failed = present(concluded, out, None)
    if not concluded.summary.failed:
        failed = _added(chosen, revision, options, fail_on) or failed
    return failed or worse


def _added(chosen: Chosen, revision: str, options: RunOptions, fail_on: str) -> int:
    """Rehearse the migrations that the revision does not have, on top of those that it has; 0 where none."""
    from bench.analyse.conclude import conclude
    from bench.cli.against import ADDED
    from bench.migrate.pending import pending
    from bench.migrate.revision import suite_at

    suite = chosen.suite
    with suite_at(suite, revision) as before:
        if not {migration.id for migration in suite.migrations} - {old.id for old in before.migrations}:
            return 0
        added = replace(
            chosen,
            suite=pending(suite, before, revision),
            spec=replace(chosen.spec, data_key=None),
            run_id=f"{chosen.path.name}-{ADDED}",
            out=chosen.path / ADDED,
        )
        rehearsed, directory = _rehearse(added, options)
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
    return figures.quiet and figures.stop is not None
