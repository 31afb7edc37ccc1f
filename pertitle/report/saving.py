"""The comparison with the fixed ladder, in words."""

from __future__ import annotations

from pertitle import words
from pertitle.report.fixed import Comparison
from pertitle.report.markup import Markup, join, tag

NOTHING = 0.5
"""Differences below this many per cent are called none."""


def headline(comparison: Comparison | None) -> tuple[str, str] | None:
    """The difference to the fixed ladder as a short value and what it is."""
    if comparison is None or comparison.bd_rate is None:
        return None
    if abs(comparison.bd_rate) < NOTHING:
        return "as much", "bitrate as the fixed ladder at equal quality"
    less = comparison.bd_rate < 0
    value = words.percent(abs(comparison.bd_rate)) + (" less" if less else " more")
    return value, "bitrate than the fixed ladder at equal quality"


def sentences(comparison: Comparison | None) -> list[str]:
    """What the comparison says, one statement each; empty without one."""
    if comparison is None:
        return []
    said = []
    short = headline(comparison)
    if short is not None and comparison.bd_rate is not None:
        said.append(
            f"Averaged over the qualities both reach, this ladder needs {short[0]} {short[1]}"
            f" (BD-rate {words.signed(comparison.bd_rate)} %)."
        )
    first = comparison.rungs[0]
    said.append(_top(comparison))
    change = words.thousand_hours(first.bitrate_kbps - comparison.own_kbps)
    direction = "less" if change >= 0 else "more"
    said.append(
        f"The fixed ladder's top rung spends {words.kbps(first.bitrate_kbps)} for a VMAF of about"
        f" {first.vmaf:.1f}; this ladder's spends {words.kbps(comparison.own_kbps)} for"
        f" {comparison.own_vmaf:.1f}: {words.grouped(abs(change))} GB {direction} for every"
        " thousand hours watched there."
    )
    return said


def _top(comparison: Comparison) -> str:
    if comparison.at_top is not None:
        own = words.thousand_hours(comparison.own_kbps)
        other = words.thousand_hours(comparison.at_top)
        return (
            f"At the quality of the top rung, VMAF {comparison.own_vmaf:.1f}, a thousand hours"
            f" take {words.grouped(own)} GB here and {words.grouped(other)} GB on the fixed"
            " ladder's curve."
        )
    best = max(rung.vmaf for rung in comparison.rungs)
    if comparison.own_vmaf > best:
        return (
            f"The fixed ladder ends at a VMAF of about {best:.1f} for this title, below the"
            f" {comparison.own_vmaf:.1f} of this ladder's top rung."
        )
    return (
        f"Even the lowest rung of the fixed ladder is above this ladder's top quality, VMAF"
        f" {comparison.own_vmaf:.1f}."
    )


def paragraph(comparison: Comparison | None) -> Markup | None:
    """The sentences and where the fixed ladder's figures come from."""
    said = sentences(comparison)
    if not said:
        return None
    source = (
        "Fixed ladder: Apple's HLS Authoring Specification, up to the source's height; its"
        " qualities are read off this title's predicted curves, moved onto what was measured."
    )
    return tag("div", join(tag("p", line) for line in said), tag("p", source, class_="fine"),
               class_="saving")  # fmt: skip
