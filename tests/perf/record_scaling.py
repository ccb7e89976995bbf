"""Rehearses a suite at several sizes, and at ones too large to be fitted: the data of the back-test.

    python tests/perf/record_scaling.py crm --scales 0.00625,0.0125,0.025,0.05,0.1 --targets 1

writes what the back-test needs to ``tests/data/scaling/crm.json``, and with ``--keep DIR`` the run file of
each size to DIR. Run it with nothing beside it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from bench.analyse.forecast.measurements import Size as MeasuredSize
from bench.analyse.forecast.measurements import statement_series
from bench.analyse.forecast.series import DURATION, Point
from bench.analyse.summary import solo_repeats
from bench.cli.forecast import OwnData, scales, target_data
from bench.cli.live import live
from bench.migrate.suite import find_suite
from bench.model.run import Run
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import parse_server
from bench.run.progress import Progress
from bench.run.scales import ScaleOptions, measure_scales
from bench.store.codec import encode
from bench.store.results import new_run_id

STORED = Path(__file__).parents[1] / "data" / "scaling"
LEAST_S = 0.02
"""Statements that take less at every target are not stored."""


def record(server: Server, told: argparse.Namespace, progress: Progress) -> tuple[Run, ...]:
    """One run for each size, ascending, their repeats taken in turns."""
    suite = find_suite(told.suite, base=told.base)
    assert suite.data is not None
    data = target_data(suite.data, {"deals": 100_000}, OwnData(dirt=told.dirt))
    sizes = tuple(sorted({*told.scales, *told.targets}))
    options = ScaleOptions(data, scales=sizes, repeats=told.repeats)
    run_id = new_run_id(told.suite, datetime.now(UTC))
    runs: tuple[Run, ...] = ()
    for runs in measure_scales(server, suite, options, run_id=run_id, save=lambda _: None, progress=progress):
        if told.keep is not None:
            _keep(told.keep, runs)
    return runs


def _keep(directory: Path, runs: Sequence[Run]) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for run in runs:
        (directory / f"{_scale(run):g}.json").write_bytes(encode(run))


def distil(name: str, runs: Sequence[Run], targets: Sequence[float]) -> dict[str, Any]:
    """What :func:`backtest.cases` reads: raw repeats, and what has no noise."""
    sizes = [_size(run) for run in sorted(runs, key=lambda run: _scale(run))]
    host, server = runs[0].environment.host, runs[0].environment.server
    memory_settings = ("shared_buffers", "work_mem", "maintenance_work_mem")
    return {
        "suite": name,
        "recorded": runs[0].started_at[:10],
        "machine": f"{host.cpu}, {host.cores} cores, {host.memory_bytes / 2**30:.0f} GiB",
        "server": f"{server.kind} {server.version}",
        "settings": {setting: server.settings.get(setting) for setting in memory_settings},
        "targets": list(targets),
        "sizes": [
            {"scale": each.scale, "calibrations_s": [r.calibration_s for r in each.repeats]} for each in sizes
        ],
        "statements": list(_statements(sizes, targets)),
    }


def _scale(run: Run) -> float:
    assert run.dataset is not None
    return run.dataset.scale or 0.0


def _size(run: Run) -> MeasuredSize:
    repeats = tuple(solo_repeats(run))
    return MeasuredSize(_scale(run), run, repeats, (1.0,) * len(repeats))


def _statements(sizes: Sequence[MeasuredSize], targets: Sequence[float]) -> Iterator[dict[str, Any]]:
    for series in statement_series(sizes):
        noticed = any(point.n in targets and point.median >= LEAST_S for point in series.points)
        if series.quantity is DURATION and noticed:
            matters = frozenset[str]().union(*(point.regime.dominating for point in series.points))
            yield {
                "subject": series.subject.key,
                "sampled": series.sampled and [series.sampled.rows, series.sampled.whole],
                "rows_per_scale": series.rows,
                "points": [_point(point, matters) for point in series.points],
            }


def _point(point: Point, matters: frozenset[str]) -> dict[str, Any]:
    return {
        "scale": point.n,
        "durations_s": [round(value, 6) for value in point.values],
        "counters": point.counters,
        "regime": {
            "dominating": sorted(point.regime.dominating),
            "present": sorted(point.regime.present & matters),
            "spilled": point.regime.spilled,
            "rewrites": sorted(point.regime.rewrites),
        },
        "memory": {name: [each.used_bytes, each.limit_bytes] for name, each in point.memory.items()},
    }


def main() -> None:
    """Measure, then write the data of the back-test."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite")
    parser.add_argument("--scales", type=scales, required=True)
    parser.add_argument("--targets", type=lambda text: tuple(map(float, text.split(","))), required=True)
    parser.add_argument("--keep", type=Path, default=None)
    parser.add_argument("--base", type=Path, default=None)
    parser.add_argument("--server", default="embedded")
    parser.add_argument("--dirt", type=float, default=0.0)
    parser.add_argument("--repeats", type=int, default=3)
    told = parser.parse_args()
    with live(quiet=False) as progress, open_server(parse_server(told.server)) as server:
        runs = record(server, told, progress)
    name = Path(told.suite).name
    STORED.mkdir(parents=True, exist_ok=True)
    document = msgspec.json.encode(distil(name, runs, told.targets))
    (STORED / f"{name}.json").write_bytes(msgspec.json.format(document, indent=1) + b"\n")


if __name__ == "__main__":
    main()
