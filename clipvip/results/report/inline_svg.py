"""A drawn figure as a part of the page, so that its ink follows the page's colours, light or dark."""

import re
from xml.etree import ElementTree

INK = {  # colour of matplotlib's figures here -> what the page calls it
    "#000000": "var(--ink)",
    "#ffffff": "var(--page)",
    "#444444": "var(--quiet)",
    "#666666": "var(--quiet)",
    "#888888": "var(--quiet)",
    "#bbbbbb": "var(--line)",
    "#dddddd": "var(--line)",
    "#eeeeee": "var(--soft)",
}
PAINT = re.compile(r"\b(fill|stroke):\s*(#[0-9a-f]{6})\b", re.IGNORECASE)
LEFT_OUT = {"metadata", "style"}  # who drew it, and how lines join, which the page says itself
TAGS = {"svg", "g", "defs", "path", "use", "clipPath", "pattern", "rect", "image"}
ATTRIBUTES = {"id", "d", "x", "y", "width", "height", "transform", "style", "clip-path", "viewBox"}
ATTRIBUTES |= {"preserveAspectRatio", "version", "href", "patternUnits", "fill"}
PICTURE = "data:image/png;base64,"


def inline(svg: str, prefix: str) -> str | None:
    """The <svg> element, names prefixed, colours of ink, paper and grid as variables of the page.

    None for what is not a plain drawing of shapes and pictures: a study may come from elsewhere.
    """
    try:
        root = ElementTree.fromstring(svg)
        _tidy(root, prefix)
    except (ElementTree.ParseError, ValueError):
        return None
    for name in ("width", "height"):
        root.attrib.pop(name, None)
    return ElementTree.tostring(root, encoding="unicode")


def _tidy(element: ElementTree.Element, prefix: str) -> None:
    """Plain names in place of namespaces; ValueError for an element or attribute that a figure has no need of."""
    element.tag = _plain(element.tag)
    if element.tag not in TAGS:
        raise ValueError(element.tag)
    given = {_plain(name): value for name, value in element.attrib.items()}
    if not set(given) <= ATTRIBUTES:
        raise ValueError(str(set(given) - ATTRIBUTES))
    element.attrib = {name: _attribute(name, value, prefix) for name, value in given.items()}
    element.text = element.tail = None
    for child in list(element):
        if _plain(child.tag) in LEFT_OUT:
            element.remove(child)
        else:
            _tidy(child, prefix)


def _plain(name: str) -> str:
    return name.rsplit("}", 1)[-1]


def _attribute(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return f"{prefix}-{value}"
    if name == "href":
        if value.startswith("#"):
            return f"#{prefix}-{value[1:]}"
        if not value.startswith(PICTURE):
            raise ValueError(value[:40])
    if name == "fill":
        return INK.get(value.lower(), value) if re.fullmatch(r"#[0-9a-fA-F]{6}|none", value) else "none"
    if name == "clip-path":
        return value.replace("url(#", f"url(#{prefix}-")
    if name == "style":
        if "url(" in value.replace("url(#", "") or "\\" in value:
            raise ValueError(value)
        value = value.replace("url(#", f"url(#{prefix}-")
        return PAINT.sub(lambda match: f"{match[1]}: {INK.get(match[2].lower(), match[2])}", value)
    return value
