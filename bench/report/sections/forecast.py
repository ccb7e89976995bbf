"""What is forecast for a larger size, and what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bench.analyse.forecast.document import rows_named
from bench.model.forecast import WHOLE, Capacity, ForecastDocument, ForecastFigure, Machine
from bench.report.document import Block, Figure, Paragraph, Section, Table, named
from bench.report.format import ratio, seconds, shortened, size

NAMED = 12
"""So many locks, statements and queries are listed at most."""
LEAST_S = 0.02
"""What takes less at the target is left to the run file."""
SHOWN_REFUSED = 3
_TIMES = ("duration_s", "held_s", "blocked_s", "execution_s")
_WHOLE = ("duration_s", "wal_bytes", "size_delta_bytes", "disk_peak_bytes")
_QUANTITIES = {
    "duration_s": "",
    "held_s": ", longest hold",
    "blocked_s": ", writes blocked in all",
    "execution_s": "",
}


def forecast(document: ForecastDocument | None) -> tuple[Section, ...]:
    """The section of a forecast document, with the tables that have rows; nothing where there is none."""
    if document is None:
        return ()
    scales = ", ".join(f"{scale:g}" for scale in document.scales)
    lead = (
        f"From scales {scales}. {_machine(document.machine)} An interval should hold nine of ten "
        f"targets; what cannot be told is refused.{_bounded(document)}"
    )
    tables = (
        _table(
            f"Forecast at {rows_named(document.at)}",
            ("What", "Forecast", "90 % interval", "Growth"),
            _answered(document),
        ),
        _table("Capacity", _CAPACITY_HEAD, _capacity(document)),
        _table("Budgets", ("Budget", "Stated", "Breaks at", "Between", "Known up to"), _budgets(document)),
        _table("Without a forecast", ("What", "Why", "What gives one"), _refused(document)),
    )
    shown = (table for table in tables if table.rows)
    blocks: tuple[Block, ...] = (Paragraph(lead, "lead"), Figure("scaling"), *shown)
    return (Section("At a larger size", blocks, "forecast"),)


_CAPACITY_HEAD = (
    "Size", "Rows", "Duration of the deploy", "Longest lock", "WAL", "Growth on disk", "Peak on disk",
)  # fmt: skip


def _table(title: str, heads: Sequence[str], rows: Iterator[tuple[str, ...]]) -> Table:
    return Table(named(heads), tuple(rows), title)


def _bounded(document: ForecastDocument) -> str:
    """Which small parts of the deploy count with their worst class."""
    whole = next((figure for figure in document.forecasts if _is_whole_time(figure)), None)
    names = [_name(document, subject) for subject in (whole.bounded if whole else ())]
    if not names:
        return ""
    return (
        f" Without a forecast of their own, and in the deploy with the worst they can do: {_several(names)}."
    )


def _is_whole_time(forecast: ForecastFigure) -> bool:
    return forecast.about == WHOLE and forecast.quantity == "duration_s"


def _machine(machine: Machine) -> str:
    """Whose times these are."""
    if not machine.calibration_s or not machine.calibration_here_s:
        return "Times are this machine's."
    return (
        f"Times are set against production, which took {ratio(machine.ratio)} as long as this machine for "
        "the same piece of work; the intervals hold this machine's times as well."
    )


def _answered(document: ForecastDocument) -> Iterator[tuple[str, ...]]:
    """The whole, its migrations, then locks, statements and queries, the longest of each first."""
    timed = [figure for figure in document.forecasts if figure.quantity in _TIMES and not figure.refused]
    whole = [figure for figure in timed if figure.about.kind in ("all", "migration")]
    long = [figure for figure in timed if (figure.value or 0.0) >= LEAST_S]
    for figure in (
        *reversed(whole),
        *(
            one
            for kind in ("lock", "statement", "query")
            for one in _longest(figure for figure in long if figure.about.kind == kind)
        ),
    ):
        name = _name(document, figure.subject) + _QUANTITIES[figure.quantity]
        yield name, seconds(figure.value), _interval(figure), figure.growth or ""


def _longest(forecasts: Iterable[ForecastFigure]) -> list[ForecastFigure]:
    return sorted(forecasts, key=lambda figure: -(figure.value or 0.0))[:NAMED]


def _name(document: ForecastDocument, subject: str) -> str:
    """A statement by file, line and SQL; what older documents do not tell stays as it is."""
    if subject == "all":
        return "the deploy"
    named = document.names.get(subject)
    return shortened(named if named is not None else subject, 70)


def _refused(document: ForecastDocument) -> Iterator[tuple[str, ...]]:
    """What has no forecast and takes long enough to be missed: one line for each reason."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for figure in document.forecasts:
        said = figure.refused
        if said and figure.quantity in _TIMES and not said.short:
            name = _name(document, figure.subject) + _QUANTITIES[figure.quantity]
            by_reason.setdefault((said.reason, said.cure), []).append(name)
    for (reason, cure), names in by_reason.items():
        yield _several(list(dict.fromkeys(reversed(names)))), reason, cure


