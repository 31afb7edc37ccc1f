"""The features section: where the title sits in the corpus."""

from __future__ import annotations

from collections.abc import Sequence

from pertitle.report import page, words
from pertitle.report.corpus_place import Placed, share_below
from pertitle.report.markup import Markup, number, tag

SHOWN = 8
REACH = 3.0
"""Deviations beyond this are drawn at the edge."""


def feature_section(placed: Sequence[Placed]) -> Markup | None:
    """The most unusual features first, all of them behind a fold; None without features."""
    if not placed:
        return None
    known = [entry for entry in placed if entry.deviation is not None]
    unusual = sorted(known, key=lambda entry: -abs(entry.deviation or 0.0))[:SHOWN]
    said = (
        "Each mark is this title among the clips the model was trained on; the middle of the strip"
        " is the corpus median, the shaded part holds its middle 68 %."
    )
    return page.section(
        "features",
        "Features",
        [
            tag("p", f"{said} These stand out most:"),
            page.table("Features that stand out", _COLUMNS, [_row(entry) for entry in unusual]),
        ]
        if unusual
        else None,
        tag(
            "details",
            tag("summary", f"all {words.count(len(placed), 'feature')}"),
            page.table("All features", _COLUMNS, [_row(entry) for entry in placed]),
        ),
    )


_COLUMNS = [
    ("Feature", ""), ("Value", "num"), ("In the corpus", "grow"), ("Above", "num"),
    ("Meaning", "words"),
]  # fmt: skip


def _row(entry: Placed) -> list[object]:
    value = f"{entry.value:.3g}"
    meaning = entry.meaning + (f" ({entry.unit})" if entry.unit else "")
    if entry.reference:
        meaning += f"; {entry.reference}"
    if entry.deviation is None:
        return [entry.name, value, "", "", meaning]
    share = words.percent(100 * share_below(entry.deviation))
    return [entry.name, value, _strip(entry.deviation), share, meaning]


def _strip(deviation: float) -> Markup:
    place = 60 + 56 * max(-REACH, min(REACH, deviation)) / REACH
    side = 56 / REACH
    return tag(
        "svg",
        tag("rect", x=60 - side, y=2, width=2 * side, height=12, class_="middle"),
        tag("path", d="M4 8H116M60 2V14", class_="rail"),
        tag("path", d=f"M{number(place)} 1l4 7-4 7-4-7z", class_="here"),
        viewbox="0 0 120 16", class_="strip", role="img",
        aria_label=f"{words.signed(deviation)} spreads from the median",
    )  # fmt: skip
