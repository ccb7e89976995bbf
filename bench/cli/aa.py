"""``bench aa``: what this machine's times do where nothing changed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.data import SourceChoice
from bench.cli.options import (
    DataChoice,
    Output,
    ServerChoice,
    SuiteChoice,
    add_data_options,
    add_output_options,
    add_server_options,
    positive_count,
    require_writable,
    write_json,
)
from bench.cli.rehearsing import Given, choose, opened
from bench.cli.terminal import say
from bench.errors import MigrationError

if TYPE_CHECKING:
    from bench.model.record import Noise
    from bench.model.run import Run

EPILOG = """\
The suite is rehearsed again and again, and 200 comparisons of it with itself are drawn from the repeats, of
both designs: in turn, as bench run --against measures, and against a stored run. Where more than one in a
hundred would fail at the design's limit, the limit that they keep to is stored for this machine and kind of
server, and bench compare and bench run --against use it from then on.

examples:
  bench aa crm --scale 0.1               two minutes or so of 20 repeats
  bench aa db/migrations --base schema.sql --repeats 40
  bench aa --run latest                  learn from a stored run of 20 repeats or more
"""
REPEATS = 20


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "aa",
        description="Compare a suite with itself, to learn how much slower things look here by chance.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suite", nargs="?", default="crm", metavar="SUITE", help="default: crm")
    parser.add_argument("--run", default=None, metavar="RUN", help="a stored run in place of a new one")
    parser.add_argument(
        "--base", type=Path, default=None, metavar="FILE", help="SQL of the state before the migrations"
    )
    parser.add_argument(
        "--repeats",
        type=positive_count,
        default=REPEATS,
        metavar="N",
        help=f"{REPEATS} or more (default: {REPEATS})",
    )
    add_data_options(parser)
    add_server_options(parser)
    add_output_options(parser)
    parser.set_defaults(command=learn)


def learn(
    *,
    suite: str,
    run: str | None,
    base: Path | None,
    repeats: int,
    data: DataChoice,
    server: ServerChoice,
    output: Output,
) -> int:
    """Learn this machine's noise and store it; returns 0."""
    import msgspec

    from bench.analyse.compare.learn import learn as learn_from
    from bench.analyse.compare.record import record
    from bench.store.baseline import save_noise
    from bench.store.results import load

    json = output.json
    require_writable(json)
    if run is not None:
        measured = load(run)
    else:
        given = Given(SuiteChoice(suite, base), SourceChoice(), data, server, output)
        measured = _measure(given, max(repeats, REPEATS))
    noise = learn_from(record(measured))
    path = save_noise(noise)
    if json is not None:
        write_json(json, msgspec.json.format(msgspec.json.encode(noise), indent=2) + b"\n")
    if json != "-":
        for line in (*describe(noise), f"stored as {path}"):
            say(line)
    return 0


def describe(noise: Noise) -> tuple[str, ...]:
    """What was learnt, in words."""
    from bench.analyse.compare.decide import LIMITS
    from bench.analyse.compare.learn import FALSE_ALARMS
    from bench.report.format import ratio

    designs = (
        ("in turn", noise.in_turn_alarms, LIMITS["paired"], noise.in_turn),
        ("against a stored run", noise.stored_alarms, LIMITS["same machine"], noise.stored),
    )
    lines = [
        f"{noise.suite} with itself, {noise.draws} comparisons of each design drawn from {noise.repeats} "
        f"repeats, {noise.statements} statements long enough to time:"
    ]
    for name, alarms, limit, learnt in designs:
        kept = f"limit {ratio(limit)} stays" if learnt <= limit else f"limit {ratio(learnt)} from now on"
        lines.append(f"  {name}: {100 * alarms:.3g} % would fail at {ratio(limit)}; {kept}")
    lines.append(f"  (at most {100 * FALSE_ALARMS:g} % may)")
    return tuple(lines)


def _measure(given: Given, repeats: int) -> Run:
    """Rehearse a suite for its times alone; the run is stored as any other."""
    from bench.analyse.conclude import conclude
    from bench.run.session import RunOptions, rehearse

    with choose(given) as chosen:
        options = RunOptions(repeats=repeats, explain=False, probe=False, data=chosen.data)
        with opened(chosen.spec, chosen.out, quiet=chosen.output.quiet) as on:
            measured = rehearse(
                on.server, chosen.suite, options,
                run_id=chosen.run_id, save=on.directory.save, progress=on.progress,
            )  # fmt: skip
    on.directory.save(conclude(measured).run)
    for migration in measured.solo[-1].migrations:
        if migration.outcome == "failed":
            said = f"{migration.id} failed, so there is nothing to learn from"
            raise MigrationError(said, f"bench report {chosen.run_id}")
    return measured
