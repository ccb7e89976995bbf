"""What can be said of a statement without its grammar, from its leading keywords or its body's tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

from postgast import PgQueryError, scan
from postgast import pg_query_pb2 as tree

from bench.sql.lexer import leading_words

_NOISE = frozenset(
    {"OR", "REPLACE", "UNIQUE", "TEMP", "TEMPORARY", "GLOBAL", "LOCAL", "UNLOGGED", "TRUSTED", "PROCEDURAL"}
    | {"CONSTRAINT", "RECURSIVE"}
)
_TWO_WORD_OBJECTS = frozenset(
    {"MATERIALIZED VIEW", "FOREIGN TABLE", "EVENT TRIGGER", "ACCESS METHOD", "OPERATOR CLASS"}
    | {"OPERATOR FAMILY", "USER MAPPING", "DEFAULT PRIVILEGES", "TEXT SEARCH", "LARGE OBJECT"}
)
_CONTROLS = {
    "BEGIN": "begin",
    "START TRANSACTION": "begin",
    "COMMIT": "commit",
    "END": "commit",
    "ROLLBACK": "rollback",
    "ABORT": "rollback",
    "SAVEPOINT": "savepoint",
    "RELEASE": "release",
    "PREPARE TRANSACTION": "prepare",
    "COMMIT PREPARED": "commit_prepared",
    "ROLLBACK PREPARED": "rollback_prepared",
    "ROLLBACK TO": "rollback_to",
}
_REFUSING = re.compile(
    r"VACUUM|REINDEX (?:DATABASE|SYSTEM|SCHEMA)|(?:CREATE|DROP) (?:DATABASE|TABLESPACE)|ALTER SYSTEM"
    r"|(?:CREATE|DROP|REINDEX) \w+ CONCURRENTLY|(?:COMMIT|ROLLBACK) PREPARED"
)
_OTHER_LANGUAGE_COMMIT = re.compile(r"\b(?:spi_)?(?:commit|rollback)\s*\(", re.IGNORECASE)
_PLPGSQL_COMMIT = re.compile(r"\b(?:commit|rollback)\s*(?:and\s+(?:no\s+)?chain\s*)?;", re.IGNORECASE)
_BEFORE_A_STATEMENT = frozenset({b";", b">>", b"begin", b"then", b"else", b"loop"})
_COMMENTS = frozenset({tree.SQL_COMMENT, tree.C_COMMENT})


@dataclass(frozen=True, slots=True)
class Keywords:
    """A statement as its leading keywords show it."""

    command: str
    transaction_control: str | None
    refuses_transaction: bool
    needs_transaction: bool
    sets_local: bool


def leading_keywords(text: str) -> Keywords:
    """Judge a statement by its first words, quoted text and comments left out."""
    words = [word.upper() for word in leading_words(text, 12)]
    control = _control(words)
    command = _spell(control) if control else _command(words)
    return Keywords(
        command=command,
        transaction_control=control,
        refuses_transaction=bool(_REFUSING.fullmatch(command)),
        needs_transaction=control in ("savepoint", "release", "rollback_to") or words[:1] == ["LOCK"],
        sets_local=words[:2] in (["SET", "LOCAL"], ["SET", "TRANSACTION"], ["SET", "CONSTRAINTS"]),
    )


def _command(words: list[str]) -> str:
    verb, rest = words[:1], words[1:]
    if verb in (["CREATE"], ["ALTER"], ["DROP"], ["REFRESH"], ["REINDEX"]):
        rest = [word for word in rest if word not in _NOISE]
        length = 2 if " ".join(rest[:2]) in _TWO_WORD_OBJECTS else 1
        concurrently = ["CONCURRENTLY"] if rest[length : length + 1] == ["CONCURRENTLY"] else []
        return " ".join(verb + rest[:length] + concurrently)
    return "LOCK TABLE" if verb == ["LOCK"] else " ".join(verb) or "UNKNOWN"


def _spell(control: str) -> str:
    words = control.removesuffix("_and_chain").replace("_", " ").upper()
    return "PREPARE TRANSACTION" if words == "PREPARE" else words


def _control(words: list[str]) -> str | None:
    control = _CONTROLS.get(" ".join(words[:2])) or _CONTROLS.get(" ".join(words[:1]))
    if control == "rollback" and "TO" in words[1:3]:
        return "rollback_to"
    chained = words[1:3] == ["AND", "CHAIN"] or words[2:4] == ["AND", "CHAIN"]
    return f"{control}_and_chain" if chained and control in ("commit", "rollback") else control


def body_ends_transaction(body: str, language: str) -> bool:
    """Whether the body of a DO block commits or rolls back, which it may only outside a transaction block."""
    if language != "plpgsql":
        return bool(_OTHER_LANGUAGE_COMMIT.search(body))
    source = body.encode()
    try:
        tokens = [token for token in scan(body).tokens if token.token not in _COMMENTS]
    except PgQueryError:
        return bool(_PLPGSQL_COMMIT.search(body))
    words = [source[token.start : token.end].lower() for token in tokens]
    return any(
        word in (b"commit", b"rollback") and before in _BEFORE_A_STATEMENT and after in (b";", b"and")
        for before, word, after in zip(words, words[1:], words[2:], strict=False)
    )
