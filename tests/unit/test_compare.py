"""The decision over two runs: what fails, what is listed, and what must never be called a regression."""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from factories import a_base_dataset, a_lock, a_migration, a_query, a_run, a_statement, rich_run
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bench.analyse.compare import counters, wall
from bench.analyse.compare.decide import compare
from bench.analyse.compare.record import normalised, record
from bench.analyse.compare.result import Comparison, Gate, Ratio
from bench.errors import NotComparableError
from bench.model.budget import BudgetCheck
from bench.model.lock import LockMode
from bench.model.plan import Query
from bench.model.record import AccessRecord, Record
from bench.model.run import Run, TableSize
from bench.model.statement import Counters, Rewrite, StatementRun
from bench.report.compared import LONGEST_COMMENT, markdown, print_comparison
from bench.report.figures.forest import draw_forest

COUNTERS = Counters(
    wal_bytes=10_000_000, wal_records=50_000, wal_fpi=100, blocks_hit=5000, blocks_read=1000,
    blocks_dirtied=2000, temp_bytes=0,
)  # fmt: skip
BACKFILL = "UPDATE deals SET stage = 'open' WHERE stage IS NULL"


def a_side(*statements: Sequence[StatementRun] | StatementRun, n: int = 5, rows: int = 100_000) -> Record:
    """A record of ``n`` equal repeats of one migration; a sequence gives one execution per repeat."""
    repeats = [
        [a_migration([replace(each if isinstance(each, StatementRun) else each[at], index=i)
                      for i, each in enumerate(statements)])]
        for at in range(n)
    ]  # fmt: skip
    dataset = replace(a_base_dataset(), tables=(TableSize("public.deals", rows, 8192 * 1200),))
    return record(replace(a_run(*repeats), dataset=dataset))


def backfill(**changes: object) -> StatementRun:
    plain = {"rows": 40_000, "counters": COUNTERS, "locks": (a_lock(mode=LockMode.ROW_EXCLUSIVE),)}
    return a_statement(0, BACKFILL, **{**plain, **changes})


def bad(comparison: Comparison, *outcomes: str) -> list[Gate]:
    wanted = outcomes or ("fail",)
    gates = [*comparison.gates, *(g for m in comparison.migrations for g in m.gates)]
    gates += [gate for verdict in comparison.verdicts for gate in verdict.gates]
    return [gate for gate in gates if gate.outcome in wanted]


def the(comparison: Comparison) -> tuple[str, str, str]:
    (gate,) = bad(comparison)
    return gate.level, gate.code, gate.subject


def test_the_same_run_twice_did_not_get_worse_and_lists_every_statement() -> None:
    side = record(rich_run(5))
    decided = compare(side, side)
    assert decided.outcome == "pass"
    assert len(decided.verdicts) == sum(len(m.statements) for m in side.migrations) + len(side.queries)
    assert decided.geometric_mean == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda run: replace(run, suite=replace(run.suite, name="other")), "suite: crm → other"),
        (lambda run: replace(run, suite=replace(run.suite, base_sha256="00")), "base sha256"),
        (lambda run: replace(run, dataset=replace(run.dataset, seed=2)), "seed: 1 → 2"),
        (lambda run: replace(run, dataset=replace(run.dataset, scale=0.5)), "scale: 0.25 → 0.5"),
        (
            lambda run: replace(
                run, environment=replace(
                    run.environment, server=replace(run.environment.server, version="17.5"))),
            "PostgreSQL version: 18.0 → 17.5",
        ),
        (
            lambda run: replace(
                run, environment=replace(
                    run.environment, server=replace(
                        run.environment.server,
                        settings={**run.environment.server.settings, "jit": "on"}))),
            "setting jit: off → on",
        ),
    ],
)  # fmt: skip
def test_what_is_not_comparable_is_refused_naming_key_and_values(change: object, key: str) -> None:
    run = rich_run()
    with pytest.raises(NotComparableError) as refused:
        compare(record(run), record(change(run)))  # type: ignore[operator]
    assert key in refused.value.message
    assert refused.value.exit_code == 3


def test_a_stronger_lock_of_a_millisecond_fails() -> None:
    stronger = backfill(locks=(a_lock(mode=LockMode.SHARE_ROW_EXCLUSIVE, held_s=0.001),))
    assert the(compare(a_side(backfill()), a_side(stronger))) == ("E0", "lock", "public.deals")
    assert bad(compare(a_side(stronger), a_side(backfill()))) == []


