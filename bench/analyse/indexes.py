"""Which indexes are copies or beginnings of others, which support foreign keys, and which could go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.analyse.plans import nodes
from bench.model.plan import Query, QueryCost


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """A row of user_indexes.sql."""

    oid: int
    schema: str
    name: str
    table: str
    quoted_table: str
    definition: str
    method: str
    is_unique: bool
    valid: bool
    replica_identity: bool
    constraint: str | None
    keys: Sequence[str]
    shape: Sequence[str]
    """Each key with its operator class, collation and order."""
    included: Sequence[str]
    predicate: str | None
    columns: Sequence[str]
    """All that its entries or its predicate are made of."""
    bytes: int

    @property
    def full_name(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def enforces(self) -> bool:
        """Whether rows are refused because of it."""
        return self.is_unique or self.constraint is not None or self.replica_identity


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A row of user_foreign_keys.sql."""

    name: str
    table: str
    columns: Sequence[str]


def supported_keys(index: IndexFacts, keys: Iterable[ForeignKey]) -> tuple[str, ...]:
    """Foreign keys whose columns, in any order, are the index's first ones.

    A partial index counts where it leaves out only rows that refer to nothing.
    """
    if index.method not in ("btree", "hash"):
        return ()
    return tuple(
        key.name
        for key in keys
        if key.table == index.table
        and set(key.columns) == set(index.keys[: len(key.columns)])
        and (index.predicate is None or _only_nulls_left_out(index.predicate, key.columns))
    )


def _only_nulls_left_out(predicate: str, columns: Sequence[str]) -> bool:
    return predicate.strip("()") in {f"{column} IS NOT NULL" for column in columns}


def duplicate_of(index: IndexFacts, others: Sequence[IndexFacts]) -> IndexFacts | None:
    """An index that does all that this one does and was chosen to stay of those that are alike."""
    alike = [facts for facts in others if _alike(index, facts)]
    first = min((index, *alike), key=lambda facts: (not facts.enforces, facts.full_name))
    return first if first.oid != index.oid and not index.enforces else None


def _alike(a: IndexFacts, b: IndexFacts) -> bool:
    parts = [(x.table, x.method, list(x.shape), set(x.included), x.predicate) for x in (a, b)]
    return a.oid != b.oid and b.valid and parts[0] == parts[1]


def prefix_of(index: IndexFacts, others: Sequence[IndexFacts]) -> IndexFacts | None:
    """A longer B-tree that begins with all keys of this one and has what it includes."""
    if index.method != "btree" or index.enforces:
        return None
    longer = [
        facts
        for facts in others
        if facts.table == index.table
        and facts.method == "btree"
        and facts.valid
        and facts.predicate == index.predicate
        and len(facts.shape) > len(index.shape)
        and list(facts.shape[: len(index.shape)]) == list(index.shape)
        and set(index.included) <= {*facts.keys, *facts.included}
    ]
    return min(longer, key=lambda facts: (len(facts.shape), facts.full_name), default=None)


def heir(index: IndexFacts, others: Sequence[IndexFacts]) -> IndexFacts | None:
    """The one that would do its work: alike, or longer."""
    return duplicate_of(index, others) or prefix_of(index, others)


def users(queries: Iterable[Query]) -> dict[str, tuple[str, ...]]:
    """Index name, without schema → queries whose plans after the suite have it."""
    found: dict[str, dict[str, None]] = {}
    for query in queries:
        costs = [query.after, *(case.cost for case in query.cases if case.state == "after")]
        for name in {name for cost in costs for name in _names(cost)}:
            found.setdefault(name, {})[query.name] = None
    return {name: tuple(named) for name, named in found.items()}


def _names(cost: QueryCost | None) -> set[str]:
    if cost is None:
        return set()
    plans: list[Mapping[str, Any]] = [plan for plan in (cost.plan, *(n.plan for n in cost.nested)) if plan]
    return {str(node["Index Name"]) for plan in plans for node in nodes(plan) if "Index Name" in node}


def candidates(
    facts: Sequence[IndexFacts],
    keys: Sequence[ForeignKey],
    used_by: Mapping[str, Sequence[str]],
    scans: Mapping[int, int] | None,
) -> tuple[IndexFacts, ...]:
    """Indexes to try without: nobody used them, or a copy or a longer one does their work.

    None enforces a constraint; a foreign key is left with another index that supports it, and what does the
    work of one that was used stays.
    """

    def is_used(index: IndexFacts) -> bool:
        return bool(used_by.get(index.name)) or bool((scans or {}).get(index.oid, 0))

    indexes: list[IndexFacts] = []
    heirs: set[int] = set()
    covered = {fact.oid: heir(fact, facts) for fact in facts}
    for index in sorted(facts, key=lambda candidate: covered[candidate.oid] is None):
        others = [fact for fact in facts if fact not in indexes]
        instead = heir(index, others)
        if index.enforces or index.oid in heirs or not (instead or not is_used(index)):
            continue
        others_support = {
            name for other in others if other.oid != index.oid for name in supported_keys(other, keys)
        }
        if set(supported_keys(index, keys)) <= others_support:
            indexes.append(index)
            heirs |= {instead.oid} if instead is not None and is_used(index) else set()
    return tuple(indexes)
