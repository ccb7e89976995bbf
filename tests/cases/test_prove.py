"""What ``bench prove`` says of rollbacks, access, functions, constraints, dirt and claims of the files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from documents import validation_text
from field import folder
from proving import by_code, proved

from bench.analyse.conclude import conclude
from bench.analyse.dangers.crash import so_far
from bench.analyse.dangers.rollback import gravest_first
from bench.migrate.suite import find_suite
from bench.model.proof import Difference
from bench.model.run import Run
from bench.pg.database import create_database, drop_database, new_name
from bench.pg.server import Server
from bench.run.prove.session import ProofOptions
from bench.run.prove.states import compare, paired, read_state

NO_CRASHES = ProofOptions(budget_s=0.0)


def proved_case(server: Server, case: str, directory: Path) -> Run:
    """The concluded proof of a case's suite ``m`` on its base."""
    shutil.copytree(folder(case), directory / "case")
    base = directory / "case" / "base.sql"
    found = find_suite(str(directory / "case" / "m"), base=base if base.is_file() else None)
    return proved(server, found, NO_CRASHES)


def test_real_suite_11_empty_open_table(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/11-empty-open-table", tmp_path)
    (finding,) = by_code(run, "access-opened")
    assert (finding.severity, finding.relation) == ("error", "public.notes")
    assert "has no row yet: row security is off" in finding.message
    for actor in ("anon", "other user"):
        for op in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            assert f"{actor} {op}" in finding.message
    assert finding.sql == "ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;"


def test_real_suite_12_aggregate_view_leak(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/12-aggregate-view-leak", tmp_path)
    (finding,) = by_code(run, "access-opened")
    assert finding.relation == "public.firm_totals"
    assert "its query gives the actor itself other values in 32 of 40 rows" in finding.message
    assert "other user SELECT" in finding.message
    assert "owner SELECT" in finding.message


def test_real_suite_13_failing_function(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/13-failing-function", tmp_path)
    (failing,) = by_code(run, "function-fails")
    assert failing.message.startswith(
        "public.follow_up(p_visit uuid) fails at every call: null value in column"
    )
    assert '"rep"' in failing.message
    assert "(23502)" in failing.message
    (opened,) = by_code(run, "access-opened")
    assert opened.message.startswith("anon may call public.follow_up(p_visit uuid)")
    assert "view" not in (opened.fix or "")
    assert opened.sql == "REVOKE EXECUTE ON FUNCTION public.follow_up(p_visit uuid) FROM PUBLIC, anon;"


def test_real_suite_14_contradiction_was_there_before(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/14-contradiction-was-there-before", tmp_path)
    assert by_code(run, "constraint-contradiction") == []
    refused = [trial for trial in run.proofs.values if trial.kind == "delete" and trial.accepted is False]
    assert refused
    assert all(trial.refused_before for trial in refused)


def test_real_suite_15_lost_and_named_by_notice(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/15-lost-and-named-by-notice", tmp_path)
    assert "0 lost and named, 1 lost without a word" in validation_text(conclude(run))
    (finding,) = by_code(run, "rollback-incomplete")
    assert "loses what users wrote since, and does not say so" in finding.message


def test_real_suite_16_generated_keys(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/16-generated-keys", tmp_path)
    proofs = {(proof.scope, proof.migrations): proof for proof in run.proofs.idempotence}
    swapped = proofs["out-of-order", ("003_note", "002_people")]
    assert (swapped.outcome, swapped.differences) == ("same", ())
    twice = proofs["twice", ("002_people", "002_people")]
    assert [(d.object, d.change, d.rows, d.columns) for d in twice.differences] == [
        ("public.log", "added", 60, ()),
        ("public.people", "changed", 30, ("calls",)),
    ]


def test_rows_with_generated_keys_are_told_by_their_other_values() -> None:
    were = {"k1": ("a", "1"), "k2": ("b", "1")}
    assert paired(were, {"n1": ("b", "2"), "n2": ("a", "2"), "n3": ("c", "2")}) == (
        {"k1": "n2", "k2": "n1"},
        (1,),
    )
    assert paired(were, {"n1": ("x", "2"), "n2": ("y", "2")}) == ({}, ()), "nothing tells them"
    assert paired({"k1": ("a",)}, {"n1": ("b",)}) == ({}, ())


def test_rows_that_come_with_another_key_in_each_run_are_not_lost(server: Server) -> None:
    names = [new_name("state"), new_name("state")]
    volatile = {"public.t": frozenset({"id"})}
    try:
        for calls, name in enumerate(names):
            create_database(server, name)
            with server.connect(name) as conn:
                conn.execute(
                    "CREATE TABLE t (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), mail text, calls int)"
                )
                conn.execute("INSERT INTO t (mail, calls) VALUES ('a', %s), ('b', %s), ('c', 7)", [calls] * 2)
        one, other = (read_state(server, name, volatile) for name in names)
        (difference,) = compare(server, one, other, volatile)
    finally:
        for name in names:
            drop_database(server, name)
    assert (difference.change, difference.rows, difference.columns) == ("changed", 2, ("calls",))


def test_real_suite_17_validation_claims(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/17-validation-claims", tmp_path)
    told = validation_text(conclude(run))
    assert re.search(r"Its own estimate \| \"Estimated Time: \W*2 minutes", told)
    assert "2 tables, 1 view, 1 index, 2 indexes of keys" in told


def test_real_suite_21_row_order_trigger(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/21-row-order-trigger", tmp_path)
    found = by_code(run, "fails-on-data")
    assert "27000" in " ".join(finding.message for finding in found)
    assert "make it an AFTER trigger" in " ".join(finding.fix or "" for finding in found)
    (proof,) = run.proofs.dirt
    chief, other = proof.offending
    assert '"chief": true' in chief.values
    assert '"chief": false' in other.values


def test_real_suite_23_rows_cut_off(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/23-rows-cut-off", tmp_path)
    (proof,) = run.proofs.dirt
    assert len(proof.offending) == 2
    for row in proof.offending:
        assert '"mail": "same@x.test"' in row.values
        assert row.values.startswith('{"id": "')
        assert len(row.values) <= 300


def test_real_suite_25_rollback_order(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/25-rollback-order", tmp_path)
    (finding,) = [each for each in by_code(run, "rollback-incomplete") if each.severity == "error"]
    assert finding.evidence["differences"] == [
        "loses column public.firms.old_code, with its values in 200 rows",
        "leaves 200 rows of public.firms with other values in name (key (1), (10), (100))",
        "leaves table public.codes_log",
    ]


def test_real_suite_28_transaction_claim(server: Server, tmp_path: Path) -> None:
    run = proved_case(server, "real-suite/28-transaction-claim", tmp_path)
    (claim,) = by_code(run, "transaction-claim")
    assert "full transaction management with savepoints" in claim.message
    assert "2 statements commit on their own" in claim.message


def test_reports_84_hostile_names(server: Server, tmp_path: Path) -> None:
    shutil.copytree(folder("reports/84-hostile-names"), tmp_path / "case")
    (tmp_path / "case" / "rollback").rename(tmp_path / "case" / "mig" / "rollback")
    found = find_suite(str(tmp_path / "case" / "mig"), base=tmp_path / "case" / "base.sql")
    run = proved(server, found, NO_CRASHES)
    assert [m.outcome for m in run.passes[0].repeats[0].migrations] == ["applied"] * len(found.migrations)
    scopes = {proof.scope: proof.outcome for proof in run.proofs.rollback}
    assert scopes.keys() == {"alone", "after-writes", "all"}
    assert "failed" not in scopes.values()


def test_parts_of_a_table_or_a_view_are_no_items_of_their_own() -> None:
    whole = Difference("schema", "view public.v", "added")
    columns = [Difference("schema", f"column public.v.{name}", "added") for name in "ab"]
    rows = Difference("rows", "public.log", "added", rows=60)
    assert gravest_first([*columns, whole]) == [whole]
    assert so_far([*columns, whole, rows]) == (
        "60 rows of public.log there already; view public.v there already"
    )