def test_a_new_blocking_lock_fails_on_a_large_table_and_warns_on_a_small_one() -> None:
    for relation, outcome in (("public.deals", "fail"), ("public.stages", "warn")):
        locks = (a_lock(mode=LockMode.ROW_EXCLUSIVE), a_lock(relation, LockMode.SHARE))
        if relation == "public.deals":
            before, after = backfill(locks=()), backfill(locks=locks[1:])
        else:
            before, after = backfill(), backfill(locks=locks)
        assert compare(a_side(before), a_side(after)).outcome == outcome


def test_a_lock_seen_by_chance_accuses_nobody_and_excuses_what_was_there() -> None:
    met = backfill(locks=(a_lock(mode=LockMode.ACCESS_EXCLUSIVE, source="sampled"),))
    read = backfill(locks=(a_lock(mode=LockMode.ACCESS_EXCLUSIVE),))
    assert bad(compare(a_side(backfill()), a_side(met)), "fail", "warn") == []
    assert bad(compare(a_side(met), a_side(read)), "fail", "warn") == []


def test_a_rewrite_a_spill_and_other_row_counts_fail() -> None:
    base = a_side(backfill())
    rewritten = backfill(rewrites=(Rewrite("public.deals", "table", None, 1),))
    spilled = backfill(counters=replace(COUNTERS, temp_bytes=1000))
    assert the(compare(base, a_side(rewritten))) == ("E0", "rewrite", "public.deals")
    assert the(compare(base, a_side(spilled))) == ("E0", "temp-spill", "temporary files")
    assert the(compare(base, a_side(backfill(rows=40_001)))) == ("E0", "rows", "rows")


def test_a_lost_concurrently_fails() -> None:
    online = a_statement(
        0, "CREATE INDEX CONCURRENTLY deals_stage ON deals (stage)", transaction="none",
        locks=(a_lock(mode=LockMode.SHARE_UPDATE_EXCLUSIVE, source="sampled"),), counters=COUNTERS,
    )  # fmt: skip
    blocking = replace(
        online, text="CREATE INDEX deals_stage ON deals (stage)", kind="CREATE INDEX",
        locks=(a_lock(mode=LockMode.SHARE),),
    )  # fmt: skip
    decided = compare(a_side(online), a_side(blocking))
    assert [v.presence for v in decided.verdicts] == ["edited"]
    assert the(decided) == ("E0", "lock", "public.deals")


def test_a_validate_merged_into_the_add_fails_and_the_missing_statement_is_listed() -> None:
    small = Counters(800, 10, 0, blocks_hit=60, blocks_read=0, blocks_dirtied=9, temp_bytes=0)
    add = a_statement(
        0, "ALTER TABLE deals ADD CONSTRAINT positive CHECK (amount > 0) NOT VALID", counters=small
    )
    validate = a_statement(1, "ALTER TABLE deals VALIDATE CONSTRAINT positive", counters=COUNTERS)
    merged = replace(
        add, text="ALTER TABLE deals ADD CONSTRAINT positive CHECK (amount > 0)", counters=COUNTERS
    )
    decided = compare(a_side(add, validate), a_side(merged))
    assert sorted(v.presence for v in decided.verdicts) == ["edited", "missing"]
    assert ("E1", "blocks") in {(gate.level, gate.subject) for gate in bad(decided)}
    # The other way round nothing is worse: the work only moved.
    assert bad(compare(a_side(merged), a_side(add, validate))) == []


def test_an_added_index_fails_as_work_that_came_on_top() -> None:
    index = a_statement(1, "CREATE INDEX CONCURRENTLY deals_x ON deals (x)", counters=COUNTERS)
    decided = compare(a_side(backfill()), a_side(backfill(), index))
    assert {gate.code for gate in bad(decided)} == {"added-work"}
    assert [v.presence for v in decided.verdicts] == ["both", "added"]


def test_ten_percent_more_rows_touched_fail() -> None:
    more = replace(COUNTERS, wal_records=55_500, wal_bytes=11_100_000, blocks_hit=5800)
    decided = compare(a_side(backfill()), a_side(backfill(rows=44_000, counters=more)))
    assert {gate.subject for gate in bad(decided)} == {"rows", "wal_records", "wal_bytes", "blocks"}


