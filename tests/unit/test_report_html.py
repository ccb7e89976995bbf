"""The page: self-contained, safe against everything that SQL can hold, complete, and small enough."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from factories import (
    a_lock,
    a_migration,
    a_query,
    a_run,
    a_statement,
    an_error,
    empty_run,
    failed_run,
    rich_run,
)

from bench.analyse.conclude import conclude
from bench.analyse.summary import summarise
from bench.model.finding import Finding
from bench.model.lock import LockMode
from bench.model.plan import NestedPlan
from bench.model.run import Note, Run
from bench.report.figures import draw_figures
from bench.report.figures.volume import draw_volume
from bench.report.html import render_html
from bench.report.render.html import breakable
from bench.report.svg import inline_svg
from bench.store.codec import decode

HOSTILE = "</script><img src=x onerror=alert(1)><!-- \"'& ]]> \u202egnp.exe\u2028 😀 שלום {{ 7*7 }} {% raw %}"


class Page(HTMLParser):
    """Counts elements, collects ids, links, text and the run file; knows elements that were left open."""

    VOID = frozenset({"meta", "input", "br", "wbr", "img", "link", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text: list[str] = []
        self.run = ""
        self.in_run = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.note(attrs)
        if tag not in self.VOID:
            self.open.append(tag)
        self.in_run = ("type", "application/json") in attrs

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.note(attrs)

    def note(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            self.attributes.add(name)
            if name == "id":
                self.ids[value or ""] += 1
            if name == "href":
                self.links.add(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self.in_run = False

    def handle_data(self, data: str) -> None:
        if self.in_run:
            self.run += data
        elif self.open and self.open[-1] not in ("script", "style"):
            self.text.append(data)


def render(run: Run, *, figures: bool = True) -> str:
    conclusion = conclude(run)
    return render_html(conclusion, tuple(draw_figures(run, conclusion.summary)) if figures else ())


@pytest.fixture(scope="module")
def rich() -> str:
    return render(rich_run())


def hostile_run() -> Run:
    lock = a_lock(f"public.{HOSTILE}", LockMode.SHARE, 0.2, target=HOSTILE, table=HOSTILE)
    statement = a_statement(
        0, f"SELECT '{HOSTILE}'", kind=HOSTILE, locks=(lock,), outcome="failed",
        error=replace(an_error(), message=HOSTILE, detail=HOSTILE, context=HOSTILE),
        nested=(NestedPlan(HOSTILE, 0.1, 1, None),),
    )  # fmt: skip
    plan = {
        "Node Type": HOSTILE,
        "Filter": HOSTILE,
        "Relation Name": HOSTILE,
        "Actual Total Time": 1.0,
        "Actual Loops": 1,
    }
    query = a_query()
    assert query.after is not None
    query = replace(query, name=HOSTILE, text=HOSTILE, after=replace(query.after, plan=plan, error=HOSTILE))
    finding = Finding(HOSTILE, "error", f"001_{HOSTILE}", 0, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE)
    run = a_run([a_migration([statement], f"001_{HOSTILE}")], queries=[query], notes=[Note(HOSTILE, HOSTILE)])
    stored = conclude(run).run
    return replace(stored, run_id=HOSTILE, findings=(finding,), suite=replace(run.suite, name=HOSTILE))


def test_nothing_that_a_run_holds_becomes_markup() -> None:
    run = hostile_run()
    html = render(run)
    page, plain = Page(html), Page(render(failed_run(), figures=False))
    assert page.open == []
    assert page.elements["img"] == 0
    assert page.elements["script"] == plain.elements["script"] == 2
    assert not {name for name in page.attributes if name.startswith("on")}
    assert "<img" not in html
    assert "49" not in re.findall(r"gnp\.exe[^<]*?(49)", html)
    assert decode(unpacked(page)) == run
    shown = "".join(page.text)
    assert shown.count("<img src=x onerror=alert(1)>") >= 15


def test_the_page_needs_nothing_else(rich: str) -> None:
    outside = re.compile(
        r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import|<link""", re.I
    )
    assert not outside.search(rich)
    assert all(link.startswith("#") for link in Page(rich).links)


def test_ids_are_unique_and_every_link_has_its_target(rich: str) -> None:
    page = Page(rich)
    assert [name for name, n in page.ids.items() if n > 1] == []
    assert {link[1:] for link in page.links} <= set(page.ids)
    used = set(re.findall(r"url\(#([^)]+)\)", rich))
    assert used
    assert used <= set(page.ids)


