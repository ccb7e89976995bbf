"""A notice of auto_explain, read no further than its figures need: there may be tens of thousands of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

_HEAD = re.compile(r'duration: ([0-9.]+) ms  plan:\n\{\n  "Query Text": ')
_PLAN = '\n  "Plan": {'
_WORK = re.compile(r'"(Actual Rows|Actual Loops|Rows Removed by [A-Za-z ]+)": ([0-9.]+)')
_COUNTERS = (" Blocks", "I/O Read Time", "I/O Write Time", " Aware", " Capable", "Disabled")
_PLACE = re.compile(r'^(?:PL/pgSQL function .+ line \d+ at .+|SQL function ".+" .+)$', re.MULTILINE)
_FRAME = re.compile(
    r'^(?:SQL (?:statement|function|expression)|PL/pgSQL (?:expression|assignment)) "', re.MULTILINE
)
_STATEMENT = re.compile(r'^SQL statement "(.*?)"(?:\n(?=SQL |PL/pgSQL )|\Z)', re.MULTILINE | re.DOTALL)
_CONSTANT = re.compile(
    r"(?<!\w)[eEbBxX]?'(?:[^']|'')*'|\$\d+|(?<![\w.$])\d[\d.]*(?:[eE][+-]?\d+)?(?!\w)|\b(?:true|false|null)\b"
    r"|/\*, \.\.\. \*/",
    re.IGNORECASE,
)
_CONSTANTS = re.compile(r"\s*-?\s*\?(?:\s*,?\s*-?\s*\?)*")
_CHECK = re.compile(r"SELECT\? FROM ONLY .+ x WHERE .+ FOR KEY SHARE OF x")
CHECKS = "SELECT 1 FROM ONLY … x WHERE … FOR KEY SHARE OF x"
"""Foreign-key checks of all tables together: from 18 on, pg_stat_statements takes statements for one that
differ in nothing but the table behind an alias. https://www.postgresql.org/docs/18/release-18.html"""


@dataclass(frozen=True, slots=True)
class Explained:
    """One execution of one statement."""

    text: str
    duration_s: float
    rows: int
    """Returned or changed."""
    work: float
    """Rows that the nodes of its plan returned or threw away, over all loops."""
    plan_json: str
    """From the plan on, the message."""


def read_notice(message: str) -> Explained | None:
    """What auto_explain says of a statement; None for any other notice."""
    head = _HEAD.match(message)
    plan_at = message.find(_PLAN, head.end()) if head else -1
    if head is None or plan_at < 0:
        return None
    text = _query_text(message[head.end() : message.index("\n", head.end())].rstrip(","))
    work, rows = _work_and_rows(message, plan_at)
    return Explained(text, float(head[1]) / 1000, rows, work, message[plan_at:])


def read_plan(plan_json: str) -> dict[str, Any]:
    """The ``Plan`` object of a notice, without the counters that are 0, but for blocks hit and read."""
    return _without_zeros(msgspec.json.decode("{" + plan_json)["Plan"])


def _without_zeros(node: dict[str, Any]) -> dict[str, Any]:
    """A node with those below it; two thirds of what the server writes of each are zeros."""
    kept = {
        key: value
        for key, value in node.items()
        if value or not key.endswith(_COUNTERS) or key in ("Shared Hit Blocks", "Shared Read Blocks")
    }
    if "Plans" in kept:
        kept["Plans"] = [_without_zeros(child) for child in kept["Plans"]]
    return kept


def level_of(context: str | None) -> int:
    """How deep it ran: the frames of statements and functions around it; a FOR loop's query has none."""
    return max(1, len(_FRAME.findall(context or "")))


def place_of(context: str | None) -> str | None:
    """The innermost function, with its line, as the server names it; a foreign-key check has none."""
    found = _PLACE.search(context or "")
    return found[0] if found else None


def failed_statement(context: str | None) -> str | None:
    """The innermost statement that an error's context names."""
    found = _STATEMENT.search(context or "")
    return found[1] if found else None


def is_key_check(key: str) -> bool:
    """Whether a text, as :func:`text_key` has it, is the check of a row against a foreign key."""
    return _CHECK.fullmatch(key) is not None


@lru_cache(maxsize=256)
def text_key(text: str) -> str:
    """The text without its constants and its line breaks, the same for both sources."""
    return _CONSTANTS.sub("?", " ".join(_CONSTANT.sub("?", text).split()))


@lru_cache(maxsize=256)
def _query_text(literal: str) -> str:
    text: str = msgspec.json.decode(literal.encode(errors="replace"), type=str)
    return text


def _work_and_rows(message: str, plan_at: int) -> tuple[float, int]:
    """The plan's work, and the rows that it returned or changed, without reading the JSON.

    The server writes rows, loops and what filters removed in this order, and only then a node's children.
    In a text of the plan the quotes would be escaped.
    """
    work = rows_here = loops = 0.0
    by_node: list[float] = []
    for name, value in _WORK.findall(message, plan_at):
        if name == "Actual Rows":
            rows_here = float(value)
        elif name == "Actual Loops":
            loops = float(value)
            by_node.append(rows_here * loops)
            work += rows_here * loops
        else:
            work += float(value) * loops
    changes = message.startswith('"Node Type": "ModifyTable"', message.find('"', plan_at + len(_PLAN)))
    if changes and by_node and not by_node[0] and len(by_node) > 1:
        return work, round(by_node[1])
    return work, round(by_node[0]) if by_node else 0
