"""Names of relations: as SQL writes them, and as they stand in a statement's text."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from postgast import pg_query_pb2 as tree
from postgast import scan

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PART = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_NAME = rf"({_PART}(?:\s*\.\s*{_PART})*)"
_ALTERED = re.compile(
    rf"\b(?:ALTER\s+TABLE(?:\s+IF\s+EXISTS)?(?:\s+ONLY)?|ATTACH\s+PARTITION)\s+{_NAME}", re.IGNORECASE
)
_REFERENCED = re.compile(rf"\bREFERENCES\s+{_NAME}", re.IGNORECASE)


@lru_cache(maxsize=1024)
def identifier(name: str) -> str:
    """A name as SQL writes it: in quotes where it is no plain word or one that the grammar keeps."""
    if _PLAIN.fullmatch(name):
        (token,) = scan(name).tokens
        if token.keyword_kind in (tree.NO_KEYWORD, tree.UNRESERVED_KEYWORD):
            return name
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string as SQL writes it, whatever standard_conforming_strings says."""
    doubled = text.replace("'", "''")
    return f"E'{doubled}'".replace("\\", "\\\\") if "\\" in text else f"'{doubled}'"


def quoted(relation: str) -> str:
    """The name as SQL writes it: schema and relation, each in quotes where it needs them."""
    schema, dot, name = relation.partition(".")
    return f"{identifier(schema)}.{identifier(name)}" if dot else identifier(schema)


def bare(relation: str) -> str:
    """The name without its schema, as SQL writes it: an index is always created in its table's."""
    schema, dot, name = relation.partition(".")
    return identifier(name if dot else schema)


def altered_tables(text: str) -> frozenset[str]:
    """The tables that a statement alters or attaches, as its text names them, without quotes."""
    return frozenset(map(_unquoted, _ALTERED.findall(text)))


def referenced_tables(text: str) -> frozenset[str]:
    """The tables that a statement's foreign keys refer to, as its text names them, without quotes."""
    return frozenset(map(_unquoted, _REFERENCED.findall(text)))


def is_named(relation: str, names: Collection[str]) -> bool:
    """Whether the names have a relation, with its schema or without."""
    return relation in names or relation.partition(".")[2] in names


def is_named_in(written: str, relations: Collection[str]) -> bool:
    """Whether a table, as a statement writes it, is one of these relations with their schemas."""
    name = _unquoted(written)
    return any(name in (relation, relation.partition(".")[2]) for relation in relations)


def _unquoted(name: str) -> str:
    parts = re.findall(_PART, name)
    return ".".join(part[1:-1].replace('""', '"') if part.startswith('"') else part.lower() for part in parts)
