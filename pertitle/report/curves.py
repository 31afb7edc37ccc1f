"""The rate–quality chart of a title: curves with intervals, hull, probes, rungs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pertitle import words
from pertitle.records import CurvePoint, LadderPlan
from pertitle.report import chart
from pertitle.report.fixed import Comparison, curves_by_height
from pertitle.report.markup import Markup, join, number, tag
from pertitle.results import Rendition

COLORS = 8
"""Colours the style sheet knows; more heights start over."""
LAYERS = (
    ("band", "90 % intervals"),
    ("hull", "hull"),
    ("probe", "probes"),
    ("rung", "rungs predicted"),
    ("real", "rungs measured"),
    ("fixed", "fixed ladder"),
)


@dataclass(frozen=True)
class Extent:
    """What the chart shows: (low, high) of kbit/s and of VMAF."""

    kbps: tuple[float, float]
    vmaf: tuple[float, float]


@dataclass(frozen=True)
class RateQuality:
    """All that is drawn in one chart."""

    plan: LadderPlan
    renditions: tuple[Rendition, ...]
    comparison: Comparison | None

    @property
    def heights(self) -> list[int]:
        """Every height with something to draw, largest first."""
        plan = self.plan
        known = {p.height for p in plan.curves} | {p.height for p in plan.hull}
        known |= {p.height for p in plan.probes} | {r.height for r in plan.rungs}
        known |= {done.rung.height for done in self.renditions}
        return sorted(known, reverse=True)

    def color(self, height: int) -> str:
        """The class that colours a height."""
        return f"s{self.heights.index(height) % COLORS}"

    @property
    def layers(self) -> list[tuple[str, str]]:
        """Keys and names of the layers that hold anything."""
        plan = self.plan
        filled = {
            "band": bool(plan.curves), "hull": bool(plan.hull), "probe": bool(plan.probes),
            "rung": bool(plan.rungs), "real": bool(self.renditions),
            "fixed": self.comparison is not None,
        }  # fmt: skip
        return [(key, name) for key, name in LAYERS if filled[key]]

    def extent(self) -> Extent:
        """Room for every rung, probe and fixed rung; curves may run out of the picture."""
        plan = self.plan
        points = [(r.bitrate_kbps, r.vmaf) for r in plan.rungs]
        points += [(r.average_kbps, r.verification.vmaf) for r in self.renditions]
        points += [(p.bitrate_kbps, p.vmaf) for p in plan.probes]
        if self.comparison is not None:
            points += [(r.bitrate_kbps, r.vmaf) for r in self.comparison.rungs]
        points = [(rate, score) for rate, score in points if rate > 0]
        rates = [rate for rate, _ in points] or [100.0, 10_000.0]
        lowest = min((score for _, score in points), default=0.0)
        floor = max(0.0, 10 * ((lowest - 8) // 10))
        return Extent((min(rates) / 1.5, max(rates) * 1.5), (min(floor, 90.0), 100.0))


def draw(subject: RateQuality, width: int, height: int, key: str) -> Markup:
    """The chart as SVG of that size; ``key`` makes its clip path's id unique on the page."""
    extent = subject.extent()
    area = chart.frame(
        width, height, extent.kbps, extent.vmaf, margins=(26, 54, 40, 40), log_x=True
    )
    ticks = [(v, words.grouped(v)) for v in area.x.ticks(max(4, width // 90))]
    clip = f"clip-{key}"
    drawn = tag(
        "g",
        _bands(subject, area),
        _curves(subject, area),
        _hull(subject, area),
        clip_path=f"url(#{clip})",
    )
    return tag(
        "svg",
        tag("title", f"Bitrate and VMAF of {words.codec(subject.plan.codec)} by height"),
        tag(
            "clipPath",
            tag(
                "rect", x=area.left, y=area.top,
                width=area.right - area.left, height=area.bottom - area.top,
            ),
            id=clip,
        ),
        chart.axes(
            area,
            x_title="bitrate, kbit/s",
            y_title="VMAF",
            x_ticks=ticks,
            y_ticks=[(v, f"{v:g}") for v in area.y.ticks(8)],
        ),
        drawn,
        _labels(subject, area),
        _marks(subject, area),
        tag("circle", r=7, class_="cursor", style="display:none"),
        viewbox=f"0 0 {width} {height}",
        class_="plot rate-quality",
        role="img",
        aria_label=f"Bitrate against VMAF, {words.codec(subject.plan.codec)}; the table below"
        " holds the rungs",
        data_plot=" ".join(
            number(v)
            for v in (*extent.kbps, area.left, area.right, *extent.vmaf, area.bottom, area.top)
        ),
    )  # fmt: skip


def _bands(subject: RateQuality, area: chart.Frame) -> Markup:
    parts = []
    for height, points in curves_by_height(subject.plan.curves).items():
        upper = [area.place((p.bitrate_kbps, p.vmaf_high)) for p in points]
        lower = [area.place((p.bitrate_kbps, p.vmaf_low)) for p in points]
        parts.append(
            tag(
                "path", d=chart.area(chart.thin(upper), chart.thin(lower)),
                class_=f"band {subject.color(height)}", data_h=height, data_layer="band",
            )
        )  # fmt: skip
    return join(parts)


def _curves(subject: RateQuality, area: chart.Frame) -> Markup:
    return join(
        tag(
            "path",
            d=chart.line([area.place((p.bitrate_kbps, p.vmaf)) for p in points]),
            class_=f"curve {subject.color(height)}",
            data_h=height,
        )
        for height, points in curves_by_height(subject.plan.curves).items()
    )


def _hull(subject: RateQuality, area: chart.Frame) -> Markup | None:
    known = sorted((p.bitrate_kbps, p.vmaf) for p in subject.plan.hull if p.bitrate_kbps > 0)
    points = list(dict(known).items())  # of equal bitrates the best
    if len(points) < 2:
        return None
    return tag("path", d=chart.line([area.place(p) for p in points]), class_="hull",
               data_layer="hull")  # fmt: skip


def _labels(subject: RateQuality, area: chart.Frame) -> Markup:
    """Each height's name at the right end of its curve."""
    ends: list[tuple[int, float, float]] = []
    for height, points in curves_by_height(subject.plan.curves).items():
        visible = [p for p in points if p.bitrate_kbps <= area.x.high and p.vmaf >= area.y.low]
        if visible:
            x, y = area.place((visible[-1].bitrate_kbps, visible[-1].vmaf))
            ends.append((height, x, y))
    heights = chart.spread([y for _, _, y in ends], 13, area.top + 4, area.bottom)
    parts = []
    for (height, x, y), placed in zip(ends, heights, strict=True):
        if abs(placed - y) > 4 or x < area.right - 8:
            parts.append(
                tag("path", d=f"M{number(x)} {number(y)}L{number(area.right + 5)} {number(placed)}",
                    class_=f"leader {subject.color(height)}", data_h=height)
            )  # fmt: skip
        parts.append(
            tag("text", f"{height}p", x=area.right + 8, y=placed + 4,
                class_=f"label {subject.color(height)}", data_h=height)
        )  # fmt: skip
    return join(parts)


def _marks(subject: RateQuality, area: chart.Frame) -> Markup:
    plan = subject.plan
    parts: list[Markup] = []
    if subject.comparison is not None:
        fixed = [area.place((r.bitrate_kbps, r.vmaf)) for r in subject.comparison.rungs]
        parts.append(tag("path", d=chart.line(fixed), class_="fixed-line", data_layer="fixed"))
        parts += [
            tag("rect", x=x - 3.5, y=y - 3.5, width=7, height=7, class_="fixed", data_layer="fixed")
            for x, y in fixed
        ]
    for probe in plan.probes:
        x, y = area.place((probe.bitrate_kbps, probe.vmaf))
        parts.append(
            tag("path", d=f"M{number(x - 4)} {number(y - 4)}l8 8m-8 0l8-8",
                class_=f"probe {subject.color(probe.height)}", data_h=probe.height,
                data_layer="probe")
        )  # fmt: skip
    for rung in plan.rungs:
        x, y = area.place((rung.bitrate_kbps, rung.vmaf))
        color = subject.color(rung.height)
        parts.append(_whisker(area, rung.bitrate_kbps, rung.vmaf_low, rung.vmaf_high, color))
        parts.append(tag("circle", cx=x, cy=y, r=4.5, class_=f"rung {color}", data_layer="rung"))
    for done in subject.renditions:
        x, y = area.place((done.average_kbps, done.verification.vmaf))
        parts.append(
            tag("circle", cx=x, cy=y, r=4.5, data_layer="real",
                class_=f"real {subject.color(done.rung.height)}")
        )  # fmt: skip
    return join(parts)


def _whisker(area: chart.Frame, kbps: float, low: float, high: float, color: str) -> Markup:
    x = area.x(kbps)
    top, bottom = area.y(min(high, area.y.high)), area.y(max(low, area.y.low))
    return tag("path", d=f"M{number(x)} {number(top)}V{number(max(top, bottom))}",
               class_=f"whisker {color}", data_layer="rung")  # fmt: skip


def readings(subject: RateQuality) -> list[dict[str, object]]:
    """What the page's script lets a reader walk through: series of points with their texts.

    Each series has a name, the layer and height whose switches hide it, and points
    ``[kbit/s, VMAF, text]`` from low to high bitrate.
    """
    plan = subject.plan
    series = [
        _series(f"{height}p", "curve", height, [
            (p.bitrate_kbps, p.vmaf, _curve_text(p)) for p in points[:: max(1, len(points) // 60)]
        ])
        for height, points in curves_by_height(plan.curves).items()
    ]  # fmt: skip
    series.append(_series("rungs predicted", "rung", None, [
        (r.bitrate_kbps, r.vmaf,
         f"rung {r.height}p CRF {r.crf:g}: {words.kbps(r.bitrate_kbps)}"
         f" ({words.grouped(r.bitrate_low_kbps)} to {words.grouped(r.bitrate_high_kbps)}),"
         f" VMAF {r.vmaf:.1f} ({r.vmaf_low:.1f} to {r.vmaf_high:.1f})")
        for r in plan.rungs
    ]))  # fmt: skip
    series.append(_series("rungs measured", "real", None, [
        (r.average_kbps, r.verification.vmaf,
         f"measured {r.rung.height}p CRF {r.rung.crf:g}: {words.kbps(r.average_kbps)},"
         f" VMAF {r.verification.vmaf:.1f}")
        for r in subject.renditions
    ]))  # fmt: skip
    series.append(_series("probes", "probe", None, [
        (p.bitrate_kbps, p.vmaf,
         f"probe {p.height}p CRF {p.crf:g}: {words.kbps(p.bitrate_kbps)}, VMAF {p.vmaf:.1f}")
        for p in plan.probes
    ]))  # fmt: skip
    if subject.comparison is not None:
        series.append(_series("fixed ladder", "fixed", None, [
            (r.bitrate_kbps, r.vmaf,
             f"fixed ladder {r.height}p: {words.kbps(r.bitrate_kbps)}, VMAF about {r.vmaf:.1f}")
            for r in subject.comparison.rungs
        ]))  # fmt: skip
    return [entry for entry in series if entry["points"]]


def _series(
    name: str, layer: str, height: int | None, points: Sequence[tuple[float, float, str]]
) -> dict[str, object]:
    rows = [[round(x, 1), round(y, 2), label] for x, y, label in sorted(points) if x > 0]
    return {"name": name, "layer": layer, "height": height, "points": rows}


def _curve_text(point: CurvePoint) -> str:
    return (
        f"{point.height}p CRF {point.crf:g}: {words.kbps(point.bitrate_kbps)},"
        f" VMAF {point.vmaf:.1f} ({point.vmaf_low:.1f} to {point.vmaf_high:.1f})"
    )
