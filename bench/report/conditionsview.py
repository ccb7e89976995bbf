"""Under which conditions a run was made: server, machine, data, calibration, sampler, notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.analyse.stats import Spread
from bench.analyse.summary import solo_repeats
from bench.model.run import Dataset, Repeat, Run
from bench.report import format as fmt


@dataclass(frozen=True, slots=True)
class Table:
    """A small table of text; the columns after the first are numbers."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    words: bool = False
    """All columns are words, none numbers."""
    left: int = 1
    """So many columns from the left are words."""


@dataclass(frozen=True, slots=True)
class ConditionsView:
    """What a reader needs to repeat the run or to doubt it."""

    facts: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    data: Table | None
    dirt: tuple[tuple[str, str], ...]
    repeats: Table | None
    notes: tuple[tuple[str, str], ...]
    files: Table


def conditions_view(run: Run) -> ConditionsView:
    """The conditions of a run."""
    dataset = run.dataset
    return ConditionsView(
        facts=_facts(run),
        settings=tuple(sorted(run.environment.server.settings.items())),
        data=_data(run),
        dirt=tuple((kind, fmt.count(n)) for kind, n in sorted(dataset.dirt.items())) if dataset else (),
        repeats=_repeats(run),
        notes=tuple((note.subject, note.text) for note in run.notes),
        files=_files(run),
    )


def _facts(run: Run) -> tuple[tuple[str, str], ...]:
    server, host, dataset = run.environment.server, run.environment.host, run.dataset
    facts = [
        ("run", run.run_id),
        ("started", run.started_at),
        ("finished", run.finished_at or "not finished: what was measured until then is shown"),
        ("pgrehearse", run.tool_version),
        ("server", f"PostgreSQL {server.version}, {server.kind}"),
        ("machine", f"{host.cpu}, {host.cores} cores, {fmt.size(host.memory_bytes)} memory, {host.os}"),
        ("suite", f"{run.suite.name}, {run.suite.path}"),
    ]
    if dataset is not None:
        facts.append(("data", ", ".join((data_origin(dataset), *_loading(dataset)))))
    return (*facts, ("extensions", ", ".join(sorted(server.extensions)) or "none"))


def data_origin(dataset: Dataset) -> str:
    """Where the rows came from: the generator with seed and scale, or the base."""
    if dataset.generator_version is None:
        return "filled by the base" if dataset.tables else "no table before the migrations"
    faker = f", Faker {dataset.faker_version}" if dataset.faker_version else ""
    scale = fmt.UNKNOWN if dataset.scale is None else f"{dataset.scale:g}"
    return f"scale {scale}, seed {dataset.seed}, generator {dataset.generator_version}{faker}"


def _loading(dataset: Dataset) -> Iterator[str]:
    if dataset.from_template:
        yield "cloned from a template"
    if dataset.load_s is not None:
        yield f"loading took {fmt.seconds(dataset.load_s)}"


def _data(run: Run) -> Table | None:
    if run.dataset is None:
        return None
    tables = sorted(run.dataset.tables, key=lambda table: -table.bytes)
    unit, sizes = fmt.size_column([table.bytes for table in tables])
    rows = tuple((t.name, fmt.count(t.rows), size) for t, size in zip(tables, sizes, strict=True))
    total = fmt.count(sum(table.rows for table in tables))
    return Table(
        "Data",
        ("table", "rows", f"size ({unit})"),
        rows,
        f"{total} rows in all, indexes and TOAST included in sizes",
    )


def _repeats(run: Run) -> Table | None:
    repeats = solo_repeats(run)
    if not repeats:
        return None
    calibration = Spread.of(repeat.calibration_s for repeat in repeats)
    note = ""
    if calibration is not None and calibration.n > 1 and calibration.low > 0:
        note = (
            f"The calibration query took {fmt.ratio(calibration.high / calibration.low)} as long in the "
            "slowest repeat as in the fastest: so much did the machine itself vary."
        )
    head = ("repeat", "calibration", "sampler period", "gap p50", "gap p99", "one read", "samples")
    return Table("Repeats: calibration and lock sampler", head, tuple(map(_repeat, repeats)), note)


def _repeat(repeat: Repeat) -> tuple[str, ...]:
    sampler = repeat.sampler
    seen: tuple[str, ...] = (fmt.UNKNOWN,) * 5
    if sampler is not None:
        times = (sampler.period_s, sampler.gap_p50_s, sampler.gap_p99_s, sampler.read_p50_s)
        seen = (*map(fmt.seconds, times), fmt.count(sampler.samples))
    return (str(repeat.index + 1), fmt.seconds(repeat.calibration_s), *seen)


def _files(run: Run) -> Table:
    rows = tuple(
        (each.file, each.sha256[:12], each.rollback_file or "no rollback file")
        for each in run.suite.migrations
    )
    unpaired = ", ".join(run.suite.unpaired_rollbacks)
    return Table(
        "Files",
        ("migration", "SHA-256", "rollback"),
        rows,
        f"Rollbacks without a migration: {unpaired}" if unpaired else "",
        words=True,
    )
