"""``bench forecast``: what the deploy will take at a size that is too large to rehearse."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import (
    Output,
    ServerChoice,
    SuiteChoice,
    add_former_name,
    add_output_options,
    add_picture_option,
    add_server_options,
    add_suite_options,
    duration,
    gather,
    locale_name,
    positive_count,
    positive_number,
    require_writable,
    share,
    table_rows,
    take,
    write_json,
)
from bench.cli.rehearsing import opened
from bench.cli.terminal import say, terminal, write_document
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.analyse.forecast.production import Production
    from bench.migrate.suite import Suite
    from bench.model.forecast import ForecastDocument
    from bench.model.run import Run
    from bench.pg.locale import Locale
    from bench.pg.spec import ServerSpec
    from bench.run.scales import ScaleOptions
    from bench.run.template.options import DataOptions
    from bench.store.results import RunDirectory

EPILOG = """\
The suite is rehearsed at five sizes or more, each twice the one before. Durations, lock holds, WAL and disk
are forecast at the target with an interval that should hold 9 of 10 targets, or refused with a reason.

examples:
  bench forecast crm --at deals=1M                     within ten minutes
  bench forecast crm --at deals=10M,contacts=2M --within 1h
  bench forecast crm_as_reviewed --dirt 0 --at deals=20k --scales 0.0025,0.005,0.01,0.02,0.04
  bench forecast crm --at deals=1M --json -
  bench forecast db/migrations --base schema.sql --fill --at orders=1M
  bench forecast db/migrations --base seed.sql --at orders=1M    where seed.sql makes :orders rows
  bench forecast --production-sql > probe.sql          read-only; then, in production:
  psql -XAtq -f probe.sql "$PRODUCTION" > probe.json
  bench forecast crm --like probe.json                 its rows, its memory, how fast its machine is
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "forecast",
        description="Rehearse a suite at several sizes and forecast a larger one.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_suite_options(parser)
    gather(parser, "which", lambda options: take(SuiteChoice, options))
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--at", type=target_rows, default=None, metavar="TABLE=N[,…]", help="rows of the target"
    )
    target.add_argument(
        "--like", type=Path, default=None, metavar="FILE", help="the target is what the probe's output says"
    )
    target.add_argument(
        "--production-sql",
        action="store_true",
        help="print the read-only SQL whose output --like takes, and end",
    )
    add_former_name(target, "--probe", "production_sql", action="store_true")
    parser.add_argument(
        "--within",
        type=duration,
        default=600.0,
        metavar="TIME",
        help="how long measuring may take: for example 90s, 10m (default), 1h",
    )
    add_former_name(parser, "--budget", "within", type=duration)
    parser.add_argument(
        "--scales",
        type=scales,
        default=(),
        metavar="X,…",
        help="these sizes in place of those that fit into the time",
    )
    parser.add_argument(
        "--repeats", type=positive_count, default=3, metavar="N", help="at each size (default: 3)"
    )
    _add_own_data_options(parser)
    add_server_options(parser)
    add_output_options(parser)
    add_picture_option(parser)
    gather(parser, "aim", lambda options: take(Aim, options))
    parser.set_defaults(command=run)


def _add_own_data_options(parser: argparse.ArgumentParser) -> None:
    """The command gets them as ``own``."""
    parser.add_argument(
        "--fill",
        action="store_true",
        help="fill the empty tables of a suite that has no data of its own, at each size",
    )
    parser.add_argument(
        "--columns", type=Path, default=None, metavar="FILE", help="TOML for --fill: rows and values"
    )
    parser.add_argument("--role", default=None, metavar="NAME", help="role as which the migrations run")
    parser.add_argument(
        "--locale", type=locale_name, default=None, metavar="NAME", help="of the data, such as de_DE.UTF-8"
    )
    parser.add_argument("--seed", type=int, default=1, help="same seed, same rows (default: 1)")
    parser.add_argument("--dirt", type=share, default=None, metavar="0…1", help="share of dirty rows")
    parser.add_argument(
        "--workers", type=positive_count, default=None, metavar="N", help="loading streams (default: cores)"
    )
    gather(parser, "own", lambda options: take(OwnData, options))


@dataclass(frozen=True, slots=True)
class Aim:
    """What is forecast, and with how much effort."""

    at: Mapping[str, int] | None = None
    like: Path | None = None
    production_sql: bool = False
    within: float = 600.0
    scales: Sequence[float] = ()
    repeats: int = 3


