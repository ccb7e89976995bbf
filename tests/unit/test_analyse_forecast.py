"""Forecasts: the growth is told rightly through noise, the interval holds the truth, or it is refused."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analyse.forecast.growth import SAMPLED_ROWS
from bench.analyse.forecast.predict import predict, same_regime
from bench.analyse.forecast.refuse import SPILL_BYTES_PER_S, SPILL_PASSES
from bench.analyse.forecast.regime import MAINTENANCE, OF_A_HASH, OF_A_SORT, SHARED_BUFFERS
from bench.analyse.forecast.series import DURATION, WAL, Forecast, Memory, Point, Regime, Sample, Series

SCALES = (250.0, 500.0, 1000.0, 2000.0, 4000.0)
TARGET = 40_000.0
CASES = 80

Law = Callable[[float], float]

LAWS: dict[str, Law] = {
    "constant": lambda n: 0.08,
    "linear": lambda n: 0.02 + 2e-4 * n,
    "n log n": lambda n: 0.01 + 3e-5 * n * math.log(n),
    "quadratic": lambda n: 0.02 + 5e-5 * n + 1e-7 * n * n,
}


def series(
    law: Law,
    work: Law | None = None,
    *,
    noise: float = 0.0,
    seed: int = 0,
    scales: Sequence[float] = SCALES,
    way: Callable[[float], str] = lambda n: "",
    memory: Callable[[float], dict[str, Memory]] = lambda n: {},
) -> Series:
    """Three repeats at each size, off by ``noise`` each; the work without any."""
    draw = random.Random(seed)
    counted = work or law
    return Series(
        "statement:x#0",
        DURATION,
        tuple(
            Point(
                n,
                tuple(law(n) * math.exp(draw.gauss(0, noise)) for _ in range(3)),
                {"work": 1e6 * counted(n)},
                Regime(frozenset({way(n)}), frozenset({way(n)})),
                memory(n),
            )
            for n in scales
        ),
    )


def holds(forecast: Forecast, truth: float) -> bool:
    return forecast.low is not None and forecast.high is not None and forecast.low <= truth <= forecast.high


@pytest.mark.parametrize("growth", LAWS)
def test_each_growth_is_told_and_its_target_held_through_noise(growth: str) -> None:
    law = LAWS[growth]
    forecasts = [predict(series(law, noise=0.04, seed=seed), TARGET) for seed in range(CASES)]
    answered = [each for each in forecasts if each.refused is None]
    assert len(answered) >= 0.9 * CASES
    assert all(each.growth == growth for each in answered)
    assert sum(holds(each, law(TARGET)) for each in answered) >= 0.9 * len(answered)
    off = sorted(abs(each.value / law(TARGET) - 1) for each in answered if each.value is not None)
    assert off[len(off) // 2] < 0.12


@given(factor=st.floats(1e-3, 1e3), seed=st.integers(0, 1000), growth=st.sampled_from(sorted(LAWS)))
@settings(max_examples=60, deadline=None)
def test_another_unit_of_size_changes_nothing_but_the_axis(factor: float, seed: int, growth: str) -> None:
    """But for n log n, which has its own unit, the number of rows."""
    plain = series(LAWS[growth], noise=0.03, seed=seed)
    other = replace(plain, points=tuple(replace(point, n=factor * point.n) for point in plain.points))
    here, there = predict(plain, TARGET), predict(other, factor * TARGET)
    assert (here.refused is None) == (there.refused is None) or growth == "n log n"
    if here.value is not None and there.value is not None and growth in ("constant", "quadratic"):
        assert there.value == pytest.approx(here.value, rel=1e-6)
        assert there.high == pytest.approx(here.high, rel=1e-6)


@given(seed=st.integers(0, 1000), growth=st.sampled_from(["linear", "n log n", "quadratic"]))
@settings(max_examples=60, deadline=None)
def test_a_longer_clock_gives_a_forecast_longer_by_the_same_factor(seed: int, growth: str) -> None:
    """From durations on at which neither floor matters."""
    long = series(lambda n: 1000 * LAWS[growth](n), LAWS[growth], noise=0.03, seed=seed)
    longer = replace(
        long,
        points=tuple(replace(p, values=tuple(7 * value for value in p.values)) for p in long.points),
    )
    here, there = predict(long, TARGET), predict(longer, TARGET)
    assert (here.refused is None) == (there.refused is None)
    if here.value is not None:
        for low, high in ((here.value, there.value), (here.low, there.low), (here.high, there.high)):
            assert high == pytest.approx(7 * (low or 0), rel=1e-3)


@given(seed=st.integers(0, 10_000), growth=st.sampled_from(sorted(LAWS)), noise=st.floats(0, 0.3))
@settings(max_examples=100, deadline=None)
def test_an_answer_lies_inside_its_interval_and_a_refusal_has_a_cure(
    seed: int, growth: str, noise: float
) -> None:
    forecast = predict(series(LAWS[growth], noise=noise, seed=seed), TARGET)
    if forecast.refused is not None:
        assert forecast.value is forecast.low is forecast.high is forecast.growth is None
        assert forecast.refused.reason
        assert forecast.refused.cure
    else:
        assert forecast.value is not None
        assert holds(forecast, forecast.value)


def test_a_quadratic_part_that_the_clock_hardly_shows_is_never_missed_with_confidence() -> None:
    """At the largest size it takes a fifth of the time; at the target, five sixths."""

    def law(n: float) -> float:
        return 0.02 + 2e-4 * n + 1e-8 * n * n

    def work(n: float) -> float:
        return n * n / 1e4

    forecasts = [predict(series(law, work, noise=0.03, seed=seed), TARGET) for seed in range(CASES)]
    answered = [each for each in forecasts if each.refused is None]
    assert all(each.growth == "quadratic" for each in answered)
    assert sum(holds(each, law(TARGET)) for each in answered) >= 0.9 * len(answered)


def test_a_knee_between_the_sizes_is_refused() -> None:
    """The work is linear, the clock bends: something else than the work has changed."""

    def law(n: float) -> float:
        return 2e-4 * n if n <= 1000 else 0.2 + 1.2e-3 * (n - 1000)

    forecasts = [predict(series(law, lambda n: n, noise=0.03, seed=seed), TARGET) for seed in range(CASES)]
    wrong = [each for each in forecasts if each.refused is None and not holds(each, law(TARGET))]
    assert len(wrong) <= 0.02 * CASES


def test_sizes_in_another_regime_are_left_out() -> None:
    def law(n: float) -> float:
        return 1e-4 * n if n < 1000 else 4e-4 * n

    found = predict(series(law, way=lambda n: "hash" if n < 1000 else "spilled", noise=0.02), TARGET)
    assert found.fitted == (1000, 2000, 4000)
    assert holds(found, law(TARGET))


def test_too_few_sizes_in_the_regime_are_refused() -> None:
    found = predict(series(LAWS["linear"], way=lambda n: "spilled" if n > 2000 else "hash"), TARGET)
    assert found.refused is not None
    assert found.refused.reason.startswith("only 1 of 5 sizes")


@given(
    planted=st.sampled_from([OF_A_SORT, OF_A_HASH, MAINTENANCE]),
    share=st.floats(0.01, 0.95),
    passes=st.floats(0, 1),
    limit=st.floats(1e5, 1e9),
)
@settings(max_examples=80, deadline=None)
def test_a_spill_at_the_target_is_refused_or_inside_the_interval(
    planted: str, share: float, passes: float, limit: float
) -> None:
    """Temporary files take up to what a slow disk takes; nothing of them was measured."""

    def used(n: float) -> float:
        return share * limit * n / SCALES[-1]

    found = predict(
        series(LAWS["linear"], memory=lambda n: {planted: Memory(used(n), limit)}, noise=0.02), TARGET
    )
    full = used(TARGET) > limit
    files_s = passes * SPILL_PASSES[planted] * used(TARGET) / SPILL_BYTES_PER_S if full else 0.0
    assert found.refused is not None or holds(found, LAWS["linear"](TARGET) + files_s)
    if found.refused is not None:
        assert planted in found.refused.reason
        assert found.refused.bounds is not None


@given(share=st.floats(0.01, 0.95), planted=st.sampled_from([SHARED_BUFFERS, "the machine's memory"]))
@settings(max_examples=60, deadline=None)
def test_a_cache_that_the_target_outgrows_is_refused(share: float, planted: str) -> None:
    """What the tables take grows with the data: at ten times the size more than the cache, or not."""
    found = predict(
        series(
            LAWS["linear"],
            memory=lambda n: {planted: Memory(share * n / SCALES[-1] * 4e6, 4e6)},
        ),
        TARGET,
    )
    if share * 10 > 1:
        assert found.refused is not None
        assert planted in found.refused.reason
    elif share * 10 < 0.79:
        assert found.refused is None


def test_memory_that_was_outgrown_inside_the_sizes_is_a_regime() -> None:
    found = same_regime(series(LAWS["linear"], memory=lambda n: {"sort": Memory(4e3 * n, 4e6 - 1)}).points)
    assert [point.n for point in found] == [1000, 2000, 4000]


def test_a_target_too_far_is_refused() -> None:
    assert predict(series(LAWS["linear"]), 31 * SCALES[-1]).refused is not None
    assert predict(series(LAWS["linear"]), 29 * SCALES[-1]).refused is None


def test_what_is_too_short_to_grow_visibly_is_refused_unless_its_work_stands_still() -> None:
    short = series(lambda n: 0.001 + 2e-6 * n)
    refused = predict(short, TARGET).refused
    assert refused is not None
    assert "too short" in refused.reason
    assert predict(replace(short, pooled=True), TARGET).refused is None
    steady = predict(series(lambda n: 0.004, lambda n: 1e-5), TARGET)
    assert (steady.growth, steady.refused) == ("constant", None)


def test_clock_and_counters_that_disagree_are_refused() -> None:
    grows = predict(series(LAWS["quadratic"], lambda n: 1.0), TARGET)
    assert grows.refused is not None
    assert "disagree" in grows.refused.reason
    stands = predict(series(lambda n: 1.0, LAWS["quadratic"]), TARGET)
    assert stands.refused is not None


def test_without_counters_a_forecast_answers_for_every_class_or_not_at_all() -> None:
    blind = series(LAWS["quadratic"], noise=0.03, seed=1)
    found = predict(replace(blind, points=tuple(replace(p, counters={}) for p in blind.points)), TARGET)
    assert found.refused is not None or holds(found, LAWS["quadratic"](TARGET))


def test_bytes_are_forecast_the_same_way() -> None:
    points = tuple(Point(n, (3e4 * n,) * 3, {"pages": 4.0 * n}) for n in SCALES)
    found = predict(Series("statement:x#0", WAL, points), TARGET)
    assert found.growth == "linear"
    assert found.value == pytest.approx(3e4 * TARGET, rel=0.1)


@pytest.mark.parametrize("values", [(), (math.nan,), (math.inf, 1.0)])
def test_a_point_without_a_value_is_no_point(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="finite"):
        Point(1.0, values)


def test_a_repeat_that_was_held_up_does_not_widen_the_interval() -> None:
    clean = series(LAWS["linear"], noise=0.02, seed=3)
    points = list(clean.points)
    points[0] = replace(points[0], values=(*points[0].values[:2], 12 * points[0].values[0]))
    with_one = predict(replace(clean, points=tuple(points)), TARGET)
    without = predict(clean, TARGET)
    assert with_one.high == pytest.approx(without.high, rel=0.15)


@pytest.mark.parametrize("rows", [(10_000.0,), (50_000.0,), (50_000.0, 200_000.0)])
def test_analyze_grows_up_to_its_sample_or_is_refused(rows: tuple[float, ...]) -> None:
    """Sizes up to 1, target at 10: of a table of 50,000 rows at 1 ANALYZE reads no more at the target."""

    def law(n: float) -> float:
        return 0.02 + 1e-5 * sum(min(each * n, SAMPLED_ROWS) for each in rows)

    points = tuple(Point(n, (law(n),) * 3, {"pages": 100 * n}) for n in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0))
    found = predict(Series("x", DURATION, points, rows=1e6, sampled=Sample(rows, whole=True)), 10.0)
    bounds = found.refused.bounds if found.refused is not None else found
    assert bounds is not None
    assert (bounds.low or 0) <= law(10.0) <= (bounds.high or 0)
    assert (found.refused is not None) == any(each < SAMPLED_ROWS < 10 * each for each in rows)


def test_analyze_of_tables_that_nobody_knows_is_refused_unless_all_rows_fit_into_a_sample() -> None:
    points = tuple(Point(n, (0.1 * n,) * 3, {"pages": 100 * n}) for n in (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0))
    unknown = Sample((), whole=False)
    many = predict(Series("x", DURATION, points, rows=1e6, sampled=unknown), 10.0)
    assert many.refused is not None
    assert many.refused.bounds is not None
    few = predict(Series("x", DURATION, points, rows=2000.0, sampled=unknown), 10.0)
    assert few.refused is None


def test_work_that_wavers_does_not_grow() -> None:
    wavering = {250.0: 1573.0, 500.0: 2814.0, 1000.0: 2683.0, 2000.0: 2748.0, 4000.0: 2705.0}
    found = predict(series(lambda n: 0.008, lambda n: wavering[n] / 1e6, noise=0.05), TARGET)
    assert (found.growth, found.refused) == ("constant", None)


def test_bytes_below_a_hundred_pages_grow_all_the_same() -> None:
    """They are exact: an index of 84 pages that doubles with the data has 840 at ten times the size."""
    points = tuple(Point(n, (172.0 * n,) * 3, {"bytes written": 172.0 * n}) for n in SCALES)
    found = predict(Series("statement:x#0", replace(WAL, least=0.0), points), TARGET)
    assert found.growth == "linear"
    assert holds(found, 172.0 * TARGET)
