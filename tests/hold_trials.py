"""Migrations that take locks at moments which they tell themselves, and whether what was measured agrees.

The truth comes from the server's clock alone: each script calls ``stamp`` right before it asks for a lock and
right after it got it, right before it gives it back and right after. So a true hold is itself known within
two bounds, which must overlap with the measured ones.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from bench.model.lock import Lock, LockMode

BASE = """
CREATE TABLE kept (id int);
CREATE FUNCTION stamp(label text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE '% %', label, extract(epoch FROM clock_timestamp());
END $$;
"""

Kind = Literal["block", "procedure", "block that commits", "file", "savepoint", "concurrently", "wait"]
Ending = Literal["exception", "commit", "end"]
Span = tuple[float, float]
RESOLUTION_S = 2e-5
"""Stamps are in microseconds; the two clocks of the machine may differ by some of them."""


@dataclass(frozen=True)
class Spell:
    """One lock, for how long the script keeps it, and what ends it."""

    mode: LockMode
    before_s: float
    kept_s: float
    ending: Ending


@dataclass(frozen=True)
class Trial:
    kind: Kind
    spells: tuple[Spell, ...]
    procedure: str = ""
    """Body of the procedure that the script calls."""
    script: str = ""
    awaited_s: float = 0.0
    """How long another session keeps the lock, or its transaction, once the script waits."""


def draw_trial(kind: Kind, randomness: random.Random) -> Trial:
    """A script of the kind, with other modes and times at each draw."""

    def nap() -> float:
        return round(randomness.choice((0.0, 0.001, 0.004, 0.012, 0.03)) * randomness.uniform(0.5, 1.3), 4)

    endings: list[Ending] = {
        "block": ["exception", "exception", "end"],
        "procedure": ["exception", "commit", "commit", "end"],
        "block that commits": ["commit", "exception", "end"],
    }.get(kind, ["end"])  # type: ignore[assignment]
    count = randomness.randint(1, 3) if len(endings) > 1 else 1
    drawn = [randomness.choice(endings) for _ in range(count)]
    if kind == "block that commits":
        drawn[0] = "commit"
    # What is held to the end stays: it can only come last.
    drawn = [ending for ending in drawn if ending != "end"] + ["end"] * ("end" in drawn)
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if kind == "concurrently" else randomness.choice(list(LockMode))
    spells = tuple(Spell(mode, nap(), nap(), ending) for ending in drawn)
    return _written(Trial(kind, spells, awaited_s=nap()))


def _written(trial: Trial) -> Trial:
    block = "\n".join(_in_block(number, spell) for number, spell in enumerate(trial.spells))
    body = f"BEGIN\n{block}\n  PERFORM stamp('end');\nEND"
    (first, *_) = trial.spells
    lock = f"LOCK TABLE kept IN {first.mode.sql_name} MODE;\n"
    inside = (
        f"SELECT stamp('0 request');\n{lock}SELECT stamp('0 granted');\n"
        f"SELECT pg_sleep({first.kept_s});\nSELECT stamp('0 release');\n"
    )
    script = {
        "procedure": "CALL trial();\n",
        "file": f"BEGIN;\n{inside}COMMIT;\n",
        "savepoint": f"BEGIN;\nSAVEPOINT s;\n{inside}ROLLBACK TO s;\nSELECT stamp('0 released');\nCOMMIT;\n",
        "concurrently": "SELECT stamp('0 request');\nCREATE INDEX CONCURRENTLY kept_id ON kept (id);\n",
    }.get(trial.kind, f"DO $$\n{body} $$;\n")
    return Trial(
        trial.kind,
        trial.spells,
        procedure=body,
        script=script + "SELECT stamp('over');\n",
        awaited_s=trial.awaited_s,
    )


def _in_block(number: int, spell: Spell) -> str:
    lines = [
        f"PERFORM stamp('{number} request');",
        f"LOCK TABLE kept IN {spell.mode.sql_name} MODE;",
        f"PERFORM stamp('{number} granted');",
        f"PERFORM pg_sleep({spell.kept_s});",
        f"PERFORM stamp('{number} release');",
    ]
    released = f"PERFORM stamp('{number} released');"
    if spell.ending == "exception":
        lines = ["BEGIN", *lines, "RAISE EXCEPTION 'give it back';"]
        lines += [f"EXCEPTION WHEN raise_exception THEN {released}", "END;"]
    elif spell.ending == "commit":
        lines += ["COMMIT;", released]
    return "\n".join(f"  {line}" for line in [f"PERFORM pg_sleep({spell.before_s});", *lines])


@dataclass(frozen=True)
class Truth:
    """Moments on the server's clock: a lock was granted, and given back, between two of them."""

    granted: Span
    released: Span
    at_least_s: float
    """Of its hold, the harness's own reads between statements not counted."""
    awaited: Span = (0.0, 0.0)

    @property
    def held(self) -> Span:
        return self.at_least_s, self.released[1] - self.granted[0]


def truths(trial: Trial, stamps: dict[str, float], behind: dict[str, float]) -> list[Truth]:
    """What the stamps say of each spell; those of the other session are ``behind``."""
    found = []
    for number, spell in enumerate(trial.spells):
        request, over = stamps[f"{number} request"], stamps["over"]
        granted = stamps.get(f"{number} granted") or behind["granted"]
        release = stamps.get(f"{number} release") or behind["release"]
        # Between statements the deploy's clock stands still: the sleep alone is sure to count.
        apart = trial.kind in ("file", "savepoint")
        awaited = (0.0, granted - request)
        if trial.kind == "wait":
            awaited = (behind["release"] - behind["waits"], granted - request)
        found.append(
            Truth(
                (request, granted),
                (release, stamps.get(f"{number} released", over)),
                spell.kept_s if apart else release - granted,
                awaited,
            )
        )
    return found


def server_clock() -> float:
    """What to add to a reading of perf_counter to get the time of day."""
    readings = []
    for _ in range(20):
        before, of_day, after = time.perf_counter(), time.time(), time.perf_counter()
        readings.append((after - before, of_day - (before + after) / 2))
    return min(readings)[1]


def disagreement(locks: Sequence[Lock], truth: Sequence[Truth], looks: Sequence[Span]) -> str | None:
    """Why the locks cannot be what was measured of these holds; None if they can.

    ``looks`` are the samples, on the server's clock. A sample within a hold must have found it, and one
    between two must have told them apart; what no sample tells may be missing, or joined with its neighbour.
    """
    reasons: list[str] = []
    for groups in _groupings(len(locks), len(truth)):
        reason = _mismatch(locks, truth, looks, groups)
        if reason is None:
            return None
        reasons.append(reason)
    return "; ".join(reasons) or f"{len(locks)} locks for {len(truth)} holds"


def _groupings(locks: int, holds: int) -> Iterator[list[range]]:
    """All ways to give each lock one or more neighbouring holds, in order."""
    if not locks:
        yield []
        return
    for begin in range(holds):
        for end in range(begin + 1, holds + 1):
            for rest in _groupings(locks - 1, holds - end):
                yield [range(begin, end), *(range(r.start + end, r.stop + end) for r in rest)]


def _mismatch(
    locks: Sequence[Lock], truth: Sequence[Truth], looks: Sequence[Span], groups: list[range]
) -> str | None:
    taken = {number for group in groups for number in group}
    for number, hold in enumerate(truth):
        if number not in taken and _any_within(looks, (hold.granted[1], hold.released[0])):
            return f"hold {number} is missing"
    for lock, group in zip(locks, groups, strict=True):
        holds = [truth[number] for number in group]
        for one, other in pairwise(holds):
            if _any_within(looks, (one.released[1], other.granted[0])):
                return f"holds {list(group)} are joined though a sample fell between them"
        first, last = holds[0], holds[-1]
        span = last.released[0] - first.granted[1] if len(holds) > 1 else first.at_least_s
        held = (span, last.released[1] - first.granted[0])
        if not _agree(lock.held_s_bounds, held):
            return f"held {lock.held_s_bounds}, but truly {held}"
        if len(holds) == 1 and not _agree(lock.waited_s_bounds, first.awaited):
            return f"waited {lock.waited_s_bounds}, but truly {first.awaited}"
    return None


def _any_within(looks: Sequence[Span], span: Span) -> bool:
    return any(
        span[0] + RESOLUTION_S < sent and received < span[1] - RESOLUTION_S for sent, received in looks
    )


def _agree(measured: Span | None, true: Span) -> bool:
    """Whether one value can lie within both."""
    return (
        measured is not None
        and measured[0] <= measured[1]
        and measured[0] <= true[1] + RESOLUTION_S
        and true[0] <= measured[1] + RESOLUTION_S
    )
