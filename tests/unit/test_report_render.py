"""The renderers: three media say the same, and nothing that came from outside is obeyed in any of them."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from documents import blocks_of
from factories import failed_run, hazard_run, loaded_run, rich_run
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from rich.console import Console

from bench.analyse.conclude import conclude
from bench.model.run import Run
from bench.report.document import (
    Block,
    Bullets,
    Card,
    Code,
    Facts,
    Failure,
    Figure,
    Folded,
    Html,
    Mark,
    Paragraph,
    Section,
    Table,
    Words,
    code,
    columns,
    detail,
    inlines,
    joined,
    number,
    status,
    strong,
)
from bench.report.render import html, markdown, terminal
from bench.report.sections.answer import answer
from bench.report.sections.environment import environment, notes
from bench.report.sections.findings import findings
from bench.report.sections.migrations import failure, migrations, overview
from bench.report.sections.queries import explained, queries
from bench.report.sections.traffic import traffic
from bench.report.sections.validation import validation

PARSER = MarkdownIt("commonmark").enable("table")
HOSTILE = (
    "</td></script><img src=x onerror=alert(1)> | `a` **b** [c](d) _e_ {{ 7*7 }} \x1b[31mred\x1b]0;t\x07 "
    "[bold]rich[/bold] \u202egnp.exe"
)
NASTY = st.text(st.sampled_from("ab12 |`\\*_[]()<>&#-+.!~\n\t$'\"\x1b\u202e"), max_size=30)


def everything(text: str) -> tuple[Block, ...]:
    """A document in which every place that takes text has this one."""
    marks = (
        code(text),
        strong(text),
        status(text, "bad"),
        detail(text),
        number(text, 1.0),
    )
    table = Table(columns("What", ">Measured"), ((text, code(text)), (marks, marks)), text, text)
    blocks = (
        Paragraph((text, *marks)),
        Paragraph(text, "lead"),
        Failure(text),
        Bullets((text, marks)),
        Facts(((text, text), (text, marks)), text, ("What", "Value")),
        Facts(((text, marks),)),
        table,
        Code(text),
        Folded(text, (Paragraph(text), table)),
        Card("bad", (Paragraph(text), table), "card"),
        Facts(((text, marks),), shape="tiles"),
        Facts(((text, marks),), shape="grid"),
    )
    return (Section(text, (*blocks, Section(text, blocks)), "anchor"),)


def printed(blocks: tuple[Block, ...], width: int = 400) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    terminal.print_blocks(blocks, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


class Elements(HTMLParser):
    """The tags, attributes and text of a piece of HTML; fails on one that is closed wrongly."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(str(text))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links |= {value or "" for name, value in attrs if name == "href"}
        if tag != "wbr":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += str(data)


KNOWN_TAGS = {
    "section", "article", "h2", "h3", "h4", "p", "ul", "li", "table", "thead", "tbody", "tr", "td", "th",
    "div", "pre", "bdi", "code", "strong", "span", "details", "summary", "wbr", "dl", "dt", "dd", "a",
}  # fmt: skip


@given(NASTY)
@example(HOSTILE)
def test_html_has_no_element_that_the_renderer_did_not_write(text: str) -> None:
    elements = Elements(html.render(everything(text)))
    assert elements.open == []
    assert elements.tags <= KNOWN_TAGS
    assert elements.attributes <= {
        "id", "class", "data-sort", "data-key", "tabindex", "role", "aria-label", "href",
    }  # fmt: skip
    assert all(link.startswith("#") for link in elements.links)
    assert "\x1b" not in elements.text
    assert "\u202e" not in elements.text


def inline_kinds(tokens: list[Token]) -> set[str]:
    return {child.type for token in tokens for child in token.children or []}


@given(NASTY.filter(str.strip))
@example(HOSTILE)
def test_markdown_has_no_html_link_or_picture_from_outside(text: str) -> None:
    tokens = PARSER.parse(markdown.render(everything(text)))
    assert inline_kinds(tokens) <= {
        "text", "text_special", "code_inline", "strong_open", "strong_close", "softbreak", "html_inline",
    }  # fmt: skip
    inside = {
        child.content for token in tokens for child in token.children or [] if child.type == "html_inline"
    }
    assert inside <= {"<code>", "</code>"}
    blocks = {token.content for token in tokens if token.type == "html_block"}
    assert all(re.match(r"</?details>", content) for content in blocks)
    rows = [token for token in tokens if token.type == "tr_open"]
    cells = [token for token in tokens if token.type in ("td_open", "th_open")]
    assert len(cells) == 2 * len(rows), "nothing ends a cell"


@given(NASTY)
@example(HOSTILE)
def test_a_terminal_is_sent_no_escape_and_obeys_no_markup(text: str) -> None:
    lines = printed(everything(text))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", lines)


def test_what_looks_like_markup_of_rich_is_printed_as_it_stands() -> None:
    assert printed((Paragraph("[bold]x[/bold] [link=y]"),)) == "[bold]x[/bold] [link=y]\n"


def shown_by(text: str) -> str:
    """Only letters and digits, in their order."""
    return re.sub(r"[\W_]+", "", text)


