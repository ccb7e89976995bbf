"""The deploy card: what a deploy comes to on this data, in a few sentences that stand above every report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bench.analyse.coverage import say_uncovered
from bench.analyse.forecast.document import deploy_duration, longest_lock, rows_named
from bench.analyse.overschemas import say_schemas
from bench.analyse.patience import READERS_S, advise
from bench.analyse.quantity import count, seconds, spread_seconds
from bench.analyse.summary import RunSummary
from bench.analyse.traffic import Blocked, PassFigures, Stop, loaded_passes
from bench.analyse.waits import say_waits
from bench.model.budget import Limits
from bench.model.deploy import HAZARDS
from bench.model.run import LongestWait, Run
from bench.sql.names import bare

Tone = Literal["good", "warn", "bad", "unknown"]
"""``bad``: it failed or made requests wait for longer than :attr:`Limits.not_ready_s`; ``warn``: longer than
:attr:`Limits.conditional_s`; ``unknown``: not measured."""


@dataclass(frozen=True, slots=True)
class CardLine:
    """One sentence of the card."""

    topic: str
    """``forecast``, ``deploy``, ``longest``, ``traffic``, ``coverage``, a hazard's name, ``timeout``,
    ``schemas``, ``not measured`` or ``marked``."""
    text: str
    tone: Tone


@dataclass(frozen=True, slots=True)
class DeployCard:
    """The card's sentences, and the loaded passes that they tell of."""

    lines: tuple[CardLine, ...]
    passes: tuple[PassFigures, ...]


def deploy_card(run: Run, summary: RunSummary, waits: Sequence[LongestWait], limits: Limits) -> DeployCard:
    """The card of a run. What was not measured has a sentence that says so."""
    passes = loaded_passes(run)
    quiet = next((figures for figures in passes if figures.quiet), None)
    lines = [
        *_forecast(run),
        _deploy(run, summary),
        *_longest(waits, limits),
        _traffic(run, summary, quiet, limits),
        *_coverage(run, limits),
    ]
    lines += (
        _beside(group, quiet, run, limits)
        for name in dict.fromkeys(traffic.hazard for traffic in passes)
        if (group := [traffic for traffic in passes if traffic.hazard == name and traffic is not quiet])
    )
    lines += _to_set(run, passes)
    lines += _over_schemas(run)
    missing = [name for name in HAZARDS if name not in {traffic.hazard for traffic in passes}]
    if quiet is not None and missing:
        others = "all" if len(missing) == len(HAZARDS) else ",".join(missing)
        lines.append(
            CardLine(
                "not measured",
                f"Not measured: the deploy beside {_listed(missing, 'and')} (--hazard {others}).",
                "unknown",
            )
        )
    doubts = [traffic.doubt for traffic in passes if traffic.doubt]
    if doubts:
        of = "" if len(passes) == 1 else f"In {len(doubts)} of {len(passes)} passes: "
        lines.append(CardLine("marked", f"To be read with care. {of}{doubts[0]}", "unknown"))
    return DeployCard(tuple(lines), passes)


def _coverage(run: Run, limits: Limits) -> Iterator[CardLine]:
    """Locked tables of which the traffic says nothing: the one that is locked longest, and the others."""
    if not run.uncovered:
        return
    worst, *others = run.uncovered
    tone: Tone = "warn" if worst.held_s > limits.noticeable_s else "unknown"
    more = f"; nor {_listed([table.relation for table in others], 'and')}" if others else ""
    yield CardLine("coverage", f"{_capitalised(say_uncovered(worst))}{more}.", tone)


def _to_set(run: Run, passes: Sequence[PassFigures]) -> Iterator[CardLine]:
    """The lock timeout to set, where hazards were measured."""
    advice = advise(run) if any(traffic.hazard for traffic in passes) else None
    if advice is None:
        return
    behind = [behind for migration in advice.migrations for behind in migration.behind]
    reader_s = min(READERS_S)
    with_s = max(one.blocked_s for one in behind if one.reader_s == reader_s)
    without_s = max(one.without_s for one in behind if one.reader_s == reader_s)
    yield CardLine(
        "timeout",
        f"To set: lock_timeout {seconds(advice.lock_timeout_s)} with up to {advice.tries} tries; behind a "
        f"reader of {reader_s:g} s requests then stand still for {seconds(with_s)} and not for "
        f"{seconds(without_s)} (computed; bench advise runs it).",
        "good",
    )


