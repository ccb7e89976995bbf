"""Findings of one cause on many relations, told once: with how many they are, and some of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bench.analyse.quantity import count
from bench.model.finding import Finding, Severity
from bench.sql.names import quoted

MANY = 3
"""So many findings of a kind are told each by itself, more of them together."""
SHOWN = 5
_NUMBER = re.compile(r"\d[\d., ]*(?:\s?(?:µs|ms|s|min|h|B|kB|MB|GB))?")
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


def told_once(findings: Iterable[Finding], partitions: Mapping[str, Sequence[str]]) -> list[Finding]:
    """The findings in their order; those of one statement, or of one table's partitions, as one where many.

    ``partitions``: partitioned table → its partitions. The worst of those told together stands for them.
    """
    parents = {child: parent for parent, children in partitions.items() for child in children}
    groups: dict[object, list[Finding]] = {}
    for number, finding in enumerate(findings):
        groups.setdefault(_key(finding, parents) or number, []).append(finding)
    told: list[Finding] = []
    for together in groups.values():
        relations = {other.relation for other in together}
        told += [_one(together)] if len(relations) > MANY else together
    return told


def _key(finding: Finding, parents: Mapping[str, str]) -> object:
    """What findings of one cause share; None for one that stands alone."""
    if finding.relation is None or finding.statement is None:
        return None
    same = (finding.code, finding.migration, finding.accepted)
    root = _root(finding.relation, parents)
    if root != finding.relation:
        return (*same, root, _pattern(finding))
    return (*same, finding.statement, _pattern(finding))


def _root(relation: str, parents: Mapping[str, str]) -> str:
    while relation in parents:
        relation = parents[relation]
    return relation


def _pattern(finding: Finding) -> tuple[str, str]:
    """Message and fix without relation and numbers."""
    assert finding.relation is not None
    names = sorted({finding.relation, quoted(finding.relation), finding.relation.partition(".")[2]}, key=len)
    texts = [finding.message, finding.fix or ""]
    for name in filter(None, reversed(names)):
        texts = [text.replace(name, "…") for text in texts]
    return _NUMBER.sub("#", texts[0]), _NUMBER.sub("#", texts[1])


def _one(together: Sequence[Finding]) -> Finding:
    worst = min(together, key=lambda finding: (_SEVERITIES.index(finding.severity), -_held_s(finding)))
    others = list(
        dict.fromkeys(finding.relation for finding in together if finding.relation != worst.relation)
    )
    some = [str(relation) for relation in others[:SHOWN]]
    like = f"and of {count(len(others))} more relations, none for longer, such as {', '.join(some)}"
    sql = worst.sql
    if sql is not None and any(finding.sql != sql for finding in together):
        sql += f"\n-- and likewise for the {count(len(others))} others, one after the other"
    return replace(
        worst,
        message=f"{worst.message}; {like}",
        evidence={**worst.evidence, "relations": len(others) + 1, "examples": some},
        sql=sql,
    )


def _held_s(finding: Finding) -> float:
    return float(finding.evidence.get("held_s") or 0.0)
