"""Figures: byte for byte repeatable, nothing overlaps or leaves the sheet, what is missing is said."""

from __future__ import annotations

import itertools
import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pytest
from factories import (
    a_class,
    a_lock,
    a_migration,
    a_query,
    a_run,
    a_statement,
    a_workload,
    empty_run,
    hazard_run,
    loaded_run,
    rich_run,
)
from hypothesis import given
from hypothesis import strategies as st

from bench.analyse.queries import summarise_query
from bench.analyse.summary import summarise
from bench.model.load import LatencySummary, LoadSlot, LockSpan, RequestErrors, StatementSpan
from bench.model.lock import LockMode
from bench.model.plan import QueryCost
from bench.model.run import Run
from bench.model.statement import StatementRun
from bench.report import figures
from bench.report.figures import Picture, draw_figures, draw_passes
from bench.report.figures.axes import needs_log
from bench.report.figures.costs import MOST_ROWS, cost_rows
from bench.report.figures.durations import LONGEST, duration_rows
from bench.report.figures.locks import draw_timeline
from bench.report.figures.sheet import PNG_DPI, WIDTH_IN, Sheet, sheet
from bench.report.figures.sidebyside import draw_side_by_side
from bench.report.figures.text import POINTS_PER_EM_MONO, columns, fit
from bench.report.palette import DARK, LIGHT, luminance, text_on
from bench.report.sidebyside import side_by_side
from bench.report.timeline import migration_timeline

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u202egnp.exe 😀 שלום 日本語 $x$ \\frac \x07"
SHORTEST_S, TWO_HOURS_S = 40e-6, 7200.0


def statements(n: int, relations: int, *, seed: int = 3) -> list[StatementRun]:
    """Statements from 40 µs to two hours, with locks in every mode on relations of very different names."""
    draw = random.Random(seed)
    names = [
        "public." + (f"r{i:02d}_" + ("a_long_name_" * 20 if i % 3 == 0 else "t"))[:200]
        for i in range(relations)
    ]
    found, now = [], 0.0
    for i in range(n):
        took = {0: SHORTEST_S, 1: TWO_HOURS_S}.get(i, 10 ** draw.uniform(-4, 3))
        locks = tuple(
            a_lock(
                draw.choice(names), draw.choice(list(LockMode)), took, granted_at_s=now + took / 4,
                new=draw.random() < 0.2, source="sampled" if draw.random() < 0.5 else "exact",
            )
            for _ in range(min(relations, 4))
        )  # fmt: skip
        locks = (*(replace(lock, waited_s=took / 4) for lock in locks[:1]), *locks[1:])
        text = (
            f"ALTER TABLE {names[i % relations] if names else 'x'} ADD {HOSTILE if i % 5 == 0 else 'c int'}"
        )
        found.append(a_statement(i, text, duration_s=took, started_at_s=now, locks=locks))
        now += took
    return found


def a_hard_run() -> Run:
    queries = [
        replace(
            a_query(10.0 ** (i % 7 - 5), 10.0 ** (i % 5 - 4)), name=HOSTILE if i % 4 == 0 else "q" * (7 * i)
        )
        for i in range(MOST_ROWS + 8)
    ]
    broken = replace(
        a_query(0.02, None),
        name="broken",
        after=QueryCost(None, None, None, None, None, None, error=HOSTILE * 4),
    )
    first = a_migration(statements(120, 60), "001_" + "long_name_" * 20)
    return a_run([first, a_migration(statements(40, 1), "002_b")], queries=[*queries, broken])


def a_hard_traffic_run() -> Run:
    """Names without end, classes by the dozen, locks in every mode, statements and tries by the hundred."""
    classes = [
        a_class(
            HOSTILE if n % 3 == 0 else "c" * (9 * n + 1), worst_blocked_s=10.0 ** (n % 5 - 3),
            latency_s=LatencySummary(1e-4, 1.0, 1234.5, 1234.5, 6543.2), heat=f"{n} 0:1 44:9;{n + 40} 12:400",
            blocked=((3.0, 3.0 + n), (2000.0, 2400.0)),
            errors=tuple(RequestErrors(f"{e}{HOSTILE}", 1, 0, 0, 1, HOSTILE, 50.0 * e) for e in range(n % 4)),
        )
        for n in range(23)
    ]  # fmt: skip
    locks = tuple(
        LockSpan(
            "001_first",
            f"public.{'long_' * (n % 9)}{n % 11}",
            mode.value,
            n % 3 != 0,
            (n, n + 5.0),
            (n, n + 6.0),
        )
        for n, mode in enumerate([*LockMode] * 6)
    )
    spans = tuple(StatementSpan("001_first", n % 40, 10.0 * n, 10.0 * n + 9) for n in range(250))
    slots = tuple(LoadSlot(n / 10, n % 97, n % 89, n % 7, 40, 123_456, 40) for n in range(26_000))
    hard = a_workload(*classes, locks=locks, statements=spans, timeline=slots)
    run = loaded_run(hard)
    migrations = (a_migration(statements(40, 3), "001_first"),)
    loaded = replace(run.passes[1].repeats[0], migrations=migrations)
    nothing = replace(
        loaded, workload=a_workload(a_class(heat="", latency_s=None), timeline=(), statements=())
    )
    passes = (
        replace(
            run.passes[1], hazard="idle-in-transaction", lock_timeout_s=2.0, retries=20, repeats=(loaded,)
        ),
        replace(run.passes[1], repeats=(nothing,)),
    )
    return replace(hazard_run(), passes=(*hazard_run().passes, *passes))


