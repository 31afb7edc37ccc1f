"""Extra metrics beside the main VMAF: VMAF v1, CAMBI banding and XPSNR.

On a 1080p display they cost more than VMAF v0.6.1 does, so they are taken on a few frames of a
rendition, spread over the title. Their means are then drawn to the title's by their regression on
the main score, which is known better (double sampling; Cochran, *Sampling Techniques*, 1977,
section 12.6).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pertitle.encoder.quality import read_scores
from pertitle.errors import DeliveryError

VMAF_V1 = "vmaf_v1.0.16_3d0h"
"""VMAF v1 for a screen seen from three times its height. CAMBI is one of its features."""
FRAMES = 12
"""Of a rendition, unless more are asked for: VMAF v1 and XPSNR of one take as long as its VMAF."""
BURST_FRAMES = 3
"""Of titles compared whole, so many neighbouring frames at each of these places; the first and
last lack a real neighbour and do not count."""
SAME_DB = 100.0
"""XPSNR of pictures that do not differ, which is infinite."""
MIN_UNITS = 6
_XPSNR_LINE = re.compile(r"n:\s*\d+\s+XPSNR y:\s*(\S+)")


@dataclass(frozen=True)
class ExtraScores:
    """Scores by frame, NaN where a frame was not looked at: VMAF v1, CAMBI, XPSNR of luma (dB)."""

    v1: NDArray[np.float64]
    cambi: NDArray[np.float64]
    xpsnr: NDArray[np.float64]

    def part(self, first: int, end: int) -> ExtraScores:
        """The frames from ``first`` to before ``end``."""
        return ExtraScores(self.v1[first:end], self.cambi[first:end], self.xpsnr[first:end])

    @classmethod
    def unknown(cls, frames: int) -> ExtraScores:
        """Of frames that were not looked at."""
        nothing = np.full(frames, np.nan)
        return cls(nothing, nothing, nothing)

    @classmethod
    def join(cls, parts: Sequence[ExtraScores]) -> ExtraScores:
        """One after the other."""
        return cls(
            np.concatenate([part.v1 for part in parts]),
            np.concatenate([part.cambi for part in parts]),
            np.concatenate([part.xpsnr for part in parts]),
        )


@dataclass(frozen=True)
class ExtraMeans:
    """Means of a title, as :class:`ExtraScores` has them."""

    v1: float
    cambi: float
    xpsnr: float


def burst(frames: int) -> tuple[int, int]:
    """How the extra metrics are taken of a title that is compared whole: so many of so many frames.

    The period is odd, so that it does not meet the mini-GOPs of 4, 8 and 16 frames.
    """
    return BURST_FRAMES, max(BURST_FRAMES, frames // FRAMES | 1)


def bursts(frames: int, *, all_frames: bool = False) -> NDArray[np.bool_]:
    """Which frames of a title that is compared whole are measured."""
    length, period = burst(frames)
    return np.arange(frames) % (1 if all_frames else period) < length


def counted(measured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The measured frames whose neighbours, where the title has them, are measured too."""
    before = np.concatenate([[True], measured[:-1]])
    after = np.concatenate([measured[1:], [True]])
    return np.asarray(measured & before & after)


def runs(measured: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """First and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], measured, [False]]).astype(np.int8)))
    return tuple((int(first), int(end)) for first, end in edges.reshape(-1, 2))


def read_extra(
    vmaf_log: Path, xpsnr_log: Path, measured: NDArray[np.bool_], *, singles: bool = False
) -> ExtraScores:
    """Scores from libvmaf's log (v1 named ``m0``) and the log of ffmpeg's ``xpsnr``.

    Args:
        singles: before the scores in the first log stands a row of padding, and in the second
            every frame follows the one before it in the title.

    Raises:
        DeliveryError: a log does not hold exactly the measured frames.
    """
    rows = read_scores(vmaf_log, (VMAF_V1,), ("cambi",)).frames
    with xpsnr_log.open(encoding="utf-8") as lines:
        found = [match[1] for line in lines if (match := _XPSNR_LINE.search(line))]
    if singles:
        rows, found = tuple(row[1:] for row in rows), found[1::2]
    count = int(measured.sum())
    if len(rows[0]) != count or len(found) != count:
        raise DeliveryError(f"VMAF v1 compared {len(rows[0])} of {count} frames, XPSNR"
                            f" {len(found)}")  # fmt: skip

    def spread(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        series = np.full(len(measured), np.nan)
        series[measured] = values
        return series

    return ExtraScores(
        v1=spread(rows[0]),
        cambi=spread(rows[1]),
        xpsnr=spread([min(SAME_DB, float(value)) for value in found]),
    )


def title_means(
    units: Sequence[tuple[NDArray[np.float64], ExtraScores]], mean: float
) -> ExtraMeans:
    """Means of the title from some windows or bursts.

    XPSNR is averaged as its authors do, over the square roots of the weighted errors (Helmrich
    et al., "XPSNR: A low-complexity extension of the perceptually weighted peak signal-to-noise
    ratio", 2020).

    Args:
        units: main scores and extra scores of the frames of each window, all measured.
        mean: the title's main score.
    """
    main = np.array([scores.mean() for scores, _ in units])

    def drawn(values: NDArray[np.float64]) -> float:
        return _regressed(main, values, mean)

    errors = np.array([(10 ** (-extra.xpsnr / 20)).mean() for _, extra in units])
    return ExtraMeans(
        v1=drawn(np.array([extra.v1.mean() for _, extra in units])),
        cambi=drawn(np.array([extra.cambi.mean() for _, extra in units])),
        xpsnr=-20 * math.log10(drawn(errors)),
    )


def _regressed(main: NDArray[np.float64], values: NDArray[np.float64], mean: float) -> float:
    """The mean of ``values`` where ``main`` has this mean; never outside of what was seen."""
    centred = main - main.mean()
    spread = float(centred @ centred)
    if len(main) < MIN_UNITS or spread < 1e-9:
        return float(values.mean())
    slope = float(centred @ values) / spread
    drawn = values.mean() + slope * (mean - main.mean())
    return float(np.clip(drawn, values.min(), values.max()))
