"""``bench run --since REV``: the migrations that REV does not have, on top of those that it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.cli.against import suite_at
from bench.errors import UsageError
from bench.migrate.migration import Transaction
from bench.migrate.suite import Suite, find_suite


@contextmanager
def chosen_suite(
    name: str,
    base: Path | None,
    dump: Path | None,
    since: str | None,
    *,
    tool: str | None = None,
    transaction: Transaction | None = None,
) -> Iterator[Suite]:
    """The suite that the options name; with ``since`` what of it is pending.

    A dump stands in place of the suite's own state before; it holds what has been deployed, so that nothing
    is applied to it. Raises UsageError for a revision that cannot be read, or where nothing is pending.
    """
    on_data = dump is not None or since is not None
    found = find_suite(name, base=base, tool=tool, transaction=transaction, on_data=on_data)
    if since is None:
        yield found if dump is None else replace(found, base=base, data=None)
        return
    with suite_at(found, since) as before:
        suite = pending(found, before, since)
        yield (
            suite
            if dump is None
            else replace(suite, base=base, data=None, deployed=(), remarks=found.remarks)
        )


def pending(today: Suite, before: Suite, since: str) -> Suite:
    """Today's suite without the migrations that a revision had, which are deployed as they were then.

    Raises UsageError where none is left.
    """
    deployed = {each.id for each in before.migrations}
    left = tuple(each for each in today.migrations if each.id not in deployed)
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
    now = {each.id: each for each in today.migrations}
    edited = [e.file for e in before.migrations if e.id in now and now[e.id].sha256 != e.sha256]
    if edited:
        yield f"Edited after they were deployed, and applied as they were then: {', '.join(edited)}."
    gone = [each.file for each in before.migrations if each.id not in now]
    if gone:
        yield f"Deployed, and no longer among the files: {', '.join(gone)}."
    order = [each.id for each in today.migrations]
    last = max((order.index(each.id) for each in before.migrations if each.id in now), default=-1)
    old = {each.id for each in before.migrations}
    late = [each.file for each in today.migrations[:last] if each.id not in old]
    if late:
        yield f"Pending, though their version is before one that is deployed: {', '.join(late)}."