@pytest.fixture
def texts_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Run], dict[str, list[tuple[str, object]]]]:
    """Draws all figures of a run; for each, the texts on it with their boxes, in pixels of the sheet."""
    sheets: list[Sheet] = []
    monkeypatch.setattr(Sheet, "finish", lambda page: sheets.append(page))

    def draw(run: Run) -> dict[str, list[tuple[str, object]]]:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.text import Text

        list(draw_figures(run, summarise(run)))
        draw_side_by_side(side_by_side([run, rich_run(), *[hazard_run()] * 3]))
        found = {}
        for page in sheets:
            page.figure.set_dpi(PNG_DPI)
            canvas = FigureCanvasAgg(page.figure)
            renderer = canvas.get_renderer()
            texts = [t for t in page.figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
            found[page.name] = [(t.get_text(), t.get_window_extent(renderer)) for t in texts]
        return found

    return draw


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("make", [a_hard_run, rich_run, a_hard_traffic_run], ids=["hard", "rich", "traffic"])
def test_no_text_overlaps_another_or_leaves_the_sheet(
    make: Callable[[], Run], texts_of: Callable[[Run], dict[str, list[tuple[str, object]]]]
) -> None:
    for name, texts in texts_of(make()).items():
        for text, box in texts:
            assert box.x0 >= -1, (name, text)  # type: ignore[attr-defined]
            assert box.x1 <= WIDTH_IN * PNG_DPI + 1, (name, text)  # type: ignore[attr-defined]
        for (one, a), (other, b) in itertools.combinations(texts, 2):
            wide = min(a.x1, b.x1) - max(a.x0, b.x0)  # type: ignore[attr-defined]
            high = min(a.y1, b.y1) - max(a.y0, b.y0)  # type: ignore[attr-defined]
            assert min(wide, high) <= 3, (name, one, other)


def test_a_name_is_as_wide_as_is_reckoned() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    name, size_pt = "20250831000002_add_direct_relationships.sql" * 2, 7.8
    with sheet("a", "a title", "a caption", 1.0) as page:
        page.text(0, 0.5, name, fontsize=size_pt, family="DejaVu Sans Mono")
        page.figure.set_dpi(PNG_DPI)
        box = page.figure.texts[-1].get_window_extent(FigureCanvasAgg(page.figure).get_renderer())
    reckoned_in = columns(name) * POINTS_PER_EM_MONO * size_pt / 72
    assert box.width / PNG_DPI == pytest.approx(reckoned_in, rel=0.01)


def pictures(run: Run) -> dict[str, Picture]:
    return {picture.name: picture for picture in draw_figures(run, summarise(run))}


def pictures_of_traffic(run: Run) -> dict[str, Picture]:
    return {picture.name: picture for picture in draw_passes(run)}


def svg_text(picture: Picture) -> str:
    return " ".join(
        "".join(e.itertext()) for e in ET.fromstring(picture.svg).iter() if e.tag.endswith("}text")
    )


@pytest.fixture(scope="module")
def rich() -> dict[str, Picture]:
    return pictures(rich_run())


def test_drawing_twice_gives_the_same_bytes() -> None:
    statement = a_statement(0, locks=(a_lock(source="sampled"), a_lock("public.x", LockMode.SHARE)))
    run = a_run([a_migration([statement])], queries=[a_query()])
    first, second = pictures(run), pictures(run)
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].svg == second[name].svg
        assert first[name].png == second[name].png
        assert b"<dc:date>" not in first[name].svg


def test_a_picture_of_traffic_says_what_it_shows() -> None:
    drawn = pictures_of_traffic(hazard_run())
    assert list(drawn) == ["traffic-01", "traffic-02", "traffic-03"]
    waiting = svg_text(drawn["traffic-02"])
    assert "time since the first statement began (s)" in waiting
    assert "waited 30.0 s" in waiting
    assert "at most 40 blocked" in waiting
    assert "waits ≤ 30.0 s" in waiting
    assert "locks were not watched" in svg_text(drawn["traffic-01"])
    assert drawn["traffic-03"].title.endswith("Beside long-reader, lock_timeout 2 s and up to 20 retries")
    assert "each column has 200 ms" in drawn["traffic-02"].caption
    nothing = a_workload(a_class(heat="", latency_s=None), timeline=(), statements=())
    assert "No request was due" in svg_text(pictures_of_traffic(loaded_run(nothing))["traffic-01"])


