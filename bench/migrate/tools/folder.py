"""A directory of migrations as the tools look at it: its files, their texts, and the project around it."""

from __future__ import annotations

import functools
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.filenames import stem_of, version_of
from bench.migrate.migration import read_text

LEVELS = 4
"""How many directories up a project's own files are looked for, at most to the top of the repository."""


CONFIGURATION = (
    *("flyway.toml", "flyway.conf", "conf/flyway.conf", ".gmrc", ".gmrc.json"),
    *("sqitch.plan", "sqitch.conf", "fixtures"),
)
"""What lies around a directory and says how its migrations are to be read."""


_NOT_OURS = frozenset({"node_modules", "vendor", "target", "venv", "build", "dist"})
"""Directories of a project that hold what others wrote, or what was built."""


@dataclass(frozen=True)
class File:
    """A file of the directory or near it. Not read before it is asked for."""

    path: Path
    name: str
    """Path from the directory."""

    @property
    def stem(self) -> str:
        """The last part of its name, without ``.sql``."""
        return stem_of(self.path.name)

    @functools.cached_property
    def data(self) -> bytes:
        """Its bytes. UsageError: it cannot be read."""
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be read: {error.strerror}") from error

    @functools.cached_property
    def text(self) -> str:
        """Its text, line ends as they are. UsageError: it cannot be read, or is not UTF-8."""
        return read_text(self.path).removeprefix("\ufeff")

    @functools.cached_property
    def skimmed(self) -> str:
        """Its text to look for marks in, whatever its encoding."""
        return self.data.decode("utf-8", "replace")


@contextmanager
def readable(directory: Path) -> Iterator[None]:
    """UsageError, with the place, where the system refuses to list or to look at something in a directory."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{error.filename or directory}: cannot be read: {error.strerror}", "check its permissions"
        ) from error


def _require_file(path: Path) -> None:
    """UsageError for a name that ends in ``.sql`` and is no file that can be read: nothing is left out."""
    try:
        path.name.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{path.parent}/{ascii(path.name)[1:-1]}: its name is not UTF-8", "rename the file"
        ) from error
    try:
        mode = path.stat().st_mode
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself, before Python 3.13
        reason = error.strerror if isinstance(error, OSError) else "a link that leads to itself"
        raise UsageError(
            f"{path}: cannot be read: {reason}",
            f"it is a link to {path.readlink()}" if path.is_symlink() else "check its permissions",
        ) from error
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
        raise UsageError(f"{path}: is {kind}", "move it elsewhere, or give it a name without .sql")


@dataclass(frozen=True)
class Folder:
    """A directory that holds migrations."""

    path: Path
    base: Path | None = None
    """The state before, which is no migration."""
    placeholders: Mapping[str, str] = field(default_factory=dict)
    """What ``suite.toml`` gives for those of its tool."""
    on_data: bool = False
    """The state before is not empty, whatever the base says."""
    only: frozenset[Path] | None = None
    """The files to see, by their resolved paths; None: all."""

    @functools.cached_property
    def files(self) -> tuple[File, ...]:
        """The SQL files right in it, by name; neither hidden ones nor the base."""
        return tuple(self.files_in(self.path))

    @functools.cached_property
    def every_file(self) -> tuple[File, ...]:
        """The SQL files in it and below it, by name."""
        files: list[Path] = []
        for directory, below, names in os.walk(self.path):
            below[:] = [name for name in below if not name.startswith(".") and name not in _NOT_OURS]
            files += [path for name in names if self._is_sql(path := Path(directory, name))]
        return tuple(self.file(path) for path in sorted(files))

    @functools.cached_property
    def folders(self) -> tuple[Path, ...]:
        """The directories in it, by name, without hidden ones."""
        return tuple(
            sorted(path for path in self.path.iterdir() if path.is_dir() and not path.name.startswith("."))
        )

    def files_in(self, directory: Path) -> Iterator[File]:
        """The SQL files right in a directory, by name."""
        if directory.is_dir():
            yield from (self.file(path) for path in sorted(directory.iterdir()) if self._is_sql(path))

    def file(self, path: Path) -> File:
        """One file, named by its path from this directory."""
        return File(path, Path(os.path.relpath(path, self.path)).as_posix())

    def others(self, *endings: str) -> tuple[str, ...]:
        """Names of the files right in it that end so."""
        return tuple(sorted(path.name for path in self.path.iterdir() if path.name.endswith(endings)))

    def marked(self, pattern: re.Pattern[str]) -> tuple[File, ...]:
        """The files right in it in which the pattern is found."""
        return tuple(file for file in self.files if pattern.search(file.skimmed))

    def named(self, pattern: re.Pattern[str]) -> tuple[File, ...]:
        """The files right in it whose names begin with the pattern."""
        return tuple(file for file in self.files if pattern.match(file.path.name))

    def around(self, *names: str) -> Path | None:
        """The nearest file of one of these names, here or above, up to the repository's top."""
        for directory in self._above:
            for name in names:
                if (directory / name).is_file():
                    return directory / name
        return None

    def mostly(self, files: Sequence[File]) -> bool:
        """Whether these are at least half of the files right in it that have a version in their names.

        Names alone prove little: a few that look like a tool's among many others are no tool's directory.
        """
        versioned = [file for file in self.files if version_of(file.path.name) is not None]
        own = [file for file in files if "/" not in file.name]
        return 2 * len(own) >= len(versioned)

    def project_says(self, name: str, word: str) -> bool:
        """Whether a file of the project around, for example ``package.json``, has a word in it."""
        for directory in self._above:
            path = directory / name
            if path.is_file() and re.search(
                rf"(?<![\w-]){re.escape(word)}(?![\w-])", File(path, name).skimmed
            ):
                return True
        return False

    @functools.cached_property
    def starts_empty(self) -> bool:
        """Whether the state before has no table."""
        if self.on_data or self.base is None:
            return not self.on_data
        made = re.search(r"\bcreate\b[^;]*\btable\b", self.file(self.base).skimmed, re.IGNORECASE)
        return made is None

    @property
    def configuration(self) -> tuple[Path, ...]:
        """The tools' own files around it that say how to read it."""
        named = (directory / name for directory in self._above for name in CONFIGURATION)
        return tuple(path for path in named if path.exists())

    @functools.cached_property
    def _above(self) -> tuple[Path, ...]:
        here = self.path.resolve()
        files: list[Path] = []
        for directory in (here, *here.parents[:LEVELS]):
            files.append(directory)
            if (directory / ".git").exists():
                break
        return tuple(files)

    def _is_sql(self, path: Path) -> bool:
        if path.suffix.lower() != ".sql" or path.name.startswith(".") or path.name == "base.sql":
            return False
        # Unlike resolve(), realpath raises nothing at a link that leads to itself, which is none of those.
        if self.only is not None and Path(os.path.realpath(path)) not in self.only:
            return False
        _require_file(path)
        return not (self.base is not None and path.samefile(self.base))
