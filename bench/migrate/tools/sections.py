"""A file that holds both directions, or several migrations: the lines of each, all others emptied."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from bench.errors import UsageError
from bench.migrate.tools.folder import File


def sections(text: str, label_of: Callable[[str], str | None], first: str = "") -> dict[str, str]:
    """The text once for each label, with the lines of the others emptied, so that line numbers stay.

    ``label_of`` says which label a line begins, None for most lines; the line itself belongs to none.
    ``first`` is the label of what stands before the first mark.
    """
    lines = text.splitlines(keepends=True)
    labels: list[str | None] = []
    known = {first: None}
    label = first
    for line in lines:
        begun = label_of(line)
        if begun is not None:
            label = begun
            known[label] = None
        labels.append(None if begun is not None else label)
    return {
        name: "".join(
            line if of_line == name else end_of(line) for line, of_line in zip(lines, labels, strict=True)
        )
        for name in known
    }


def end_of(line: str) -> str:
    """The characters that end a line."""
    return line[len(line.rstrip("\r\n")) :]


def holds_sql(text: str) -> bool:
    """Whether anything but line comments and white space stands in it."""
    return any(line.strip() and not line.lstrip().startswith("--") for line in text.splitlines())


def line_of(text: str, offset: int) -> int:
    """The line of an offset, from 1."""
    return text.count("\n", 0, offset) + 1


def fill_in(
    file: File, text: str, pattern: re.Pattern[str], values: Mapping[str, str], *, tool: str, where: str
) -> str:
    """The text with placeholders replaced; the pattern's first group is a placeholder's name.

    UsageError, with file and line, for one that has no value; ``where`` says where values can stand.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name not in values:
            raise UsageError(
                f"{file.path}:{line_of(text, match.start())}: placeholder {match[0]} ({tool}) has no value",
                hint=f'say it in suite.toml beside the migrations: [placeholders] "{name}" = "…"{where}',
            )
        return values[name]

    return pattern.sub(value, text)


def list_names(files: Sequence[File] | Sequence[str], most: int = 5) -> str:
    """The first names of some, and how many more there are."""
    names = [file if isinstance(file, str) else file.name for file in files]
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def left_out(title: str, files: Sequence[File] | Sequence[str], why: str) -> tuple[str, ...]:
    """The remark that a tool passes over some files; none where there are none."""
    return (f"Left out, as {title} does ({why}): {list_names(files)}.",) if files else ()