def test_every_figure_states_n_or_repeat_and_units(rich: dict[str, Picture]) -> None:
    drawn = rich
    assert set(drawn) == {
        "durations",
        "locks",
        "locks-01",
        "locks-02",
        "locks-03",
        "locks-04",
        "queries",
        "volume",
    }
    assert "n = 3 repeats" in drawn["durations"].caption
    assert "Repeat 1 of 3" in drawn["locks"].caption
    assert "every 10.0 ms" in drawn["locks"].caption
    assert "time since the first statement began (s)" in svg_text(drawn["locks"])
    assert "volume (MiB)" in svg_text(drawn["volume"])
    assert "logarithmic" in svg_text(drawn["queries"])


def test_png_is_twice_the_screen_size(rich: dict[str, Picture]) -> None:
    import matplotlib.image

    pixels = matplotlib.image.imread(BytesIO(rich["volume"].png))
    assert pixels.shape[1] == pytest.approx(10.8 * 192, abs=1)


@pytest.mark.parametrize(
    "run",
    [
        empty_run(),
        a_run([a_migration([])]),
        a_run([a_migration([a_statement(0, "SELECT 1", duration_s=4e-5)])]),
    ],
    ids=["nothing ran", "no statements", "one without locks"],
)
def test_what_is_missing_is_said(run: Run) -> None:
    drawn = pictures(run)
    assert "No view, function or query was costed" in svg_text(drawn["queries"])
    for name in drawn.keys() & {"locks", "locks-01"}:
        assert "No relation that existed before was locked" in svg_text(drawn[name])


def test_only_the_longest_statements_are_named_and_the_rest_is_counted() -> None:
    run = a_run(
        [a_migration([a_statement(i, f"SELECT {i}", duration_s=1.0 + i) for i in range(LONGEST + 63)])]
    )
    rows = duration_rows(summarise(run))
    named = [row for row in rows if row.line]
    assert len(named) == LONGEST
    assert min(row.median_s or 0 for row in named) == 1.0 + 63
    assert [row.label for row in rows if "other" in row.label] == ["63 other statements together"]
    total = sum(row.median_s or 0 for row in rows)
    assert total == pytest.approx(summarise(run).duration_s.median)  # type: ignore[union-attr]


def test_queries_without_a_figure_are_never_folded() -> None:
    queries = [a_query(0.1, 0.2 + i) for i in range(MOST_ROWS)]
    broken = replace(
        a_query(0.1, None), name="broken", after=QueryCost(None, None, None, None, None, None, error="no")
    )
    rows, folded = cost_rows([summarise_query(query) for query in [*queries, broken]])
    assert [row.reason for row in rows if row.label == "broken"] == ["no"]
    assert folded == 1


def test_the_axis_turns_logarithmic_above_a_factor_of_a_hundred() -> None:
    assert not needs_log([1.0, 100.0])
    assert needs_log([0.99, 100.0])
    assert not needs_log([0.0, 5.0])


def test_many_migrations_get_timelines_for_the_worst_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "MOST_TIMELINES", 2)
    some = [a_migration([a_statement(0, locks=(a_lock(held_s=0.1 + i),))], f"{i:03d}_m") for i in range(4)]
    names = {picture.name for picture in draw_figures(a_run(some), summarise(a_run(some)))}
    assert "locks-01" not in names
    assert "locks-02" not in names
    assert {"locks", "locks-03", "locks-04"} <= names


@given(st.text(max_size=300), st.integers(3, 60), st.sampled_from(["start", "middle"]))
def test_fitted_text_fits_and_has_no_control_characters(text: str, room: int, keep: str) -> None:
    fitted = fit(text, room, keep=keep)
    assert columns(fitted) <= room
    assert not re.search(r"[\x00-\x1f\u202a-\u202e\u2066-\u2069]", fitted)


def test_lock_colours_are_ordered_by_lightness_in_both_themes() -> None:
    light = [luminance(LIGHT[f"lock-{mode.strength}"]) for mode in LockMode]
    dark = [luminance(DARK[f"lock-{mode.strength}"]) for mode in LockMode]
    assert light == sorted(light, reverse=True)
    assert dark == sorted(dark)
    assert len(set(LIGHT.values())) == len(LIGHT), "a colour must name one token"
    assert LIGHT.keys() == DARK.keys()


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_is_readable_on_every_lock_colour(theme: dict[str, str]) -> None:
    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    for mode in LockMode:
        colour = theme[f"lock-{mode.strength}"]
        assert contrast(colour, text_on(colour)) >= 4.5
    assert contrast(theme["ink"], theme["paper"]) >= 7
    assert contrast(theme["muted"], theme["band"]) >= 4.5


def test_every_extreme_draws() -> None:
    one = a_run([a_migration([a_statement(0, duration_s=SHORTEST_S, locks=(a_lock(held_s=SHORTEST_S),))])])
    timeline = migration_timeline(one, summarise(one), "001_first")
    assert timeline is not None
    assert "≤ 5.04 ms" in svg_text(draw_timeline(timeline, "tiny"))
    unknown = a_statement(0, duration_s=1.0, locks=(a_lock(held_s=None, granted_at_s=None),))
    run = a_run([a_migration([unknown])])
    assert "–" in svg_text(pictures(run)["locks-01"])
