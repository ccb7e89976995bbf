"""The report as one HTML file that needs nothing else: figures, styles, script and run file inside."""

from __future__ import annotations

import gzip
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec
from markupsafe import Markup

from bench.analyse.conclude import Conclusion
from bench.model.run import Run
from bench.model.texts import kept_once
from bench.report.document import Block
from bench.report.figures import Picture
from bench.report.palette import css_variables
from bench.report.render.html import breakable, render
from bench.report.svg import inline_svg
from bench.report.view import page_view

if TYPE_CHECKING:
    from jinja2 import Environment


def render_html(conclusion: Conclusion, pictures: Iterable[Picture]) -> str:
    """The page. Everything that came from a file or a server is escaped, in HTML, SVG and JSON alike."""
    return render_page("report.html.j2", conclusion.run, page_view(conclusion), pictures)


def render_page(name: str, run: Run, page: object, pictures: Iterable[Picture]) -> str:
    """A page from the template of this name, with the run file inside."""
    environment = templates()
    drawn = {picture.name: picture for picture in pictures}

    @cache
    def draw(name: str) -> Markup:
        return _figure(drawn[name]) if name in drawn else Markup()

    def rendered(blocks: Iterable[Block], level: int = 2) -> Markup:
        return render(blocks, level, draw)

    def verbatim(name: str) -> Markup:
        return Markup((files("bench.report") / "templates" / name).read_text(encoding="utf-8"))

    return environment.get_template(name).render(
        page=page,
        draw=draw,
        rendered=rendered,
        css=verbatim("report.css"),
        theme_css=Markup(theme_css()),
        js=verbatim("report.js"),
        packed_run=packed(run),
    )


@cache
def templates() -> Environment:
    """The templates of the pages, each compiled once in a process: that takes longer than filling them in."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bench.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = breakable
    return environment


def packed(run: Run) -> str:
    """The run file in base64 of gzip, a tenth of its size; no character of it has a meaning in HTML.

    Long statements are cut in it.
    """
    document = msgspec.json.encode(replace(kept_once(run), texts={}))
    return b64encode(gzip.compress(document, mtime=0)).decode()


def theme_css() -> str:
    """The colours as CSS variables: light, dark where the system or the reader wants it, light in print."""
    colours = css_variables()
    light, dark = colours["light"], colours["dark"]
    return (
        f":root{{{light}}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
        f"@media screen{{:root[data-theme=dark]{{{dark}}}}}"
    )


def _figure(picture: Picture) -> Markup:
    svg = inline_svg(picture.svg, prefix=picture.name, label=picture.title, view_pt=picture.body_pt)
    return Markup(
        '<figure class="card">\n<strong><bdi>{}</bdi></strong>\n'
        '<div class="scroll" tabindex="0" role="group" aria-label="{}">{}</div>\n'
        "<figcaption>{}</figcaption>\n</figure>"
    ).format(picture.title, picture.title, Markup(svg), picture.caption)