@dataclass(frozen=True, slots=True)
class OwnData:
    """How the rows of each size are made."""

    fill: bool = False
    columns: Path | None = None
    role: str | None = None
    locale: Locale | None = None
    seed: int = 1
    dirt: float | None = None
    workers: int | None = None


def run(*, which: SuiteChoice, aim: Aim, own: OwnData, server: ServerChoice, output: Output) -> int:
    """Forecast a suite; returns the exit code: 4 where a migration failed."""
    from bench.migrate.suite import find_suite
    from bench.run.scales import ScaleOptions, require_reach

    if aim.production_sql:
        return print_probe()
    suite = find_suite(which.suite, base=which.base, tool=which.tool, transaction=which.transaction)
    require_writable(output.json)
    production = None if aim.like is None else _read_probe(aim.like)
    if suite.data is None:
        rows = aim.at or {} if production is None else all_rows(production)
        data = own_target(suite, rows, own)
    else:
        if own.fill or own.columns is not None:
            raise UsageError(f"{suite.name} has data of its own", "--fill is for suites that have none")
        rows = aim.at or {} if production is None else rows_like(suite.data, production)
        data = target_data(suite.data, rows, own)
    data = replace(data, role=own.role, locale=own.locale)
    options = ScaleOptions(data, scales=aim.scales, budget_s=aim.within, repeats=aim.repeats)
    if aim.scales:
        require_reach(options)
    directory, largest, document = _measure(
        server.spec(), suite, options, rows, production, which.out, quiet=output.quiet
    )
    return present(largest, document, directory, output.json)


def print_probe() -> int:
    """Print the script for production."""
    from bench.pg.catalog import load_query
    from bench.sql.tree import PARSER_VERSION_NUM

    write_document(load_query("production", PARSER_VERSION_NUM))
    return 0


def _measure(
    spec: ServerSpec,
    suite: Suite,
    options: ScaleOptions,
    rows: Mapping[str, int],
    production: Production | None,
    out: Path | None,
    *,
    quiet: bool,
) -> tuple[RunDirectory, Run, ForecastDocument]:
    """Rehearse all sizes; where the run was kept, the largest size's run, and the forecast."""
    from datetime import UTC, datetime

    from bench.analyse.forecast.document import forecast_document
    from bench.analyse.forecast.production import Target
    from bench.run.scales import calibrate_as_probe, measure_scales
    from bench.store.results import RUNS, new_run_id

    run_id = new_run_id(suite.name, datetime.now(UTC))
    with opened(spec, out or RUNS / run_id, quiet=quiet) as on:
        here_s = calibrate_as_probe(on.server) if production is not None else None
        target = Target(options.target.scale, rows, production, here_s)
        save = _Keeping(on.directory.save)
        for runs in measure_scales(on.server, suite, options, run_id=run_id, save=save, progress=on.progress):
            save.document = forecast_document(runs, target)
            save(runs[-1])
    assert save.document is not None
    return on.directory, runs[-1], save.document


@dataclass(slots=True)
class _Keeping:
    """Saves every state of the size being measured together with the forecast from those before it."""

    save: Callable[[Run], object]
    document: ForecastDocument | None = None

    def __call__(self, run: Run) -> None:
        self.save(replace(run, forecast=self.document))


def present(largest: Run, document: ForecastDocument, directory: RunDirectory, json: str | None) -> int:
    """Write the report, print the forecast, and return the exit code: 4 where a migration failed."""
    import msgspec

    from bench.analyse.conclude import conclude
    from bench.report.render.terminal import print_blocks
    from bench.report.sections.forecast import forecast
    from bench.report.write import write_report

    failed = next((m for p in largest.passes for r in p.repeats for m in r.migrations if m.error), None)
    if failed is not None and failed.error is not None:
        print_failure(failed.id, failed.error.message, largest.dataset.scale if largest.dataset else None)
        return 4
    if json is not None:
        write_json(json, msgspec.json.encode(document) + b"\n")
    console = terminal(stderr=json == "-")
    print_blocks(forecast(document), console)
    concluded = conclude(replace(largest, forecast=document))
    directory.save(concluded.run)
    written = write_report(concluded, directory.path)
    console.print(f"Report    {written.html}", markup=False)
    return 0