def _several(names: Sequence[str]) -> str:
    """The first ones by name, the whole deploy before its parts; the others as a number."""
    shown = "; ".join(names[:SHOWN_REFUSED])
    left = len(names) - SHOWN_REFUSED
    return f"{shown}; and {left:,} more" if left > 0 else shown


def _capacity(document: ForecastDocument) -> Iterator[tuple[str, ...]]:
    at_target = Capacity(1, document.at, document.forecasts)
    for capacity in (at_target, *document.capacity):
        duration, *sizes = (_whole(capacity.forecasts, name) for name in _WHOLE)
        yield (
            f"{capacity.factor}×",
            rows_named(capacity.at),
            duration,
            _longest_lock(capacity.forecasts),
            *sizes,
        )


def _whole(forecasts: Sequence[ForecastFigure], quantity: str) -> str:
    figures = [figure for figure in forecasts if figure.about == WHOLE and figure.quantity == quantity]
    return _worst(figures, none="not measured")


def _longest_lock(forecasts: Sequence[ForecastFigure]) -> str:
    held = [figure for figure in forecasts if figure.quantity == "held_s"]
    highest = max((figure.high or 0.0 for figure in held if not figure.refused), default=0.0)
    mattering = [  # a hold that is shorter than the longest at its very worst is no longest one
        figure for figure in held if not figure.refused or (figure.refused.at_most or float("inf")) > highest
    ]
    return _worst(mattering, none="none")


def _worst(figures: Sequence[ForecastFigure], none: str) -> str:
    if not figures:
        return none
    known = [other for other in figures if not other.refused]
    if len(known) < len(figures):
        return "refused"
    worst = max(known, key=lambda figure: figure.value or 0.0)
    return f"{_value(worst, 'value')} {_interval(worst)}"


def _budgets(document: ForecastDocument) -> Iterator[tuple[str, ...]]:
    for budget in document.budgets:
        name = budget.key + (f" of {budget.relation}" if budget.relation else "")
        edges = [budget.earliest_scale, budget.latest_scale]
        yield (
            f"{name} ≤ {seconds(budget.limit)}",
            budget.place,
            f"scale {budget.scale:.3g}, {rows_named(budget.at or {})}" if budget.scale else "not broken",
            " and ".join("–" if edge is None else f"{edge:.3g}" for edge in edges),
            "no size" if budget.known_to_scale is None else f"scale {budget.known_to_scale:.3g}",
        )


def _interval(forecast: ForecastFigure) -> str:
    return f"[{_value(forecast, 'low')}, {_value(forecast, 'high')}]"


def _value(forecast: ForecastFigure, key: str) -> str:
    value: float | None = getattr(forecast, key)
    return seconds(value) if forecast.quantity.endswith("_s") else size(round(value or 0.0))
