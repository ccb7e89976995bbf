"""The validation report as a part of the page: its Markdown, with nothing in it taken for HTML."""

from __future__ import annotations

from markupsafe import Markup

from bench.analyse.conclude import Conclusion
from bench.model.run import Proofs
from bench.report.validation import render_validation


def validation_html(conclusion: Conclusion) -> Markup:
    """The document below the page's own headings; nothing where nothing was proved."""
    if conclusion.run.proofs == Proofs():
        return Markup()
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(render_validation(conclusion, fold=False))
    begin = next((n + 1 for n, token in enumerate(tokens) if token.type == "heading_close"), 0)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
        elif token.type in ("table_open", "table_close"):
            token.attrSet("class", "validation")
    return Markup(parser.renderer.render(tokens[begin:], parser.options, {}))
