"""A copy that takes the place of its original while others write misses what they write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.model.finding import Finding
from bench.model.run import Run

BASE = """\
CREATE TABLE orders (id int PRIMARY KEY, total int, note text);
INSERT INTO orders SELECT i, i, 'n' FROM generate_series(1, 50) i;
"""
SWAP = """\
CREATE TABLE orders_new (id bigint PRIMARY KEY, total int, note text);
{before}INSERT INTO orders_new SELECT * FROM orders;
ALTER TABLE orders RENAME TO orders_old;
ALTER TABLE orders_new RENAME TO orders;
{after}"""


def missed(run: Run) -> list[Finding]:
    assert {each.outcome for each in run.passes[0].repeats[0].migrations} == {"applied"}
    return [each for each in run.findings if each.code == "copy-misses-writes"]


@pytest.mark.parametrize("inside", [False, True], ids=["each alone", "in one transaction"])
def test_a_table_that_its_copy_replaces(rehearse_files: Callable[..., Run], inside: bool) -> None:
    text = SWAP.format(before="BEGIN;\n" if inside else "", after="COMMIT;\n" if inside else "")
    (finding,) = missed(rehearse_files({"001_swap.sql": text}, base=BASE))
    assert finding.severity == "error"
    assert (finding.relation, finding.evidence["rows"]) == ("public.orders", 50)
    assert f"between line {3 if inside else 2} and here is lost: orders_new" in finding.message


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("BEGIN;\nLOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE;\n", "COMMIT;\n"),
        (
            "CREATE FUNCTION carry() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';\n"
            "CREATE TRIGGER carry AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION carry();\n",
            "",
        ),
    ],
    ids=["locked", "carried over by a trigger"],
)
def test_a_copy_that_misses_nothing(rehearse_files: Callable[..., Run], before: str, after: str) -> None:
    assert missed(rehearse_files({"001_swap.sql": SWAP.format(before=before, after=after)}, base=BASE)) == []


def test_a_second_copy_under_a_lock_catches_up(rehearse_files: Callable[..., Run]) -> None:
    catching_up = (
        "INSERT INTO orders_new SELECT * FROM orders;\nBEGIN;\nLOCK TABLE orders IN EXCLUSIVE MODE;\n"
        "INSERT INTO orders_new SELECT * FROM orders ON CONFLICT DO NOTHING;\n"
    )
    text = SWAP.replace("INSERT INTO orders_new SELECT * FROM orders;\n", catching_up)
    assert (
        missed(rehearse_files({"001_swap.sql": text.format(before="", after="COMMIT;\n")}, base=BASE)) == []
    )


def test_a_column_that_its_copy_replaces(rehearse_files: Callable[..., Run]) -> None:
    steps = (
        "ALTER TABLE orders ADD COLUMN total_cents bigint;\nUPDATE orders SET total_cents = total * 100;\n"
        "ALTER TABLE orders DROP COLUMN total;\n"
    )
    inside = (
        "BEGIN;\nALTER TABLE orders ADD COLUMN remark text;\nUPDATE orders SET remark = note;\n"
        "ALTER TABLE orders DROP COLUMN note;\nCOMMIT;\n"
    )
    files = {"001_alone.sql": steps, "002_in_one.sql": inside}
    (finding,) = missed(rehearse_files(files, base=BASE))
    assert (finding.migration, finding.severity) == ("001_alone", "warning")
    assert "its total is copied there" in finding.message