def _over_schemas(run: Run) -> Iterator[CardLine]:
    """The deploy over many schemas."""
    schemas = run.schemas
    if schemas is None:
        return
    whole = schemas.applied == len(schemas.names)
    yield CardLine("schemas", f"{say_schemas(schemas, run)}.", "good" if whole else "bad")


def _forecast(run: Run) -> Iterator[CardLine]:
    """What was asked of a forecast comes before what was measured on less data."""
    if run.forecast is None:
        return
    duration, lock = deploy_duration(run.forecast), longest_lock(run.forecast)
    at = rows_named(run.forecast.at)
    if duration is None or duration.refused is not None:
        refused = None if duration is None else duration.refused
        why = "" if refused is None else f": {refused.reason}; {refused.cure}"
        yield CardLine(
            "forecast", f"At {at} there is no forecast of how long the deploy takes{why}.", "unknown"
        )
        return
    text = f"At {at} the deploy is forecast to take {duration.words}"
    open_ = None if lock is None else lock.refused
    if open_ is not None:
        text += f"; how long its longest lock is held has no forecast: {open_.reason}; {open_.cure}"
    elif lock is not None:
        text += f", and its longest lock to be held for {lock.words}"
    yield CardLine("forecast", f"{text}.", "unknown" if open_ is not None else "good")


def _deploy(run: Run, summary: RunSummary) -> CardLine:
    """How long, on an idle server."""
    rows = f" ({count(summary.table_rows)} rows)" if summary.table_rows is not None else ""
    failed, interrupted = summary.failed, summary.interrupted
    if failed is None and interrupted is not None:
        at = interrupted.failure_file + (f":{interrupted.failure_line}" if interrupted.failure_line else "")
        text = f"Not measured: how long the deploy takes (the run was interrupted at {at})."
        return CardLine("deploy", text, "unknown")
    if failed is not None:
        error, line = failed.error, failed.failure_line
        where = failed.failure_file + (f":{line}" if line else "")
        said = error.message if error else "it was not applied to its end"
        state = f" ({error.sqlstate})" if error and error.sqlstate else ""
        often = f", in {failed.failures} of {failed.n} repeats" if failed.n > 1 else ""
        return CardLine(
            "deploy", f"On this data{rows} the deploy fails at {where}: {said}{state}{often}.", "bad"
        )
    if summary.duration_s is None:
        why = "the run was cut off" if run.finished_at is None else "no repeat applied every migration"
        return CardLine("deploy", f"Not measured: how long the deploy takes ({why}).", "unknown")
    text = f"On this data{rows} the deploy takes {spread_seconds(summary.duration_s)}."
    return CardLine("deploy", text, "good")


def _longest(waits: Sequence[LongestWait], limits: Limits) -> Iterator[CardLine]:
    """Who waits at most, over all that was measured: the one number that everything else shows, too."""
    said = say_waits(waits)
    if said is not None:
        worst_s = max(wait.seconds for wait in waits)
        slow: Tone = "warn" if worst_s > limits.conditional_s else "good"
        yield CardLine("longest", f"At most, {said}.", "bad" if worst_s > limits.not_ready_s else slow)


def _traffic(run: Run, summary: RunSummary, quiet: PassFigures | None, limits: Limits) -> CardLine:
    """What the application's requests met with nothing in the deploy's way."""
    if quiet is None:
        why = next((note.text for note in run.notes if note.subject == "loaded pass"), None)
        if why is None:
            why = "a migration fails even without them" if summary.failed else "there was no loaded pass"
            why = "the run was interrupted" if not summary.finished else why
        return CardLine(
            "traffic",
            f"Not measured: what the application's requests would wait for ({why.rstrip('.')}).",
            "unknown",
        )
    under = f"Under {quiet.offered_per_s:,.0f} requests/s"
    if quiet.stop is not None:
        text = f"{under} it {_stopped(quiet.stop, quiet.n, run)}; {_waits(quiet)}"
    elif quiet.deploy_s is None:
        text = f"{under} {_waits(quiet)}; how long it takes there is not known"
    else:
        text = f"{under} it takes {spread_seconds(quiet.deploy_s)}; {_waits(quiet)}"
    return CardLine("traffic", f"{text}{_doubt(quiet)}.", _tone((quiet,), limits))


