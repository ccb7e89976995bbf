"""psql's meta-commands in a migration file: which change nothing in the database, and which are refused."""

from __future__ import annotations

import re

_NAME = re.compile(r"\\([^\s\\]*)")
# Up to the end of the line or the next backslash outside quotes, as psqlscanslash.l reads arguments.
_ARGUMENTS = re.compile(r"""(?:'(?:[^'\\\n]|\\[^\n])*'|"[^"\n]*+"|`[^`\n]*+`|[^\\\n'"`]++|['"`][^\n]*+)*""")

_PRINTS = frozenset({"echo", "qecho", "warn"})
_DISPLAY = frozenset(
    {"timing", "pset", "x", "a", "t", "f", "C", "H", "T", "errverbose", "conninfo", "unset"}
    | {"restrict", "unrestrict"}
    | {"d", "d+", "df", "df+", "di", "di+", "dn", "dp", "ds", "dt", "dt+", "du", "dv", "dv+", "dx", "l", "z"}
)
"""They change psql's output alone; ``\\restrict`` and ``\\unrestrict`` frame the files of pg_dump."""

_HARMFUL_SETTINGS = {
    "AUTOCOMMIT": "on",
    "ON_ERROR_STOP": "on",
    "ON_ERROR_ROLLBACK": "off",
    "SINGLELINE": "off",
    "SINGLESTEP": "off",
}
"""Settings of psql that decide what is sent, with the value that a rehearsal keeps to."""
_VALUES = {
    "on": frozenset({"", "on", "true", "yes", "1"}),
    "off": frozenset({"off", "false", "no", "0"}),
}

_HINTS = {
    "i": "put the included file's statements into this file",
    "ir": "put the included file's statements into this file",
    "include": "put the included file's statements into this file",
    "include_relative": "put the included file's statements into this file",
    "copy": "write COPY … FROM stdin with the rows below it",
    "g": "end the statement with a semicolon",
    "gx": "end the statement with a semicolon",
    "gexec": "write the statements out, or run them by EXECUTE in a DO block",
    "gset": "work with the value in SQL, for example in a DO block",
    "c": "a migration is rehearsed in one database, on one connection",
    "connect": "a migration is rehearsed in one database, on one connection",
    "!": "a rehearsal runs no shell commands",
    ";": "end the statement with a plain semicolon",
    "q": "remove it, and what stands after it",
    "quit": "remove it, and what stands after it",
}
for _conditional in ("if", "elif", "else", "endif"):
    _HINTS[_conditional] = "write the condition in SQL, for example in a DO block"


def command_end(text: str, position: int) -> int:
    """Offset after the meta-command whose backslash is at ``position``.

    It ends before the end of its line, before the next meta-command, or after ``\\\\``.
    """
    name = _NAME.match(text, position)
    arguments = _ARGUMENTS.match(text, name.end() if name else position + 1)
    end = arguments.end() if arguments else position + 1
    return end + 2 if text.startswith("\\\\", end) else end


def command_name(command: str) -> str:
    """Name without the backslash; ``\\!ls`` and ``\\;`` need no space after it."""
    if command[1:2] in ("!", ";"):
        return command[1]
    name = _NAME.match(command)
    return name[1] if name else ""


def refusal(command: str) -> str | None:
    """What to try instead of the command, or None where it changes nothing in the database."""
    name = command_name(command)
    arguments = command[1 + len(name) :].removesuffix("\\\\").split()
    if name in _PRINTS:
        return None
    if "`" in command:
        return _HINTS["!"]
    if name == "set":
        return _refuse_setting(arguments)
    if name == "encoding":
        utf8 = [word.strip("'").lower().replace("-", "") for word in arguments] in (["utf8"], ["unicode"])
        return None if utf8 else "migration files are read as UTF-8"
    if name == "o" and not "".join(arguments).startswith(("|", "'|")):
        return None
    if name in _DISPLAY:
        return None
    return _HINTS.get(name, "remove it: only SQL is rehearsed")


def _refuse_setting(arguments: list[str]) -> str | None:
    name, value = (*arguments, "", "")[:2]
    kept = _HARMFUL_SETTINGS.get(name)
    if kept is None or value.strip("'").lower() in _VALUES[kept]:
        return None
    return f"a rehearsal keeps to {name} {kept}"


def set_name(command: str) -> str | None:
    """Name of the variable that the command sets, if it sets one."""
    if command_name(command) != "set":
        return None
    arguments = command[len("\\set") :].split()
    return arguments[0] if arguments else None
