"""What is measured beside the main VMAF: VMAF v1, CAMBI banding and XPSNR.

On a 1080p display they cost nine tenths of what VMAF v0.6.1 costs, so they are taken on about a
fifth of the frames. Their means are then drawn to the title's by their regression on the main
score, which is known on all compared frames (double sampling; Cochran, *Sampling Techniques*,
1977, section 12.6).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pertitle.errors import DeliveryError

VMAF_V1 = "vmaf_v1.0.16_3d0h"
"""VMAF v1 for a screen seen from three times its height. CAMBI is one of its features."""
BURST = (6, 29)
"""Of titles compared whole, 6 of every 29 frames; the first and last of a burst lack a real
neighbour and do not count. 29 shares no factor with the mini-GOPs of 4, 8 and 16 frames."""
SAME_DB = 100.0
"""XPSNR of pictures that do not differ, which is infinite."""
MIN_UNITS = 6
_XPSNR_LINE = re.compile(r"n:\s*\d+\s+XPSNR y:\s*(\S+)")


@dataclass(frozen=True)
class FurtherScores:
    """Scores by frame, NaN where a frame was not looked at: VMAF v1, CAMBI, XPSNR of luma (dB)."""

    v1: NDArray[np.float64]
    cambi: NDArray[np.float64]
    xpsnr: NDArray[np.float64]

    def part(self, first: int, end: int) -> FurtherScores:
        """The frames from ``first`` to before ``end``."""
        return FurtherScores(self.v1[first:end], self.cambi[first:end], self.xpsnr[first:end])

    @classmethod
    def unknown(cls, frames: int) -> FurtherScores:
        """Of frames that were not looked at."""
        nothing = np.full(frames, np.nan)
        return cls(nothing, nothing, nothing)

    @classmethod
    def join(cls, parts: Sequence[FurtherScores]) -> FurtherScores:
        """One after the other."""
        return cls(
            np.concatenate([part.v1 for part in parts]),
            np.concatenate([part.cambi for part in parts]),
            np.concatenate([part.xpsnr for part in parts]),
        )


@dataclass(frozen=True)
class FurtherMeans:
    """Means of a title, as :class:`FurtherScores` has them."""

    v1: float
    cambi: float
    xpsnr: float


def bursts(frames: int, *, all_frames: bool = False) -> NDArray[np.bool_]:
    """Which frames of a title that is compared whole are measured further."""
    length, period = BURST
    if all_frames or frames < length:
        return np.ones(frames, dtype=np.bool_)
    return np.arange(frames) % period < length


def counted(measured: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The measured frames whose neighbours, where the title has them, are measured too."""
    before = np.concatenate([[True], measured[:-1]])
    after = np.concatenate([measured[1:], [True]])
    return np.asarray(measured & before & after)


def runs(measured: NDArray[np.bool_]) -> tuple[tuple[int, int], ...]:
    """First and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], measured, [False]]).astype(np.int8)))
    return tuple((int(first), int(end)) for first, end in edges.reshape(-1, 2))


def read_further(vmaf_log: str, xpsnr_log: str, measured: NDArray[np.bool_]) -> FurtherScores:
    """Scores from libvmaf's JSON log (v1 named ``m0``) and the log of ffmpeg's ``xpsnr``.

    Raises:
        DeliveryError: a log does not hold exactly the measured frames.
    """
    rows = [frame["metrics"] for frame in json.loads(vmaf_log)["frames"]]
    decibels = [float(value) for value in _XPSNR_LINE.findall(xpsnr_log)]
    count = int(measured.sum())
    if len(rows) != count or len(decibels) != count:
        raise DeliveryError(f"VMAF v1 compared {len(rows)} of {count} frames, XPSNR"
                            f" {len(decibels)}")  # fmt: skip
    banding = next((name for name in rows[0] if name.startswith("cambi")), None)
    if banding is None:
        raise DeliveryError("VMAF v1 reports no CAMBI")

    def spread(values: Sequence[float]) -> NDArray[np.float64]:
        series = np.full(len(measured), np.nan)
        series[measured] = values
        return series

    return FurtherScores(
        v1=spread([row["m0"] for row in rows]),
        cambi=spread([row[banding] for row in rows]),
        xpsnr=spread([min(SAME_DB, value) for value in decibels]),
    )


def title_means(
    units: Sequence[tuple[NDArray[np.float64], FurtherScores]], mean: float
) -> FurtherMeans:
    """Means of the title from some windows or bursts.

    XPSNR is averaged as its authors do, over the square roots of the weighted errors (Helmrich
    et al., "XPSNR: A low-complexity extension of the perceptually weighted peak signal-to-noise
    ratio", 2020).

    Args:
        units: main scores and further scores of the frames of each window, all measured.
        mean: the title's main score.
    """
    main = np.array([scores.mean() for scores, _ in units])

    def drawn(values: NDArray[np.float64]) -> float:
        return _regressed(main, values, mean)

    errors = np.array([(10 ** (-further.xpsnr / 20)).mean() for _, further in units])
    return FurtherMeans(
        v1=drawn(np.array([further.v1.mean() for _, further in units])),
        cambi=drawn(np.array([further.cambi.mean() for _, further in units])),
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