def test_a_plan_that_changed_fails_where_it_touches_more_blocks() -> None:
    def side(query: Query) -> Record:
        return record(a_run([a_migration([a_statement()])], queries=[query]))

    old = a_query()
    assert old.after is not None
    scanned = replace(old, after=replace(old.after, fingerprint="zz", blocks=9 * (old.after.blocks or 0)))
    assert the(compare(side(old), side(scanned))) == ("E0", "plan", "plan blocks")
    assert [gate.outcome for gate in compare(side(scanned), side(old)).queries[0].gates] == ["improved"]


def test_missing_added_and_renamed_migrations_are_listed_as_warnings() -> None:
    def side(*ids: str) -> Record:
        run = a_run([a_migration([backfill()], id) for id in ids])
        files = tuple(replace(f, sha256=f.id[-1] * 64) for f in run.suite.migrations)
        return record(replace(run, suite=replace(run.suite, migrations=files)))

    decided = compare(side("001_a", "002_b"), side("001_a", "003_c"))
    assert [(m.id, m.presence, m.outcome) for m in decided.migrations] == [
        ("001_a", "both", "inconclusive"), ("003_c", "added", "warn"), ("002_b", "missing", "warn"),
    ]  # fmt: skip
    renamed = compare(side("001_a"), side("004_a")).migrations
    assert [(m.presence, m.was) for m in renamed] == [("renamed", "001_a")]


def test_a_lost_proof_fails_and_one_that_was_not_tried_warns() -> None:
    side = a_side(backfill())
    proved = replace(side, proofs={"rollback alone 001_first": True, "crash points 001_first": True})
    decided = compare(proved, replace(side, proofs={"rollback alone 001_first": False}))
    assert [(gate.subject, gate.outcome) for gate in decided.gates] == [
        ("rollback alone 001_first", "fail"), ("crash points 001_first", "warn"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        ([10_000] * 2, [10_064] * 2, None),
        ([10_000] * 2, [10_101] * 2, "warn"),
        ([10_000] * 2, [11_000] * 2, "warn"),
        ([10_000] * 2, [11_001] * 2, "fail"),
        ([10_000] * 2, [8_999] * 2, "improved"),
        ([0, 0], [65, 65], "fail"),
        ([3, 4, 3], [60, 61, 64], None),
        ([10_000] * 2, [20_000], "inconclusive"),
        ([10_000, 12_000], [20_000, 20_000], "pass"),
    ],
)
def test_a_counter_is_judged_by_the_rule(old: list[int], new: list[int], outcome: str | None) -> None:
    decided = counters.judge(old, new, 64)
    assert (decided[0] if decided else None) == outcome
    if outcome == "pass":
        assert decided is not None
        assert "differs from repeat to repeat" in str(decided[1])


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_a_counter_never_fails_against_itself_in_any_order(values: list[int], rnd: random.Random) -> None:
    shuffled = rnd.sample(values, len(values))
    decided = counters.judge(values, shuffled, 64)
    assert decided is None or decided[0] == "pass"


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_what_fails_one_way_is_no_warning_the_other_way(a: int, b: int) -> None:
    there, back = counters.judge([a, a], [b, b], 64), counters.judge([b, b], [a, a], 64)
    if there is not None and there[0] in ("fail", "warn"):
        assert back is None or back[0] == "improved"


TIMES = st.lists(st.floats(0.06, 60.0), min_size=3, max_size=8)


def logs_of(base: Sequence[float], head: Sequence[float], *, paired: bool) -> wall.Logs:
    return wall.Logs(tuple(map(math.log, base)), tuple(map(math.log, head)), paired, 1.0, 1.0)


def ratio_of(base: Sequence[float], head: Sequence[float], *, paired: bool = False) -> Ratio:
    found = logs_of(base, head, paired=paired)
    return wall.ratio(found, found.variance, 1.4)


@given(TIMES, TIMES, st.randoms(use_true_random=False))
def test_times_are_compared_whatever_their_order(
    base: list[float], head: list[float], rnd: random.Random
) -> None:
    one = ratio_of(base, head)
    other = ratio_of(rnd.sample(base, len(base)), rnd.sample(head, len(head)))
    assert other.estimate == pytest.approx(one.estimate)
    assert other.low == pytest.approx(one.low)


