"""Which of a suite's migrations a database has had, and which are pending."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import PurePath

from bench.errors import UsageError
from bench.migrate.config import suggest
from bench.migrate.filenames import version_of
from bench.migrate.migration import Migration
from bench.migrate.suite import Suite
from bench.migrate.tools.bookkeeping import Applied, Bookkeeping, Row
from bench.migrate.tools.choose import named_tool

MOST_NAMED = 10


def bookkeeping_of(suite: Suite) -> Bookkeeping:
    """The table in which the suite's tool notes what it has applied. UsageError: it has none that we know."""
    tool = named_tool(suite.runner.tool)
    if tool.bookkeeping is None:
        raise UsageError(
            f"{suite.name}: {tool.title} notes nowhere what has been applied, so --pending-of has no effect",
            "name the tool (--tool NAME), the last version that is deployed (--from VERSION) or the revision "
            "(--since REV)",
        )
    return tool.bookkeeping


def without_applied(suite: Suite, rows: Sequence[Row], place: str) -> Suite:
    """The suite with what the rows of its tool's table note as deployed.

    ``place`` names the table in sentences. UsageError: nothing is pending.
    """
    bookkeeping = bookkeeping_of(suite)
    applied = bookkeeping.applied(suite.migrations, rows)
    if bookkeeping.checksum_unread and applied.ids:
        said = f"Whether deployed files were edited since is not told: the checksums in {place} are not read."
        applied = replace(applied, remarks=(*applied.remarks, said))
    return _divided(suite, applied, place)


def after_version(suite: Suite, version: str) -> Suite:
    """The suite with all up to a version as deployed. UsageError: none has it, or none comes after it."""
    position = next(
        (place for place, migration in enumerate(suite.migrations) if _is_named(migration, version)), None
    )
    if position is None:
        names = [migration.id for migration in suite.migrations]
        raise UsageError(
            f"--from {version}: {suite.name} has no migration of that name or version",
            f"{suggest(version, names)}its last ones: {', '.join(names[-5:])}",
        )
    ids = frozenset(migration.id for migration in suite.migrations[: position + 1])
    return _divided(suite, Applied(ids), f"--from {version}")


def _is_named(migration: Migration, version: str) -> bool:
    number = version_of(version)
    names = (migration.id, migration.file, PurePath(migration.file).stem)
    return version in names or (number is not None and number == _version(migration) and version.isalnum())


def _version(migration: Migration) -> tuple[int, ...] | None:
    return version_of(PurePath(migration.file).name) or version_of(PurePath(migration.file).parent.name)


def _divided(suite: Suite, applied: Applied, place: str) -> Suite:
    deployed = tuple(migration for migration in suite.migrations if migration.id in applied.ids)
    pending = tuple(migration for migration in suite.migrations if migration.id not in applied.ids)
    if not pending:
        raise UsageError(
            f"{suite.name} has no migration that is pending: {place} has all {len(deployed)}",
            "name a database that has not had the new ones",
        )
    remarks = (*suite.remarks, *applied.remarks, *_remarks(suite, deployed, pending, applied, place))
    return replace(suite, migrations=pending, deployed=deployed, remarks=remarks)


def _remarks(
    suite: Suite,
    deployed: Sequence[Migration],
    pending: Sequence[Migration],
    applied: Applied,
    place: str,
) -> Iterator[str]:
    total = len(suite.migrations)
    yield f"{len(pending)} of {total} migrations are pending by {place}: {_named(_files(pending))}."
    last = max((suite.migrations.index(migration) for migration in deployed), default=-1)
    late = [migration for migration in suite.migrations[:last] if migration not in deployed]
    if late:
        yield f"Out of order, before one that is deployed already: {_named(_files(late))}."
    edited = [migration for migration in deployed if migration.id in applied.edited]
    if edited:
        yield (
            f"Edited since, by the checksum in {place}: {_named(_files(edited))}. The files of today stand "
            "for what was deployed."
        )
    if applied.gone:
        yield f"Noted in {place}, and no longer among the files: {_named(applied.gone)}."


def _files(migrations: Sequence[Migration]) -> list[str]:
    return [migration.file for migration in migrations]


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return f"{', '.join(names[:MOST_NAMED])}{more}"


def pending(today: Suite, before: Suite, since: str) -> Suite:
    """Today's suite without the migrations that a revision had, which are deployed as they were then.

    Raises UsageError where none is left.
    """
    deployed = {migration.id for migration in before.migrations}
    left = tuple(migration for migration in today.migrations if migration.id not in deployed)
    if not left:
        raise UsageError(
            f"{today.name} has no migration that {since} does not have",
            "name an older revision, the one that is deployed; git diff shows what changed since",
        )
    return replace(
        today,
        migrations=left,
        deployed=before.migrations,
        remarks=(*today.remarks, *remarks_on(today, before)),
    )


def remarks_on(today: Suite, before: Suite) -> Iterator[str]:
    """What a reader must know of what is deployed: how much that is, and what became of it since."""
    named = f"{before.migrations[0].file} to {before.migrations[-1].file}"
    if len(before.migrations) == 1:
        yield f"1 migration is part of the state before, applied unwatched: {before.migrations[0].file}."
    else:
        yield f"{len(before.migrations)} migrations are part of the state before, applied unwatched: {named}."
    now = {migration.id: migration for migration in today.migrations}
    edited = [e.file for e in before.migrations if e.id in now and now[e.id].sha256 != e.sha256]
    if edited:
        yield f"Edited after they were deployed, and applied as they were then: {', '.join(edited)}."
    gone = [migration.file for migration in before.migrations if migration.id not in now]
    if gone:
        yield f"Deployed, and no longer among the files: {', '.join(gone)}."
    order = [migration.id for migration in today.migrations]
    last = max(
        (order.index(migration.id) for migration in before.migrations if migration.id in now), default=-1
    )
    old = {migration.id for migration in before.migrations}
    late = [migration.file for migration in today.migrations[:last] if migration.id not in old]
    if late:
        yield f"Pending, though their version is before one that is deployed: {', '.join(late)}."