def test_the_order_is_verdict_findings_migrations_traffic_statements_queries_environment(
    rich: str,
) -> None:
    sections = re.findall(r'<section id="(\w+)"', rich)
    assert sections == [
        "verdict", "findings", "migrations", "traffic", "statements", "queries", "notes",
        "environment",
    ]  # fmt: skip
    assert Page(rich).elements["svg"] == 8 + rich.count('class="plan-tree"')


def test_every_statement_is_there_with_its_sql(rich: str) -> None:
    run = rich_run()
    text = "".join(Page(rich).text)
    statements = [s for m in run.passes[0].repeats[0].migrations for s in m.statements]
    assert rich.count('<details class="st') == len(statements)
    for statement in statements:
        assert statement.text in text


def test_the_run_file_inside_is_the_run(rich: str) -> None:
    assert decode(unpacked(Page(rich))) == conclude(rich_run()).run


def unpacked(page: Page) -> bytes:
    inside = json.loads(page.run)
    assert inside["encoding"] == "gzip+base64"
    return gzip.decompress(base64.b64decode(inside["data"]))


@pytest.mark.parametrize(
    "run", [empty_run(), failed_run(), a_run()], ids=["empty", "failed", "no migrations"]
)
def test_unfinished_and_failed_runs_have_a_page(run: Run) -> None:
    page = Page(render(run, figures=False))
    assert page.open == []
    assert ("Incomplete" if run.finished_at is None else "Not ready") in "".join(page.text)


def test_without_figures_the_page_says_so() -> None:
    html = render(rich_run(), figures=False)
    assert Page(html).elements["svg"] == html.count('class="plan-tree"')
    assert "Its lock timeline was not drawn." in html


def test_figures_follow_the_theme(rich: str) -> None:
    svg = "".join(re.findall(r"<svg.*?</svg>", rich, re.S))
    assert "var(--lock-8)" in svg
    assert "var(--ink)" in svg
    assert not re.search(r"(?:fill|stroke):\s*#", svg)
    assert "<?xml" not in svg
    assert "DOCTYPE" not in svg


def test_two_figures_on_a_page_never_share_an_id() -> None:
    first = draw_volume(summarise(rich_run()))
    one, other = (
        set(
            re.findall(
                r' id="([^"]+)"', inline_svg(first.svg, prefix=prefix, label="x", view_pt=first.body_pt)
            )
        )
        for prefix in ("a", "b")
    )
    assert one
    assert not one & other


def test_names_break_after_their_parts_and_stay_escaped() -> None:
    assert breakable("a_b/c.sql") == "a_<wbr>b/<wbr>c.<wbr>sql"
    assert breakable("<x>_") == "&lt;x&gt;_"


def a_plan(nodes: int, draw: random.Random) -> dict[str, Any]:
    plan: dict[str, Any] = {}
    for _ in range(nodes):
        plan = {
            "Node Type": draw.choice(["Hash Join", "Seq Scan", "Sort"]), "Parallel Aware": False,
            "Startup Cost": 8.3, "Total Cost": draw.random() * 9e3, "Plan Rows": draw.randrange(9_000),
            "Plan Width": 40, "Actual Startup Time": 0.02, "Actual Total Time": draw.random() * 90,
            "Actual Rows": draw.randrange(9_000), "Actual Loops": 1, "Alias": "a",
            "Relation Name": "activities",
            "Output": [f"a.column_{i}" for i in range(20)], "Filter": "(a.status = 'active'::text)",
            "Rows Removed by Filter": 77, "Shared Hit Blocks": 7, "Shared Read Blocks": 0,
            **({"Plans": [plan]} if plan else {}),
        }  # fmt: skip
    return plan


def test_a_large_suite_stays_below_two_megabytes() -> None:
    draw = random.Random(5)

    def repeat() -> list[Any]:
        return [
            a_migration(
                [
                    a_statement(
                        i, f"CREATE INDEX idx_{i} ON t_{i} ({'a_column_name, ' * 20} b)",
                        locks=tuple(a_lock(f"public.t_{i}_{k}", mode) for k, mode in enumerate(LockMode)),
                    )
                    for i in range(30)
                ],
                f"{m:03d}_migration",
            )
            for m in range(4)
        ]  # fmt: skip

    queries = []
    for i in range(30):
        query = a_query(0.1, 0.2, same_plan=i % 2 == 0)
        assert query.before is not None
        assert query.after is not None
        before, after = (replace(cost, plan=a_plan(14, draw)) for cost in (query.before, query.after))
        queries.append(replace(query, name=f"query {i}", before=before, after=after))
    html = render(a_run(repeat(), repeat(), repeat(), queries=queries), figures=False)
    assert len(html.encode()) < 1_600_000, "figures need up to 300 kB"
