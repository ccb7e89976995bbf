"""psql's variables: what ``\\set`` makes of a name, and what stands in its place in SQL.

https://www.postgresql.org/docs/current/app-psql.html#APP-PSQL-VARIABLES
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bench.sql.lexer import ReferenceForm

_NAME = re.compile(r"[^\x00-/:-@\[-^`{-\x7f]+")

_KEPT = {
    "AUTOCOMMIT": "on",
    "ON_ERROR_STOP": "on",
    "ON_ERROR_ROLLBACK": "off",
    "SINGLELINE": "off",
    "SINGLESTEP": "off",
}
"""Settings of psql that decide what is sent, with the value that a rehearsal keeps to."""

_DEFAULTS = {
    "COMP_KEYWORD_CASE": "preserve-upper",
    "ECHO": "none",
    "ECHO_HIDDEN": "off",
    "ENCODING": "UTF8",
    "FETCH_COUNT": "0",
    "HIDE_TABLEAM": "off",
    "HISTCONTROL": "none",
    "HISTSIZE": "500",
    "IGNOREEOF": "0",
    "SHOW_CONTEXT": "errors",
    "VERBOSITY": "default",
}
"""psql gives them a value again where they are unset."""
_SWITCHES = frozenset({*_KEPT, "ECHO_HIDDEN", "HIDE_TABLEAM", "QUIET"})

_OF_SQL = {
    "DBNAME": "use current_database() in SQL",
    "USER": "use current_user in SQL",
    "SERVER_VERSION_NUM": "use current_setting('server_version_num') in SQL",
    "SERVER_VERSION_NAME": "use current_setting('server_version') in SQL",
}
_UNKNOWN = frozenset(
    {"HOST", "PORT", "SERVICE", "QUIET", "VERSION", "VERSION_NAME", "VERSION_NUM", "PROMPT1", "PROMPT2"}
    | {"PROMPT3", "ERROR", "SQLSTATE", "ROW_COUNT", "LASTOID", "LAST_ERROR_MESSAGE", "LAST_ERROR_SQLSTATE"}
    | {"SHELL_ERROR", "SHELL_EXIT_CODE", *_OF_SQL}
)


class Variables:
    """The variables of one session of psql, which included files share.

    ``known`` are values that the caller knows, such as the server's version, or as ``psql -v`` would set.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._values: dict[str, str | None] = {**dict.fromkeys(_UNKNOWN), **_DEFAULTS, **_KEPT}
        self._values.update(known or {})

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def replacement(self, name: str, form: ReferenceForm) -> str:
        """What a reference in this form becomes; the variable is set, or the form is a test.

        LookupError, with a hint: psql knows the value only while it runs.
        """
        if form == "test":
            return "TRUE" if name in self._values else "FALSE"
        value = self._values[name]
        if value is None:
            raise LookupError(_OF_SQL.get(name, "write the value into the file, or \\set it there"))
        return value if form == "plain" else quote_literal(value) if form == "literal" else _quote_name(value)

    def set(self, name: str, value: str) -> None:
        """Give a variable a value. ValueError, with a hint: a rehearsal, or psql, does not take it."""
        _check_name(name)
        if name in _SWITCHES:
            switched_on = True if value == "" else parse_boolean(value)
            kept = _KEPT.get(name)
            if kept is not None and switched_on is not (kept == "on"):
                raise ValueError(f"a rehearsal keeps to {name} {kept}")
            value = value or "on"
        self._values[name] = value

    def unset(self, name: str) -> None:
        """Forget a variable; psql's own ones go back to their first value. ValueError as for :meth:`set`."""
        _check_name(name)
        if _KEPT.get(name) == "on":
            raise ValueError(f"a rehearsal keeps to {name} on")
        first = "off" if name in _SWITCHES else _DEFAULTS.get(name)
        if first is None:
            self._values.pop(name, None)
        else:
            self._values[name] = first


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError("names of variables are letters, digits and underscores")


def parse_boolean(text: str) -> bool | None:
    """What psql takes for true and false: also 1 and 0 and the beginnings of the words; None: neither."""
    text = text.lower()
    for word, value in (("true", True), ("false", False), ("yes", True), ("no", False)):
        if text and word.startswith(text):
            return value
    for word, value in (("on", True), ("off", False)):
        if len(text) >= 2 and word.startswith(text):  # one letter would be both
            return value
    return {"1": True, "0": False}.get(text)


def quote_literal(value: str) -> str:
    """As ``PQescapeLiteral`` does: a backslash makes it an escape string, with a space before it."""
    quoted = value.replace("'", "''")
    return f" E'{quoted}'".replace("\\", "\\\\") if "\\" in value else f"'{quoted}'"


def _quote_name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
