"""A figure's SVG made part of a page: themed by CSS variables, its ids its own, its captions left out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from bench.report.palette import LIGHT

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
TOKENS = {colour: name for name, colour in LIGHT.items()}
_NUMBER = re.compile(r"-?\d+\.\d+")
_RECTANGLE = re.compile(r"M (\S+) (\S+) L (\S+) \2 L \3 (\S+) L \1 \4(?: L \1 \2)? z")
SET_BY_PAGE = frozenset({"figure-title", "figure-caption"})


def inline_svg(svg: bytes, *, prefix: str, label: str, view_pt: tuple[float, float, float, float]) -> str:
    """Markup to put into HTML as it is; all text in it is escaped.

    ``prefix`` sets the ids apart from those of other figures on the page. ``view_pt`` is the part
    to show: left, top, width, height.
    """
    root = ET.fromstring(svg)
    _drop(root)
    _rename(root, prefix)
    root.attrib.clear()
    root.attrib.update(
        {
            "class": "figure",
            "viewBox": " ".join(f"{value:g}" for value in view_pt),
            "role": "img",
            "aria-label": label,
        }
    )
    for element in root.iter():
        element.tag = element.tag.removeprefix(SVG)
        if element.text and not element.text.strip():
            element.text = None
        element.tail = None
    return ET.tostring(root, encoding="unicode")


def _drop(element: ET.Element) -> None:
    for child in list(element):
        unwanted = child.tag in (f"{SVG}metadata", f"{SVG}style") or child.get("id") in SET_BY_PAGE
        if unwanted:
            element.remove(child)
        else:
            _drop(child)


def _rename(root: ET.Element, prefix: str) -> None:
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id":
                if element.tag == f"{SVG}g":
                    del element.attrib["id"]  # nothing refers to a group
                else:
                    element.set("id", f"{prefix}-{value}")
            elif name == HREF:
                del element.attrib[HREF]
                element.set("href", f"#{prefix}-{value.removeprefix('#')}")
            elif name == "style":
                _style(element, value, prefix)
            elif name == "d":
                element.set("d", _shorter(value))
            elif value.startswith("url(#"):
                element.set(name, value.replace("url(#", f"url(#{prefix}-"))


def _shorter(path: str) -> str:
    """The same path to a hundredth of a point; rectangles by their edges."""
    rounded = _NUMBER.sub(lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), path)
    return _RECTANGLE.sub(r"M\1 \2H\3V\4H\1z", " ".join(rounded.split()))


def _style(element: ET.Element, style: str, prefix: str) -> None:
    """Theme colours and the page's fonts in the place of fixed ones."""
    kept = []
    for declaration in style.split("; "):
        name, _, value = declaration.partition(": ")
        if name == "font-family":
            if "Mono" in value.split(",")[0]:
                element.set("class", "mono")
            continue
        value = re.sub(r"url\(#", f"url(#{prefix}-", value)
        kept.append(f"{name}:var(--{TOKENS[value]})" if value in TOKENS else f"{name}:{value}")
    element.set("style", ";".join(kept))
