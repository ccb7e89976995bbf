"""Long statements in a run: kept once, wherever they ran, and cut where they are shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from bench.model.run import MigrationRun, Pass, Repeat, Run
from bench.model.statement import StatementRun

LONGEST = 20_000
"""Characters of a statement up to which it stands in full wherever it is named in a run file."""
SHOWN = 4_000
"""Characters that are left of a longer one, there and in reports."""
_REST = re.compile(r"\n… \([\d,]+ characters in all, SHA-256 ([0-9a-f]{64})\)\Z")


def cut(text: str, longest: int = SHOWN) -> str:
    """The text; of a longer one its beginning, its length and the checksum of all of it."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\n… ({len(text):,} characters in all, SHA-256 {_checksum(text)})"


def kept_once(run: Run) -> Run:
    """The run with each long statement cut, and its full text in ``texts`` by its checksum."""
    texts: dict[str, str] = {}

    def shorter(text: str) -> str:
        if len(text) <= LONGEST:
            return text
        texts[_checksum(text)] = text
        return cut(text)

    changed = _with_statement_texts(run, shorter)
    return replace(changed, texts=texts) if texts else run


def restored(run: Run) -> Run:
    """The run as it was before :func:`kept_once`."""
    if not run.texts:
        return run

    def longer(text: str) -> str:
        match = _REST.search(text) if len(text) < LONGEST else None
        return run.texts.get(match[1], text) if match else text

    return replace(_with_statement_texts(run, longer), texts={})


def _with_statement_texts(run: Run, change: Callable[[str], str]) -> Run:
    def statement(before: StatementRun) -> StatementRun:
        nested = tuple(
            plan if (text := change(plan.text)) is plan.text else replace(plan, text=text)
            for plan in before.nested
        )
        text = change(before.text)
        unchanged = text is before.text and all(a is b for a, b in zip(nested, before.nested, strict=True))
        return before if unchanged else replace(before, text=text, nested=nested)

    def migration(before: MigrationRun) -> MigrationRun:
        return replace(before, statements=tuple(map(statement, before.statements)))

    def repeat(before: Repeat) -> Repeat:
        return replace(before, migrations=tuple(map(migration, before.migrations)))

    def one_pass(traffic_pass: Pass) -> Pass:
        return replace(traffic_pass, repeats=tuple(map(repeat, traffic_pass.repeats)))

    return replace(run, passes=tuple(map(one_pass, run.passes)))


@lru_cache(maxsize=64)
def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
