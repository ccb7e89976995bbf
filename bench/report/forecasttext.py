"""A forecast on the terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report.forecastview import forecast_view
from bench.report.markup import plain, table


def print_forecast(document: Mapping[str, Any], console: Console) -> None:
    """The tables of a forecast document."""
    view = forecast_view(document)
    for each in view.tables:
        shown = Table(title=each.title, title_justify="left", box=None, pad_edge=False)
        for name in each.heads:
            shown.add_column(name, overflow="fold")
        for row in each.rows:
            shown.add_row(*row)
        console.print(shown, markup=False)
    console.print(view.lead, markup=False)


def forecast_section(document: Mapping[str, Any] | None) -> Iterator[str]:
    """Part of the Markdown report; nothing for a run that forecasts nothing."""
    if document is None:
        return
    view = forecast_view(document)
    yield "## At a larger size"
    yield plain(view.lead)
    for each in view.tables:
        yield f"### {plain(each.title)}"
        yield table(each.heads, [[plain(cell) for cell in row] for row in each.rows])
