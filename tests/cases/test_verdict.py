"""What a run comes to: the worst that was measured, told once, and an exit code that says what it says."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import bench
from documents import facts_of, validation_text
from factories import (
    a_class,
    a_migration,
    a_run,
    a_statement,
    a_workload,
    an_error,
    hazard_run,
    loaded_run,
    rich_run,
)
from rich.console import Console

from bench.analyse.conclude import Conclusion, conclude
from bench.analyse.quantity import seconds
from bench.analyse.waits import ACCESSES
from bench.cli import FAULT, Ending
from bench.cli.run import exit_code
from bench.errors import Interrupted, ServerError, UsageError
from bench.migrate.suite import find_suite
from bench.model.budget import Budget
from bench.model.forecast import ForecastDocument, ForecastFigure, Refusal
from bench.model.load import BlockedBy, Cause, RequestErrors
from bench.model.run import Run
from bench.pg.server import Server
from bench.report.console import print_summary
from bench.report.figures import draw_figures
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.report.runformats import messages
from bench.report.view import page_view
from bench.run.progress import Event, StatementBegan, Step
from bench.run.session import RunOptions, rehearse
from bench.run.traffic.onepass import TrafficOptions
from bench.store.codec import decode, encode

INPUTS = Path(__file__).parent / "inputs"
QUICK = TrafficOptions(rate_per_s=30, connections=4, warm_s=0.3, after_s=0.3)


def test_faults_20_exit_codes(
    rehearse_case: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crash = Ending(debug=False)
    with crash:
        [].pop()
    assert crash.code == FAULT == 70
    assert "this is a fault of pgrehearse: IndexError: pop from empty list" in capsys.readouterr().err
    done = bench("run", "nosuch", "--debug", cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" in done.stderr
    concluded = conclude(rehearse_case("faults/20-exit-codes", "traffic", load=QUICK))
    assert concluded.verdict.status == "not_ready"
    assert exit_code(concluded, "never") == 4
    assert exit_code(conclude(interrupted_run()), "never") == 0


@pytest.mark.parametrize(
    ("raised", "code"),
    [(UsageError("x"), 2), (ServerError("x"), 5), (KeyboardInterrupt(), 130), (ValueError("x"), 70)],
)
@pytest.mark.parametrize("debug", [False, True])
def test_every_error_has_its_code_with_a_traceback_or_without(
    raised: BaseException, code: int, debug: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    ending = Ending(debug)
    with ending:
        raise raised
    assert ending.code == code
    assert ("Traceback" in capsys.readouterr().err) is debug


def interrupted_run() -> Run:
    """A run that was ended while its first repeat was under way."""
    error = replace(an_error(None), message="interrupted", interrupted=True)
    run = a_run([a_migration([a_statement(outcome="failed", error=error)])])
    return replace(run, finished_at=None)


def test_an_interruption_is_no_failure_of_a_migration_in_any_form() -> None:
    error = replace(an_error(None), message="interrupted", interrupted=True)
    done = a_statement(0, "CREATE INDEX CONCURRENTLY i ON deals (x)", kind="CREATE INDEX", transaction="none")
    run = a_run([a_migration([done, a_statement(1, outcome="failed", error=error)])])
    concluded = conclude(replace(run, finished_at=None))
    assert concluded.verdict.status == "incomplete"
    assert messages(concluded)[0].rule == "BENCH-INCOMPLETE"
    assert "BENCH-FAILED" not in {message.rule for message in messages(concluded)}
    assert "⏹️ interrupted" in render_markdown(concluded)
    assert "🔴" not in render_markdown(concluded)


def test_newcomer_07_interrupted_run_is_ready(server: Server, tmp_path: Path) -> None:
    (tmp_path / "base.sql").write_text(
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t SELECT g, g FROM generate_series(1, 50) g;"
    )
    (tmp_path / "001_add.sql").write_text("ALTER TABLE t ADD COLUMN w text;")
    stored: list[Run] = []

    def interrupt(event: Event) -> None:
        under_traffic = any(found.kind == "solo" for run in stored[-1:] for found in run.passes)
        if isinstance(event, Step) and "requests/s" in event.text and under_traffic:
            raise KeyboardInterrupt

    options = RunOptions(repeats=1, explain=False, probe=False, load=QUICK)
    with pytest.raises(Interrupted):
        rehearse(
            server, find_suite(str(tmp_path)), options, run_id="cut", save=stored.append, progress=interrupt
        )
    concluded = conclude(stored[-1])
    assert concluded.verdict.status == "incomplete"
    assert "ended before its time" in concluded.verdict.sentence
    for text in (render_markdown(concluded), render_html(concluded, ())):
        assert "Incomplete" in text
        assert "the run was ended before its time" in text
    assert exit_code(concluded, "never") == 0
    assert exit_code(concluded, "error") == 6


def ending(server: Server, name: str, statement: str, *, under_traffic: bool) -> Callable[[Event], None]:
    """Ends the session of this name once, when the first statement of this kind begins."""
    ended: list[str] = []
    loaded: list[str] = []

    def end(event: Event) -> None:
        if isinstance(event, Step) and "requests/s" in event.text:
            loaded.append(event.text)
        begins = isinstance(event, StatementBegan) and event.statement.kind == statement
        if begins and not ended and bool(loaded) is under_traffic:
            with server.connect() as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE application_name = %s",
                    (f"pgrehearse {name}",),
                )
            ended.append(name)

    return end


def test_faults_28_watcher_gone_and_nobody_was_seen_to_wait(server: Server) -> None:
    suite = find_suite(str(INPUTS / "faults/28-watcher-gone-and-nobody-was-seen-to-wait" / "m"))
    load = TrafficOptions(rate_per_s=60, connections=10, warm_s=0.3, after_s=0.3)
    run = rehearse(
        server, suite, RunOptions(repeats=1, explain=False, probe=False, load=load), run_id="lost",
        save=lambda _: None, progress=ending(server, "lookout", "BEGIN", under_traffic=True),
    )  # fmt: skip
    (loaded,) = [found for found in run.passes if found.kind == "loaded"]
    workload = loaded.repeats[0].workload
    assert workload is not None
    assert any("watches who waits for whom was lost" in note for note in workload.notes)
    traffic = next(line.text for line in conclude(run).card.lines if line.topic == "traffic")
    assert "wait up to" in traffic, "it is watched again"
    assert "no write or read was seen to wait" not in traffic


def test_faults_28_the_sampler_is_lost_in_the_solo_pass(server: Server) -> None:
    suite = find_suite(str(INPUTS / "faults/tools" / "suite"))
    run = rehearse(
        server, suite, RunOptions(repeats=1, explain=False, probe=False), run_id="lost",
        save=lambda _: None, progress=ending(server, "sampler", "DO", under_traffic=False),
    )  # fmt: skip
    repeat = run.passes[0].repeats[0]
    assert repeat.sampler is not None
    assert repeat.sampler.lost_s > 0
    statements = [statement for migration in repeat.migrations for statement in migration.statements]
    (block,) = [statement for statement in statements if statement.kind == "DO"]
    assert block.locks


def test_faults_28_what_nobody_watched_is_unknown_and_never_none() -> None:
    quiet = a_class(worst_blocked_s=0.0, blocked_s=0.0, blocked_by=(), blocked=(), errors=())
    blind = loaded_run(replace(a_workload(quiet), unwatched_s=2.9, wait_count=0))
    budget = Budget("longest_blocked_write_s", 0.25, "bench.toml:2")
    concluded = conclude(replace(blind, suite=replace(blind.suite, budgets=(budget,))))
    (line,) = [line for line in concluded.card.lines if line.topic == "traffic"]
    assert "who waited was not seen for 2.90 s: the watching session was lost" in line.text
    assert line.tone == "unknown"
    (check,) = concluded.checks
    assert (check.measured, check.broken) == (None, False)
    assert concluded.verdict.status == "incomplete"
    pictures = tuple(draw_figures(blind, concluded.summary))
    for text in (render_markdown(concluded), render_html(concluded, pictures)):
        assert "no wait seen" not in text


def test_a_server_that_went_down_under_traffic_is_told() -> None:
    error = RequestErrors("08006", 40, 40, 0, 0, "server closed the connection unexpectedly", 0.5)
    cut = a_class(worst_blocked_s=0.0, blocked_s=0.0, blocked_by=(), blocked=(), errors=(error,), failed=40)
    concluded = conclude(loaded_run(a_workload(cut)))
    (line,) = [line for line in concluded.card.lines if line.topic == "traffic"]
    assert "40 requests lose their connection, as the server went down" in line.text
    assert concluded.verdict.status == "incomplete"


def shown(conclusion: Conclusion) -> dict[str, str]:
    """Everything that a user reads of a run, by the name of its form."""
    console = Console(file=io.StringIO(), width=200, color_system=None)
    print_summary(conclusion, None, console)
    assert isinstance(console.file, io.StringIO)
    return {
        "card": "\n".join(line.text for line in conclusion.card.lines),
        "console": console.file.getvalue(),
        "markdown": render_markdown(conclusion),
        "validation": validation_text(conclusion),
        "tiles": str(facts_of(page_view(conclusion).answer)),
    }


def same_everywhere(conclusion: Conclusion) -> None:
    """Assert that reads and writes wait equally long wherever that is told, and no longer anywhere."""
    texts = shown(conclusion)
    stored = decode(encode(conclusion.run)).longest_waits
    for access in ACCESSES:
        longest = conclusion.longest(access)
        assert [wait for wait in stored if wait.access == access] == ([longest] if longest else [])
        if longest is not None:
            assert [name for name, text in texts.items() if seconds(longest.seconds) not in text] == []
    worst = max((wait for wait in stored), key=lambda wait: wait.seconds)
    (blocked,) = [line for line in texts["console"].splitlines() if line.startswith("Blocked")]
    assert seconds(worst.seconds) in blocked


def test_real_suite_29_longest_block_of_writes(rehearse_case: Callable[..., Run]) -> None:
    concluded = conclude(rehearse_case("real-suite/29-longest-block-of-writes"))
    longest = concluded.longest("write")
    assert longest is not None
    assert (longest.source, longest.relation, longest.migration) == (
        "locked rows",
        "public.deals",
        "001_stages",
    )
    assert longest.seconds >= 0.4
    assert longest.rows is not None
    assert longest.rows >= 1700
    same_everywhere(concluded)
    claims = [line for line in shown(concluded)["validation"].splitlines() if "Blocks writes" in line]
    assert not [claim for claim in claims if "no wait" in claim]


def test_newcomer_02_tile_and_card_are_one_number() -> None:
    """A request waits for longer than the table lock is held when nobody else is there."""
    slow = a_class(
        "update public.order_items", access="write", worst_blocked_s=1.69, blocked_by=(), errors=()
    )
    concluded = conclude(loaded_run(a_workload(slow)))
    told = facts_of(page_view(concluded).answer)["Longest block of writes"]
    assert told == '1.69 s: "update public.order_items" under traffic'
    same_everywhere(concluded)


def test_newcomer_09_a_hazard_that_fails_is_not_ready() -> None:
    run = hazard_run()
    failed = replace(an_error("55P03", line=143), message="canceling statement due to lock timeout")
    repeat = run.passes[2].repeats[0]
    stopped = replace(
        run.passes[2],
        repeats=(replace(repeat, migrations=(a_migration([a_statement(outcome="failed", error=failed)]),)),),
    )
    concluded = conclude(replace(run, passes=(*run.passes[:2], stopped, run.passes[3])))
    assert concluded.verdict.status == "conditional", "with retries it gets through"
    assert any("the deploy stops here" in condition for condition in concluded.verdict.conditions)
    longest = concluded.longest("read")
    assert longest is not None
    assert (longest.seconds, longest.source, longest.hazard) == (30.0, "hazard", "long-reader")
    same_everywhere(concluded)


@pytest.mark.parametrize("run", [rich_run(), loaded_run(), hazard_run()])
def test_every_number_of_the_longest_wait_is_one(run: Run) -> None:
    same_everywhere(conclude(run))


def test_a_request_that_waits_for_long_counts_where_the_lock_alone_is_short() -> None:
    cause = Cause("001_first", 0, "public.deals", "AccessExclusiveLock", True, "RowExclusiveLock")
    slow = a_class(
        access="write", worst_blocked_s=1.69, errors=(), blocked_by=(BlockedBy(cause, 40, 1.69, 1.69),)
    )
    concluded = conclude(loaded_run(a_workload(slow)))
    assert concluded.verdict.status == "conditional"
    assert "waits up to 1.69 s" in concluded.verdict.sentence


AT = {"deals": 10_000_000}


def forecast_of(*forecasts: ForecastFigure) -> Run:
    """A rich run with a forecast at 10 million deals."""
    return replace(rich_run(), forecast=ForecastDocument(AT, 1.0, (1.0,), forecasts))


def a_forecast(
    subject: str, quantity: str, value_s: float | None, refused: Refusal | None = None
) -> ForecastFigure:
    low, high = (None, None) if value_s is None else (0.8 * value_s, 1.25 * value_s)
    return ForecastFigure(subject, quantity, AT, value_s, low, high, None, None, refused)


def test_newcomer_06_a_forecast_heads_its_report_and_counts_in_the_verdict() -> None:
    far = "the target is 256 times the largest size, more than 30"
    refused = conclude(forecast_of(a_forecast("all", "duration_s", None, Refusal(far, "raise --within"))))
    first = refused.card.lines[0]
    assert first.tone == "unknown"
    assert first.text == (
        f"At 10 M deals there is no forecast of how long the deploy takes: {far}; raise --within."
    )
    assert refused.verdict.status == "incomplete"
    assert f"at 10 M deals how long the deploy takes has no forecast: {far}" in refused.verdict.conditions

    short = Refusal("2 ms are too short to see how it grows", "raise --within", short=True)
    known = conclude(
        forecast_of(
            a_forecast("all", "duration_s", 44.0),
            a_forecast("lock:001:public.deals", "held_s", 40.0),
            a_forecast("lock:001:public.tasks", "held_s", None, short),
        )
    )
    assert known.card.lines[0].text == (
        "At 10 M deals the deploy is forecast to take 44.0 s [35.2 s, 55.0 s], and its longest lock to be "
        "held for 40.0 s [32.0 s, 50.0 s]."
    )
    assert known.verdict.status == "conditional"
    assert "the lock on public.deals is forecast to be held for 40.0 s" in known.verdict.sentence
    quick = conclude(forecast_of(a_forecast("all", "duration_s", 44.0)))
    assert quick.verdict.status == "ready"
    assert "at 10 M deals the deploy is forecast to take 44.0 s" in quick.verdict.sentence
    for text in (render_markdown(known), shown(known)["console"]):
        assert text.index("At 10 M deals") < text.index("On this data")
