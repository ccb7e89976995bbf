"""The locale and encoding of a database: read from where it was, asked for where it is made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from bench.errors import UsageError

Provider = Literal["libc", "icu", "builtin"]
_OPTION = re.compile(r"(\w+)\s*=\s*('(?:[^']|'')*'|\w+)")
ICU_SINCE, BUILTIN_SINCE = 150000, 170000


@dataclass(frozen=True, slots=True)
class Locale:
    """How a database compares and stores text."""

    collate: str | None = None
    """Of libc, as LC_COLLATE."""
    ctype: str | None = None
    encoding: str | None = None
    """As the server names it, such as UTF8."""
    provider: Provider = "libc"
    name: str | None = None
    """Of ICU or the server's own provider, such as de-DE or C.UTF-8."""

    def describe(self) -> str:
        """In a few words, such as ``de_DE.UTF-8, UTF8``."""
        shown = f"{self.name} ({self.provider})" if self.provider != "libc" else self.collate
        return ", ".join(filter(None, [shown, self.encoding]))

    def clause(self, version_num: int) -> sql.Composable:
        """What CREATE DATABASE says for it after the name; UsageError where the server is too old for it."""
        since = {"libc": 0, "icu": ICU_SINCE, "builtin": BUILTIN_SINCE}[self.provider]
        if version_num < since:
            raise UsageError(f"the server has no locales of {self.provider}", f"from {since // 10000} on")
        parts: list[sql.Composable] = [sql.SQL("TEMPLATE template0")]
        named = [("ENCODING", self.encoding), ("LC_COLLATE", self.collate), ("LC_CTYPE", self.ctype)]
        if version_num >= ICU_SINCE:
            parts.append(sql.SQL("LOCALE_PROVIDER {}").format(sql.Identifier(self.provider)))
            own = {"libc": "LOCALE", "icu": "ICU_LOCALE", "builtin": "BUILTIN_LOCALE"}[self.provider]
            named.append((own, self.name))
        parts += [sql.SQL(f"{key} {{}}").format(sql.Literal(value)) for key, value in named if value]
        return sql.SQL(" ").join(parts)


def parse_locale(text: str) -> Locale:
    """``de_DE.UTF-8``, ``icu:de-DE`` or ``builtin:C.UTF-8``, as ``--locale`` has it; all of them in UTF-8
    but libc's, whose name says it (``de_DE.ISO-8859-1``)."""
    provider, colon, name = text.partition(":")
    if colon and provider in ("icu", "builtin"):
        return Locale("C", "C", "UTF8", "icu" if provider == "icu" else "builtin", name)
    if not text.strip():
        raise UsageError("--locale names no locale", "for example de_DE.UTF-8, icu:de-DE or C")
    return Locale(text, text, _encoding_of(text))


def _encoding_of(name: str) -> str:
    codeset = re.sub(r"[^a-z0-9]", "", name.partition(".")[2].partition("@")[0].lower())
    return {"iso88591": "LATIN1", "iso885915": "LATIN9", "iso88592": "LATIN2"}.get(codeset, "UTF8")


def locale_of(statement: str) -> Locale | None:
    """The locale in a CREATE DATABASE that pg_dump or pg_restore wrote with --create; None without one."""
    if not statement.startswith("CREATE DATABASE "):
        return None
    options = {key.upper(): value.strip("'").replace("''", "'") for key, value in _OPTION.findall(statement)}
    libc = options.get("LOCALE")
    collate, ctype = options.get("LC_COLLATE", libc), options.get("LC_CTYPE", libc)
    if collate is None:
        return None
    provider = options.get("LOCALE_PROVIDER", "libc")
    if provider == "icu":
        return Locale(collate, ctype, options.get("ENCODING"), "icu", options.get("ICU_LOCALE", libc))
    if provider == "builtin":
        return Locale(collate, ctype, options.get("ENCODING"), "builtin", options.get("BUILTIN_LOCALE", libc))
    return Locale(collate, ctype, options.get("ENCODING"))