def _beside(group: Sequence[PassFigures], quiet: PassFigures | None, run: Run, limits: Limits) -> CardLine:
    """One hazard: waiting for locks as the files say, and with a lock timeout and retries."""
    text = _capitalised("; ".join(_hazard_parts(group, quiet, run)))
    return CardLine(group[0].hazard or "traffic", f"{text}.", _tone(group, limits))


def _hazard_parts(group: Sequence[PassFigures], quiet: PassFigures | None, run: Run) -> Iterator[str]:
    for position, traffic in enumerate(group):
        said = _retried(traffic) if traffic.retried else _waiting(traffic, quiet, run)
        if position == 0 and traffic.hazard is not None:
            what = f" ({traffic.record.what})" if traffic.record else ""
            said = f"beside {traffic.hazard}{what} {said}"
        yield said + _doubt(traffic)


def _waiting(traffic: PassFigures, quiet: PassFigures | None, run: Run) -> str:
    """The deploy takes its place in the queue, and keeps it as long as the files let it."""
    if traffic.stop is not None:
        said = f"it {_stopped(traffic.stop, traffic.n, run)}"
    elif traffic.deploy_s is None:
        said = "it did not come to its end"
    else:
        said = f"it takes {seconds(traffic.deploy_s.median)}{_longer(traffic, quiet)}"
    waited = f", waiting up to {seconds(traffic.lock_wait_s)} for a lock" if traffic.lock_wait_s else ""
    return f"{said}{waited}, and {_blocks(traffic)}{_aftermath(traffic)}"


def _retried(traffic: PassFigures) -> str:
    """The deploy gives up its place in the queue after a while, and comes back."""
    policy = f"with lock_timeout {_short(traffic.lock_timeout_s)} and up to {count(traffic.retries)} retries"
    tries = (traffic.timeouts or 0) + 1
    if traffic.stop is not None:
        why = f": {traffic.gave_up or traffic.stop.message}"
        said = (
            f"it does not get through in {_many(tries if not traffic.gave_up else tries - 1, 'try', 'tries')}"
        )
        return f"{policy} {said}{why}, and {_blocks(traffic)}{_aftermath(traffic)}"
    took = f", {seconds(traffic.deploy_s.median)} in all" if traffic.deploy_s else ""
    return (
        f"{policy} it needs {_many(tries, 'try', 'tries')}{took}, and {_blocks(traffic)}{_aftermath(traffic)}"
    )


def _longer(traffic: PassFigures, quiet: PassFigures | None) -> str:
    if quiet is None or quiet.deploy_s is None or traffic.deploy_s is None:
        return ""
    more = traffic.deploy_s.median - quiet.deploy_s.median
    if more < 0.1 * quiet.deploy_s.median:
        return " (no longer than without it)" if more <= 0 else ""
    return f", {seconds(more)} longer than without it"


def _aftermath(traffic: PassFigures) -> str:
    """What became of the hazard itself, and of a standby."""
    record = traffic.record
    if record is None:
        return ""
    behind = record.evidence.get("max_behind_s")
    lag = f"; the standby is up to {seconds(float(behind))} behind" if behind is not None else ""
    return lag + (f"; {record.name} itself fails: {record.error}" if record.error else "")


def _blocks(traffic: PassFigures) -> str:
    if not traffic.waits and traffic.unwatched_s:
        lost = f"who waited was not seen for {seconds(traffic.unwatched_s)}: the watching session was lost"
        return lost + _cut_off(traffic)
    if not traffic.waits:
        return "no request was seen to wait" + _cut_off(traffic)
    requests = _many(traffic.waits, "request waits", "requests wait")
    most = "none longer than" if traffic.retried and traffic.waits > 1 else "up to"
    return (
        f"{requests}, {most} {seconds(traffic.worst_s)}"
        + _queued(traffic)
        + _deadlocked(traffic)
        + _cut_off(traffic)
    )


