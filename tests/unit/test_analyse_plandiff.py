"""Two plans laid over each other: nothing is lost, and what differs is where it differs."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from bench.analyse.plandiff import describe_diff, diff_plans
from bench.analyse.plans import nodes
from bench.report.plandiagram import draw_plan

NAMES = st.sampled_from(["Seq Scan", "Index Scan", "Hash Join", "Sort", "Aggregate"])
TABLES = st.sampled_from(["deals", "contacts", None])


def a_node(kind: str, table: str | None = None, *children: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"Node Type": kind, "Actual Rows": 5, "Actual Loops": 1, "Plan Rows": 5}
    if table is not None:
        found["Relation Name"] = table
    return found | ({"Plans": list(children)} if children else {})


PLANS = st.recursive(
    st.builds(a_node, NAMES, TABLES),
    lambda below: st.builds(
        lambda kind, children: a_node(kind, None, *children), NAMES, st.lists(below, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


@given(PLANS, PLANS)
def test_every_node_of_both_plans_is_in_the_tree_once(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = [node for _, node in diff_plans(before, after).nodes()]
    assert sorted(n.before.node for n in found if n.before) == sorted(
        f"{n['Node Type']}" + (f" on {n['Relation Name']}" if "Relation Name" in n else "")
        for n in nodes(before)
    )
    assert sum(node.after is not None for node in found) == len(list(nodes(after)))
    for node in found:
        sides = {"added": (False, True), "removed": (True, False)}.get(node.change, (True, True))
        assert (node.before is not None, node.after is not None) == sides


@given(PLANS)
def test_a_plan_against_itself_has_no_difference(plan: dict[str, Any]) -> None:
    assert {node.change for _, node in diff_plans(plan, plan).nodes()} == {"same"}


def test_a_sort_that_came_and_a_scan_that_changed_are_named() -> None:
    before = a_node("Limit", None, a_node("Hash Join", None, a_node("Seq Scan", "deals"), a_node("Hash")))
    after = a_node(
        "Limit", None,
        a_node("Sort", None, a_node("Hash Join", None, a_node("Index Scan", "deals"), a_node("Hash"))),
    )  # fmt: skip
    assert describe_diff(diff_plans(before, after)).splitlines() == [
        "  Limit  (5 rows)",
        "+   Sort  (5 rows)",
        "      Hash Join  (5 rows)",
        "~       Seq Scan on deals → Index Scan on deals  (5 rows)",
        "        Hash  (5 rows)",
    ]


@given(PLANS, PLANS)
def test_the_drawing_is_well_formed_and_has_a_box_for_each_node(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    root = diff_plans(before, after)
    picture = ElementTree.fromstring(draw_plan(root, 'plan of "<x>"'))
    assert len(picture.findall("{http://www.w3.org/2000/svg}g")) == len(list(root.nodes()))


def test_names_from_the_server_are_escaped() -> None:
    plan = a_node("Seq Scan", "<script>")
    assert "<script>" not in draw_plan(diff_plans(plan, plan), "x")
