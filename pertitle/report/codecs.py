"""The chart that compares the codecs of one title: a line a codec through its rungs."""

from __future__ import annotations

from pertitle import words
from pertitle.report import chart, page
from pertitle.report.fixed import own_points
from pertitle.report.markup import Markup, tag
from pertitle.results import TitleResult

WIDE, NARROW = (840, 360), (420, 340)


def codec_section(result: TitleResult) -> Markup | None:
    """Bitrate and VMAF of all codecs' rungs on the same axes; None where there is but one."""
    lines = [
        (words.codec(ladder.codec), own_points(ladder, result.renditions_of(ladder.codec)))
        for ladder in result.plan.ladders
    ]
    lines = [(name, [p for p in points if p[0] > 0]) for name, points in lines]
    lines = [(name, points) for name, points in lines if points]
    if len(lines) < 2:
        return None
    kind = "as delivered" if result.renditions else "as predicted"
    return page.section(
        "codecs",
        "Codecs compared",
        tag("p", f"The rungs of each codec {kind}. Of two lines, the upper one shows more for"
            " the same bitrate."),
        page.figure(_drawing(lines, *WIDE), _drawing(lines, *NARROW)),
    )  # fmt: skip


def _drawing(lines: list[tuple[str, list[tuple[float, float]]]], width: int, height: int) -> Markup:
    points = [point for _, own in lines for point in own]
    rates = [kbps for kbps, _ in points]
    floor = min(90.0, max(0.0, 10 * (min(vmaf for _, vmaf in points) // 10)))
    area = chart.frame(
        width, height, (min(rates) / 1.3, max(rates) * 1.3), (floor, 100.0),
        margins=(24, 64, 40, 40), log_x=True,
    )  # fmt: skip
    ends = [area.place(max(own)) for _, own in lines]
    labels = chart.spread([y for _, y in ends], 15, area.top, area.bottom)
    return tag(
        "svg",
        chart.axes(
            area, x_title="kbit/s", y_title="VMAF",
            x_ticks=[(v, words.grouped(v)) for v in area.x.ticks(6)],
            y_ticks=[(v, f"{v:g}") for v in area.y.ticks(6)],
        ),
        [
            [
                tag("path", d=chart.line([area.place(p) for p in sorted(own)]),
                    class_=f"curve s{index % 8}"),
                [tag("circle", cx=area.x(kbps), cy=area.y(vmaf), r=3.5, class_=f"real s{index % 8}")
                 for kbps, vmaf in own],
                tag("text", name, x=end[0] + 9, y=label + 4, class_=f"label s{index % 8}"),
            ]
            for index, ((name, own), end, label) in enumerate(
                zip(lines, ends, labels, strict=True)
            )
        ],
        viewbox=f"0 0 {width} {height}", class_="plot", role="img",
        aria_label="VMAF over bitrate of " + ", ".join(name for name, _ in lines),
    )  # fmt: skip
