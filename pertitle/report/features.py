"""The features section: where the title sits in the corpus."""

from __future__ import annotations

from collections.abc import Sequence

from pertitle import words
from pertitle.analysis.corpus_place import Placed, corpus, standing_out
from pertitle.report import page
from pertitle.report.markup import Markup, number, tag


def feature_section(placed: Sequence[Placed]) -> Markup | None:
    """The most unusual features first, all of them behind a fold; None without features."""
    if not placed:
        return None
    unusual = standing_out(placed)
    said = (
        f"Each mark is this title among the {corpus().clips} measured clips of the corpus, from the"
        " lowest to the highest value; the shaded part holds their middle 68 %."
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
    ("Feature", "term"), ("Value", "num"), ("In the corpus", "grow"), ("Above", "num"),
    ("Meaning", "words"),
]  # fmt: skip


def _row(entry: Placed) -> list[object]:
    value = f"{entry.value:.3g}"
    meaning = entry.meaning + (f" ({entry.unit})" if entry.unit else "")
    if entry.reference:
        meaning += f"; {entry.reference}"
    if entry.share is None:
        return [entry.name, value, "", "", meaning]
    share = words.percent(100 * entry.share)
    return [entry.name, value, _strip(entry.share), share, meaning]


def _strip(share: float) -> Markup:
    place = 4 + 112 * share
    return tag(
        "svg",
        tag("rect", x=4 + 112 * 0.16, y=2, width=112 * 0.68, height=12, class_="middle"),
        tag("path", d="M4 8H116M60 2V14", class_="rail"),
        tag("path", d=f"M{number(place)} 1l4 7-4 7-4-7z", class_="here"),
        viewbox="0 0 120 16", class_="strip", role="img",
        aria_label=f"above {words.percent(100 * share)} of the corpus",
    )  # fmt: skip
