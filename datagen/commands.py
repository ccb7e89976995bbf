"""What the commands do and show: results on stdout, progress on stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Table

from datagen.engine import executors
from datagen.engine.estimate import TableEstimate, estimate, expected
from datagen.engine.executors import Executor
from datagen.engine.like import read_like
from datagen.engine.load import LoadResult, load
from datagen.engine.plan import Plan
from datagen.engine.progress import Listener, Progress
from datagen.engine.write import Format, write
from datagen.errors import UsageError

_EVERY_S = 5.0
"""Between two lines of progress."""


def load_command(
    dsn: str,
    plan: Plan,
    *,
    workers: int | None,
    dask: str | None,
    processes: bool,
    json_to: str | None,
    quiet: bool,
) -> int:
    """``datagen load``."""
    executor: Executor | None = None
    if dask is not None:
        executor = executors.dask(dask)
    elif processes:
        executor = executors.processes(workers or os.cpu_count() or 1)
    with progress_display(quiet) as show:
        result = load(dsn, plan, workers=workers, progress=show, executor=executor)
    _deliver(_as_json(result), json_to, quiet, lambda: _show_load(result))
    return 0


def fill_command(
    dsn: str,
    database: str,
    rows: dict[str, int],
    columns: Path | None,
    *,
    like: Path | None,
    seed: int,
    json_to: str | None,
    quiet: bool,
) -> int:
    """``datagen load --schema-of``."""
    from datagen.anyschema.load import fill, read_overrides

    from_file, overrides = read_overrides(columns) if columns is not None else ({}, {})
    try:
        conninfo = make_conninfo(dsn, dbname=database)
    except psycopg.ProgrammingError as error:
        raise UsageError(
            "the DSN cannot be read", "for example postgresql://user@host:5432/database"
        ) from error
    with progress_display(quiet) as show:
        result = fill(
            conninfo, rows=from_file | rows, like=read_like(like) if like is not None else {},
            columns=overrides, seed=seed, progress=show,
            say=lambda text: None if quiet else print(text, file=sys.stderr),
        )  # fmt: skip
    tables = [dict(zip(("name", "rows", "bytes"), table, strict=True)) for table in result.tables]

    def summarise() -> None:
        _table(
            ("table", "rows", "on disk"),
            [(name, f"{rows:,}", _megabytes(size)) for name, rows, size in result.tables],
        )
        print(f"{sum(rows for _, rows, _ in result.tables):,} rows in {result.load_s:.1f} s")

    _deliver(asdict(result) | {"tables": tables}, json_to, quiet, summarise)
    return 0


def write_command(directory: str, plan: Plan, *, form: Format, json_to: str | None, quiet: bool) -> int:
    """``datagen write``. UsageError: pyarrow is not installed."""
    if find_spec("pyarrow") is None:
        raise UsageError("datagen write needs pyarrow", "pip install pyarrow, or pgrehearse[files]")
    with progress_display(quiet) as show:
        files = write(Path(directory), plan, form=form, progress=show)
    document = {"files": [asdict(file) | {"path": str(file.path)} for file in files]}

    def summarise() -> None:
        rows = [(file.path.name, f"{file.rows:,}", _megabytes(file.bytes)) for file in files]
        _table(("file", "rows", "size"), rows)
        if form != "parquet":
            print(f"load them with: psql -v ON_ERROR_STOP=1 -f load.sql   (in {directory})")

    _deliver(document, json_to, quiet, summarise)
    return 0


def plan_command(plan: Plan, *, dsn: str | None, workers: int | None, json_to: str | None) -> int:
    """``datagen plan``."""
    streams = workers or os.cpu_count() or 1
    tables = estimate(plan, dsn)
    expected_s = expected(tables, streams) if dsn is not None else None
    document = plan.described() | {
        "tables": [asdict(table) for table in tables],
        "expected_s": expected_s,
        "workers": streams,
    }
    _deliver(document, json_to, False, lambda: _show_plan(tables, expected_s, streams))
    return 0


def _show_plan(tables: Sequence[TableEstimate], expected_s: float | None, streams: int) -> None:
    total = TableEstimate(
        "total",
        sum(t.rows for t in tables),
        sum(t.bytes for t in tables),
        sum(t.encode_s for t in tables),
        sum(t.copy_s or 0.0 for t in tables),
        sum(t.index_s or 0.0 for t in tables),
    )
    lines = [(t.name, f"{t.rows:,}", _megabytes(t.bytes), f"{t.encode_s:,.1f} s") for t in (*tables, total)]
    heads = ("table", "rows", "to send", "to generate")
    if expected_s is None:
        _table(heads, lines)
        print("Seconds are those of one core, from a trial just now; with a DSN the server is tried as well.")
        return
    server = [(f"{t.copy_s or 0.0:,.1f} s", f"{t.index_s or 0.0:,.1f} s") for t in (*tables, total)]
    _table((*heads, "to load", "to index"), [(*a, *b) for a, b in zip(lines, server, strict=True)])
    print(
        f"Expected: {expected_s:,.0f} s with {streams} streams, besides foreign keys and vacuum. Seconds are "
        "those of one stream, from a trial just now that was rolled back."
    )


def _as_json(result: LoadResult) -> dict[str, Any]:
    tables = [dict(zip(("name", "rows", "bytes"), table, strict=True)) for table in result.tables]
    return asdict(result) | {"tables": tables}


def _show_load(result: LoadResult) -> None:
    _table(
        ("table", "rows", "on disk"),
        [(name, f"{rows:,}", _megabytes(size)) for name, rows, size in result.tables],
    )
    total = sum(rows for _, rows, _ in result.tables)
    copy_s = result.phases_s["copy"]
    print(
        f"{total:,} rows in {result.load_s:.1f} s: copied in {copy_s:.1f} s ({total / copy_s:,.0f} rows/s), "
        f"indexes {result.phases_s['index']:.1f} s, foreign keys {result.phases_s['foreign_key']:.1f} s, "
        f"vacuum {result.phases_s['vacuum']:.1f} s; {sum(result.dirt.values()):,} dirty rows"
    )
    if result.resumed:
        print(f"gone on from a load that broke off: {result.resumed} shards were in already")


def _deliver(document: dict[str, Any], json_to: str | None, quiet: bool, show: Callable[[], None]) -> None:
    """JSON to stdout stands alone; to a file, it accompanies the summary."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    if json_to == "-":
        print(text)
        return
    if json_to is not None:
        try:
            Path(json_to).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {json_to}: {error.strerror}") from error
    if not quiet:
        show()


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for position, heading in enumerate(headings):
        table.add_column(heading, justify="right" if position else "left")
    for row in rows:
        table.add_row(*row)
    Console(file=sys.stdout).print(table)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


