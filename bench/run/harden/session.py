"""A suite made safe: rehearsed, written otherwise where that hurts, proved equal, and rehearsed again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.analyse.conclude import Conclusion, conclude
from bench.migrate.suite import Suite, find_suite
from bench.model.budget import DEFAULT_LIMITS, Limits
from bench.pg.server import Server
from bench.run.draft import Save
from bench.run.harden.equal import Ends, compare_ends
from bench.run.harden.plan import Hardened, harden
from bench.run.harden.writing import FORMATS, Written, write_suite
from bench.run.progress import Progress
from bench.run.scripts import read_scripts
from bench.run.session import RunOptions, rehearse
from bench.run.template.prepare import template


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a suite."""

    before: Conclusion
    hardened: tuple[Hardened, ...]
    written: Written | None = None
    """None where there was nothing to write otherwise."""
    after: Conclusion | None = None
    ends: Ends | None = None
    still: tuple[str, ...] = field(default=())
    """Codes and places of what the safe version would be written otherwise for once more."""


SaveAs = Callable[[str], Save]
"""By the name of the version, ``before`` or ``after``."""


def harden_suite(
    server: Server,
    suite: Suite,
    options: RunOptions,
    directory: Path,
    *,
    run_id: str,
    save: SaveAs,
    progress: Progress,
    limits: Limits = DEFAULT_LIMITS,
) -> Outcome:
    """Rehearse, write the safe version into a directory, prove that both come to the same, rehearse that.

    Raises what :func:`bench.run.session.rehearse` and ``write_suite`` raise.
    """
    before = conclude(
        rehearse(server, suite, options, run_id=f"{run_id}-before", save=save("before"), progress=progress),
        limits,
    )
    acting = replace(server, deploys_as=options.data.role)
    hardened = harden(before, read_scripts(acting, suite, options.data))
    if before.summary.failed or not any(item.changed for item in hardened):
        return Outcome(before, hardened)
    written = write_suite(suite, hardened, directory)
    base = suite.base or (directory / "base.sql" if (directory / "base.sql").exists() else None)
    tool = suite.runner.tool if suite.runner.tool in FORMATS else "plain"
    safe = find_suite(str(directory), base=base, tool=tool, on_data=suite.runner.on_data)
    safe = replace(safe, data=suite.data, deployed=suite.deployed)
    with template(acting, suite, options.data, progress) as prepared:
        ends = compare_ends(acting, prepared.dbname, suite, safe, options.data, progress)
    after = conclude(
        rehearse(server, safe, options, run_id=f"{run_id}-after", save=save("after"), progress=progress),
        limits,
    )
    again = harden(after, read_scripts(acting, safe, options.data))
    still = tuple(f"{change.code} {change.place}" for item in again for change in item.changes)
    return Outcome(before, hardened, written, after, ends, still)
