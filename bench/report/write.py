"""The report on disk: report.html, report.md, figures/, and after proofs validation.md.

Each file is replaced in one step.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analyse.conclude import Conclusion
from bench.analyse.summary import RunSummary
from bench.errors import UsageError
from bench.model.run import Proofs, Run
from bench.report.explained import explained_report
from bench.report.figures import Picture, draw_figures
from bench.report.figures.costs import draw_costs
from bench.report.html import render_html, render_page
from bench.report.markdown import render_markdown
from bench.report.planview import plan_files
from bench.report.render import markdown as rendered
from bench.report.sections.validation import validation
from bench.report.view import explained_view


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """What was written."""

    html: Path
    markdown: Path
    figures: tuple[Path, ...]


NO_PICTURES = "BENCH_NO_PICTURES"
"""Environment variable; set, the pages are written without figures: they take most of the time."""


def write_report(conclusion: Conclusion, directory: Path, *, figures: bool = True) -> ReportPaths:
    """Draw and write the whole report of a run; the pages alone without ``figures``, or where
    BENCH_NO_PICTURES is set.

    Figures of an earlier report on other migrations or passes are removed. Raises UsageError naming the
    path that cannot be written.
    """
    run, summary = conclusion.run, conclusion.summary
    figures = figures and not os.environ.get(NO_PICTURES)
    pictures = tuple(draw_figures(run, summary)) if figures else ()
    html, markdown = directory / "report.html", directory / "report.md"
    drawn = _write_figures(pictures, directory / "figures") if figures else ()
    for name, content in plan_files(summary.queries):
        _replace(directory / "plans" / name, content)
    _replace(markdown, render_markdown(conclusion).encode())
    if run.proofs != Proofs():
        _replace(directory / "validation.md", rendered.render((validation(conclusion),)).encode())
    _replace(html, render_html(conclusion, pictures).encode())
    return ReportPaths(html, markdown, drawn)


def write_explained(run: Run, summary: RunSummary, directory: Path) -> ReportPaths:
    """Write report.html, report.md and the figure of a run of ``bench explain``.

    Raises UsageError naming the path that cannot be written.
    """
    pictures = [draw_costs(summary)] if summary.queries and not os.environ.get(NO_PICTURES) else []
    html, markdown = directory / "report.html", directory / "report.md"
    drawn = _write_figures(pictures, directory / "figures")
    _replace(markdown, rendered.render((explained_report(run, summary),)).encode())
    for name, content in plan_files(summary.queries):
        _replace(directory / "plans" / name, content)
    page = explained_view(run, summary)
    _replace(html, render_page("explain.html.j2", run, page, pictures).encode())
    return ReportPaths(html, markdown, drawn)


MANIFEST = "written.json"
"""In figures/: the names of the files that we wrote there, which alone are ours to remove."""


def _write_figures(pictures: Sequence[Picture], directory: Path) -> tuple[Path, ...]:
    stale = _written_before(directory)
    written = [path for picture in pictures for path in write_picture(picture, directory)]
    names = sorted(path.name for path in written)
    for name in stale.difference(names):
        (directory / name).unlink(missing_ok=True)
    if names or stale:
        _replace(directory / MANIFEST, json.dumps({"written": names}).encode() + b"\n")
    return tuple(written)


def _written_before(directory: Path) -> set[str]:
    """The names that an earlier report wrote; none where there is no manifest that can be read."""
    try:
        names = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))["written"]
        return {name for name in names if Path(name).name == name}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def write_picture(picture: Picture, directory: Path) -> tuple[Path, Path]:
    """Write both files of a picture, SVG and PNG. UsageError names the path that cannot be written."""
    svg, png = (directory / f"{picture.name}{suffix}" for suffix in (".svg", ".png"))
    _replace(svg, picture.svg)
    _replace(png, picture.png)
    return svg, png


def _replace(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old bytes or the new ones."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.bench-tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror} ({len(data):,} bytes)",
            "check permissions and free space, or name another directory with --out",
        ) from error
