"""The loaded passes in the Markdown report."""

from __future__ import annotations

from collections.abc import Iterator

from bench.model.run import Run
from bench.report.conditionsview import Table
from bench.report.markup import bullets, plain, table
from bench.report.trafficview import HOW_TO_READ, TrafficView, traffic_views


def traffic_section(run: Run) -> Iterator[str]:
    """The parts of the section; nothing where there was no loaded pass."""
    views = traffic_views(run)
    if not views:
        return
    yield "## Under traffic"
    yield HOW_TO_READ
    for view in views:
        yield from _pass(view)


def _pass(view: TrafficView) -> Iterator[str]:
    yield f"### {plain(view.title)}"
    if view.mark:
        yield f"⚠️ Marked: {plain(view.mark)}"
    yield bullets(f"**{plain(label)}**: {plain(text)}" for label, text in view.facts)
    for each in (view.classes, view.causes, view.tries, view.errors, view.requests, view.locks):
        if each is not None:
            yield from _table(each)
    if view.notes:
        yield bullets(map(plain, view.notes))


def _table(found: Table) -> Iterator[str]:
    yield f"#### {found.title}"
    if found.rows:
        head = [title if at < found.left else f">{title}" for at, title in enumerate(found.head)]
        yield table(head, (tuple(map(plain, row)) for row in found.rows))
    if found.note:
        yield plain(found.note)