def print_failure(migration: str, message: str, scale: float | None) -> None:
    """Say that there is no forecast of a deploy that fails."""
    say(f"bench: {migration} failed at scale {scale}: {message}", stderr=True)
    say("  try: bench run, to see where; --dirt 0 for data without dirty rows", stderr=True)


def target_data(data: str, at: Mapping[str, int], own: OwnData) -> DataOptions:
    """The target's data: the first table sets the scale, the others' rows stand in its proportions.

    Raises UsageError: a table is unknown, or does not grow with the scale.
    """
    from bench.run.template.options import DataOptions
    from datagen import data_set

    (table, rows), *others = at.items()
    known = data_set(data)
    per_scale = known.plan().rows[known.resolve(table)]
    if rows < 1 or per_scale < 1000:
        raise UsageError(
            f"--at {table}={rows} sets no scale", "name a table first whose rows grow, such as deals=10M"
        )
    scale = rows / per_scale
    known.plan(scale=scale, rows=dict(others))
    return DataOptions(scale=scale, rows=dict(others), seed=own.seed, dirt=own.dirt, workers=own.workers)


OWN_UNIT = 100_000
"""Rows of the first table, or of the base's first variable, at scale 1 of data of one's own."""


def own_target(suite: Suite, at: Mapping[str, int], own: OwnData) -> DataOptions:
    """The target's data where the suite has none: tables to fill, or variables that the base takes its size
    from.

    Raises UsageError: neither, or an option that has no effect.
    """
    from bench.cli.data import require_variables
    from bench.run.template.options import DataOptions

    first = next(iter(at.values()), 0)
    if first < 1:
        raise UsageError("the target has no rows", "name a table first whose rows grow, such as orders=1M")
    if own.dirt is not None:
        raise UsageError(f"{suite.name} has no generated data, so --dirt has no effect", "leave it out")
    data = DataOptions(scale=first / OWN_UNIT, seed=own.seed, measures_scales=True)
    if own.fill:
        return replace(data, fill=True, rows=dict(at), columns=own.columns)
    if own.columns is not None:
        raise UsageError("--columns has no effect without --fill", "add --fill")
    try:
        return replace(data, variables=require_variables(suite, list(at.items())))
    except UsageError as error:
        raise UsageError(
            f"{suite.name} has one size of data: a forecast needs several, and its base does not use "
            f":{next(iter(at))}",
            "add --fill, which makes rows for every empty table; or let the base make :NAME rows, as in "
            "generate_series(1, :NAME), and name NAME in --at. A dump has one size",
        ) from error


def all_rows(production: Production) -> dict[str, int]:
    """Production's rows by table, the largest first."""
    rows = {name: table.rows for name, table in production.tables.items() if table.rows > 0}
    return dict(sorted(rows.items(), key=lambda counted: -counted[1]))


def _read_probe(file: Path) -> Production:
    from bench.analyse.forecast.production import read_production

    try:
        return read_production(file.read_text(encoding="utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read {file}: {error}", "bench forecast --production-sql prints the script that makes it"
        ) from error


def rows_like(data: str, production: Production) -> dict[str, int]:
    """Production's rows of the tables that grow with the data, the largest first.

    Raises UsageError: it has none of them, or all of them are empty.
    """
    from datagen import data_set

    per_scale = data_set(data).plan().rows
    rows = {
        name.removeprefix("public."): production.tables[name].rows
        for name, amount in per_scale.items()
        if amount >= 1000 and name in production.tables
    }
    if not any(rows.values()):
        known = ", ".join(sorted(production.tables)[:5]) or "none"
        raise UsageError(
            f"production has no rows in tables of {data}: {known}", "was the probe run in the right database?"
        )
    return dict(sorted(rows.items(), key=lambda counted: -counted[1]))


def target_rows(text: str) -> dict[str, int]:
    """``deals=10M,contacts=2M`` as table → rows."""
    return dict(table_rows(part) for part in text.split(","))


def scales(text: str) -> tuple[float, ...]:
    """``0.01,0.02,0.04`` as sizes, ascending."""
    sizes = tuple(sorted({positive_number(part) for part in text.split(",")}))
    if len(sizes) < 3:
        raise argparse.ArgumentTypeError(f"{text} are fewer than 3 scales, which show no growth")
    return sizes
