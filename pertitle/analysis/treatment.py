"""What must be done to a source's frames before they are encoded or compared."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pertitle.analysis.scan import Glance, Look, black_bars
from pertitle.analysis.timing import SLOW_RATES, STANDARD_RATES
from pertitle.records import Crop, Size, Source, Treatment

MIN_BAR = 0.02
"""Bars narrower than this share of the picture are left alone: overscan, not letterbox."""
MAX_BAR = 0.35


def decide_treatment(
    source: Source, looks: Sequence[Look], glances: Sequence[Glance] = (), *, crop: bool = False
) -> Treatment:
    """The treatment of a source.

    Args:
        looks: sampled places of the title.
        glances: all frames of a short title.
        crop: cut a detected letterbox away.
    """
    cut = find_letterbox(source, looks, glances) if crop else None
    return Treatment(
        frame_rate=constant_rate(source),
        size=cut.size if cut is not None else source.size,
        deinterlace=is_interlaced(source, looks),
        crop=cut,
        held=source.held,
    )


def constant_rate(source: Source) -> Fraction:
    """The rate everything is delivered at: the source's own, or for a variable one the lowest
    standard rate that is not below the one at which most of its frames come."""
    rate = source.video.frame_rate
    if not source.video.variable_rate:
        return rate
    for standard in sorted((*SLOW_RATES, *STANDARD_RATES)):
        if standard >= rate * Fraction(99, 100):
            return standard
    return STANDARD_RATES[-1]


def is_interlaced(source: Source, looks: Sequence[Look]) -> bool:
    """Whether frames hold two moments, by what is seen; the flag decides where nothing moves."""
    fields = sum(look.fields in ("top", "bottom") for look in looks)
    frames = sum(look.fields == "progressive" for look in looks)
    if fields + frames == 0:
        return source.video.interlaced
    if source.video.interlaced:
        return fields * 4 >= frames
    return (fields >= 2 and fields > 2 * frames) or (fields == len(looks) == 1)


def find_letterbox(
    source: Source, looks: Sequence[Look], glances: Sequence[Glance] = ()
) -> Crop | None:
    """The picture inside black bars that every sampled place has, None if there are none.

    What any place shows stays; those that are dark throughout tell nothing.
    """
    found = [look.bars for look in looks if look.bars is not None]
    for glance in glances:
        small = black_bars(glance.thumb)
        if small is not None:  # a thumbnail's lines blur the border of what lies inside the bars
            lines, columns = (1.5 / side for side in glance.thumb.shape)
            top, bottom, left, right = (
                bar and bar + blur
                for bar, blur in zip(small, (lines, lines, columns, columns), strict=True)
            )
            found.append((top, bottom, left, right))
    seen = np.array(found)
    if not len(seen):
        return None
    top, bottom, left, right = _turned(seen.min(axis=0), source)
    size = source.size
    # Equal bars on both sides: the smaller one is sure, and centred pictures are the rule.
    y = _even(min(top, bottom) * size.height) if MIN_BAR <= min(top, bottom) <= MAX_BAR else 0
    x = _even(min(left, right) * size.width) if MIN_BAR <= min(left, right) <= MAX_BAR else 0
    if not x and not y:
        return None
    return Crop(x, y, Size(size.width - 2 * x, size.height - 2 * y))


def _turned(bars: NDArray[np.float64], source: Source) -> tuple[float, float, float, float]:
    """Bars of the coded picture as bars of the upright one."""
    top, bottom, left, right = (float(b) for b in bars)
    for _ in range(source.video.rotation // 90):
        top, bottom, left, right = left, right, bottom, top
    return top, bottom, left, right


def _even(value: float) -> int:
    return int(value / 2 + 0.25) * 2
