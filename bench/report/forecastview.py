"""A forecast as tables of words: the same on the terminal, in Markdown and on the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analyse.forecast.answer import TOO_SHORT, rows_named
from bench.report.format import ratio, seconds, shortened, size

NAMED = 12
"""So many locks, statements and queries are listed at most."""
LEAST_S = 0.02
"""What takes less at the target is left to the run file."""
_TIMES = ("duration_s", "held_s", "blocked_s", "execution_s")
_WHOLE = ("duration_s", "wal_bytes", "size_delta_bytes", "disk_peak_bytes")
_QUANTITIES = {
    "duration_s": "",
    "held_s": ", longest hold",
    "blocked_s": ", writes blocked in all",
    "execution_s": "",
}


@dataclass(frozen=True, slots=True)
class ForecastTable:
    """One table; the cells of a row as many as heads."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class ForecastView:
    """What is forecast, and from what."""

    lead: str
    tables: tuple[ForecastTable, ...]


def forecast_view(document: Mapping[str, Any]) -> ForecastView:
    """The tables of a forecast document that have rows."""
    scales = ", ".join(f"{scale:g}" for scale in document["scales"])
    tables = (
        ForecastTable(
            f"Forecast at {rows_named(document['at'])}",
            ("What", "Forecast", "90 % interval", "Growth"),
            tuple(_answered(document)),
        ),
        ForecastTable(
            "Capacity",
            (
                "Size",
                "Rows",
                "Duration of the deploy",
                "Longest lock",
                "WAL",
                "Growth on disk",
                "Peak on disk",
            ),
            tuple(_capacity(document)),
        ),
        ForecastTable(
            "Budgets",
            ("Budget", "Stated", "Breaks at", "Between", "Known up to"),
            tuple(_budgets(document)),
        ),
        ForecastTable("Without a forecast", ("What", "Why", "What gives one"), tuple(_refused(document))),
    )
    return ForecastView(
        f"From scales {scales}. {_machine(document.get('machine', {}))} An interval should hold nine of ten "
        "targets; what cannot be told is refused.",
        tuple(each for each in tables if each.rows),
    )


def _machine(machine: Mapping[str, Any]) -> str:
    """Whose times these are."""
    if not machine.get("calibration_s") or not machine.get("calibration_here_s"):
        return "Times are this machine's."
    return (
        f"Times are set against production, which took {ratio(machine['ratio'])} as long as this machine for "
        "the same piece of work; the intervals hold this machine's times as well."
    )


def _answered(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The whole, its migrations, then locks, statements and queries, the longest of each first."""
    timed = [each for each in document["forecasts"] if each["quantity"] in _TIMES and not each["refused"]]
    whole = [each for each in timed if each["subject"] == "all" or _is(each, "migration")]
    long = [each for each in timed if each["value"] >= LEAST_S]
    for each in (
        *reversed(whole),
        *(
            one
            for kind in ("lock", "statement", "query")
            for one in _longest(each for each in long if _is(each, kind))
        ),
    ):
        name = shortened(each["subject"], 70) + _QUANTITIES[each["quantity"]]
        yield name, seconds(each["value"]), _interval(each), each["growth"] or ""


def _is(forecast: Mapping[str, Any], kind: str) -> bool:
    return bool(forecast["subject"].startswith(f"{kind}:"))


def _longest(forecasts: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(forecasts, key=lambda each: -each["value"])[:NAMED]


def _refused(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """What has no forecast and takes long enough to be missed."""
    for each in document["forecasts"]:
        said = each["refused"]
        if said and each["quantity"] in _TIMES and TOO_SHORT not in said["reason"]:
            yield shortened(each["subject"], 70) + _QUANTITIES[each["quantity"]], said["reason"], said["cure"]


def _capacity(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    at_target = {"factor": 1, "at": document["at"], "forecasts": document["forecasts"]}
    for each in (at_target, *document["capacity"]):
        duration, *sizes = (_whole(each["forecasts"], name) for name in _WHOLE)
        yield (
            f"{each['factor']}×",
            rows_named(each["at"]),
            duration,
            _longest_lock(each["forecasts"]),
            *sizes,
        )


def _whole(forecasts: Sequence[Mapping[str, Any]], quantity: str) -> str:
    found = [each for each in forecasts if each["subject"] == "all" and each["quantity"] == quantity]
    return _worst(found, none="not measured")


def _longest_lock(forecasts: Sequence[Mapping[str, Any]]) -> str:
    return _worst([each for each in forecasts if each["quantity"] == "held_s"], none="none")


def _worst(found: Sequence[Mapping[str, Any]], none: str) -> str:
    if not found:
        return none
    known = [each for each in found if not each["refused"]]
    if len(known) < len(found):
        return "refused"
    worst = max(known, key=lambda each: each["value"])
    return f"{_value(worst, 'value')} {_interval(worst)}"


def _budgets(document: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for each in document.get("budgets", ()):
        name = each["key"] + (f" of {each['relation']}" if each["relation"] else "")
        edges = [each["earliest_scale"], each["latest_scale"]]
        yield (
            f"{name} ≤ {seconds(each['limit'])}",
            each["place"],
            f"scale {each['scale']:.3g}, {rows_named(each['at'])}" if each["scale"] else "not broken",
            " and ".join("–" if edge is None else f"{edge:.3g}" for edge in edges),
            "no size" if each["known_to_scale"] is None else f"scale {each['known_to_scale']:.3g}",
        )


def _interval(forecast: Mapping[str, Any]) -> str:
    return f"[{_value(forecast, 'low')}, {_value(forecast, 'high')}]"


def _value(forecast: Mapping[str, Any], key: str) -> str:
    value = forecast[key]
    return seconds(value) if forecast["quantity"].endswith("_s") else size(round(value))
