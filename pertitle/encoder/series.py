"""What the report draws over time: VMAF of the windows that were compared, bitrate by segment."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pertitle.encoder.pictures import Pictures
from pertitle.encoder.title import Span
from pertitle.results import Series

MAX_POINTS = 240
"""More cannot be told apart in a drawing; neighbouring windows are then averaged."""
STEP_SECONDS = 0.25
"""Frames of a title that was compared whole are averaged over at least this long."""


def window_series(spans: Sequence[Span], means: Sequence[float], frame_rate: Fraction) -> Series:
    """Windows that were compared, in any order, as points at their middles."""
    order = sorted(range(len(spans)), key=lambda i: spans[i].first)
    size = -(-len(order) // MAX_POINTS)
    times, values = [], []
    for at in range(0, len(order), max(1, size)):
        group = order[at : at + size]
        frames = np.array([spans[i].frames for i in group], dtype=np.float64)
        middles = np.array([spans[i].first for i in group]) + frames / 2
        times.append(float(np.average(middles, weights=frames) / float(frame_rate)))
        values.append(float(np.average([means[i] for i in group], weights=frames)))
    return _rounded(times, values)


def frame_series(scores: NDArray[np.float64], frame_rate: Fraction) -> Series:
    """Scores of all frames of a title, averaged over short steps of equal length."""
    step = max(1, round(STEP_SECONDS * frame_rate), -(-len(scores) // MAX_POINTS))
    spans = [Span(at, min(step, len(scores) - at)) for at in range(0, len(scores), step)]
    means = [float(scores[span.first : span.end].mean()) for span in spans]
    return window_series(spans, means, frame_rate)


def bitrate_series(pictures: Pictures, starts: Sequence[int], frame_rate: Fraction) -> Series:
    """The bitrate of each segment (kbit/s) at its start."""
    times = [start / float(frame_rate) for start in starts]
    return _rounded(times, pictures.segment_kbps(frame_rate, starts).tolist())


def _rounded(times: Sequence[float], values: Sequence[float]) -> Series:
    """A point a drawing can show needs no more digits, and results stay small."""
    return Series(tuple(round(t, 3) for t in times), tuple(round(v, 2) for v in values))
