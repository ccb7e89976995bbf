"""Budgets: read strictly from bench.toml, checked in every kind of pass, and decisive for the verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from factories import a_class, a_migration, a_run, a_statement, a_workload, an_error, loaded_run, rich_run

from bench.analyse.budgets import describe_check, unmeasured_note
from bench.analyse.conclude import conclude
from bench.errors import UsageError
from bench.migrate.budgets import find_budgets, read_budgets
from bench.model.budget import Budget
from bench.model.load import ClassLoad
from bench.model.run import Pass, Run
from bench.store.codec import decode, encode

TOML = """\
[budget]
longest_blocked_read_s = 0.25
deploy_s = 60   # on our data

[budget.hold_s]
"public.deals" = 0.1

[budget.hazard]
longest_blocked_read_s = 2.25

[budget.hazard.long-reader]
deploy_s = 120
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "bench.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_budget_knows_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, TOML)
    assert read_budgets(path) == (
        Budget("longest_blocked_read_s", 0.25, f"{path}:2"),
        Budget("deploy_s", 60.0, f"{path}:3"),
        Budget("hold_s", 0.1, f"{path}:6", relation="public.deals"),
        Budget("longest_blocked_read_s", 2.25, f"{path}:9", "any"),
        Budget("deploy_s", 120.0, f"{path}:12", "long-reader"),
    )


def test_the_suites_own_file_goes_before_the_working_directorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    monkeypatch.chdir(tmp_path)
    assert find_budgets(suite) == ()
    written(tmp_path, "[budget]\ndeploy_s = 1\n")
    assert [each.limit for each in find_budgets(suite)] == [1.0]
    written(suite, "[budget]\ndeploy_s = 2\n")
    assert [each.limit for each in find_budgets(suite)] == [2.0]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[budgets]\ndeploy_s = 1\n", ':1: unknown key "budgets"', 'did you mean "budget"?'),
        ("[budget]\n\ndeploys_s = 1\n", ':3: unknown key "deploys_s" in [budget]', 'mean "deploy_s"?'),
        ("[budget]\ndeploy_s = '1 min'\n", ":2: deploy_s = '1 min' is not seconds", "deploy_s = 0.25"),
        ("[budget]\ndeploy_s = true\n", ":2: deploy_s = True is not seconds", ""),
        ("[budget]\ndeploy_s = -1\n", ":2: deploy_s = -1 is not seconds", ""),
        ("[budget]\ndeploy_s = inf\n", ":2: deploy_s = inf is not seconds", ""),
        ("[budget]\nerror_share = 5\n", ":2: error_share = 5 is not a share from 0 to 1", "0.001"),
        ("[budget]\nhold_s = 3\n", ":2: budget.hold_s must be a table", "[budget.hold_s]"),
        ("budget = 3\n", ":1: budget must be a table", "[budget]"),
        ("[budget.hold_s]\n'public.t' = 'x'\n", ":2: public.t = 'x' is not seconds", ""),
        (
            "[budget.hazard.long_reader]\ndeploy_s = 1\n",
            ':1: unknown key "long_reader" in [budget.hazard]',
            'did you mean "long-reader"?',
        ),
        (
            "[budget]\nhazard = { backup = { deploys = 3 } }\n",
            ':2: unknown key "deploys" in [budget.hazard.backup]',
            'mean "deploy_s"?',
        ),
    ],
)
def test_what_is_no_budget_is_refused_with_its_line(
    text: str, message: str, hint: str, tmp_path: Path
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UsageError) as raised:
        read_budgets(path)
    assert f"{path}{message}" in raised.value.message
    assert hint in (raised.value.hint or "")


def with_budgets(run: Run, *budgets: Budget) -> Run:
    return replace(run, suite=replace(run.suite, budgets=budgets))


def budget(key: str, limit: float, hazard: str | None = None, relation: str | None = None) -> Budget:
    return Budget(key, limit, "bench.toml:2", hazard, relation)


def beside(run: Run, hazard: str | None, load: ClassLoad, lock_timeout_s: float | None = None) -> Run:
    """The run with one more loaded pass."""
    repeat = replace(run.passes[0].repeats[0], workload=a_workload(load))
    return replace(run, passes=(*run.passes, Pass("loaded", hazard, (repeat,), lock_timeout_s)))


WRITE = a_class("task completion", access="write", blocked_s=2.0, worst_blocked_s=0.4)


@pytest.mark.parametrize(
    ("key", "measured", "subject"),
    [
        ("longest_blocked_read_s", 1.2, '"deal list"'),
        ("longest_blocked_write_s", 0.4, '"task completion"'),
        ("blocked_s", 2.0, '"task completion"'),
        ("error_share", 4 / 800, None),
    ],
)
def test_each_key_is_checked_against_the_traffic(key: str, measured: float, subject: str | None) -> None:
    run = loaded_run(a_workload(a_class(), WRITE))
    for limit, broken in ((measured, False), (measured * 0.99, True)):
        (check,) = conclude(with_budgets(run, budget(key, limit))).checks
        assert check.measured == pytest.approx(measured)
        assert (check.broken, check.subject) == (broken, subject)


