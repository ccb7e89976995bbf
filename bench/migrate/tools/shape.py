"""What a migration tool is to us: how it is recognised, and what it would do with a directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.migrate.migration import Cutting, Migration, Part, Transaction, digest
from bench.migrate.tools.bookkeeping import Bookkeeping
from bench.migrate.tools.folder import File, Folder


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a directory is taken for a tool's."""

    text: str
    """In words, for example ``"-- +goose" in 224 files``."""
    strength: int = 2
    """3: a file of the tool itself, or its marks in the migrations; 2: its layout; 1: names that others have,
    too. The strongest decides; two of one strength are a question to the user."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a tool would do with a directory that has had nothing of it."""

    migrations: tuple[Migration, ...]
    """In the order in which they are applied."""
    rollbacks: tuple[File, ...] = ()
    """Every file that goes back, whether or not it belongs to one of these migrations."""
    remarks: tuple[str, ...] = ()
    """Whole sentences: what was left out, and what a reader might not expect."""
    cannot: tuple[str, ...] = ()
    """Files that the tool would apply, too, and that cannot be rehearsed, as they are no SQL."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A migration tool."""

    name: str
    """What ``--tool`` calls it."""
    title: str
    """What it is called in sentences."""
    recognise: Callable[[Folder], Evidence | None]
    read: Callable[[Folder], Plan]
    """Raises UsageError for what the tool would refuse, with file and line."""
    transaction: Transaction
    """Of each migration, unless its file or an option says otherwise."""
    keeps_session: bool
    """One session for all migrations, which nothing resets in between."""
    switch: str | None = None
    """What to write where, so that a file runs without a transaction; None where that cannot be had."""
    cutting: Cutting = "semicolons"
    stops: bool = True
    """It stops at the first error of a file."""
    unit: str = "file"
    """What it calls one migration, where several are in a file."""
    bookkeeping: Bookkeeping | None = None
    """The table in which it notes what it has applied."""

    def part(self, file: File, text: str | None = None, *, transaction: Transaction | None = None) -> Part:
        """What of a file goes one way, as this tool sends it."""
        mode = transaction or self.transaction
        return Part(file.path, text, mode, self.cutting, self.switch, self.title, self.stops)

    def migration(
        self,
        file: File,
        *,
        id: str | None = None,  # as the field is called
        forward: Part | None = None,
        back: File | Part | None = None,
    ) -> Migration:
        """One migration of a file; ``back`` is a file as it stands, or a part of one."""
        backward = self.part(back) if isinstance(back, File) else back
        return Migration(
            id or file.stem,
            file.path,
            file.name,
            digest(file.data),
            backward.path if backward else None,
            forward or self.part(file),
            backward,
        )
