"""What ran inside a statement: in DO blocks, functions, triggers and foreign-key checks, with its plans.

Two sources are joined by text. ``auto_explain`` sends the plan of every statement that the executor ran, to
the client, as a notice of level INFO: that level no ``client_min_messages`` of a migration holds back, and
no server log keeps. ``pg_stat_statements`` counts each call, those that were too short to be logged and
commands without a plan, such as CREATE INDEX, too. A notice costs 15 to 45 µs, 10,000 of them 0.2 to 0.5 s,
which is taken off the durations of what they came from: all of it together is what the statement takes longer
than in the solo pass.
https://www.postgresql.org/docs/current/auto-explain.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import msgspec
import psycopg
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.model.plan import NestedPlan
from bench.observe.counters import Counted

KEPT = 50
"""Texts kept for each statement: those that took longest."""
MOST_TEXTS = 500
"""Texts that are followed at once; above, the cheaper half is only counted."""
DEEPEST = 20
"""Deeper levels count as this one."""
HIGHEST_PRICE_S = 1e-7
"""A character of a notice never costs more: the rest of a difference to the solo pass has other reasons."""
ALL_PLANS_S = 2.0
"""A statement that is known to take longer logs only what takes a PLAN_SHARE of it: at most so many plans."""
PLAN_SHARE = 10_000

SETTINGS = """
SET lc_messages = 'C';
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_analyze = on;
SET auto_explain.log_buffers = on;
SET auto_explain.log_timing = off;
SET auto_explain.log_triggers = off;
SET auto_explain.log_verbose = off;
SET auto_explain.log_settings = off;
SET auto_explain.log_wal = off;
SET auto_explain.log_format = json;
SET auto_explain.log_level = info;
SET auto_explain.sample_rate = 1;
"""
"""Without timing of single nodes, which would double the time of a large nested loop: rows tell its work."""


class CannotLookInsideError(Exception):
    """This role, or this server, cannot load auto_explain; the message says why."""


@dataclass(frozen=True, slots=True)
class NestedWork:
    """What was seen of one statement."""

    duration_s: float
    nested: tuple[NestedPlan, ...]
    left_out: int
    price_s: float = 0.0
    """What each character of a notice has cost, already taken off the durations."""


class NestedReader:
    """Collects on ``conn``, the session of the migration, what its statements run inside.

    Raises CannotLookInsideError where the server refuses.
    """

    def __init__(self, conn: psycopg.Connection[TupleRow]) -> None:
        self.conn = conn
        self._statement = ""
        self._all_logged = True
        self._logged: dict[tuple[bool, str], Logged] = {}
        self._left_out = 0
        self._expected_s: float | None = None
        self._characters = [0] * (DEEPEST + 2)
        """By level, of the notices since the last one of a level above."""
        try:
            conn.execute("LOAD 'auto_explain'")
            conn.execute(SETTINGS.encode())
        except psycopg.Error as error:
            raise CannotLookInsideError(error.diag.message_primary or str(error)) from error
        conn.add_notice_handler(self._notice)

    def begin(self, text: str, expected_s: float | None, *, counters: bool) -> None:
        """Forget what was seen, and get ready for a statement that takes about ``expected_s``.

        The settings are sent before each statement, as the one before may have reset them; not where the
        session has put on a role that may not set them, or its transaction has failed.
        """
        self._statement = text
        self._expected_s = expected_s
        self._logged = {}
        self._left_out = 0
        self._characters = [0] * (DEEPEST + 2)
        failed = self.conn.info.transaction_status == TransactionStatus.INERROR
        if failed or self.conn.info.parameter_status("is_superuser") != "on":
            return
        least_ms = threshold_ms(expected_s)
        self._all_logged = least_ms == 0
        extra = "SET auto_explain.log_parameter_max_length = 0;" if self._version >= 160000 else ""
        if counters:
            extra += "SET pg_stat_statements.track = 'all';"
        threshold = f"SET auto_explain.log_min_duration = {least_ms}"
        self.conn.execute((SETTINGS + extra + threshold).encode())

    @property
    def _version(self) -> int:
        return self.conn.info.server_version

    def result(
        self,
        duration_s: float,
        counted: Iterable[Counted],
        *,
        failure: psycopg.Error | None = None,
        price_s: float | None = None,
    ) -> NestedWork:
        """What ran since :meth:`begin`, joined with what was counted meanwhile, longest first.

        The cost of the notices is taken off: ``price_s`` for each character, by default what makes the
        statement take as long as expected. The statement that failed inside leaves neither plan nor count:
        the ``failure`` names it, and it gets the time that the others leave.
        """
        if price_s is None:
            price_s = self._price_s(duration_s)
        duration_s = without_looking(duration_s, price_s, sum(self._characters))
        by_key: dict[str, list[Counted]] = {}
        for counters in counted:
            by_key.setdefault(self._key(counters.text), []).append(counters)
        by_key.pop(self._key(self._statement), None)
        found = [
            (
                logged.nested(None if itself else by_key.pop(key, None), price_s, self._all_logged),
                logged.longest,
            )
            for (itself, key), logged in self._logged.items()
        ]
        # The text that auto_explain has of a statement in an SQL function is the whole function's.
        bodies = [key for (_, key), logged in self._logged.items() if logged.in_sql_function]
        for key, many in by_key.items():
            if not any(key in body for body in bodies):
                found.append((without_plan(many, CHECKS if key == CHECKS else many[0].text), ""))
        if failure is not None:
            done_s = sum(plan.duration_s for plan, _ in found if plan.level == 1)
            found += [(plan, "") for plan in self._failed(failure, max(duration_s - done_s, 0.0))]
        found.sort(key=lambda pair: -pair[0].duration_s)
        nested = tuple(with_plan(plan, longest) for plan, longest in found[:KEPT])
        return NestedWork(duration_s, nested, self._left_out + max(len(found) - KEPT, 0), price_s)

    def _price_s(self, duration_s: float) -> float:
        """What a character of a notice has cost, from what the statement took longer than expected."""
        if self._expected_s is None:
            return 0.0
        characters = max(sum(self._characters), 1)
        return min(max(duration_s - self._expected_s, 0.0) / characters, HIGHEST_PRICE_S)

    def _failed(self, failure: psycopg.Error, duration_s: float) -> Iterator[NestedPlan]:
        """The innermost statement that an error ended, as its context has it, with the plan to expect."""
        context = failure.diag.context
        text = failed_statement(context)
        if text is not None:
            yield NestedPlan(
                text=text,
                duration_s=duration_s,
                rows=None,
                plan=self._expected_plan(text),
                context=place_of(context),
                level=level_of(context),
            )

    def _expected_plan(self, text: str) -> dict[str, Any] | None:
        """The planner's choice for a statement, unless it needs variables or a transaction that is lost."""
        if self.conn.info.transaction_status != TransactionStatus.IDLE:
            return None
        try:
            with self.conn.cursor(binary=True) as cursor:  # a protocol that takes one statement alone
                row = cursor.execute(f"EXPLAIN (FORMAT JSON) {text}".encode(), prepare=False).fetchone()
        except psycopg.Error:
            return None
        return row[0][0].get("Plan") if row else None

    def _notice(self, diagnostic: Diagnostic) -> None:
        """Add one notice up; it is called for each, so it reads no more of the plan than it must."""
        if diagnostic.severity_nonlocalized != "INFO":
            return
        message = diagnostic.message_primary or ""
        seen = read_notice(message)
        if seen is None:
            return
        context = diagnostic.context
        itself = not context and seen.text.strip() == self._statement.strip()
        level = 0 if itself else level_of(context)
        key = (itself, self._key(seen.text))
        logged = self._logged.get(key)
        if logged is None:
            if len(self._logged) >= MOST_TEXTS:
                self._forget_cheapest()
            place = None if itself else place_of(context)
            logged = self._logged[key] = Logged(seen.text, level, place)
        inside = self._characters_inside(level, len(message))
        logged.add(seen, CHECKS if key[1] == CHECKS else seen.text, inside)

    def _characters_inside(self, level: int, characters: int) -> int:
        """Add one notice up; return the characters of those that came while its statement ran.

        A statement's notice comes when it has ended, those of what ran inside it before.
        """
        level = min(level, DEEPEST)
        inside = sum(self._characters[level + 1 :])
        self._characters[level + 1 :] = [0] * (DEEPEST + 1 - level)
        self._characters[level] += inside + characters
        return inside

    def _key(self, text: str) -> str:
        """What makes two statements the same, in both sources."""
        key = text_key(text)
        together = not self._all_logged and self._version >= 180000
        return CHECKS if together and is_key_check(key) else key

    def _forget_cheapest(self) -> None:
        order = sorted(self._logged.items(), key=lambda item: -item[1].duration_s)
        self._left_out += len(order) - MOST_TEXTS // 2
        self._logged = dict(order[: MOST_TEXTS // 2])


def threshold_ms(expected_s: float | None) -> int:
    """Duration from which on a statement is logged inside one that takes about ``expected_s``.

    Nothing can be switched off while a statement runs, so the number of its notices must be bounded before
    it starts: a plan is logged only for what takes a ten-thousandth of it.
    """
    if expected_s is None or expected_s <= ALL_PLANS_S:
        return 0
    return max(1, math.ceil(expected_s * 1000 / PLAN_SHARE))


LONGEST_TEXT = 20_000
LEAST_SHARE = 0.1
LONGEST_PLAN = 300_000
"""Characters of a plan's JSON; of a longer one nothing but its figures is kept."""


@dataclass(slots=True)
class Logged:
    """One text as auto_explain has it, over all calls that were logged."""

    text: str
    level: int
    place: str | None
    calls: int = 0
    duration_s: float = 0.0
    rows: int = 0
    work: float = 0.0
    characters_inside: int = 0
    """Of the notices that came while it ran."""
    longest_s: float = -1.0
    longest: str = ""
    """The plan of the longest call, as JSON."""

    def add(self, seen: Explained, text: str, characters_inside: int) -> None:
        """Add one call; ``text`` stands for all of them."""
        self.calls += 1
        self.duration_s += seen.duration_s
        self.rows += seen.rows
        self.work += seen.work
        self.characters_inside += characters_inside
        if seen.duration_s > self.longest_s:
            self.text, self.longest_s = text, seen.duration_s
            self.longest = seen.plan_json if len(seen.plan_json) <= LONGEST_PLAN else ""

    def nested(self, counted: list[Counted] | None, price_s: float, all_logged: bool) -> NestedPlan:
        """Where everything was logged the counts add nothing but the rows."""
        calls, duration_s, rows = self.calls, self.duration_s, self.rows
        if counted is not None and not all_logged:
            calls = max(calls, sum(counters.calls for counters in counted))
            duration_s = max(duration_s, sum(counters.duration_s for counters in counted))
        if counted is not None and sum(counters.calls for counters in counted) == calls:
            rows = sum(counters.rows for counters in counted)
        return NestedPlan(
            text=self.text,
            duration_s=without_looking(duration_s, price_s, self.characters_inside),
            rows=rows,
            plan=None,
            calls=calls,
            context=self.place,
            level=self.level,
            work=self.work if all_logged or calls == self.calls else None,
        )

    @property
    def in_sql_function(self) -> bool:
        return self.place is not None and self.place.startswith("SQL function")


def without_looking(duration_s: float, price_s: float, characters: int) -> float:
    """A duration less the cost of the notices that came meanwhile: an estimate, so a tenth is left."""
    return max(duration_s - price_s * characters, LEAST_SHARE * duration_s)


def without_plan(counted: list[Counted], text: str) -> NestedPlan:
    """A command without a plan, or one whose every call was too short to be logged."""
    return NestedPlan(
        text=text,
        duration_s=sum(counters.duration_s for counters in counted),
        rows=sum(counters.rows for counters in counted) or None,
        plan=None,
        calls=sum(counters.calls for counters in counted),
    )


def with_plan(nested: NestedPlan, longest: str) -> NestedPlan:
    """The statement with the plan of its longest call, and a text that is not too long."""
    plan = read_plan(longest) if longest else nested.plan
    text = nested.text if nested.level == 0 else nested.text.strip()[:LONGEST_TEXT]
    return replace(nested, text=text, plan=plan)


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
    match = _PLACE.search(context or "")
    return match[0] if match else None


def failed_statement(context: str | None) -> str | None:
    """The innermost statement that an error's context names."""
    match = _STATEMENT.search(context or "")
    return match[1] if match else None


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
