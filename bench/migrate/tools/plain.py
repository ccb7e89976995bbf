"""Plain SQL, as psql would run it: files by version, and rollbacks beside them that are never applied."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from bench.errors import UsageError
from bench.migrate.filenames import (
    ROLLBACK_DIRECTORIES,
    Version,
    is_day,
    is_repeatable,
    is_rollback,
    names_way_back,
    stem_of,
    version_of,
)
from bench.migrate.migration import Migration
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.sections import list_names
from bench.migrate.tools.shape import Evidence, Plan, Tool

_CODE = (".py", ".rb", ".js", ".ts", ".go", ".java", ".kt", ".exs", ".cs", ".php", ".rs")
_RUN_BY_NAME = 3
"""So many of the rollbacks that a runner by name would apply are named in a remark."""


def _recognise(folder: Folder) -> Evidence | None:
    return Evidence("files of SQL, and no sign of a tool", 0)


def _read(folder: Folder) -> Plan:
    files = list(_files(folder))
    rollbacks, forward, doubtful = _divide(files)
    order = _in_version_order(folder, forward)
    remarks = [*_about_doubtful(doubtful), *_about_names(order, rollbacks), *_about_days(order)]
    if code := [name for name in folder.others(*_CODE) if version_of(name) is not None]:
        remarks.append(
            f"Files that look like migrations, but are no SQL, are not rehearsed: {list_names(code, 10)}."
        )
    return Plan(_pair(folder, order, rollbacks), tuple(sorted(rollbacks, key=_order)), tuple(remarks))


def _files(folder: Folder) -> Iterator[File]:
    """SQL files of the directory and of its rollback directories."""
    yield from folder.files
    for path in folder.folders:
        if path.name.lower() in ROLLBACK_DIRECTORIES:
            yield from folder.files_in(path)


def _divide(files: Sequence[File]) -> tuple[list[File], list[File], list[File]]:
    """Rollbacks, migrations, and those of the migrations that are named like rollbacks.

    A file whose name only mentions a rollback is one where another file of its version goes forward.
    """
    named = [file for file in files if is_rollback(PurePath(file.name))]
    forward = [file for file in files if file not in named]
    keys = {_pairing_key(file) for file in forward}
    doubtful = [
        file for file in named if not names_way_back(PurePath(file.name)) and _pairing_key(file) not in keys
    ]
    rollbacks = [file for file in named if file not in doubtful]
    return rollbacks, [*forward, *doubtful], doubtful


def _about_doubtful(files: Sequence[File]) -> Iterator[str]:
    for file in files:
        yield (
            f"{file.name} is named like a rollback, but no other file goes forward with its version: it is "
            "applied as a migration."
        )


def _about_names(order: Sequence[File], rollbacks: Sequence[File]) -> Iterator[str]:
    """Say which rollbacks lie where a runner that applies every file by name would apply them."""
    beside = [file for file in rollbacks if "/" not in file.name and not names_way_back(PurePath(file.name))]
    for file in beside[:_RUN_BY_NAME]:
        earlier = max((other.name for other in order if other.name < file.name), default=None)
        later = min((other.name for other in order if other.name > file.name), default=None)
        places = [f"after {earlier}"] if earlier else []
        places += [f"before {later}"] if later else []
        yield (
            f"{file.name} sorts {' and '.join(places)}; a runner that applies every .sql file by its name "
            "(a loop over psql, the Supabase CLI) would apply it. It is not applied here."
        )
    if len(beside) > _RUN_BY_NAME:
        yield f"So would it {len(beside) - _RUN_BY_NAME} more rollbacks that lie beside the migrations."


def _about_days(order: Sequence[File]) -> Iterator[str]:
    days = [file for file in order if is_day(file.name)]
    as_numbers = sorted(order, key=lambda file: version_of(file.name, days=False) or ())
    if days and [file.name for file in as_numbers] != [file.name for file in order]:
        yield (
            f"A date of 8 digits counts as the beginning of that day ({list_names(days, 3)}). A tool that "
            f"compares versions as numbers (golang-migrate, goose, Flyway) would begin with "
            f"{as_numbers[0].name}."
        )


def _in_version_order(folder: Folder, files: Sequence[File]) -> list[File]:
    if not files:
        raise UsageError(
            f"{folder.path} holds no migration: no .sql file that is neither base nor rollback",
            hint=_where_files_are(folder),
        )
    numbered = [file for file in files if version_of(file.name) is not None]
    unnumbered = [file for file in files if file not in numbered and not is_repeatable(file.path.name)]
    if numbered and unnumbered:
        raise UsageError(
            f"{folder.path}: no version in the name of {', '.join(file.name for file in unnumbered)}, "
            f"while {numbered[0].name} has one",
            hint="name it by its version, move it elsewhere, or give it as --base if it is the state before",
        )
    _refuse_duplicates(folder, numbered)
    repeatable = [file for file in files if is_repeatable(file.path.name)]
    return sorted(numbered + unnumbered, key=_order) + sorted(repeatable, key=lambda file: file.name)


def _where_files_are(folder: Folder) -> str:
    nested = sorted({path.parent.name for path in folder.path.glob("*/*.sql")} - ROLLBACK_DIRECTORIES)
    if nested:
        return f"SQL files are in its sub-directories: {', '.join(nested[:5])}; give one of them"
    return "give a directory of .sql files named by version, for example 001_create.sql"


def _order(file: File) -> tuple[Version, str]:
    return version_of(file.name) or (), file.path.name


def _refuse_duplicates(folder: Folder, files: Sequence[File]) -> None:
    seen: dict[Version, File] = {}
    for file in files:
        version = version_of(file.name) or ()
        if version in seen:
            raise UsageError(
                f"{folder.path}: {seen[version].name} and {file.name} have one version, {_spell(version)}",
                hint="give each migration its own version, so that their order is certain; if a tool applies "
                "them as they are, name it: --tool NAME",
            )
        seen[version] = file


def _pair(folder: Folder, files: Sequence[File], rollbacks: Sequence[File]) -> tuple[Migration, ...]:
    by_key: dict[Version | str, File] = {}
    for file in rollbacks:
        key = _pairing_key(file)
        if key in by_key:
            raise UsageError(
                f"{folder.path}: {by_key[key].name} and {file.name} "
                f"both take back {key if isinstance(key, str) else f'version {_spell(key)}'}",
                hint="keep one rollback for each migration",
            )
        by_key[key] = file
    return tuple(PLAIN.migration(file, back=by_key.get(_pairing_key(file))) for file in files)


def _pairing_key(file: File) -> Version | str:
    """The version; without one the name, less what makes it a rollback."""
    return version_of(file.path.name) or re.sub(
        r"(?:^rollback[-_. ])|(?:[-_. ]rollback$)|(?:[.](?:up|down)$)",
        "",
        stem_of(file.path.name),
        flags=re.IGNORECASE,
    )


def _spell(version: Version) -> str:
    return ".".join(str(number) for number in version)


PLAIN = Tool(
    "plain",
    "the runner",
    _recognise,
    _read,
    transaction="none",
    keeps_session=False,
    cutting="psql",
    stops=False,
)