@contextmanager
def progress_display(quiet: bool) -> Iterator[Listener | None]:
    """Something to call with every Progress; None where nothing is to be shown."""
    if quiet:
        yield None
    elif sys.stderr.isatty() and "NO_COLOR" not in os.environ:
        with _bar() as bar:
            task = bar.add_task("", total=None, note="")
            yield lambda p: bar.update(
                task, description=p.phase, completed=p.done, total=max(p.total, 1), note=describe(p)
            )
    else:
        yield _Lines()


def describe(progress: Progress) -> str:
    """Done and total, and while copying the rate and the time left."""
    counted = f"{progress.done:,}/{progress.total:,}"
    if progress.phase != "copy" or not progress.done:
        return counted
    rate = progress.done / progress.elapsed_s
    left_s = (progress.total - progress.done) / rate
    return f"{counted} rows, {rate:,.0f} rows/s, {progress.bytes / 1e6:,.0f} MB, {left_s:.0f} s left"


class _Lines:
    """One line per phase, and one every few seconds."""

    def __init__(self) -> None:
        self.phase: str | None = None
        self.shown_s = 0.0

    def __call__(self, progress: Progress) -> None:
        ended = progress.done == progress.total
        if progress.phase == self.phase and not ended and progress.elapsed_s - self.shown_s < _EVERY_S:
            return
        self.phase, self.shown_s = progress.phase, progress.elapsed_s
        print(f"{progress.elapsed_s:6.1f} s  {progress.phase}: {describe(progress)}", file=sys.stderr)


def _bar() -> Bar:
    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        transient=True,
    )
