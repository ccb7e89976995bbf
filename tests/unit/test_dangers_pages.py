"""Every danger has a page, and no two have one code."""

from __future__ import annotations

import pytest

from bench.analyse.dangers.danger import Danger, read_page
from bench.analyse.findings import BY_CODE, DANGERS


def test_every_danger_has_a_code_of_its_own() -> None:
    assert len(BY_CODE) == len(DANGERS) >= 55


@pytest.mark.parametrize("danger", DANGERS, ids=lambda danger: danger.code)
def test_a_page_says_what_why_the_way_out_and_where_it_comes_from(danger: Danger) -> None:
    page = danger.page
    assert page.what.endswith(".")
    assert all(source.startswith("https://") for source in page.sources)
    assert page.instead or page.way_out.startswith("None"), "where there is no other SQL, it says so"
    assert page.example != page.instead


@pytest.mark.parametrize("part", ["Why", "Way out", "Example", "Source"])
def test_a_page_without_one_of_its_parts_is_refused(part: str) -> None:
    whole = "It is.\n\nWhy: it hurts.\nWay out: none.\nExample:\n    SELECT 1;\nSource: https://example.org\n"
    assert read_page(whole).example == "SELECT 1;"
    with pytest.raises(ValueError, match=part):
        read_page(whole.replace(f"{part}:", f"{part.lower()}"))