@given(TIMES, TIMES)
def test_the_ratio_back_is_the_inverse(base: list[float], head: list[float]) -> None:
    there, back = ratio_of(base, head), ratio_of(head, base)
    assert there.estimate * back.estimate == pytest.approx(1.0)
    assert there.low * back.high == pytest.approx(1.0)
    assert (wall.judge(there) == "fail") == (wall.judge(back) == "improved")


@given(TIMES, st.floats(0.1, 10.0))
def test_the_ratio_follows_the_scale(times: list[float], factor: float) -> None:
    assert ratio_of(times, [factor * t for t in times], paired=True).estimate == pytest.approx(factor)


@pytest.mark.parametrize(("dof", "exact"), [(4, 2.7764), (8, 2.3060), (12, 2.1788), (30, 2.0423)])
def test_the_quantiles_are_those_of_the_tables(dof: int, exact: float) -> None:
    assert wall.student(0.975, dof) == pytest.approx(exact, abs=1e-4)


def timed(*values: float) -> list[StatementRun]:
    return [backfill(duration_s=each, calibration_s=None) for each in values]


def test_a_slower_statement_fails_a_short_one_is_not_timed_and_two_repeats_are_too_few() -> None:
    base = a_side(timed(1.0, 1.02, 0.99, 1.01, 1.0))
    slow = compare(base, a_side(timed(1.5, 1.52, 1.49, 1.55, 1.5)), paired=True)
    assert the(slow) == ("W", "wall-time", "duration")
    short = compare(a_side(timed(*[0.01] * 5)), a_side(timed(*[0.049] * 5)))
    assert short.outcome == "pass"
    assert short.timed == 0
    few = compare(a_side(timed(1.0, 1.0), n=2), a_side(timed(2.0, 2.0), n=2))
    assert few.outcome == "inconclusive"
    assert compare(a_side(timed(1.0, 1.0), n=2), a_side(timed(2.0, 2.0), n=2), final=True).outcome == "warn"


def test_noise_that_leaves_both_open_is_inconclusive_and_in_the_end_a_warning() -> None:
    base, head = a_side(timed(1, 2, 1, 2, 1)), a_side(timed(2, 1, 1.4, 1, 2.2))
    assert compare(base, head).outcome == "inconclusive"
    assert compare(base, head, final=True).outcome == "warn"


def test_a_slow_repeat_of_the_whole_machine_is_no_regression_of_a_statement() -> None:
    texts = [f"ANALYZE table_{at}" for at in range(8)]

    def side(paces: Sequence[float], slower: float = 1.0) -> Record:
        return a_side(
            *[[a_statement(0, text, duration_s=pace * (0.2 + at / 10) * (slower if at == 3 else 1),
                           counters=COUNTERS) for pace in paces] for at, text in enumerate(texts)]
        )  # fmt: skip

    calm, hogged = [1.0, 1.01, 0.99, 1.0, 1.02], [1.7, 1.9, 1.6, 1.8, 1.75]
    assert bad(compare(side(calm), side(hogged), paired=True), "fail", "inconclusive") == []
    slow = compare(side(calm), side(hogged, slower=1.5), paired=True)
    assert [v.text for v in slow.verdicts if v.outcome == "fail"] == [texts[3]]


def test_what_the_added_repeats_do_not_show_again_is_no_failure() -> None:
    once = [1.0] * 10, [2.0, 2.1, 1.9, 2.0, 2.0, 1.0, 1.1, 1.02, 1.1, 1.05]
    assert wall.shown_twice(logs_of(*once, paired=True), 1.25) is False
    again = [1.0] * 10, [1.5, 1.4, 1.5, 1.6, 1.5, 1.5, 1.45, 1.5, 1.5, 1.6]
    assert wall.shown_twice(logs_of(*again, paired=True), 1.25) is True


def test_another_machine_widens_the_limit_and_is_named() -> None:
    run = rich_run(5)
    host = replace(run.environment.host, cores=64)
    other: Run = replace(run, environment=replace(run.environment, host=host))
    decided = compare(record(run), record(other))
    assert (decided.design, decided.limit) == ("other machine", 1.5)
    assert [each.key for each in decided.machine] == ["cores"]


def test_comments_and_white_space_are_no_edit_but_what_is_quoted_is() -> None:
    assert normalised("UPDATE t -- why\n  SET a = '-- no  comment'") == "UPDATE t SET a = '-- no  comment'"
    assert normalised("DO $$ a  /* b */ $$") == "DO $$ a  /* b */ $$"


