"""What happens when: shots, bitrate by segment, the worst windows."""

from __future__ import annotations

from collections.abc import Sequence

from pertitle.report import chart, words
from pertitle.report.curves import RateQuality
from pertitle.report.markup import Markup, join, number, tag
from pertitle.report.segments import Segment
from pertitle.results import Rendition, TitleResult

MAX_STEPS = 300
"""Steps a line may have; of longer titles neighbouring segments are averaged."""
MAX_SHOTS = 400
"""Shots that are all drawn; of more only every other one is, the shaded ones."""
MAX_LABELLED = 4
"""Worst windows that are named in the drawing; all are in the table."""


def draw(
    result: TitleResult,
    subject: RateQuality,
    segments: Sequence[Sequence[Segment]],
    width: int,
    height: int,
) -> Markup:
    """Shots as bands, each rung's bitrate as steps, and where each rung looks worst."""
    analysis = result.plan.analysis
    duration = max([analysis.source.duration, *(s.end for s in analysis.shots), 0.04])
    matched = list(zip(result.renditions, segments, strict=False))
    rates = [s.kbps for _, track in matched for s in track]
    rates += [r.average_kbps for r in result.renditions]
    rates = [rate for rate in rates if rate > 0] or [100.0, 1000.0]
    area = chart.frame(
        width,
        height,
        (0.0, duration),
        (min(rates) / 1.5, max(rates) * 1.25),
        margins=(26, 12, 40, 52),
        log_y=True,
    )
    ticks = area.x.ticks(max(3, width // 110))
    whole = all(abs(v - round(v)) < 1e-6 for v in ticks)
    return tag(
        "svg",
        tag("title", "Shots, bitrate and worst windows over time"),
        _shots(result, area),
        chart.axes(
            area,
            x_title="time",
            y_title="kbit/s by segment" if matched else "kbit/s",
            x_ticks=[(v, words.clock(v, whole=whole)) for v in ticks],
            y_ticks=[(v, words.grouped(v)) for v in area.y.ticks(7)],
        ),
        [_steps(subject, area, done, track) for done, track in matched],
        _averages(subject, area, result.renditions[len(matched) :], duration),
        _worst(subject, area, result.renditions),
        viewbox=f"0 0 {width} {height}",
        class_="plot timeline",
        role="img",
        aria_label="Shots, bitrate by segment and worst windows over time; the tables hold the"
        " figures",
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


def _steps(
    subject: RateQuality, area: chart.Frame, done: Rendition, track: Sequence[Segment]
) -> Markup:
    path, before = "", None
    for segment in merged(track):
        x, y = area.place((segment.start, segment.kbps))
        path += f"M{number(x)} {number(y)}" if before is None else f"V{number(y)}"
        path += f"H{number(area.x(min(segment.end, area.x.high)))}"
        before = segment
    name = f"{done.rung.height}p CRF {done.rung.crf:g}, average {words.kbps(done.average_kbps)}"
    return tag("path", tag("title", name), d=path, class_=f"step {subject.color(done.rung.height)}")


def merged(track: Sequence[Segment]) -> list[Segment]:
    """At most :data:`MAX_STEPS` segments of the same bytes over the same time."""
    size = -(-len(track) // MAX_STEPS)
    if size <= 1:
        return list(track)
    found = []
    for first in range(0, len(track), size):
        group = track[first : first + size]
        start, end = group[0].start, group[-1].end
        bits = sum(s.kbps * (s.end - s.start) for s in group)
        found.append(Segment(start, end, bits / (end - start)))
    return found


def _averages(
    subject: RateQuality, area: chart.Frame, left_over: Sequence[Rendition], duration: float
) -> Markup:
    return join(
        tag(
            "path",
            tag("title", f"{r.rung.height}p, average {words.kbps(r.average_kbps)}"),
            d=f"M{number(area.left)} {number(area.y(r.average_kbps))}H{number(area.x(duration))}",
            class_=f"step {subject.color(r.rung.height)}",
        )
        for r in left_over
    )


def _worst(subject: RateQuality, area: chart.Frame, renditions: Sequence[Rendition]) -> Markup:
    parts = []
    labelled: list[float] = []
    for index, done in enumerate(renditions):
        check = done.verification
        middle = (check.worst_window.start + check.worst_window.end) / 2
        x = area.x(min(max(0.0, middle), area.x.high))
        y = area.y(done.average_kbps)
        color = subject.color(done.rung.height)
        name = (
            f"worst window of {done.rung.height}p, {words.kbps(done.average_kbps)}: VMAF"
            f" {check.worst:.1f} at {words.clock(check.worst_window.start)}"
        )
        parts.append(
            tag("path", tag("title", name), d=f"M{number(x)} {number(y + 2)}l-5 9h10z",
                class_=f"worst {color}")
        )  # fmt: skip
        if index < MAX_LABELLED and all(abs(y - other) > 14 for other in labelled):
            labelled.append(y)
            end = x > area.right - 70
            parts.append(
                tag("text", f"VMAF {check.worst:.1f}", x=x + (-9 if end else 9), y=y + 12,
                    class_=f"note {color}{' end' if end else ''}")
            )  # fmt: skip
    return join(parts)
