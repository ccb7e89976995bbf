"""Checks with alternatives, of which one is chosen for every row: a IS NOT NULL OR b IS NOT NULL."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import combinations

from datagen.anyschema.checks import Limits, apply_part, mentioned, split_and, split_or

_COUNTED = re.compile(r"num_(nonnulls|nulls)\((.*)\) (=|>=|<=|>|<) (\d+)")
_COALESCED = re.compile(r"\(*COALESCE\((.*)\)\)* IS NOT NULL\)*")
_SIDES = re.compile(r"\(*(.+?) IS (NOT )?NULL\)* (=|<>) \(*(.+?) IS (NOT )?NULL\)*")
MOST = 64
"""More alternatives than these are not looked at."""


def choose_alternative(
    part: str, names: Sequence[str], limits: dict[str, Limits], avoid: Collection[str]
) -> bool:
    """Put the best alternative of a part of a check into the limits of its columns; False without one.

    Best is what forces the fewest columns to be NULL, then the fewest of ``avoid``, such as references to
    other tables, to have a value.
    """
    best: tuple[tuple[int, int], dict[str, Limits]] | None = None
    for alternative in _alternatives(part):
        trial = {name: deepcopy(limits[name]) for name in names}
        if not all(_apply(conjunct, names, trial) for conjunct in alternative) or _contradictory(trial):
            continue
        price = (
            sum(trial[name].empty and not limits[name].empty for name in names),
            sum(trial[name].required and not limits[name].required and name in avoid for name in names),
        )
        if best is None or price < best[0]:
            best = (price, trial)
    if best is None:
        return False
    limits.update(best[1])
    return True


def _contradictory(limits: Mapping[str, Limits]) -> bool:
    return any((limit.empty and limit.required) or limit.values == [] for limit in limits.values())


def _apply(conjunct: str, names: Sequence[str], limits: dict[str, Limits]) -> bool:
    concerned = [name for name in names if mentioned(name, conjunct)]
    if apply_part(conjunct, concerned, limits):
        return True
    if len(concerned) == 1:
        limit = limits[concerned[0]]
        if re.fullmatch(r"[^()]+ IS NULL", conjunct):
            limit.empty = True
            return True
        if conjunct in (concerned[0], f"NOT {concerned[0]}"):  # of a boolean
            limit.values, limit.required = ["false" if conjunct.startswith("NOT ") else "true"], True
            return True
    return len(split_or(conjunct)) > 1 and choose_alternative(conjunct, concerned, limits, ())


def _alternatives(part: str) -> Iterator[list[str]]:
    """Each as the parts that must hold together."""
    if counted := _COUNTED.fullmatch(part):
        yield from _counted(counted[1], _arguments(counted[2]), counted[3], int(counted[4]))
    elif coalesced := _COALESCED.fullmatch(part):
        for name in _arguments(coalesced[1]):
            yield [f"{name} IS NOT NULL"]
    elif (sides := _SIDES.fullmatch(part)) and " OR " not in part and " AND " not in part:
        one, other = sides[1], sides[4]
        same = (sides[3] == "=") == (bool(sides[2]) == bool(sides[5]))
        for empty in (False, True):
            yield [_state(one, empty), _state(other, empty if same else not empty)]
    elif len(group := split_or(part)) > 1:
        for alternative in group:
            yield split_and(alternative)


def _arguments(text: str) -> list[str]:
    return [argument.strip().strip("()") for argument in text.split(",")]


def _state(name: str, empty: bool) -> str:
    return f"{name} IS NULL" if empty else f"{name} IS NOT NULL"


def _counted(what: str, columns: Sequence[str], operator: str, number: int) -> Iterator[list[str]]:
    """num_nonnulls(a, b) = 1 and its like: every choice of so many columns."""
    fits = {"=": int.__eq__, ">=": int.__ge__, "<=": int.__le__, ">": int.__gt__, "<": int.__lt__}[operator]
    seen = 0
    for filled in range(len(columns), -1, -1):
        if not fits(filled if what == "nonnulls" else len(columns) - filled, number):
            continue
        for chosen in combinations(columns, filled):
            if (seen := seen + 1) > MOST:
                return
            yield [_state(name, name not in chosen) for name in columns]
