"""Defects and peculiarities of a source that a person should know of."""

from __future__ import annotations

from collections.abc import Sequence

from pertitle.analysis.scan import Look
from pertitle.analysis.treatment import constant_rate, find_letterbox, is_interlaced
from pertitle.records import Source, SourceWarning, Treatment


def find_defects(
    source: Source, treatment: Treatment, looks: Sequence[Look], features: dict[str, float]
) -> tuple[SourceWarning, ...]:
    """Warnings in a fixed order; ordinary clips have none."""
    found = [*_format_warnings(source, looks)]
    return tuple(found)


def _format_warnings(source: Source, looks: Sequence[Look]) -> list[SourceWarning]:
    video = source.video
    found = []
    if video.variable_rate:
        rate = float(constant_rate(source))
        found.append(
            SourceWarning(
                "variable-rate",
                f"frames come at uneven times ({float(video.frame_rate):.2f} a second on average);"
                f" delivered at a constant {rate:.3f}",
            )
        )
    if is_interlaced(source, looks):
        found.append(SourceWarning("interlaced", "frames hold two fields and are deinterlaced"))
    bars = find_letterbox(source, looks)
    if bars is not None:
        found.append(
            SourceWarning(
                "letterbox", f"black bars: the picture is {bars.size} within {source.size}"
            )
        )
    if video.dynamic_range != "sdr":
        found.append(SourceWarning("hdr", f"high dynamic range ({video.dynamic_range})"))
    if video.has_alpha:
        found.append(SourceWarning("alpha", "transparency is dropped"))
    return found
