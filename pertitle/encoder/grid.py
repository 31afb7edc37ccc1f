"""The grid of segments: the frames at which every rung and codec has a keyframe."""

from __future__ import annotations

from fractions import Fraction


def gop_frames(segment_seconds: float, frame_rate: Fraction) -> int:
    """Frames of a segment: the whole number nearest to its length in seconds.

    Above 30 frames/s it is even, so that segments of half the rate start at the same moments.
    """
    if frame_rate > 30:
        return 2 * gop_frames(segment_seconds, frame_rate / 2)
    return max(1, round(segment_seconds * frame_rate))