def test_the_deploy_and_its_holds_are_checked_in_the_solo_pass() -> None:
    run = with_budgets(
        rich_run(), budget("deploy_s", 10.0), budget("hold_s", 0.5, relation="public.deals"),
        budget("hold_s", 0.0, relation="public.nobody"),
    )  # fmt: skip
    deploy, hold, nobody = conclude(run).checks
    assert (deploy.measured, deploy.broken) == (pytest.approx(10.5, abs=0.1), True)
    assert (hold.measured, hold.broken) == (pytest.approx(0.754, abs=0.001), True)
    assert hold.subject is not None
    assert (nobody.measured, nobody.broken) == (0.0, False)


def test_beside_a_hazard_the_deploy_is_judged_as_it_is_meant_to_run() -> None:
    long, short = (replace(WRITE, worst_blocked_s=each) for each in (30.0, 1.9))
    waiting = beside(loaded_run(), "long-reader", long)
    any_hazard = budget("longest_blocked_write_s", 2.0, "any")
    (check,) = conclude(with_budgets(waiting, any_hazard)).checks
    assert (check.hazard, check.measured, check.broken) == ("long-reader", 30.0, True)
    tried = beside(waiting, "long-reader", short, lock_timeout_s=2.0)
    (check,) = conclude(with_budgets(tried, any_hazard)).checks
    assert (check.measured, check.lock_timeout_s, check.broken) == (1.9, 2.0, False)


def test_a_hazards_own_budget_takes_the_place_of_that_for_any() -> None:
    run = beside(beside(loaded_run(), "long-reader", WRITE), "backup", WRITE)
    checks = conclude(
        with_budgets(
            run,
            budget("longest_blocked_write_s", 0.3, "any"),
            budget("longest_blocked_write_s", 0.5, "long-reader"),
        )
    ).checks
    assert [(each.hazard, each.limit, each.broken) for each in checks] == [
        ("backup", 0.3, True),
        ("long-reader", 0.5, False),
    ]


def test_a_deploy_that_does_not_get_through_beside_a_hazard_breaks_its_time() -> None:
    run = loaded_run()
    stopped = replace(run.passes[0].repeats[0], migrations=(a_migration([a_statement(error=an_error())]),))
    run = replace(run, passes=(*run.passes, Pass("loaded", "backup", (stopped,))))
    (check,) = conclude(with_budgets(run, budget("deploy_s", 60.0, "any"))).checks
    assert check.broken
    assert "does not come to its end beside backup" in describe_check(check)
    assert conclude(with_budgets(run, budget("deploy_s", 60.0, "any"))).verdict.status == "not_ready"


def test_a_broken_budget_is_not_ready_and_says_what_where_and_how_much() -> None:
    run = with_budgets(loaded_run(), budget("longest_blocked_read_s", 0.25))
    verdict = conclude(run).verdict
    assert verdict.status == "not_ready"
    assert verdict.conditions[0] == (
        'a read waits 1.20 s for a lock ("deal list"), over its budget of 250 ms (bench.toml:2)'
    )
    assert verdict.conditions[0] in verdict.sentence


def test_kept_budgets_are_counted_and_those_without_a_figure_are_told() -> None:
    quiet = loaded_run(a_workload(a_class(worst_blocked_s=0.02, blocked_s=0.02, blocked_by=(), errors=())))
    conclusion = conclude(
        with_budgets(
            quiet, budget("longest_blocked_read_s", 0.25), budget("longest_blocked_write_s", 2.25, "any")
        )
    )
    run = conclusion.run
    assert run.verdict is not None
    assert run.verdict.status == "ready"
    assert run.verdict.sentence.endswith("; it keeps within its budget (1 more not measured).")
    (note,) = [each for each in run.notes if each.subject == "budgets"]
    assert "longest_blocked_write_s beside a hazard" in note.text
    assert "--hazard all" in note.text
    assert conclude(run) == conclusion
    assert decode(encode(run)) == run


def test_without_budgets_nothing_is_said_of_them() -> None:
    run = a_run([a_migration([a_statement()])])
    assert conclude(run).checks == ()
    assert unmeasured_note(()) is None
    assert "budget" not in conclude(run).verdict.sentence


def test_the_crm_states_what_it_promises() -> None:
    budgets = find_budgets(Path(__file__).parents[2] / "migrations" / "crm")
    assert {(each.key, each.hazard, each.limit) for each in budgets} == {
        ("longest_blocked_read_s", None, 0.25),
        ("longest_blocked_write_s", None, 0.25),
        ("longest_blocked_read_s", "any", 2.25),
        ("longest_blocked_write_s", "any", 2.25),
    }
