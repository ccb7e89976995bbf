"""A finished template kept for later runs: on a server that lives on, or in a copy of its directory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psycopg
from psycopg.rows import TupleRow

from bench.model.run import Dataset, Note
from bench.pg.backup import back_up
from bench.pg.catalog import load_query
from bench.pg.datacache import CacheError, CopyFiles, budget_bytes, put
from bench.pg.keeping import keep, kept_name, prune_kept, share
from bench.pg.server import Server
from bench.run.progress import Progress, Said, Step

WORTH_BYTES = 64 * 1024**2
"""From this size on it is worth to keep a template that no generator filled."""


@dataclass(frozen=True, slots=True)
class Template:
    """A sealed database to clone from."""

    dbname: str
    dataset: Dataset
    notes: tuple[Note, ...] = ()
    """What a reader of the run should know of its data."""
    unkeepable: str | None = None
    """Why it cannot be kept for later runs."""


def why_unkeepable(conn: psycopg.Connection[TupleRow], server: Server, dataset: Dataset) -> str | None:
    """Why the database of a connection cannot be kept, or is not worth it; None where it can."""
    row = conn.execute(load_query("template_facts", conn.info.server_version)).fetchone()
    assert row is not None
    size, unlogged, tablespaces = row
    if dataset.load_s is None and size < WORTH_BYTES:
        return "it is small"
    if server.managed and unlogged:
        return "it has unlogged tables, which a copy of the data directory brings back empty"
    if server.managed and tablespaces:
        return "the server has tablespaces outside its data directory"
    return None


def keep_template(
    server: Server,
    conn: psycopg.Connection[TupleRow],
    built: Template,
    key: str,
    suite: str,
    progress: Progress,
) -> Template:
    """Keep a template if that can be; returns it under its new name, which later runs look for."""
    own_directory = server.keep_as is not None and server.data_key == key
    if built.unkeepable is not None or not (own_directory or not server.managed):
        return built
    name = kept_name(key, server)
    try:
        about = {"suite": suite, "dataset": built.dataset, "notes": built.notes}
        keep(conn, built.dbname, name, msgspec.to_builtins(about))
        share(conn, name)
        if own_directory:
            _keep_directory(server, conn, built.dataset, suite, progress)
        else:
            prune_kept(server, budget_bytes(), spare=name)
    except (psycopg.errors.DuplicateDatabase, psycopg.errors.InsufficientPrivilege) as error:
        progress(Said(f"the template is not kept: {str(error).strip()}"))
        return built
    return replace(built, dbname=name)


def _keep_directory(
    server: Server, conn: psycopg.Connection[TupleRow], dataset: Dataset, suite: str, progress: Progress
) -> None:
    assert server.keep_as is not None
    progress(Step("keeping the template for later runs"))

    def write(directory: Path, copy: CopyFiles) -> None:
        back_up(conn, directory, copy)

    about = {
        "suite": suite,
        "rows": str(sum(table.rows for table in dataset.tables)),
        "scale": "" if dataset.scale is None else f"{dataset.scale:g}",
        "server": f"{server.kind} {server.info.version}",
    }
    try:
        put(server.keep_as, about, write)
    except (CacheError, psycopg.Error) as error:
        progress(Said(f"the template is not kept: {str(error).strip()}"))
