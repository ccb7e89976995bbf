"""What a file says of time, against the clock: its own estimate, and a clock that stands still."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from postgast import PgQueryError, scan
from postgast import pg_query_pb2 as tree

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed, finding
from bench.analyse.quantity import seconds
from bench.analyse.remedies.script import Remedy
from bench.analyse.summary import MigrationSummary, StatementSummary
from bench.model.finding import Finding
from bench.sql.tree import statement_of

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = r"(\d+(?:\.\d+)?)"
_UNIT = r"(milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)\b"
_ESTIMATE = re.compile(
    r"(?:(?:estimat|expect)\w*|approx\w*|about|roughly|takes?|taking|duration|run\s?time|(?:execution|run(?:ning)?)\s+time)"
    rf"[^\n\d]{{0,30}}?{_NUMBER}\s*"
    rf"(?:(?:-|–|to|\.\.)\s*{_NUMBER}\s*)?{_UNIT}",
    re.IGNORECASE,
)
_AT_MOST = re.compile(r"<|≤|\b(?:under|less than|up to|at most|within)\b", re.IGNORECASE)
_VAGUE = re.compile(
    r"(?:estimat|expect|tak)\w*[^\n]{0,20}\b(?:a\s+)?(instant(?:ly|aneous)?|few\s+seconds)", re.I
)
SLACK = 1.5
"""A measured time up to so many times the estimate agrees with it: nobody estimates closer."""
_NOW = frozenset({"now", "transaction_timestamp"})
_NOW_WORDS = frozenset({"current_timestamp", "localtimestamp"})


@danger("estimate-wrong", "A comment's estimate is wrong", None, is_condition=False)
def estimate_wrong(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A comment says how long the file or the statement takes, and it took far longer or shorter.

    Why: whoever plans the deploy plans by these words. A note, as no row and no user suffers from it.
    Way out: write the measured time, and the number of rows that it belongs to, into the comment.
    Example:
        -- takes about 1 ms
        SELECT pg_sleep(0.1);
    Instead:
        -- takes less than 1 second on 20,000 deals
        SELECT pg_sleep(0.1);
    Source: https://www.postgresql.org/docs/current/sql-explain.html
    """
    for migration in rehearsed.summary.migrations:
        yield from _estimates(migration, rehearsed)