def said_in(blocks: tuple[Block, ...]) -> list[Words]:
    """Every title, item, fact and cell of a document."""
    said: list[Words] = []
    for block in blocks_of(blocks):
        match block:
            case Section(title):
                said.append(title)
            case Paragraph(words) | Failure(words):
                said.append(words)
            case Bullets(items):
                said += items
            case Facts(rows, title):
                said += [title, *(cell for row in rows for cell in row)]
            case Table(columns=heads, rows=rows, title=title, note=note):
                said += [title, note, *(cell for row in rows for cell in row)]
                said += [column.title for column in heads] if rows else []
            case Code(text):
                said.append(text)
            case Folded(summary):
                said.append(summary)
            case Figure() | Html() | Card():
                pass
    return said


def markdown_text(text: str) -> str:
    """What a reader of Markdown sees."""
    seen = []
    for token in PARSER.parse(text):
        seen += [child.content for child in token.children or []]
        if token.type == "fence":
            seen.append(token.content)
        if token.type == "html_block":
            seen.append(Markup(token.content).striptags())
    return "".join(seen)


RUNS = [rich_run, failed_run, loaded_run, hazard_run]


def validated(run: Run) -> Section:
    """The validation of a run, whether something was proved or not."""
    return validation(conclude(run))


def found(run: Run) -> Section:
    """The findings of a run."""
    concluded = conclude(run)
    return findings(concluded.findings, concluded.summary)


def answered(run: Run) -> Block:
    """The figures of a run."""
    return answer(conclude(run))


def told(run: Run) -> Section:
    """Its migrations, one by one."""
    return migrations(conclude(run))


def failed(run: Run) -> tuple[Block, ...]:
    """Its failures."""
    sections = (failure(migration) for migration in conclude(run).summary.migrations)
    return tuple(section for section in sections if section is not None)


def costed(run: Run) -> tuple[Section, ...]:
    """Its queries."""
    return queries(conclude(run).summary.queries)


def in_every_way(run: Run) -> tuple[Section, ...]:
    """Its queries, each in all ways of executing it."""
    return explained(conclude(run).summary.queries)


def listed(run: Run) -> Block:
    """All its migrations in one table."""
    return overview(conclude(run))


SECTIONS = [
    environment, notes, traffic, validated, found, answered, told, failed, costed, in_every_way, listed,
]  # fmt: skip


def built(section: object, run: Run) -> tuple[Block, ...]:
    assert callable(section)
    blocks = section(run)
    return blocks if isinstance(blocks, tuple) else (blocks,)


@pytest.mark.parametrize("make", RUNS)
@pytest.mark.parametrize("section", SECTIONS)
def test_every_fact_of_a_section_is_in_all_media(section: object, make: object) -> None:
    assert callable(make)
    blocks = built(section, make())
    media = {
        "terminal": shown_by(printed(blocks, 4000)),
        "Markdown": shown_by(markdown_text(markdown.render(blocks, 2))),
        "HTML": shown_by(Elements(html.render(blocks)).text),
    }
    for words in said_in(blocks):
        for piece in inlines(words):
            text = shown_by(piece if isinstance(piece, str) else piece.text)
            small = isinstance(piece, Mark) and piece.kind == "detail"
            missing = [name for name, shown in media.items() if text not in shown]
            assert missing == [] or (small and missing == ["terminal"]), text


def test_pictures_and_diagrams_are_the_pages_alone() -> None:
    blocks: tuple[Block, ...] = (Figure("locks"), Html(Markup("<svg></svg>")), Paragraph("said"))
    assert markdown.render(blocks) == "said\n"
    assert printed(blocks) == "said\n"
    assert html.render(blocks, draw=lambda name: Markup("<figure>{}</figure>").format(name)) == (
        "<figure>locks</figure>\n<svg></svg>\n<p><bdi>said</bdi></p>"
    )


def test_a_status_has_the_sign_of_its_medium() -> None:
    words = (status("failed", "bad"), ", ", status("Ready", "good", strong=True))
    assert markdown.words(words) == "🔴 failed, ✅ **Ready**"
    assert str(html.words(words)) == (
        '<bdi><span class="badge error">failed</span>, <span class="badge good">Ready</span></bdi>'
    )
    assert terminal.words(words).plain == "failed, Ready"


def test_a_table_can_be_sorted_by_its_figures() -> None:
    table = Table(columns("Name", ">Size", ">Age"), (("a", number("1 MiB", 1048576), "old"),))
    shown = str(html.render((table,)))
    assert (
        '<th data-sort="text"><bdi>Name</bdi></th><th class="num" data-sort="number"><bdi>Size</bdi></th>'
        in shown
    )
    assert '<th class="num"><bdi>Age</bdi></th>' in shown
    assert '<td class="num" data-key="1048576"><bdi>1 MiB</bdi></td>' in shown


def test_a_line_keeps_its_blanks_between_prose_and_marks() -> None:
    line = ("taken in ", code("a.sql:3"), " by ", joined(", ", [strong("x"), code("y")]), ".")
    assert markdown.words(line) == "taken in `a.sql:3` by **x**, `y`."
    assert terminal.words(line).plain == "taken in a.sql:3 by x, y."


def test_a_column_that_gives_way_is_cut_and_the_others_are_whole() -> None:
    table = Table(columns(">Time", "…Statement"), (("12 ms", "ALTER TABLE " + "x" * 100),))
    line = printed((table,), width=40).splitlines()[1]
    assert line.startswith("12 ms  ALTER TABLE xxx")
    assert line.rstrip().endswith("…")


def test_a_terminal_shows_the_first_lines_of_a_long_text() -> None:
    text = printed((Code("\n".join(f"line {n}" for n in range(50))),))
    assert "line 19" in text
    assert "line 20" not in text
    assert "… and 30 lines more" in text
