"""The page of a danger as text and as Markdown: for `bench help`, the rules of SARIF files, and reports."""

from __future__ import annotations

import textwrap

from bench.analyse.dangers.danger import Danger
from bench.report.render import markdown
from bench.report.sections.findings import danger_page

WIDTH = 100


def as_text(danger: Danger) -> str:
    """The whole page for a terminal; ends with a newline."""
    page = danger.page
    parts = [
        f"{danger.code}: {danger.title}",
        filled(page.what),
        f"Why it hurts\n{filled(page.why, indent=2)}",
        f"The way out\n{filled(page.way_out, indent=2)}",
        f"Example\n{textwrap.indent(page.example, '  ')}",
    ]
    if page.instead:
        parts.append(f"Instead\n{textwrap.indent(page.instead, '  ')}")
    parts += [f"At risk: {danger.risk.lower()}"] if danger.risk else []
    if not danger.is_condition:
        parts.append("It is a note, and never a condition of the verdict.")
    parts.append("\n".join(("Source", *(f"  {source}" for source in page.sources))))
    return "\n\n".join(parts) + "\n"


def as_markdown(danger: Danger) -> str:
    """The page without its title."""
    sources = [f"<{source}>" for source in danger.page.sources]
    return "\n\n".join([*markdown.parts(danger_page(danger)), *sources])


def filled(text: str, indent: int = 0) -> str:
    """Paragraphs in lines that a terminal holds."""
    pad = " " * indent
    return "\n\n".join(
        textwrap.fill(
            paragraph, WIDTH, initial_indent=pad, subsequent_indent=pad, break_on_hyphens=False,
            break_long_words=False,
        )
        for paragraph in text.split("\n\n")
    )  # fmt: skip
