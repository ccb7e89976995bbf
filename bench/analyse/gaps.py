"""What was asked for and was not measured: with a gap, no verdict can be better than incomplete."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.forecast.document import deploy_duration, longest_lock, rows_named
from bench.analyse.quantity import seconds
from bench.analyse.summary import RunSummary
from bench.analyse.traffic import loaded_passes, pass_name
from bench.model.forecast import ForecastDocument
from bench.model.run import Run


def find_gaps(run: Run, summary: RunSummary) -> tuple[str, ...]:
    """Each gap in words, the end of the run first; none where all that was asked for was measured."""
    return tuple(dict.fromkeys(_gaps(run, summary)))


def _gaps(run: Run, summary: RunSummary) -> Iterator[str]:
    if not summary.finished:
        yield _cut_off(summary)
    for figures in loaded_passes(run):
        if figures.unwatched_s:
            yield (
                f"{pass_name(figures.hazard)}, who waited was not seen for {seconds(figures.unwatched_s)} of "
                "the deploy: the watching session was lost"
            )
        if figures.cut_off:
            yield (
                f"{pass_name(figures.hazard)}, the server was down for a time: its figures are not those of "
                "the deploy"
            )
    if run.forecast is not None:
        yield from _refused(run.forecast)
    yield from (f"{note.subject}: {note.text.rstrip('.')}" for note in run.notes if note.incomplete)


def _refused(document: ForecastDocument) -> Iterator[str]:
    """What the forecast was asked for and does not tell."""
    duration, lock = deploy_duration(document), longest_lock(document)
    asked = (("how long the deploy takes", duration), ("how long its longest lock is held", lock))
    for what, answer in asked:
        if answer is not None and answer.refused is not None:
            yield f"at {rows_named(document.at)} {what} has no forecast: {answer.refused.reason}"


def _cut_off(summary: RunSummary) -> str:
    migration = summary.interrupted
    if migration is None:
        return "the run was ended before its time, and what was to follow was not measured"
    line = f":{migration.failure_line}" if migration.failure_line else ""
    return (
        f"the run was interrupted at {migration.failure_file}{line}, and what was to follow was not measured"
    )
