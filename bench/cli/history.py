"""``bench history``: how a suite's figures went from run to run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.cli.options import Output, add_output_options, require_writable, write_json
from bench.cli.terminal import say
from bench.errors import UsageError
from bench.report.format import UNKNOWN, count, ratio, seconds, size

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.analyse.trend import Measure, Trend
    from bench.model.run import Run

EPILOG = """\
Every bench run adds a line to results/history/runs.jsonl, and every bench baseline accept one to
results/baselines/<suite>.history.jsonl. Runs on the same data, server and machine as the latest one are set
beside each other.

examples:
  bench history crm
  bench history crm --last 50 --out trend        history-crm.svg and .png in trend/
  bench history crm --json -
"""
SHOWN = 20


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "history",
        description="The runs of a suite beside each other: duration, WAL, blocks, and what changed when.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("suite", nargs="?", default="crm", metavar="SUITE", help="default: crm")
    parser.add_argument("--last", type=int, default=None, metavar="N", help="the last N entries alone")
    parser.add_argument(
        "--out",
        type=Path,
        default=None,
        metavar="DIR",
        help="directory of history-<suite>.svg and .png (default: results/history)",
    )
    add_output_options(parser)
    parser.set_defaults(command=history)


def history(*, suite: str, last: int | None, out: Path | None, output: Output) -> int:
    """Show a suite's history and draw it; returns 0."""
    import msgspec

    from bench.analyse.trend import trend
    from bench.report.figures.trend import draw_trend
    from bench.report.write import write_picture
    from bench.store.history import RUN_HISTORY, accepted_history, read

    json = output.json
    require_writable(json)
    stored = read(suite, (accepted_history(suite), RUN_HISTORY))
    say((f"bench: passed over, no line of a history: {line}" for line in stored.passed_over), stderr=True)
    entries = stored.entries
    if not entries:
        raise UsageError(f"no run of {suite} is in the history", f"make one: bench run {suite}")
    shown = trend(suite, entries[-last:] if last else entries)
    if json is not None:
        write_json(json, msgspec.json.format(msgspec.json.encode(shown), indent=2) + b"\n")
    _, png = write_picture(draw_trend(shown), out or RUN_HISTORY.parent)
    if json != "-":
        for line in (*describe(shown), f"picture: {png}"):
            say(line)
    return 0


def remember(run: Run, directory: Path) -> None:
    """Add a run whose migrations applied to the history of those that it is kept beside."""
    from bench.analyse.compare.record import record
    from bench.store.history import RUN_HISTORY, append
    from bench.store.results import RUNS

    reduced = record(run)
    if directory.parent == RUNS and all(migration.outcome == "applied" for migration in reduced.migrations):
        try:
            append(reduced, RUN_HISTORY)
        except UsageError as error:  # the run itself is stored
            say(f"bench: not in the history: {error.message}", stderr=True)


_WORDS: dict[Measure, tuple[str, Callable[[float], str]]] = {
    "duration_s": ("duration", seconds), "wal_bytes": ("WAL", size), "blocks": ("blocks", count),
}  # fmt: skip


def describe(trend: Trend) -> tuple[str, ...]:
    """The last runs, one line each, and every change."""
    lines = [f"{'run':42} {'duration':>9} {'n':>3} {'WAL':>10} {'blocks':>10}  accepted because"]
    for entry in trend.entries[-SHOWN:]:
        blocks = count(round(entry.blocks)) if entry.blocks is not None else UNKNOWN
        lines.append(
            f"{entry.run_id:42} {seconds(entry.duration_s):>9} {len(entry.durations_s):>3} "
            f"{size(entry.wal_bytes):>10} {blocks:>10}  {entry.because or ''}".rstrip()
        )
    if len(trend.entries) > SHOWN:
        lines.append(f"{len(trend.entries) - SHOWN} earlier runs are in the picture")
    for change in trend.changes:
        amount = (
            seconds if change.measure == "duration_s" else size if change.measure == "wal_bytes" else count
        )
        old, new = amount(round(change.old, 6)), amount(round(change.new, 6))
        name = {"duration_s": "duration", "wal_bytes": "WAL", "blocks": "blocks"}[change.measure]
        lines.append(
            f"{name} changed with {change.run_id}: {old} → {new}, {ratio(change.ratio)} "
            f"(means of {change.runs[0]} and {change.runs[1]} runs)"
        )
    if not trend.changes:
        lines.append(f"nothing changed over {len(trend.entries)} runs")
    if trend.others:
        lines.append(f"{trend.others} runs on other data, servers or machines are left out")
    return tuple(lines)
