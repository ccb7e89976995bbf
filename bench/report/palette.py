"""The colours of every figure and page, each with a light and a dark value.

A figure is drawn with the light values; a page turns them into CSS variables of the same names, so that
figures follow the reader's theme. Lightness alone orders the lock modes, so they survive greyscale and
every kind of colour blindness; the other data colours are Okabe and Ito's. Red and green never meet.
"""

from __future__ import annotations

from bench.model.lock import LockMode

LIGHT: dict[str, str] = {
    "paper": "#ffffff",
    "band": "#f4f6f9",
    "ink": "#1b2330",
    "muted": "#5a6675",
    "grid": "#e2e7ee",
    "rule": "#c2cad6",
    "edge": "#3f2a1d",
    "lock-1": "#fbf2d3",
    "lock-2": "#f7e0a6",
    "lock-3": "#f3ca78",
    "lock-4": "#eeae52",
    "lock-5": "#e4883b",
    "lock-6": "#d46231",
    "lock-7": "#ad3326",
    "lock-8": "#7a1027",
    "calm": "#8093aa",
    "before": "#8b95a5",
    "after": "#0072b2",
    "wal": "#009e73",
    "size": "#56b4e9",
    "rest": "#c9d1dc",
    "heat-1": "#c3ddf0",
    "heat-2": "#97c6e6",
    "heat-3": "#5fa6d3",
    "heat-4": "#2473ae",
    "heat-5": "#0a3866",
}

PAGE_LIGHT: dict[str, str] = {
    "page": "#f5f6f8",
    "link": "#00609a",
    "bar": "#d5e3ef",
    "good": "#0f6e84",
    "on-good": "#ffffff",
    "warn": "#e6a100",
    "on-warn": "#1b1400",
    "bad": "#a51c30",
    "on-bad": "#ffffff",
    "bad-text": "#9b1a2d",
}
"""Colours that only pages need."""

PAGE_DARK: dict[str, str] = {
    "page": "#0e131b",
    "link": "#6cb8ea",
    "bar": "#26405a",
    "good": "#4fb3c8",
    "on-good": "#06222a",
    "warn": "#e9b03a",
    "on-warn": "#1b1400",
    "bad": "#ff8d86",
    "on-bad": "#33070b",
    "bad-text": "#ffa39c",
}

DARK: dict[str, str] = {
    "paper": "#161c26",
    "band": "#1c2431",
    "ink": "#e7ecf3",
    "muted": "#9aa7b8",
    "grid": "#293241",
    "rule": "#3d495b",
    "edge": "#f5dfc9",
    "lock-1": "#3b362e",
    "lock-2": "#534733",
    "lock-3": "#6f5835",
    "lock-4": "#8f6c36",
    "lock-5": "#b5793a",
    "lock-6": "#d67a3c",
    "lock-7": "#ee8450",
    "lock-8": "#ff938a",
    "calm": "#71859e",
    "before": "#8390a3",
    "after": "#4aa8e0",
    "wal": "#2fc39a",
    "size": "#3f87b5",
    "rest": "#465264",
    "heat-1": "#1e3347",
    "heat-2": "#275b81",
    "heat-3": "#3b88bf",
    "heat-4": "#7ab9e5",
    "heat-5": "#cbe7fb",
}


def lock_token(mode: LockMode) -> str:
    """Name of the colour of a lock mode."""
    return f"lock-{mode.strength}"


def reach_token(mode: LockMode | None) -> str:
    """Name of the colour for what a mode blocks: reads and writes, writes, or neither."""
    if mode is None or not mode.blocks_writes:
        return "calm"
    return "lock-8" if mode.blocks_reads else "lock-6"


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, 0 (black) to 1 (white), as WCAG 2 defines it."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def text_on(colour: str) -> str:
    """Black or white, whichever is easier to read on a colour."""
    return "#ffffff" if luminance(colour) < 0.179 else "#14181f"


def css_variables() -> dict[str, str]:
    """Declarations ``--<name>: <value>`` for the two themes, under the keys ``light`` and ``dark``."""
    themes = {"light": LIGHT | PAGE_LIGHT, "dark": DARK | PAGE_DARK}
    return {
        theme: "".join(_declare(name, colours[name]) for name in colours) for theme, colours in themes.items()
    }


def _declare(name: str, colour: str) -> str:
    on = f"--on-{name}:{text_on(colour)};" if name.startswith("lock-") else ""
    return f"--{name}:{colour};{on}"
