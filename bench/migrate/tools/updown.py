"""Pairs of files, ``N_x.up.sql`` and ``N_x.down.sql``, or ``up.sql`` and ``down.sql`` of one directory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.migrate.filenames import version_of
from bench.migrate.migration import Migration, Part, Transaction
from bench.migrate.tools.folder import File, Folder
from bench.migrate.tools.numbers import number_of
from bench.migrate.tools.shape import Tool

UP = re.compile(r"(\d+)_.*\.up\.sql$")
_NUMBER = re.compile(r"(\d+)")


def pair_files(
    tool: Tool,
    files: Sequence[File],
    downs: Sequence[File],
    mode: Callable[[File], Transaction | None] = lambda file: None,
) -> tuple[Migration, ...]:
    """The files as migrations, each with the file of its number that goes back."""
    by_number = {number_of(file.path, _NUMBER): file for file in downs}

    def part(file: File | None) -> Part | None:
        return tool.part(file, transaction=mode(file)) if file is not None else None

    return tuple(
        tool.migration(
            file,
            id=re.sub(r"\.up$", "", file.stem),
            forward=part(file),
            back=part(by_number.get(number_of(file.path, _NUMBER))),
        )
        for file in files
    )


def folders_with(folder: Folder, name: str) -> Iterator[tuple[Path, File]]:
    """The directories that hold a file of this name: the folder itself, or those in it."""
    for directory in (folder.path, *folder.folders):
        if (directory / name).is_file():
            yield directory, folder.file(directory / name)


def outnumbered(folder: Folder, pairs: Sequence[object]) -> bool:
    """Whether more files with a version lie right in the folder than there are migrations in directories."""
    return len([file for file in folder.files if version_of(file.name) is not None]) > len(pairs)


def id_of(directory: Path) -> str:
    """What a migration is called that is a directory."""
    return directory.resolve().name
