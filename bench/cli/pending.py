"""Which migrations are pending: by a git revision, a version, or the tool's own table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.cli.options import Pending, SuiteChoice
from bench.migrate.pending import after_version, bookkeeping_of, pending, without_applied
from bench.migrate.revision import suite_at
from bench.migrate.suite import Suite, find_suite
from bench.migrate.tools.choose import named_tool
from bench.pg.endpoint import DSN_SCHEMES, parse_dsn
from bench.pg.notes import read_notes
from bench.run.template.dump import notes_in_dump


def _noted(suite: Suite, of: str) -> Suite:
    """The suite without what a database or a dump has had."""
    bookkeeping = bookkeeping_of(suite)
    if of.startswith(DSN_SCHEMES):
        place, rows = read_notes(parse_dsn(of), bookkeeping.table, bookkeeping.columns)
    else:
        place, rows = notes_in_dump(Path(of), bookkeeping.table)
    return without_applied(suite, rows, place)


def _has_notes(suite: Suite) -> bool:
    """Whether the base makes the tool's table, as the schema of production does."""
    tool = named_tool(suite.runner.tool)
    if suite.base is None or tool.bookkeeping is None:
        return False
    text = suite.base.read_text(encoding="utf-8", errors="replace")
    table = re.escape(tool.bookkeeping.table)
    return re.search(rf'CREATE\s+TABLE\b[^;(]*\b"?{table}"?\s*\(', text, re.IGNORECASE) is not None


NOTHING = Pending()


@contextmanager
def chosen_suite(which: SuiteChoice, dump: Path | None, deployed: Pending = NOTHING) -> Iterator[Suite]:
    """The suite that the options name; or what of it is pending.

    A dump stands in place of the suite's own state before; it holds what has been deployed, so that nothing
    is applied to it. Raises UsageError for a revision that cannot be read, or where nothing is pending.
    """
    since, base = deployed.since, which.base
    today = find_suite(
        which.suite,
        base=base,
        tool=which.tool,
        transaction=which.transaction,
        on_data=dump is not None or deployed != Pending(),
    )
    if deployed.from_version is not None:
        today = after_version(today, deployed.from_version)
    if deployed.pending_of is not None:
        today = _noted(today, deployed.pending_of)
    if today.deployed and (dump is not None or _has_notes(today)):  # what they made is there
        today = replace(today, deployed=())
    if since is None:
        yield today if dump is None else replace(today, base=base, data=None)
        return
    with suite_at(today, since) as before:
        suite = pending(today, before, since)
        yield (
            suite
            if dump is None
            else replace(suite, base=base, data=None, deployed=(), remarks=today.remarks)
        )
