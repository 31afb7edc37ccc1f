"""The grid of segments: the frames at which every rung and codec has a keyframe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

MIN_LAST_SECONDS = Fraction(1, 2)
"""A last segment shorter than this, or than half a segment, is joined to the one before it."""


def gop_frames(segment_seconds: float, frame_rate: Fraction) -> int:
    """Frames of a segment: the whole number nearest to its length in seconds.

    Above 30 frames/s it is even, so that segments of half the rate start at the same moments.
    """
    if frame_rate > 30:
        return 2 * gop_frames(segment_seconds, frame_rate / 2)
    return max(1, round(segment_seconds * frame_rate))


@dataclass(frozen=True)
class Grid:
    """Where segments start.

    Attributes:
        gop: frames from one start to the next.
        skipped: the start that is left out, so that a title does not end in a segment of a few
            pictures: their keyframe would cost as much as half a second of the others.
    """

    gop: int
    skipped: int | None = None

    def starts(self, frames: int) -> list[int]:
        """First frames of the segments of a title of so many frames."""
        return [n for n in range(0, frames, self.gop) if n != self.skipped]

    def halved(self) -> Grid:
        """The same moments at half the frame rate."""
        return Grid(self.gop // 2, None if self.skipped is None else self.skipped // 2)


def segment_grid(duration: float, frame_rate: Fraction, segment_seconds: float) -> Grid:
    """The grid of a title.

    It is decided from the declared duration, before anything is encoded. Where that is wrong,
    one segment somewhere is twice as long, in every rung alike, and nothing else is amiss.
    """
    gop = gop_frames(segment_seconds, frame_rate)
    segments = Fraction(duration) * frame_rate / gop
    last = math.ceil(segments) - 1
    short = min(Fraction(1, 2), MIN_LAST_SECONDS * frame_rate / gop)
    if last >= 1 and segments - last < short:
        return Grid(gop, last * gop)
    return Grid(gop)
