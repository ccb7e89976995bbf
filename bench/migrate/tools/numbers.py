"""Migrations in the order of the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.tools.folder import File


def by_number(files: Sequence[File], pattern: re.Pattern[str]) -> list[File]:
    """The files whose names begin with the pattern, by the number in its first group, then by name."""
    numbered = [
        (int(match[1]), file.name, file) for file in files if (match := pattern.match(file.path.name))
    ]
    return [file for *_, file in sorted(numbered, key=lambda entry: entry[:2])]


def refuse_same_number(title: str, files: Sequence[File], pattern: re.Pattern[str]) -> None:
    """UsageError where two files have one number, which the tool refuses."""
    seen: dict[int, File] = {}
    for file in files:
        match = pattern.match(file.path.name)
        assert match is not None
        number = int(match[1])
        if number in seen:
            raise UsageError(
                f"{file.path.parent}: {seen[number].name} and {file.name} have one version, {number}, "
                f"which {title} refuses",
                hint="give each migration its own version, so that their order is certain",
            )
        seen[number] = file


def others(files: Sequence[File], *taken: Sequence[File]) -> list[File]:
    """The files that are in none of the sequences."""
    known = {file.path for some in taken for file in some}
    return [file for file in files if file.path not in known]


def number_of(path: Path, pattern: re.Pattern[str]) -> int:
    """The number in a name that the pattern matches."""
    match = pattern.match(path.name)
    assert match is not None
    return int(match[1])
