"""Reading a page back strictly: every element closed, nothing fetched, no script but its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "input", "br", "hr", "link", "col"}


@dataclass
class Page(HTMLParser):
    """What a page holds.

    Attributes:
        elements: (name, attributes) in order.
        texts: text by the name of the element around it.
        problems: elements closed out of turn or left open.
    """

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.problems.append(f"</{tag}> inside {self._open[-3:]}")

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1] if self._open else "", data))

    def finish(self) -> Page:
        """Note what was left open."""
        self.close()
        self.problems += [f"<{name}> left open" for name in self._open]
        return self

    def all(self, name: str) -> list[dict[str, str]]:
        """Attributes of every element of that name."""
        return [attributes for tag, attributes in self.elements if tag == name]

    def text(self) -> str:
        """All that a reader sees, runs of white space as one space."""
        shown = "".join(text for name, text in self.texts if name not in ("script", "style"))
        return " ".join(shown.split())


def read(html: str) -> Page:
    """Parse a page."""
    page = Page()
    page.feed(html)
    return page.finish()


def external(page: Page) -> list[str]:
    """Addresses the page would fetch or leave to, apart from data and its own parts."""
    found = []
    for _, attributes in page.elements:
        for key in ("src", "href", "action", "data", "poster", "srcset", "xlink:href"):
            value = attributes.get(key, "")
            if value and not value.startswith(("data:image/jpeg;base64,", "#")):
                found.append(value)
    styles = "".join(text for name, text in page.texts if name == "style")
    if "url(" in styles or "@import" in styles:
        found.append("style sheet")
    return found
