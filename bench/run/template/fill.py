"""A suite's own tables filled by what their schema demands."""

from __future__ import annotations

from bench.model.run import Dataset, Note, TableSize
from bench.pg.server import Server
from bench.run.progress import Loading, Progress, Said, Step
from bench.run.template.options import DataOptions


def fill_tables(
    server: Server, dbname: str, options: DataOptions, progress: Progress
) -> tuple[Dataset, tuple[Note, ...]]:
    """Fill the empty tables of a database, and say what could not be as asked, by column."""
    from datagen import GENERATOR_VERSION
    from datagen.anyschema.load import DEFAULT_ROWS, fill, read_overrides

    wanted, columns = read_overrides(options.columns) if options.columns is not None else ({}, {})
    rows = {table: options.shared(count) for table, count in (wanted | dict(options.rows)).items()}
    progress(Step(f"rows for every empty table, seed {options.seed}"))
    filled = fill(
        server.conninfo(dbname, "application"),
        rows=rows,
        like={table: options.shared(count) for table, count in options.like.items()},
        default_rows=options.shared(DEFAULT_ROWS),
        columns=columns,
        seed=options.seed,
        say=lambda text: progress(Said(text)),
        progress=lambda done: progress(Loading(done.phase, done.done, done.total)),
    )
    dataset = Dataset(
        seed=filled.seed,
        scale=None,
        generator_version=GENERATOR_VERSION,
        load_s=filled.load_s,
        from_template=False,
        tables=tuple(TableSize(*table) for table in filled.tables),
    )
    notes = [Note("data", "Filled by what the schema demands: no table or column is as in production.")]
    return dataset, (*notes, *(Note("data", text) for text in filled.notes))


def fill_added_columns(server: Server, before: str, after: str, seed: int) -> tuple[Note, ...]:
    """Fill the columns that a suite has added to tables with rows and left at their defaults; say which.

    ``before`` and ``after`` are databases with the schema before and after the suite.
    """
    from datagen.anyschema.complete import columns_of, fill_new_columns

    filled = fill_new_columns(
        server.conninfo(after, "application"), columns_of(server.conninfo(before)), seed
    )
    if not filled:
        return ()
    tables = ", ".join(f"{len(table.columns)} of {table.table}" for table in filled)
    text = (
        "Costed with the columns that the suite added filled as in use, not at their defaults: "
        f"{tables}. These tables are without bloat."
    )
    return (Note("queries", text),)
