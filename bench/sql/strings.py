"""Whether a backslash in a plain string is a character or escapes one, as psql follows it through a script.

psql reads ``standard_conforming_strings`` of the session anew for each statement (``psqlscan.l``):
https://www.postgresql.org/docs/current/runtime-config-compatible.html#GUC-STANDARD-CONFORMING-STRINGS
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.sql.kinds import leading_keywords

_NAME = "standard_conforming_strings"
_SET = re.compile(
    rf"^\s*SET\s+(?:(?P<scope>SESSION|LOCAL)\s+)?{_NAME}\s*(?:=|\s+TO\s)\s*'?(?P<value>\w+)'?\s*$",
    re.IGNORECASE,
)
_RESET = re.compile(rf"^\s*(?:RESET\s+(?:{_NAME}|ALL)|DISCARD\s+ALL)\s*$", re.IGNORECASE)
_CALL = re.compile(
    rf"\bset_config\s*\(\s*'{_NAME}'\s*,\s*'(?P<value>\w+)'\s*,\s*'?(?P<local>\w+)'?\s*\)", re.IGNORECASE
)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_LONGEST = 10_000
"""Characters of a statement that may set it."""
_OFF = ("off", "false", "no", "0", "of", "f", "n")


@dataclass(slots=True)
class Strings:
    """The setting while a script is read, from what its statements say."""

    standard: bool = True
    """Whether a backslash is a character as any other; PostgreSQL's default."""
    _session: bool = True
    """What it is again where SET LOCAL ends."""
    _before: bool | None = None
    """What it was before the open transaction; None outside of one."""

    def follow(self, text: str) -> None:
        """Take in one statement, as it is sent."""
        if len(text) > _LONGEST:
            return
        control = leading_keywords(text).transaction_control
        if control is not None:
            self._transaction(control)
            return
        lowered = text.lower()
        if _NAME not in lowered and "reset" not in lowered and "discard" not in lowered:
            return
        code = _COMMENTS.sub(" ", text)
        if match := _SET.match(code) or _CALL.search(code):
            named = match.groupdict()
            local = (named.get("scope") or "").upper() == "LOCAL" or _is_on(named.get("local") or "off")
            self._set(_is_on(match["value"]), local=local)
        elif _RESET.match(code):
            self._set(standard=True, local=False)

    def _set(self, standard: bool, *, local: bool) -> None:
        if local and self._before is None:
            return  # its transaction is over at once
        self.standard = standard
        if not local:
            self._session = standard

    def _transaction(self, control: str) -> None:
        if control == "begin" and self._before is None:
            self._before = self.standard
        elif control in ("commit", "prepare", "commit_and_chain"):
            self.standard = self._session
            self._before = self.standard if control == "commit_and_chain" else None
        elif control in ("rollback", "rollback_and_chain"):
            if self._before is not None:
                self.standard = self._session = self._before
            self._before = self.standard if control == "rollback_and_chain" else None


def _is_on(value: str) -> bool:
    return value.lower() not in _OFF
