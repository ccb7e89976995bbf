"""``bench harden``: the safe version of a deploy, written, proved equal and measured beside the original."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.analyse.conclude import Conclusion
from bench.analyse.quantity import seconds
from bench.analyse.waits import ACCESSES
from bench.cli.load import TrafficChoice, add_load_options, load_options
from bench.cli.options import positive_count, write_json
from bench.cli.rehearsing import Given, add_given_options, choose, opened
from bench.cli.since import add_pending_options
from bench.cli.terminal import terminal
from bench.model.load import Access

if TYPE_CHECKING:
    from bench.run.harden.session import Outcome

EPILOG = """\
The suite is rehearsed first. What hurt on this data is written otherwise, and nothing else: indexes
CONCURRENTLY, constraints NOT VALID and then validated, columns and rows filled in batches that commit, locks
that give way after two seconds. The original is never touched. Both versions are then applied to copies of
the same state, and every object and every row is compared; the safe one is rehearsed like the first.

examples:
  bench harden crm_as_reviewed --scale 0.2 --dirt 0
  bench harden db/migrations --base schema.sql --fill --rows orders=1M --out db/migrations.safe
  bench harden db/migrations --from-dump shop.dump --rate 300

exit codes: 0 the safe version comes to the same, or nothing needs to change; 1 they differ; 4 the original
fails
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "harden",
        description="Write the statements of a suite that hurt in the ways that hurt nobody, prove that both "
        "versions come to the same, and measure both.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_given_options(parser)
    parser.add_argument(
        "--repeats", type=positive_count, default=1, metavar="N", help="of both versions (default: 1)"
    )
    add_pending_options(parser)
    add_load_options(parser)
    parser.set_defaults(command=harden)


def harden(*, given: Given, traffic: TrafficChoice, repeats: int) -> int:
    """Harden a suite; returns the exit code."""
    from bench.run.harden.session import harden_suite
    from bench.run.progress import Said
    from bench.run.session import RunOptions
    from bench.store.results import create_directory

    with choose(replace(given, which=replace(given.which, out=None))) as chosen:
        load = load_options(chosen.suite.path, traffic, chosen.data.seed)
        options = RunOptions(repeats=repeats, explain=False, probe=False, load=load, data=chosen.data)
        with opened(chosen.spec, chosen.path, quiet=chosen.output.quiet) as on:
            runs = {
                name: create_directory(chosen.path / name, lambda text: on.progress(Said(text)))
                for name in ("before", "after")
            }
            outcome = harden_suite(
                on.server, chosen.suite, options, given.which.out or chosen.path / "safe",
                run_id=chosen.run_id, save=lambda name: runs[name].save, progress=on.progress,
            )  # fmt: skip
    return present(outcome, chosen.output.json)


def present(outcome: Outcome, json: str | None) -> int:
    """Print what became of the suite, and return the exit code."""
    import msgspec

    if json is not None:
        write_json(json, msgspec.json.format(msgspec.json.encode(document(outcome)), indent=2))
    console = terminal(stderr=json == "-", highlight=False)
    for line in describe(outcome):
        console.print(line, markup=False, soft_wrap=True)
    if outcome.before.summary.failed:
        return 4
    return 1 if outcome.ends is not None and outcome.ends.differences else 0


MOST_NAMED = 5


def describe(outcome: Outcome) -> Iterator[str]:
    """The outcome in lines."""
    if outcome.before.summary.failed:
        yield "The original fails, so nothing can be compared: correct it first (bench run shows where)."
        return
    yield from _refused(outcome)
    if outcome.written is None or outcome.after is None or outcome.ends is None:
        yield "Nothing to write otherwise: no statement hurts on this data in a way that another would not."
        return
    yield from _changed(outcome)
    yield ""
    yield f"{'':28}{'before':>14}{'after':>14}"
    for name, one, other in figures(outcome.before, outcome.after):
        yield f"{name:28}{one:>14}{other:>14}"
    yield ""
    yield from _proved(outcome)
    yield from outcome.written.remarks
    yield f"Written: {len(outcome.written.files)} files in {outcome.written.directory}"


def _changed(outcome: Outcome) -> Iterator[str]:
    yield "Written otherwise:"
    for item in outcome.hardened:
        for change in item.changes:
            yield f"  {change.place}  {change.code}: {change.why}"


def _refused(outcome: Outcome) -> Iterator[str]:
    refusals = [refusal for item in outcome.hardened for refusal in item.refusals]
    if refusals:
        yield "Stays as it is, as nothing better can be written:"
        for refusal in refusals:
            yield f"  {refusal.place}  {refusal.code}: {refusal.why}"


def _proved(outcome: Outcome) -> Iterator[str]:
    assert outcome.ends is not None
    ends = outcome.ends
    if ends.differences:
        yield "The two versions do not come to the same:"
        yield from (f"  {difference}" for difference in ends.differences)
    else:
        yield "Both versions come to the same: every object and every row was compared."
    if ends.apart:
        named = ", ".join(ends.apart[:MOST_NAMED])
        more = f" and {len(ends.apart) - MOST_NAMED} more" if len(ends.apart) > MOST_NAMED else ""
        yield f"Values left out, as no two runs of the original agree on them: {named}{more}."
    if ends.reordered:
        yield f"Columns stand in another order: {', '.join(ends.reordered)}."
    if outcome.still:
        yield f"Still to be bettered by hand: {', '.join(outcome.still)}."


def figures(before: Conclusion, after: Conclusion) -> Iterator[tuple[str, str, str]]:
    """Name, before and after of each figure."""
    for access in ACCESSES:
        one, other = (_longest(conclusion, access) for conclusion in (before, after))
        yield f"longest {access} wait", one, other
    yield "deploy", _seconds(before.summary.duration_s), _seconds(after.summary.duration_s)
    yield "verdict", before.verdict.status.replace("_", " "), after.verdict.status.replace("_", " ")


def _longest(conclusion: Conclusion, access: Access) -> str:
    found = conclusion.longest(access)
    return _seconds(None if found is None else found.seconds)


def _seconds(value: Any) -> str:
    value = getattr(value, "median", value)
    return "none" if value is None else seconds(value)


def document(outcome: Outcome) -> dict[str, Any]:
    """The same for programs."""
    after, ends = outcome.after, outcome.ends
    return {
        "changes": [
            {"migration": item.migration.id, "place": change.place, "code": change.code, "why": change.why}
            for item in outcome.hardened
            for change in item.changes
        ],
        "refusals": [
            {"migration": item.migration.id, "place": refusal.place, "code": refusal.code, "why": refusal.why}
            for item in outcome.hardened
            for refusal in item.refusals
        ],
        "files": list(outcome.written.files) if outcome.written else [],
        "directory": str(outcome.written.directory) if outcome.written else None,
        "differences": list(ends.differences) if ends else [],
        "apart": list(ends.apart) if ends else [],
        "reordered": list(ends.reordered) if ends else [],
        "still": list(outcome.still),
        "figures": [
            {"name": name, "before": one, "after": other}
            for name, one, other in figures(outcome.before, after)
        ]
        if after
        else [],
    }
