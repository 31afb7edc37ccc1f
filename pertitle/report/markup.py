"""HTML and SVG from nested calls; whatever is not markup already is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_VOID = frozenset({"meta", "img", "input", "br", "hr", "link", "col"})


class Markup(str):
    """Text that is HTML or SVG source: escaped already, to be written as it is."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Escape anything for use between tags or inside a quoted attribute.

    Control characters and lone surrogates, which HTML forbids, and marks that turn the direction
    of the text around become the replacement character: a hostile name can neither make the page
    invalid nor look like another name.
    """
    return Markup(escape(_UNWANTED.sub("\ufffd", str(value)), quote=True))


def join(children: Iterable[object]) -> Markup:
    """Markup of all children in order; nested sequences are flattened, None is left out."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, Markup):
            parts.append(child)
        elif isinstance(child, Iterable) and not isinstance(child, str):
            parts.append(join(child))
        else:
            parts.append(text(child))
    return Markup("".join(parts))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """An element. ``class_`` and ``for_`` lose their underscore, inner ones become hyphens.

    An attribute of True stands alone; of None or False is left out. Floats are written with two
    decimals at most: a hundredth of a pixel is all that a drawing needs.
    """
    pieces = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        label = key.rstrip("_").replace("_", "-")
        label = "viewBox" if label == "viewbox" else label
        if value is True:
            pieces.append(label)
        else:
            shown = number(value) if isinstance(value, float) else value
            pieces.append(f'{label}="{text(shown)}"')
    opening = " ".join(pieces)
    if name in _VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{join(children)}</{name}>")


def number(value: float) -> str:
    """A coordinate: at most two decimals, no trailing zeros."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value == value else "0"
