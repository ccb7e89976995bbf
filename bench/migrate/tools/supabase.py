"""Supabase CLI: ``supabase/migrations/N_x.sql`` by name; the session is reset after each.

Source: https://github.com/supabase/cli, ``pkg/migration/file.go``, ``pkg/migration/apply.go``.
"""

from __future__ import annotations

import re

from bench.migrate.tools.bookkeeping import Bookkeeping, by_row, column, digits_of_name
from bench.migrate.tools.folder import Folder
from bench.migrate.tools.numbers import others
from bench.migrate.tools.sections import left_out
from bench.migrate.tools.shape import Evidence, Plan, Tool

_NAME = re.compile(r"([0-9]+)_(.*)\.sql$")


def _recognise(folder: Folder) -> Evidence | None:
    here = folder.path.resolve()
    if not folder.named(_NAME) or here.name != "migrations":
        return None
    if (here.parent / "config.toml").is_file() and folder.project_says("config.toml", "project_id"):
        return Evidence("Supabase's config.toml beside migrations/", 3)
    return Evidence("supabase/migrations/", 2) if here.parent.name == "supabase" else None


def _read(folder: Folder) -> Plan:
    files = folder.named(_NAME)
    return Plan(
        tuple(SUPABASE.migration(file) for file in files),
        remarks=left_out(
            "the Supabase CLI", others(folder.files, files), "no number before _ in their names"
        ),
    )


SUPABASE = Tool(
    "supabase",
    "the Supabase CLI",
    _recognise,
    _read,
    transaction="query",
    keeps_session=False,
    switch="give the statement a file of its own",
    bookkeeping=Bookkeeping("schema_migrations", ("version",), by_row(column("version"), digits_of_name)),
)
