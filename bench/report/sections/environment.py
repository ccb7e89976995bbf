"""Under which conditions a run was made: server, machine, data, repeats, files; and what to know of it."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.stats import Spread
from bench.model.run import Dataset, Repeat, Run
from bench.report import format as fmt
from bench.report.document import Block, Facts, Folded, Section, Table, Words, code, columns


def headline(run: Run, n: int | None = None) -> tuple[str, ...]:
    """The server, the data and the repeats, each in a few words."""
    server = run.environment.server
    parts = [f"PostgreSQL {server.version} ({server.kind})", data_amount(run)]
    if n is not None:
        parts.append("1 repeat" if n == 1 else f"{n} repeats")
    return tuple(parts)


def data_rows(run: Run) -> str:
    """``725 k rows``."""
    if run.dataset is None:
        return "no generated data"
    return f"{fmt.count(run.dataset.rows)} rows"


def data_amount(run: Run) -> str:
    """``725 k rows, 222 MiB``."""
    if run.dataset is None:
        return "no generated data"
    return f"{data_rows(run)}, {fmt.size(run.dataset.size_bytes)}"


def environment(run: Run) -> Section:
    """What is needed to repeat a run, or to doubt it."""
    return Section("Environment", tuple(_blocks(run)), "environment")


def _blocks(run: Run) -> Iterator[Block]:
    yield Facts(tuple(_facts(run)), head=("What", "Value"))
    dataset = run.dataset
    if dataset is not None and dataset.tables:
        tables = sorted(dataset.tables, key=lambda table: -table.bytes)
        rows = ((code(table.name), fmt.count(table.rows), fmt.size(table.bytes)) for table in tables)
        note = "Indexes and TOAST are included in sizes."
        yield Table(columns("Table", ">Rows", ">Size"), tuple(rows), "Data", note)
    if dataset is not None and dataset.dirt:
        dirt = tuple((kind, fmt.count(rows)) for kind, rows in sorted(dataset.dirt.items()))
        yield Facts(dirt, "Dirty rows, planted", ("Kind", "Rows"))
    if repeats := run.solo:
        yield _repeats(repeats)
    yield _files(run)
    if settings := tuple(sorted(run.environment.server.settings.items())):
        yield Folded("Server settings", (Facts(settings, head=("Setting", "Value")),))


def _facts(run: Run) -> Iterator[tuple[str, Words]]:
    server, host, suite = run.environment.server, run.environment.host, run.suite
    yield "Run", code(run.run_id)
    yield "Started", run.started_at
    yield "Finished", run.finished_at or "not finished: what was measured until then is shown"
    yield "Server", f"PostgreSQL {server.version} ({server.kind})"
    yield "Host", f"{host.os}, {host.cpu}, {host.cores} cores, {fmt.size(host.memory_bytes)}"
    yield "Extensions", ", ".join(sorted(server.extensions)) or "none"
    yield "Tool", f"pgrehearse {run.tool_version}, run file schema {run.schema_version}"
    base = code((suite.base_sha256 or fmt.UNKNOWN)[:12])
    yield "Suite", (f"{suite.name}, ", code(suite.path), ", base SHA-256 ", base)
    if run.dataset is None:
        yield "Data", "none was generated"
    else:
        yield "Data", ", ".join((data_amount(run), data_origin(run.dataset), *_loading(run.dataset)))


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


def _repeats(repeats: tuple[Repeat, ...]) -> Table:
    calibration = Spread.of(repeat.calibration_s for repeat in repeats)
    note = ""
    if calibration is not None and calibration.n > 1 and calibration.low > 0:
        note = (
            f"The calibration query took {fmt.ratio(calibration.high / calibration.low)} as long in the "
            "slowest repeat as in the fastest: so much did the machine itself vary."
        )
    head = columns(
        "Repeat", ">Calibration", ">Sampler period", ">Gap p50", ">Gap p99", ">One read", ">Samples"
    )
    return Table(head, tuple(map(_repeat, repeats)), "Repeats: calibration and lock sampler", note)


def _repeat(repeat: Repeat) -> tuple[str, ...]:
    sampler = repeat.sampler
    seen: tuple[str, ...] = (fmt.UNKNOWN,) * 5
    if sampler is not None:
        times = (sampler.period_s, sampler.gap_p50_s, sampler.gap_p99_s, sampler.read_p50_s)
        seen = (*map(fmt.seconds, times), fmt.count(sampler.samples))
    return (str(repeat.index + 1), fmt.seconds(repeat.calibration_s), *seen)


def _files(run: Run) -> Table:
    rows = tuple(
        (
            code(file.file),
            code(file.sha256[:12]),
            code(file.rollback_file) if file.rollback_file else "no rollback file",
        )
        for file in run.suite.migrations
    )
    unpaired = ", ".join(run.suite.unpaired_rollbacks)
    note = f"Rollbacks without a migration: {unpaired}" if unpaired else ""
    return Table(columns("Migration", "SHA-256", "Rollback"), rows, "Files", note)


def notes(run: Run) -> tuple[Section, ...]:
    """What was substituted or not measured, and why; nothing where there is nothing to say."""
    facts = Facts(tuple((note.subject, note.text) for note in run.notes))
    return (Section("What to know when reading the figures", (facts,), "notes"),) if run.notes else ()
