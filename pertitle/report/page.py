"""The frame of every page: one file, nothing fetched, nothing run but its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources

from pertitle.report.markup import Markup, join, tag


@cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("assets", name).read_text(encoding="utf-8")


def page(
    title: str,
    body: list[object],
    *,
    data: object = None,
    scripts: Sequence[str] = ("page.js",),
    styles: Sequence[str] = ("page.css",),
    allow: str = "",
    libraries: Sequence[str] = (),
) -> str:
    """A complete HTML document.

    Args:
        title: plain text, escaped here.
        body: children of ``<body>``.
        data: anything JSON can hold, for the scripts to read.
        scripts, styles: files of ``assets``, written into the page.
        allow: further directives of the content security policy.
        libraries: code of other scripts, run before those.

    The policy allows the page's own scripts by their hashes and pictures from data addresses;
    whatever a hostile name might smuggle in would not run.
    """
    codes = [*libraries, *(_asset(name) for name in scripts)]
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none';"
        f" form-action 'none'; script-src {' '.join(_hash(code) for code in codes)}"
    )
    policy += f"; {allow}" if allow else ""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content="pertitle"),
        tag("title", title),
        [Markup(f"<style>{_asset(name)}</style>") for name in styles],
    )
    # "<" never appears raw, so no text inside can close the element.
    packed = json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    holder = Markup(f'<script type="application/json" id="data">{packed}</script>')
    tail = [Markup(f"<script>{code}</script>") for code in codes]
    return "<!doctype html>\n" + tag(
        "html", head, tag("body", body, holder if data is not None else None, tail), lang="en"
    )


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'"


def section(name: str, heading: str, *children: object) -> Markup:
    """A part of the page with a heading that can be linked to."""
    return tag("section", tag("h2", heading, id=f"h-{name}"), children, id=name,
               aria_labelledby=f"h-{name}")  # fmt: skip


def figure(wide: Markup, narrow: Markup, *below: object, of: str | None = None) -> Markup:
    """A drawing in two shapes: one for screens and paper, one for phones; ``of`` names the data
    that the page's script reads points from."""
    return tag("div", tag("div", wide, class_="wide"), tag("div", narrow, class_="narrow"), below,
               class_="figure", data_of=of)  # fmt: skip


def table(
    caption: str,
    columns: list[tuple[str, str]],
    rows: list[list[object]],
) -> Markup:
    """A table that scrolls inside itself on narrow screens.

    Args:
        caption: read by screen readers.
        columns: heading and class (``num`` aligns right) of each.
        rows: cells as text or markup; the first of each row is its heading.
    """
    head = tag("tr", [tag("th", name, scope="col", class_=kind or None) for name, kind in columns])
    body = [
        tag("tr", [
            tag("th", cell, scope="row", class_=kind or None) if index == 0
            else tag("td", cell, class_=kind or None)
            for index, (cell, (_, kind)) in enumerate(zip(row, columns, strict=True))
        ])
        for row in rows
    ]  # fmt: skip
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption, class_="hidden"),
            tag("thead", head),
            tag("tbody", body),
        ),
        class_="scroll", tabindex=0, role="region", aria_label=caption,
    )  # fmt: skip


def facts(pairs: list[tuple[str, object]]) -> Markup:
    """Names and values; values of None are left out."""
    return tag(
        "dl",
        [
            tag("div", tag("dt", name), tag("dd", value))
            for name, value in pairs
            if value is not None
        ],
        class_="facts",
    )


def cards(entries: list[tuple[str, str, str]]) -> Markup:
    """The few figures that matter most: label, value, remark."""
    return tag(
        "ul",
        [
            tag("li", tag("span", label, class_="label"), tag("strong", value),
                tag("span", remark, class_="remark"))
            for label, value, remark in entries
        ],
        class_="cards",
    )  # fmt: skip


def commands(lines: Sequence[str], summary: str) -> Markup:
    """Shell lines behind a fold, each with a button to copy it."""
    entries = join(
        tag(
            "li",
            tag("pre", tag("code", line), tabindex=0, aria_label=f"command {index + 1}"),
            tag("button", "Copy", type="button", class_="copy",
                aria_label=f"Copy command {index + 1}"),
        )
        for index, line in enumerate(lines)
    )  # fmt: skip
    return tag("details", tag("summary", summary), tag("ol", entries, class_="commands"))
