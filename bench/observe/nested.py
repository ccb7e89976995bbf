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
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.errors import Diagnostic
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from bench.model.plan import NestedPlan
from bench.observe.counted import Counted
from bench.observe.explained import (
    CHECKS,
    failed_statement,
    is_key_check,
    level_of,
    place_of,
    read_notice,
    text_key,
)
from bench.observe.logged import Logged, with_plan, without_looking, without_plan

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
class Inside:
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
    ) -> Inside:
        """What ran since :meth:`begin`, joined with what was counted meanwhile, longest first.

        The cost of the notices is taken off: ``price_s`` for each character, by default what makes the
        statement take as long as expected. The statement that failed inside leaves neither plan nor count:
        the ``failure`` names it, and it gets the time that the others leave.
        """
        if price_s is None:
            price_s = self._price_s(duration_s)
        duration_s = without_looking(duration_s, price_s, sum(self._characters))
        by_key: dict[str, list[Counted]] = {}
        for each in counted:
            by_key.setdefault(self._key(each.text), []).append(each)
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
            done_s = sum(each.duration_s for each, _ in found if each.level == 1)
            found += [(each, "") for each in self._failed(failure, max(duration_s - done_s, 0.0))]
        found.sort(key=lambda each: -each[0].duration_s)
        nested = tuple(with_plan(each, longest) for each, longest in found[:KEPT])
        return Inside(duration_s, nested, self._left_out + max(len(found) - KEPT, 0), price_s)

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
