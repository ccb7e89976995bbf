"""The sheet that every figure is drawn on: title, body measured in inches, caption; and its two files."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from bench.report.palette import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH_IN = 10.8
MARGIN_IN = 0.25
HEADER_IN = 0.52
CAPTION_COLUMNS = 172
CAPTION_LINE_IN = 0.165
PNG_DPI = 192
"""Twice the 96 dots per inch of a screen."""

SETTINGS: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8.5,
    "text.color": LIGHT["ink"],
    "text.parse_math": False,
    "axes.edgecolor": LIGHT["rule"],
    "axes.labelcolor": LIGHT["muted"],
    "axes.facecolor": "none",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.axisbelow": True,
    "xtick.color": LIGHT["muted"],
    "xtick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.major.size": 0,
    "grid.color": LIGHT["grid"],
    "grid.linewidth": 0.8,
    "hatch.linewidth": 1.0,
    "figure.facecolor": LIGHT["paper"],
    "savefig.facecolor": LIGHT["paper"],
    # Glyphs as wide as the font says: hinted ones take whole pixels, a name of 60 letters 0.15 inches more.
    "text.hinting": "none",
    "svg.fonttype": "none",
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished figure in two formats, byte for byte the same for the same run."""

    name: str
    """File name without suffix."""
    title: str
    caption: str
    svg: bytes
    png: bytes
    body_pt: tuple[float, float, float, float]
    """Left, top, width and height of the body, for pages that set title and caption themselves."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A figure under construction. Positions are inches from the body's upper left corner."""

    figure: Figure
    name: str
    title: str
    caption: str
    body_in: float
    footer_in: float

    @property
    def width_in(self) -> float:
        """Width of the body."""
        return WIDTH_IN - 2 * MARGIN_IN

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """An empty pair of axes."""
        w, h = self.figure.get_size_inches()
        bottom = self.footer_in + self.body_in - top - height
        return self.figure.add_axes(((MARGIN_IN + left) / w, bottom / h, width / w, height / h))

    def text(self, left: float, top: float, text: str, **style: Any) -> None:
        """A text whose reference point stands at (left, top)."""
        w, h = self.figure.get_size_inches()
        at = ((MARGIN_IN + left) / w, (self.footer_in + self.body_in - top) / h)
        self.figure.text(*at, text, **{"va": "center", **style})

    def bands(self, top: float, row_in: float, rows: Sequence[bool]) -> None:
        """A pale band over the whole width behind each row that is True."""
        ax = self.axes(0, top, self.width_in, row_in * len(rows))
        ax.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5), zorder=-1)
        ax.set_axis_off()
        for at in (at for at, banded in enumerate(rows) if banded):
            ax.axhspan(at - 0.5, at + 0.5, color=LIGHT["band"], linewidth=0)

    def finish(self) -> Picture:
        """Write both formats."""
        svg, png = BytesIO(), BytesIO()
        with warnings.catch_warnings():
            # A viewer of the SVG has the glyph, or shows a box as the PNG does.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            self.figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": "pgrehearse"})
            self.figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
        return Picture(
            name=self.name,
            title=self.title,
            caption=self.caption,
            svg=svg.getvalue(),
            png=png.getvalue(),
            body_pt=(72 * MARGIN_IN, 72 * HEADER_IN, 72 * self.width_in, 72 * self.body_in),
        )


@contextmanager
def sheet(name: str, title: str, caption: str, body_in: float) -> Iterator[Sheet]:
    """A sheet with title and caption set, under the settings that all figures share."""
    import matplotlib
    from matplotlib.figure import Figure

    lines = [line for part in caption.split("\n") for line in textwrap.wrap(part, CAPTION_COLUMNS)]
    footer_in = 0.2 + CAPTION_LINE_IN * len(lines)
    height = HEADER_IN + body_in + footer_in
    settings: Any = SETTINGS | {"svg.hashsalt": name}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(WIDTH_IN, height))
        at = MARGIN_IN / WIDTH_IN
        figure.text(
            at, 1 - 0.18 / height, title, fontsize=12, fontweight="bold", va="top", gid="figure-title"
        )
        figure.text(
            at,
            (footer_in - 0.1) / height,
            "\n".join(lines),
            fontsize=7.5,
            color=LIGHT["muted"],
            va="top",
            linespacing=1.45,
            gid="figure-caption",
        )
        yield Sheet(figure, name, title, caption, body_in, footer_in)
