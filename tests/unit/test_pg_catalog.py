"""Queries by name: the variant for the server's version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.pg import catalog
from bench.pg.catalog import load_query


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    for name in ("plain.sql", "ladder.sql", "ladder.pg14.sql", "ladder.pg17.sql", "newer.pg17.sql"):
        (tmp_path / name).write_text(name)
    monkeypatch.setattr(catalog, "QUERIES", tmp_path)
    load_query.cache_clear()
    yield tmp_path
    load_query.cache_clear()


@pytest.mark.parametrize(
    ("name", "version_num", "file"),
    [
        ("plain", 130000, "plain.sql"),
        ("plain", 180001, "plain.sql"),
        ("ladder", 130021, "ladder.sql"),
        ("ladder", 140000, "ladder.pg14.sql"),
        ("ladder", 160009, "ladder.pg14.sql"),
        ("ladder", 180006, "ladder.pg17.sql"),
        ("newer", 170000, "newer.pg17.sql"),
    ],
)
def test_the_highest_variant_that_the_server_reaches(
    queries: Path, name: str, version_num: int, file: str
) -> None:
    assert load_query(name, version_num) == file


@pytest.mark.parametrize(("name", "version_num"), [("newer", 160000), ("missing", 180000), ("lad", 180000)])
def test_no_variant_is_an_error(queries: Path, name: str, version_num: int) -> None:
    with pytest.raises(LookupError, match=name):
        load_query(name, version_num)


def test_every_query_says_what_it_asks() -> None:
    for file in catalog.QUERIES.iterdir():
        if file.name.endswith(".sql"):
            assert file.read_text(encoding="utf-8").startswith("-- "), file.name


def test_queries_can_be_sent_to_a_server_of_any_encoding() -> None:
    """A database in LATIN1 refuses a whole statement for one character that it does not have."""
    assert [
        file.name for file in catalog.QUERIES.iterdir() if not file.read_text(encoding="utf-8").isascii()
    ] == []