def test_a_cell_of_the_access_matrix_that_opens_fails_and_one_that_closes_is_better() -> None:
    side = a_side(backfill())
    cell = "anon SELECT strangers' rows of public.deals"
    shut, empty = AccessRecord(None), AccessRecord(0)
    open_ = AccessRecord(7, "rows that policies of public.deals hide")
    for before in ({cell: shut}, {cell: empty}):
        decided = compare(replace(side, access=before), replace(side, access={cell: open_}))
        assert the(decided) == ("E0", "access", cell)
        back = compare(replace(side, access={cell: open_}), replace(side, access=before))
        assert [gate.outcome for gate in back.gates] == ["improved"]
    others = {"owner SELECT all rows of public.deals": AccessRecord(9)}
    assert the(compare(replace(side, access=others), replace(side, access=others | {cell: open_})))
    meant = compare(replace(side, access=others), replace(side, access=others | {cell: AccessRecord(7)}))
    assert meant.outcome == "pass"
    untried = compare(replace(side, access=others), side)
    assert [(gate.code, gate.outcome) for gate in untried.gates] == [("access", "warn")]


def test_a_broken_budget_fails_whatever_the_base_did_and_one_that_was_not_measured_warns() -> None:
    side = a_side(backfill())
    kept = BudgetCheck("deploy_s", 2.0, "bench.toml:3", 1.5, broken=False)
    broken, unknown = replace(kept, measured=2.5, broken=True), replace(kept, measured=None)
    for before in (kept, broken):
        decided = compare(replace(side, budgets=(before,)), replace(side, budgets=(broken,)))
        assert the(decided) == ("S", "budget", "deploy_s")
        assert "budget of 2.00 s (bench.toml:3)" in str(bad(decided)[0].note)
    better = compare(replace(side, budgets=(broken,)), replace(side, budgets=(kept,)))
    assert [gate.outcome for gate in better.gates] == ["improved"]
    unmeasured = compare(replace(side, budgets=(kept,)), replace(side, budgets=(unknown,)))
    assert [gate.outcome for gate in unmeasured.gates] == ["warn"]


def test_each_timed_statement_has_its_ratio_and_the_limit_is_named() -> None:
    decided = compare(a_side(timed(*[1.0] * 5)), a_side(timed(*[1.5] * 5)), paired=True)
    svg = draw_forest(decided).svg.decode()
    assert "1.50× [1.50×, 1.50×]" in svg
    assert "the limit 1.25×" in svg.replace("\n", " ")
    assert "n = 5 + 5" in svg


def test_where_nothing_is_long_enough_the_picture_says_so() -> None:
    decided = compare(a_side(timed(*[0.01] * 5)), a_side(timed(*[0.01] * 5)))
    assert "No statement is long enough" in draw_forest(decided).svg.decode()


def test_the_more_statements_a_suite_has_the_less_one_of_them_is_taken_for_slower() -> None:
    found = logs_of([1.0, 1.02, 0.98, 1.01, 0.99], [1.2, 1.7, 1.1, 1.6, 1.3], paired=True)
    assert [wall.surely_slower(found, found.variance, n) for n in (1, 1000)] == [True, False]


def test_names_in_a_comparison_are_text_in_the_comment_and_on_the_terminal() -> None:
    hostile = "public.<img src=x>|@team\x1b[31m"
    locked = backfill(locks=(a_lock(hostile, LockMode.ACCESS_EXCLUSIVE),))
    decided = compare(a_side(backfill()), a_side(locked))
    comment = markdown(decided)
    assert "<img" not in comment
    assert "\x1b" not in comment
    assert "@team" not in comment
    assert comment.startswith(("❌", "⚠️"))
    assert comment.index("<!-- bench:") < comment.index("| Outcome | By | Where | What |")
    console = Console(file=io.StringIO(), width=200)
    print_comparison(decided, console)
    assert isinstance(console.file, io.StringIO)
    assert "\x1b" not in console.file.getvalue()
    assert hostile[:18] in console.file.getvalue()


def test_sections_of_a_comparison_that_have_no_room_are_left_out_whole() -> None:
    decided = compare(a_side(backfill()), a_side(backfill(locks=(a_lock(mode=LockMode.SHARE),))))
    assert len(markdown(decided)) <= LONGEST_COMMENT
    short = markdown(decided, longest=500)
    assert len(short) <= 500
    assert "sections were left out: a comment holds 500 characters" in short
