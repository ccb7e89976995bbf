"""A forecast on the terminal: the deploy and its migrations, then the statements that take long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.report.format import count, seconds, shortened, size

NAMED = 12
"""So many statements are listed at most, the longest first."""


def print_forecast(document: Mapping[str, Any], console: Console) -> None:
    """The tables of a forecast document."""
    where = " and ".join(f"{count(rows)} {table}" for table, rows in document["at"].items())
    scales = ", ".join(f"{scale:g}" for scale in document["scales"])
    title = f"Forecast at {where}, from scales {scales}, on this machine"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in ("What", "Forecast", "90 % interval", "Growth"):
        table.add_column(name, overflow="fold")
    for row in _rows(document):
        table.add_row(*row)
    console.print(table, markup=False)
    capacity = Table(title="Capacity", title_justify="left", box=None, pad_edge=False)
    for name in ("Size", "Duration of the deploy", "WAL", "Growth on disk"):
        capacity.add_column(name, overflow="fold")
    for factor, forecasts in _capacity(document):
        capacity.add_row(f"{factor}×", *(_whole(forecasts, name) for name in _WHOLE))
    console.print(capacity, markup=False)


_WHOLE = ("duration_s", "wal_bytes", "size_delta_bytes")


def _rows(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    timed = [each for each in document["forecasts"] if each["quantity"] in ("duration_s", "held_s")]
    whole = [each for each in timed if not each["subject"].startswith("statement:")]
    statements = [each for each in timed if each["subject"].startswith("statement:")]
    refused = [
        each for each in statements if each["refused"] and "too short" not in each["refused"]["reason"]
    ]
    longest = sorted((each for each in statements if each["value"]), key=lambda each: -each["value"])
    for each in (*whole, *longest[:NAMED], *refused):
        said = each["refused"]
        name = shortened(each["subject"], 70)
        if said:
            yield name, "refused", f"{said['reason']}; {said['cure']}", ""
        else:
            yield name, seconds(each["value"]), _interval(each), each["growth"]


def _capacity(document: Mapping[str, Any]) -> Iterator[tuple[int, list[Mapping[str, Any]]]]:
    yield 1, document["forecasts"]
    for each in document["capacity"]:
        yield each["factor"], each["forecasts"]


def _whole(forecasts: list[Mapping[str, Any]], quantity: str) -> str:
    found = next(
        (each for each in forecasts if each["subject"] == "all" and each["quantity"] == quantity), None
    )
    if found is None:
        return "not measured"
    return "refused" if found["refused"] else f"{_value(found, 'value')} {_interval(found)}"


def _interval(forecast: Mapping[str, Any]) -> str:
    return f"[{_value(forecast, 'low')}, {_value(forecast, 'high')}]"


def _value(forecast: Mapping[str, Any], key: str) -> str:
    value = forecast[key]
    return seconds(value) if forecast["quantity"].endswith("_s") else size(round(value))
