"""``bench.toml``: the budgets of a team's deploys, read strictly."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.errors import UsageError
from bench.migrate.config import read_toml, suggest
from bench.model.budget import ANY_HAZARD, KEYS, Budget
from bench.model.deploy import HAZARDS

NAME = "bench.toml"
_LIMITS = tuple(key for key in KEYS if key != "hold_s")
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")


def find_budgets(suite: Path) -> tuple[Budget, ...]:
    """The budgets in the suite's ``bench.toml``, else in the working directory's; none without a file.

    UsageError with the line for what is not known or cannot be a limit.
    """
    for path in (suite / NAME, Path(NAME)):
        if path.is_file():
            return read_budgets(path)
    return ()


def read_budgets(path: Path) -> tuple[Budget, ...]:
    """The budgets of a file. UsageError as :func:`find_budgets`."""
    table = read_toml(path)
    lines = _Lines(path)
    _known(lines, (), table, ("budget",))
    budget = lines.table((), "budget", table.get("budget", {}))
    _known(lines, ("budget",), budget, (*_LIMITS, "hold_s", "hazard"))
    hold = lines.table(("budget",), "hold_s", budget.get("hold_s", {}))
    hazard = lines.table(("budget",), "hazard", budget.get("hazard", {}))
    _known(lines, ("budget", "hazard"), hazard, (*_LIMITS, *HAZARDS))
    budgets = [*_limits(lines, ("budget",), budget, None)]
    for relation, value in hold.items():
        limit = _limit(lines, ("budget", "hold_s"), relation, value)
        place = lines.place(("budget", "hold_s"), relation)
        budgets.append(Budget("hold_s", limit, place, relation=relation))
    budgets += _limits(lines, ("budget", "hazard"), hazard, ANY_HAZARD)
    for name in HAZARDS:
        own = lines.table(("budget", "hazard"), name, hazard.get(name, {}))
        _known(lines, ("budget", "hazard", name), own, _LIMITS)
        budgets += _limits(lines, ("budget", "hazard", name), own, name)
    return tuple(budgets)


def _limits(
    lines: _Lines, section: tuple[str, ...], table: Mapping[str, Any], hazard: str | None
) -> Iterator[Budget]:
    for key in _LIMITS:
        if key in table:
            limit = _limit(lines, section, key, table[key])
            yield Budget(key, limit, lines.place(section, key), hazard)


def _known(lines: _Lines, section: tuple[str, ...], table: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in table:
        if key not in known:
            where = f" in [{'.'.join(section)}]" if section else ""
            raise UsageError(
                f'{lines.place(section, key)}: unknown key "{key}"{where}',
                f"{suggest(key, known)}known: {', '.join(known)}",
            )


def _limit(lines: _Lines, section: tuple[str, ...], key: str, value: object) -> float:
    share = key == "error_share"
    wanted = "a share from 0 to 1" if share else "seconds, from 0"
    if isinstance(value, int | float) and not isinstance(value, bool):
        limit = float(value)
        if 0 <= limit < math.inf and not (share and limit > 1):
            return limit
    raise UsageError(
        f"{lines.place(section, key)}: {key} = {value!r} is not {wanted}",
        f"write for example {key} = {'0.001' if share else '0.25'}",
    )


class _Lines:
    """Where the keys of a file stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[tuple[str, ...], int] = {}
        section: tuple[str, ...] = ()
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
            if header := _HEADER.match(line):
                section = _words(header[1])
                self._found.setdefault(section, number)
            elif "=" in line and not line.lstrip().startswith("#"):
                self._found.setdefault((*section, *_words(line.partition("=")[0])), number)

    def place(self, section: tuple[str, ...], key: str) -> str:
        """``file:line`` of a key, or of the table around it where it is written inside one line."""
        whole = (*section, key)
        below = [line for words, line in self._found.items() if words[: len(whole)] == whole]
        around = [self._found[whole[:n]] for n in range(len(whole) - 1, 0, -1) if whole[:n] in self._found]
        line = next(iter((*below, *around)), None)
        return str(self.path) if line is None else f"{self.path}:{line}"

    def table(self, section: tuple[str, ...], key: str, value: object) -> dict[str, Any]:
        """The value as a table; UsageError where it is none."""
        if not isinstance(value, dict):
            name = ".".join((*section, key))
            raise UsageError(
                f"{self.place(section, key)}: {name} must be a table", f"write [{name}] above its keys"
            )
        return value


def _words(text: str) -> tuple[str, ...]:
    """The parts of a dotted key, without their quotes."""
    parts = re.findall(r"\"[^\"]*\"|'[^']*'|[^\s.]+", text)
    return tuple(part.strip("\"'") for part in parts)
