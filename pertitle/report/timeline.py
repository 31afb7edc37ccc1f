"""What happens when: shots, bitrate by segment, VMAF by window, the worst windows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pertitle import words
from pertitle.report import chart
from pertitle.report.curves import RateQuality
from pertitle.report.markup import Markup, join, number, tag
from pertitle.results import Rendition, Series, TitleResult

MAX_STEPS = 300
"""Steps a line may have; of longer titles neighbouring segments are averaged."""
MAX_SHOTS = 400
"""Shots that are all drawn; of more only every other one is, the shaded ones."""
GAP = 46
"""Pixels between the two drawings: the heading of the lower one stands there."""

Step = tuple[float, float, float]
"""Start and end in seconds, kbit/s."""


def draw(result: TitleResult, subject: RateQuality, width: int, height: int) -> Markup:
    """Bitrate above and VMAF below over the same shots, one line a rung in each.

    What belongs to a rung carries its place in ``data-rung``, for the page's script to show one
    rung alone.
    """
    analysis = result.plan.analysis
    duration = max([analysis.source.duration, *(s.end for s in analysis.shots), 0.04])
    tracks = [_steps(done, duration) for done in result.renditions]
    rates = [kbps for track in tracks for _, _, kbps in track if kbps > 0] or [100.0, 1000.0]
    scores = [v for r in result.renditions for v in (*_quality(r).values, r.verification.worst)]
    floor = min(90.0, 10 * (max(0.0, min(scores, default=0.0) - 2) // 10))
    middle = (26 + height - 40) / 2
    rate = chart.frame(
        width, height, (0.0, duration), (min(rates) / 1.25, max(rates) * 1.25),
        margins=(26, 12, height - middle + GAP / 2, 52), log_y=True,
    )  # fmt: skip
    quality = chart.frame(
        width, height, (0.0, duration), (floor, 100.0), margins=(middle + GAP / 2, 12, 40, 52)
    )
    ticks = rate.x.ticks(max(3, width // 110))
    whole = all(abs(v - round(v)) < 1e-6 for v in ticks)
    return tag(
        "svg",
        tag("title", "Bitrate and VMAF over time"),
        [_shots(result, area) for area in (rate, quality)],
        chart.axes(
            rate,
            x_title="",
            y_title="kbit/s by segment",
            x_ticks=[(v, "") for v in ticks],
            y_ticks=[(v, words.grouped(v)) for v in rate.y.ticks(5)],
        ),
        chart.axes(
            quality,
            x_title="time",
            y_title="VMAF",
            x_ticks=[(v, words.clock(v, whole=whole)) for v in ticks],
            y_ticks=[(v, f"{v:g}") for v in quality.y.ticks(5)],
        ),
        [
            _rung(i, subject.color(done.rung.height), rate, quality, done, tracks[i])
            for i, done in reversed(list(enumerate(result.renditions)))  # the best on top
        ],
        viewbox=f"0 0 {width} {height}",
        class_="plot timeline",
        role="img",
        aria_label="Shots, bitrate by segment, VMAF and worst windows over time; the tables hold"
        " the figures",
    )


def _shots(result: TitleResult, area: chart.Frame) -> Markup:
    parts = []
    shots = result.plan.analysis.shots
    for index, shot in enumerate(shots):
        if len(shots) > MAX_SHOTS and index % 2 == 0:
            continue
        left, right = area.x(max(0.0, shot.start)), area.x(min(shot.end, area.x.high))
        if right <= left:
            continue
        parts.append(
            tag(
                "rect",
                tag("title", f"shot {index + 1}: {words.clock(shot.start)} to"
                    f" {words.clock(shot.end)}, {words.seconds(shot.duration)}"),
                x=left, y=area.top, width=right - left, height=area.bottom - area.top,
                class_="shot odd" if index % 2 else "shot",
            )
        )  # fmt: skip
    return join(parts)


def _rung(
    index: int,
    color: str,
    rate: chart.Frame,
    quality: chart.Frame,
    done: Rendition,
    track: Sequence[Step],
) -> Markup:
    check = done.verification
    name = name_of(done)
    path, before = "", None
    for start, end, kbps in track:
        x, y = rate.place((start, kbps))
        path += f"M{number(x)} {number(y)}" if before is None else f"V{number(y)}"
        path += f"H{number(rate.x(min(end, rate.x.high)))}"
        before = kbps
    points = _quality(done)
    line = [quality.place(point) for point in zip(points.times, points.values, strict=True)]
    if len(line) == 1:
        line = [(quality.left, line[0][1]), (quality.right, line[0][1])]
    window = check.worst_window
    middle = min(max(0.0, (window.start + window.end) / 2), quality.x.high)
    x, y = quality.place((middle, check.worst))
    said = f"worst window of {name}: VMAF {check.worst:.1f} at {words.clock(window.start)}"
    return tag(
        "g",
        tag("path", tag("title", f"{name}, average {words.kbps(done.average_kbps)}"), d=path,
            class_="step"),
        tag("path", tag("title", f"{name}, VMAF {check.vmaf:.1f}"), d=chart.line(line),
            class_="step thin"),
        tag("path", tag("title", said), d=f"M{number(x)} {number(y + 2)}l-5 9h10z", class_="worst"),
        class_=f"of-rung {color}", data_rung=index,
    )  # fmt: skip


def name_of(done: Rendition) -> str:
    """A rung's short name."""
    return f"{done.rung.height}p CRF {done.rung.crf:g}"


def summary(done: Rendition) -> str:
    """What someone who thinks of using this rung wants to know."""
    check = done.verification
    return (
        f"{name_of(done)}: VMAF {check.vmaf:.1f}, at its worst {check.worst:.1f} at"
        f" {words.clock(check.worst_window.start)}; {words.kbps(done.average_kbps)}, at its peak"
        f" {words.grouped(done.peak_kbps)}"
    )


def _quality(done: Rendition) -> Series:
    """VMAF over time; of a result without the series, its mean."""
    check = done.verification
    return check.vmaf_series if check.vmaf_series.times else Series((0.0,), (check.vmaf,))


def _steps(done: Rendition, duration: float) -> list[Step]:
    """The segments of a rung; of a result without the series, one of the average rate."""
    series = done.bitrate_series
    if not series.times:
        return [(0.0, duration, done.average_kbps)]
    ends = pairwise((*series.times, max(duration, series.times[-1])))
    steps = [(a, b, kbps) for (a, b), kbps in zip(ends, series.values, strict=True) if b > a]
    return merged(steps)


def merged(steps: Sequence[Step]) -> list[Step]:
    """At most :data:`MAX_STEPS` steps of the same bits over the same time."""
    size = -(-len(steps) // MAX_STEPS)
    if size <= 1:
        return list(steps)
    found = []
    for first in range(0, len(steps), size):
        group = steps[first : first + size]
        start, end = group[0][0], group[-1][1]
        bits = sum(kbps * (b - a) for a, b, kbps in group)
        found.append((start, end, bits / (end - start)))
    return found
