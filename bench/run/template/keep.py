"""What a template is made of, as a key, and a finished one kept for later runs under it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

import datagen
from bench.errors import UsageError
from bench.migrate.migration import Migration, digest
from bench.migrate.script import read_statements
from bench.migrate.suite import Suite
from bench.model.run import Dataset, Note
from bench.pg.catalog import load_query
from bench.pg.datacache import CacheError, CopyFiles, budget_bytes, put
from bench.pg.server import Server
from bench.pg.standby import back_up
from bench.pg.templates import keep, kept_name, prune_kept, share
from bench.run.progress import Progress, Said, Step
from bench.run.template.dump import require_dump

if TYPE_CHECKING:
    from bench.run.template.options import DataOptions

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
        "rows": str(dataset.rows),
        "scale": "" if dataset.scale is None else f"{dataset.scale:g}",
        "server": f"{server.kind} {server.info.version}",
    }
    try:
        put(server.keep_as, about, write)
    except (CacheError, psycopg.Error) as error:
        progress(Said(f"the template is not kept: {str(error).strip()}"))


FORMAT = 2
"""Raised when templates are made otherwise than before from the same parts."""
NO_VARIABLES: Mapping[str, str] = {}
_READS_FILES = re.compile(rb"\\(?:i|ir|include|include_relative|copy)\b")


def template_key(suite: Suite, options: DataOptions) -> str | None:
    """Return the key of everything that a template's content depends on, without the server.

    The base and the migrations deployed before, with the files that they read; the generator's version, its
    own source and Faker's version; scale, rows, seed, dirt and its kinds. None where one of those files
    cannot be read beforehand.
    """
    parts: dict[str, Any] = {"format": FORMAT}
    try:
        parts["base"] = _base_sha256(suite.base, options.psql_variables)
        if suite.deployed:
            parts["deployed"] = [_deployed_sha256(migration) for migration in suite.deployed]
            parts["runner"] = repr(suite.runner)
    except UsageError:
        return None
    if options.locale is not None:
        parts["locale"] = options.locale.describe()
    if options.role is not None:
        parts["role"] = options.role
    if options.dump is not None:
        parts["dump"] = require_dump(options.dump).sha256
    elif options.fill:
        columns = options.columns.read_bytes().hex() if options.columns is not None else None
        parts["fill"] = [_source_sha256(), metadata.version("faker"), columns]
        parts["options"] = [
            sorted(options.rows.items()),
            options.seed,
            sorted(options.like.items()),
            options.share,
        ]
    elif suite.data is not None:
        parts |= {
            "data": suite.data,
            "generator": [datagen.GENERATOR_VERSION, _source_sha256(), metadata.version("faker")],
            "options": [
                options.scale,
                sorted(options.rows.items()),
                options.seed,
                options.dirt,
                *([sorted(options.dirt_kinds)] if options.dirt_kinds is not None else []),
            ],
        }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _deployed_sha256(migration: Migration) -> list[str | None]:
    part = migration.forward
    sent = None if part.text is None else digest(part.text.encode())
    return [_base_sha256(migration.path), part.transaction, part.cutting, sent]


def _base_sha256(base: Path | None, variables: Mapping[str, str] = NO_VARIABLES) -> str | None:
    if base is None:
        return None
    content = base.read_bytes()
    digest = hashlib.sha256(content)
    if variables:
        digest.update(json.dumps(dict(variables), sort_keys=True).encode())
    if _READS_FILES.search(content):
        for statement in read_statements(base, {"SERVER_VERSION_NUM": "170000", **variables}):
            digest.update(f"{statement.text}\0{statement.copy_data}\0".encode())
            if statement.copy_file is not None:
                with Path(statement.copy_file).open("rb") as rows:
                    digest.update(hashlib.file_digest(rows, "sha256").digest())
    return digest.hexdigest()


def _source_sha256() -> str:
    """Of the generator's source: a change of it may change the rows before the version tells."""
    digest = hashlib.sha256()
    root = Path(datagen.__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