@danger("timer-frozen", "A timer that stands still", None, is_condition=False)
def timer_frozen(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A body times itself with now(), which is the transaction's start from its beginning to its end.

    Why: the difference of two readings is 0 whatever happens between; the file reports a duration that it
    never measured. A note, as no row and no user suffers from it.
    Way out: time with clock_timestamp() at both ends.
    Example:
        DO $$ DECLARE began timestamptz := now(); BEGIN PERFORM pg_sleep(0.01);
        RAISE NOTICE '%', now() - began; END $$;
    Instead:
        DO $$ DECLARE began timestamptz := clock_timestamp(); BEGIN PERFORM pg_sleep(0.01);
        RAISE NOTICE '%', clock_timestamp() - began; END $$;
    Source: https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT
    """
    for statement in rehearsed.summary.statements:
        yield from _frozen_timer(statement)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A time that a comment states."""

    words: str
    low_s: float
    high_s: float


def read_estimate(comment: str) -> Estimate | None:
    """The first estimate in a comment, for example ``Estimated time: 5-10 min`` or ``takes < 1 second``."""
    match = _ESTIMATE.search(comment)
    if match is None:
        vague = _VAGUE.search(comment)
        if vague is None:
            return None
        return Estimate(
            " ".join(vague[0].split()), 0.0, 1.0 if vague[1].lower().startswith("instant") else 10.0
        )
    first, second, unit = match.groups()
    word = unit.lower()
    factor = _UNITS["ms" if word.startswith(("ms", "mil")) else word[0]]
    low, high = float(first) * factor, float(second or first) * factor
    at_most = _AT_MOST.search(match[0]) is not None
    return Estimate(" ".join(match[0].split()), 0.0 if at_most else low, high)


def _estimates(migration: MigrationSummary, rehearsed: Rehearsed) -> Iterator[Finding]:
    """Estimates in comments: at the head of the file of all of it, later of the statement below."""
    if migration.outcome != "applied":
        return
    for position, statement in enumerate(migration.statements):
        estimate = read_estimate(comments_before(statement.text))
        measured = migration.duration_s if position == 0 else statement.duration_s
        if estimate is None or measured is None:
            continue
        too_long = measured.high > estimate.high_s * SLACK
        too_short = not rehearsed.empty and measured.high * 10 < estimate.low_s
        if not (too_long or too_short):
            continue
        what = "the file" if position == 0 else "the statement"
        rows = rehearsed.summary.table_rows
        yield finding(
            "estimate-wrong",
            "info",
            statement,
            f'the comment says "{estimate.words}", {what} took {seconds(measured.median)} '
            f"{'on this data' if not rows else f'on {rows:,} rows'.replace(',', ' ')}",
            evidence={
                "estimate": estimate.words,
                "estimate_s": estimate.high_s,
                "measured_s": measured.median,
                "factor": round(measured.median / estimate.high_s, 2) if estimate.high_s else None,
            },
            remedy=Remedy(
                "Write the measured time and the number of rows that it belongs to into the comment."
            ),
        )


def comments_before(text: str) -> str:
    """The comments before a statement's first word, without their marks."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        stripped = line.strip()
        if not (inside or not stripped or stripped.startswith(("--", "/*"))):
            break
        inside = (inside or stripped.startswith("/*")) and "*/" not in stripped
        lines.append(stripped.strip("-*/ "))
    return "\n".join(lines)


def _frozen_timer(statement: StatementSummary) -> Iterator[Finding]:
    """A body that times itself with now(), which stands still from the transaction's start to its end.

    https://www.postgresql.org/docs/current/functions-datetime.html#FUNCTIONS-DATETIME-CURRENT
    """
    body = _body(statement.text)
    if body is None:
        return
    found = _difference_of_nows(body[0])
    if found is None:
        return
    position, words = found
    line = statement.line + _code_lines_before(statement.text, body[1] + position)
    yield finding(
        "timer-frozen",
        "info",
        statement,
        f'line {line}: "{words}" is 0 whatever happens between: now() and CURRENT_TIMESTAMP give the '
        "transaction's start",
        evidence={"line": line, "expression": words},
        remedy=Remedy("Time with clock_timestamp() at both ends."),
    )


def _body(text: str) -> tuple[str, int] | None:
    """The body of a DO block or PL/pgSQL function, and its offset in the text."""
    node = statement_of(text)
    if node is None or node[0] not in ("do_stmt", "create_function_stmt"):
        return None
    options = node[1].args if node[0] == "do_stmt" else node[1].options
    values = {option.def_elem.defname: option.def_elem.arg for option in options}
    if "as" not in values or (node[0] != "do_stmt" and values["language"].string.sval != "plpgsql"):
        return None
    code = values["as"]
    body = code.string.sval or (code.list.items[0].string.sval if code.HasField("list") else "")
    offset = text.find(body)
    return (body, offset) if body and offset >= 0 else None


def _difference_of_nows(body: str) -> tuple[int, str] | None:
    """Offset and words of the first difference of two readings of the transaction's start."""
    source = body.encode()
    try:
        tokens = [
            token for token in scan(body).tokens if token.token not in (tree.SQL_COMMENT, tree.C_COMMENT)
        ]
    except PgQueryError:
        return None
    words = [source[token.start : token.end].decode() for token in tokens]
    readings = _variables(words)
    for at, word in enumerate(words):
        if word != "-":
            continue
        left = _reading_before(words, at, readings)
        right = _reading_after(words, at + 1, readings)
        if left is not None and right is not None:
            begin, end = tokens[left].start, tokens[right].end
            return len(source[:begin].decode()), " ".join(source[begin:end].decode().split())
    return None


def _variables(words: list[str]) -> frozenset[str]:
    """Variables that hold nothing but the transaction's start."""
    held: set[str] = set()
    other: set[str] = set()
    for at, word in enumerate(words):
        if word not in (":=", "=", "default", "DEFAULT") or at == 0:
            continue
        name = words[at - 1].lower()
        if name in ("timestamptz", "timestamp", "zone", "date", "time"):
            name = _declared(words, at)
        end = _reading_after(words, at + 1, frozenset())
        if end is not None and words[end + 1 : end + 2] == [";"]:
            held.add(name)
        elif word == ":=":
            other.add(name)
    return frozenset(held - other)


def _declared(words: list[str], at: int) -> str:
    """The variable of a declaration ``name timestamptz := …``."""
    begin = at
    while begin > 0 and words[begin - 1].lower() not in (";", "declare"):
        begin -= 1
    return words[begin].lower()


def _reading_after(words: list[str], at: int, readings: frozenset[str]) -> int | None:
    """Where a reading of the transaction's start that begins at ``at`` ends."""
    word = words[at].lower() if at < len(words) else ""
    if word in _NOW and words[at + 1 : at + 3] == ["(", ")"]:
        return at + 2
    return at if word in _NOW_WORDS or word in readings else None


def _reading_before(words: list[str], at: int, readings: frozenset[str]) -> int | None:
    """Where a reading that ends right before ``at`` begins."""
    word = words[at - 1].lower() if at else ""
    if word == ")" and at >= 3 and words[at - 3].lower() in _NOW and words[at - 2] == "(":
        return at - 3
    return at - 1 if word in _NOW_WORDS or word in readings else None


def _code_lines_before(text: str, offset: int) -> int:
    """Lines between the statement's first word and an offset of its text."""
    comments = len(comments_before(text).splitlines()) if comments_before(text) else 0
    return text.count("\n", 0, offset) - comments
