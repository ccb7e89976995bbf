"""All rules, and what they say of a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.analyse.advice import joins, scans, statements
from bench.analyse.advice.nodes import Advice, Executed, Rule, read_plan
from bench.model.plan import NestedPlan, QueryCost, TableIndex, UserFunction

RULES: tuple[Rule, ...] = (
    scans.sequential_scan,
    scans.filter_after_index,
    scans.late_limit,
    scans.deep_offset,
    scans.heap_fetches,
    scans.lossy_bitmap,
    scans.cast_column,
    scans.leading_wildcard,
    scans.long_list,
    joins.scan_per_loop,
    joins.many_loops,
    joins.join_filter,
    joins.or_across_tables,
    joins.correlated_subplan,
    joins.materialised_cte,
    joins.estimate_off,
    statements.sort_spill,
    statements.hash_batches,
    statements.aggregate_spill,
    statements.workers_missing,
    statements.policy_per_row,
    statements.function_per_row,
    statements.function_not_inlined,
    statements.jit_cost,
    statements.key_check_without_index,
    statements.disabled_node,
)


def advise(plan: Executed) -> tuple[Advice, ...]:
    """What the rules say of a plan, the nodes with the largest share of its time first."""
    advices = [advice for rule in RULES for advice in rule(plan)]
    return tuple(sorted(advices, key=lambda advice: -(advice.share if advice.share is not None else 1.0)))


def advise_query(
    cost: QueryCost | None, functions: Sequence[UserFunction] = (), indexes: Sequence[TableIndex] = ()
) -> tuple[Advice, ...]:
    """What they say of a query, and of what its functions run; ``indexes``: those there are already."""
    if cost is None or not cost.plan:
        return ()
    known = {function.name: function for function in functions}
    plan = Executed(read_plan(cost.plan), cost.execution_s, cost.jit_s, cost.triggers, known, indexes)
    return (*advise(plan), *(advice for nested in cost.nested for advice in _inside(nested, known, indexes)))


def _inside(
    nested: NestedPlan, known: Mapping[str, UserFunction], indexes: Sequence[TableIndex]
) -> tuple[Advice, ...]:
    if nested.plan is None:
        return ()
    return advise(Executed(read_plan(nested.plan), None, None, (), known, indexes))
