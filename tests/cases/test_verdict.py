"""What a run comes to: the worst that was measured, told once, and an exit code that says what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import bench
from factories import a_class, a_migration, a_run, a_statement, a_workload, an_error, loaded_run

from bench.analyse.conclude import conclude
from bench.cli import FAULT, Ending
from bench.cli.run import exit_code
from bench.errors import Interrupted, ServerError, UsageError
from bench.migrate.suite import find_suite
from bench.model.budget import Budget
from bench.model.load import RequestErrors
from bench.model.run import Run
from bench.pg.server import Server
from bench.report.figures import draw_figures
from bench.report.html import render_html
from bench.report.markdown import render_markdown
from bench.run.loaded import LoadOptions
from bench.run.progress import Event, StatementBegan, Step
from bench.run.session import RunOptions, rehearse

INPUTS = Path(__file__).parent / "inputs"
QUICK = LoadOptions(rate_per_s=30, connections=4, warm_s=0.3, after_s=0.3)


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
    load = LoadOptions(rate_per_s=60, connections=10, warm_s=0.3, after_s=0.3)
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
