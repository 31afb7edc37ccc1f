"""The page that compares two ladders."""

from __future__ import annotations

from pathlib import Path

from pertitle import words
from pertitle.compare import COLUMNS, LadderComparison, Side, summary, table
from pertitle.report import chart, page
from pertitle.report.markup import Markup, number, tag
from pertitle.serial import write_text

WIDE, NARROW = (840, 430), (420, 400)
_COLORS = ("s0", "s1")


def write_comparison_page(comparison: LadderComparison, path: Path) -> None:
    """Write a comparison as one HTML file: figures, chart, and rungs side by side.

    Raises:
        OSError: the file cannot be written.
    """
    write_text(path, comparison_page(comparison))


def comparison_page(comparison: LadderComparison) -> str:
    """The page as text; see :func:`write_comparison_page`."""
    first, second = comparison.first, comparison.second
    columns = [(name, "" if i in (0, 3) else "num") for i, name in enumerate(COLUMNS)]
    body: list[object] = [
        tag("header", tag("h1", "Two ladders"), tag("p", summary(comparison))),
        tag(
            "main",
            _remarks(comparison),
            page.section(
                "chart",
                "Rate and quality",
                page.figure(_draw(comparison, *WIDE), _draw(comparison, *NARROW)),
                tag("p", [_key(side, color) for side, color in zip((first, second), _COLORS,
                                                                     strict=True)]),
            ),
            page.section(
                "rungs",
                "Rungs",
                tag("p", f"Each rung of {first.name}, the rung of {second.name} nearest in quality,"
                    f" and the bitrate {second.name} needs for equal quality."),
                page.table("Rungs side by side", columns, [list(row) for row in table(comparison)]),
            ),
            page.section("sides", "What is compared", _facts(first), _facts(second)),
        ),
        tag("footer", tag("p", "Written by pertitle. Nothing on this page is fetched.")),
    ]  # fmt: skip
    return page.page("pertitle: two ladders", body)


def _remarks(comparison: LadderComparison) -> Markup | None:
    if not comparison.remarks:
        return None
    return tag("section", tag("h2", "Worth knowing", id="h-notes"),
               tag("ul", [tag("li", remark) for remark in comparison.remarks]),
               class_="notes", aria_labelledby="h-notes")  # fmt: skip


def _key(side: Side, color: str) -> Markup:
    return tag("span", tag("span", class_=f"swatch {color}"), f" {side.name} ", class_="key")


def _facts(side: Side) -> Markup:
    kind = "measured" if side.measured else "predicted"
    return page.facts([
        ("Ladder", tag("strong", side.name)),
        ("Source", side.source),
        ("Encoder", f"{words.codec(side.codec)}, preset {side.preset}"),
        ("Quality", f"{side.quality_model} on {side.display}, {kind}"),
        ("Rungs", f"{len(side.points)}"),
        ("Work", f"{words.seconds(side.seconds)}, {words.count(side.probes, 'probe encode')}"),
    ])  # fmt: skip


def _draw(comparison: LadderComparison, width: int, height: int) -> Markup:
    sides = (comparison.first, comparison.second)
    rates = [p.bitrate_kbps for side in sides for p in side.points]
    floor = min(90.0, max(0.0, 10 * ((min(p.vmaf for s in sides for p in s.points) - 4) // 10)))
    area = chart.frame(width, height, (min(rates) / 1.4, max(rates) * 1.4), (floor, 100.0),
                       margins=(26, 16, 40, 40), log_x=True)  # fmt: skip
    drawn = []
    for side, color, square in zip(sides, _COLORS, (False, True), strict=True):
        points = [area.place((p.bitrate_kbps, p.vmaf)) for p in side.points]
        drawn.append(tag("path", d=chart.line(points), class_=f"curve {color}"))
        for (x, y), point in zip(points, side.points, strict=True):
            name = tag("title", f"{side.name}: {point.size} CRF {point.crf:g},"
                       f" {words.kbps(point.bitrate_kbps)}, VMAF {point.vmaf:.1f}")  # fmt: skip
            if square:
                shape = f"M{number(x - 4.5)} {number(y - 4.5)}h9v9h-9z"
                drawn.append(tag("path", name, d=shape, class_=f"real {color}"))
            else:
                drawn.append(tag("circle", name, cx=x, cy=y, r=5, class_=f"real {color}"))
    return tag(
        "svg",
        tag("title", "Bitrate and VMAF of both ladders"),
        chart.axes(
            area,
            x_title="bitrate, kbit/s",
            y_title="VMAF",
            x_ticks=[(v, words.grouped(v)) for v in area.x.ticks(max(4, width // 90))],
            y_ticks=[(v, f"{v:g}") for v in area.y.ticks(8)],
        ),
        drawn,
        viewbox=f"0 0 {width} {height}",
        class_="plot",
        role="img",
        aria_label="Bitrate against VMAF of both ladders; the table holds the figures",
    )