def _waits(traffic: PassFigures) -> str:
    """Writes and reads apart, the longer wait first."""
    known = [
        (verb, blocked) for verb, blocked in (("writes", traffic.writes), ("reads", traffic.reads)) if blocked
    ]
    waiting = sorted((pair for pair in known if pair[1].worst_s), key=lambda pair: -pair[1].worst_s)
    still = [verb for verb, found in known if not found.worst_s]
    parts = [_wait(verb, found) for verb, found in waiting]
    if traffic.unwatched_s:
        parts.append(
            f"who waited was not seen for {seconds(traffic.unwatched_s)}: the watching session was lost"
        )
    elif still:
        parts.append(f"no {_listed([verb.rstrip('s') for verb in still], 'or')} was seen to wait")
    broken = f"; {_many(traffic.broken, 'request fails', 'requests fail')}" if traffic.broken else ""
    return ", ".join(parts) + _queued(traffic) + _deadlocked(traffic) + broken + _cut_off(traffic)


def _wait(verb: str, blocked: Blocked) -> str:
    of = "to" if verb == "writes" else "of"
    return f'{verb} {of} {bare(blocked.table)} wait up to {seconds(blocked.worst_s)} ("{blocked.name}")'


def _queued(traffic: PassFigures) -> str:
    """Where the pool ran out meanwhile, requests that need no lock of the deploy waited, too."""
    if not traffic.waits or traffic.queued <= traffic.connections:
        return ""
    return (
        f", while up to {count(traffic.queued)} more queue for one of the {count(traffic.connections)} "
        f"connections (the slowest request takes {seconds(traffic.slowest_s)})"
    )


def _cut_off(traffic: PassFigures) -> str:
    """Requests whose connection broke: nothing but the server's end, or somebody's, does that."""
    if not traffic.cut_off:
        return ""
    requests = _many(traffic.cut_off, "request loses its connection", "requests lose their connection")
    return f"; {requests}, as the server went down for a time or cut them off"


def _deadlocked(traffic: PassFigures) -> str:
    return f"; {_many(traffic.deadlocks, 'deadlock', 'deadlocks')}" if traffic.deadlocks else ""


def _stopped(stop: Stop, n: int, run: Run) -> str:
    file = run.file_of(stop.migration)
    where = file + (f":{stop.line}" if stop.line else "")
    after = f" after {seconds(stop.after_s)}" if stop.after_s is not None else ""
    often = f", in {stop.repeats} of {n} repeats" if n > 1 else ""
    state = f" ({stop.sqlstate})" if stop.sqlstate else ""
    return f"fails{after} at {where}: {stop.message}{state}{often}"


def _doubt(traffic: PassFigures) -> str:
    """The mark of a pass whose load was not what it should have been."""
    return " [marked]" if traffic.doubt else ""


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tone(group: Sequence[PassFigures], limits: Limits) -> Tone:
    """Of the kindest way through: a deploy that gets through by retries is no failure."""
    return min((_tone_of(traffic, limits) for traffic in group), key=("good", "warn", "unknown", "bad").index)


def _tone_of(traffic: PassFigures, limits: Limits) -> Tone:
    if traffic.stop is not None or traffic.worst_s > limits.not_ready_s or traffic.broken:
        return "bad"
    if traffic.unwatched_s or traffic.cut_off:
        return "unknown"
    return "warn" if traffic.worst_s > limits.conditional_s else "good"


def _short(value_s: float | None) -> str:
    """A time that somebody chose, as short as it was written."""
    return "–" if value_s is None else f"{value_s:g} s" if value_s >= 1 else f"{1000 * value_s:g} ms"


def _many(n: int | None, one: str, several: str) -> str:
    return f"{count(n)} {one if n == 1 else several}"


def _listed(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
