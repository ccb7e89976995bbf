"""Growth is told only where it is certain: the three false findings of a default run."""

from __future__ import annotations

from factories import a_migration, a_run, a_statement

from bench.analyse.conclude import conclude
from bench.model.plan import AtSize, NestedPlan
from bench.model.statement import StatementRun

WORK = {"Node Type": "Nested Loop", "Actual Loops": 1, "Actual Rows": 20_000}


def inside(index: int, nested: NestedPlan) -> StatementRun:
    """A DO block with this inside."""
    return a_statement(
        index,
        "DO $$ BEGIN UPDATE deals SET x = 1; END $$",
        kind="DO",
        explained_s=2.0,
        duration_s=2.0,
        nested=(nested,),
    )


def grown(
    text: str, plan: dict[str, object], growth: float, sizes: tuple[AtSize, AtSize], calls: int = 1
) -> NestedPlan:
    return NestedPlan(
        text, sizes[1].duration_s, 10, plan, calls=calls, growth=growth, growth_of="work", sizes=sizes
    )


def test_newcomer_03_growth_findings_contradict() -> None:
    """The three of a default run: a key's check of a small table, work that the time does not follow, and a
    CREATE INDEX that one pass found slow by chance."""
    by_key = (
        'SELECT 1 FROM ONLY "public"."profiles" x WHERE "id" OPERATOR(pg_catalog.=) $1 FOR KEY SHARE OF x'
    )
    small_scan = {
        "Node Type": "Seq Scan",
        "Actual Loops": 4000,
        "Actual Rows": 1,
        "Rows Removed by Filter": 66,
    }
    quadratic = AtSize(25_000, 0.1, 1000, 1e6), AtSize(100_000, 1.6, 4000, 16e6)
    check = grown(by_key, small_scan, 2.0, quadratic, calls=4000)
    uneven = (AtSize(25_000, 0.02, 1, 1e5), AtSize(100_000, 0.106, 1, 5.6e6))
    contradicted = grown("UPDATE deals SET x = 1", WORK, 2.9, uneven)
    sizes = (AtSize(25_000, 0.0132, 1, None), AtSize(100_000, 0.149, 1, None))
    index = a_statement(
        2, "CREATE INDEX CONCURRENTLY i ON t (x)", duration_s=0.0469, explained_s=0.149, growth=1.75,
        growth_of="time", sizes=sizes,
    )  # fmt: skip
    concluded = conclude(a_run([a_migration([inside(0, check), inside(1, contradicted), index])]))
    assert [finding for finding in concluded.findings if finding.code == "growth"] == []
    certain = grown("UPDATE deals SET x = 1", WORK, 2.0, quadratic)
    told = conclude(a_run([a_migration([inside(0, certain)])]))
    (finding,) = [finding for finding in told.findings if finding.code == "growth"]
    assert finding.severity == "warning"
    assert "with the power 2.0 of the data: 4 times the data, 16 times the rows handled" in finding.message
    assert told.verdict.status == "conditional", "a warning counts, or is none"
