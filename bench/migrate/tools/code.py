"""Tools whose migrations are code: how their directories are recognised, and what writes their SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import UsageError


@dataclass(frozen=True, slots=True)
class CodeTool:
    """A tool whose migrations are no SQL."""

    title: str
    files: re.Pattern[str]
    """Of the names of its files."""
    mark: re.Pattern[str]
    """What stands in one of them."""
    command: str
    """What to do for SQL that can be rehearsed."""


def _tool(title: str, files: str, mark: str, command: str) -> CodeTool:
    return CodeTool(title, re.compile(files), re.compile(mark, re.MULTILINE), command)


CODE_TOOLS = (
    _tool("Django", r".*\.py$", r"\bmigrations\.Migration\b", "manage.py sqlmigrate APP 0001 > 0001.sql"),
    _tool("Alembic", r".*\.py$", r"^down_revision\b", "alembic upgrade FROM:TO --sql > 001.sql"),
    _tool("yoyo", r".*\.py$", r"\bfrom yoyo import\b", "write its steps as .sql files"),
    _tool(
        "Rails", r".*\.rb$", r"\bActiveRecord::Migration\b",
        "db/structure.sql (config.active_record.schema_format = :sql) is the state before; for the SQL of a "
        "migration run rails db:migrate against a copy with log_statement = all",
    ),
    _tool("Sequel", r".*\.rb$", r"\bSequel\.migration\b", "sequel -m DIR -E postgres://…"),
    _tool("Ecto", r".*\.exs$", r"\buse Ecto\.Migration\b", "mix ecto.migrate --log-migrations-sql"),
    _tool("Liquibase", r".*\.(?:xml|ya?ml|json)$", r"\bdatabaseChangeLog\b", "liquibase update-sql"),
    _tool(
        "Entity Framework", r".*\.cs$", r":\s*Migration\b",
        "dotnet ef migrations script FROM TO --output 001.sql",
    ),
    _tool("FluentMigrator", r".*\.cs$", r"\[Migration\(", "dotnet fm migrate --preview --output=001.sql"),
    _tool("TypeORM", r".*\.[cm]?[jt]s$", r"\bMigrationInterface\b", "migration:run, with logging: true"),
    _tool("MikroORM", r".*\.[cm]?[jt]s$", r"\bextends Migration\b", "mikro-orm migration:create --dump"),
    _tool(
        "Sequelize", r".*\.[cm]?[jt]s$", r"\bqueryInterface\b",
        "run sequelize-cli db:migrate against a copy with log_statement = all",
    ),
    _tool(
        "Kysely", r".*\.[cm]?[jt]s$", r"\bKysely<|from ['\"]kysely['\"]",
        "write what the query builder's .compile().sql gives into .sql files",
    ),
    _tool(
        "node-pg-migrate", r".*\.[cm]?[jt]s$", r"\bpgm\b", "node-pg-migrate up --dry-run prints its SQL",
    ),
    _tool(
        "Knex", r".*\.[cm]?[jt]s$", r"\bknex\b|exports\.up\b|export (?:async )?function up\b",
        "write what .toSQL() gives into .sql files, or run knex migrate:latest against a copy with "
        "log_statement = all",
    ),
    _tool("Doctrine", r".*\.php$", r"\bAbstractMigration\b", "migrations:migrate --write-sql=001.sql"),
    _tool("Laravel", r".*\.php$", r"\bextends Migration\b", "php artisan migrate --pretend"),
    _tool("goose", r".*\.go$", r"\bgoose\.AddMigration", "write it as .sql files"),
)  # fmt: skip
_LARGEST = 200_000
_MOST = 50


def refuse_code(directory: Path) -> None:
    """UsageError, with the command that writes its SQL, where the directory's migrations are code."""
    below = [directory, *sorted(path for path in directory.iterdir() if path.is_dir())]
    files = [path for directory in below for path in sorted(directory.iterdir()) if path.is_file()][
        : 20 * _MOST
    ]
    for tool in CODE_TOOLS:
        named = [path for path in files if tool.files.match(path.name)]
        for path in named[:_MOST]:
            if path.stat().st_size <= _LARGEST and tool.mark.search(path.read_text("utf-8", "replace")):
                raise UsageError(
                    f"{directory} holds migrations of {tool.title} ({path.name}), which are no SQL",
                    hint="rehearse the command that applies them (bench run --command 'COMMAND'), or the SQL "
                    f"that it writes, as files named by version: {tool.command}",
                )
