"""Bjøntegaard's bitrate difference and the envelope of several rate–quality curves.

Bjøntegaard, "Calculation of average PSNR differences between RD-curves", ITU-T VCEG-M33 (2001),
with the piecewise cubic Hermite interpolation of later practice (JCTVC-H0030) in place of one
cubic: VMAF curves bend too much for that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]


def clean_curve(kbps: ArrayLike, vmaf: ArrayLike) -> tuple[Array, Array]:
    """(log2 kbit/s, VMAF) sorted with both strictly rising; points off that path are dropped."""
    rate = np.log2(np.maximum(np.asarray(kbps, dtype=np.float64), 1e-9))
    quality = np.asarray(vmaf, dtype=np.float64)
    order = np.lexsort((-quality, rate))
    keep_rate: list[float] = []
    keep_quality: list[float] = []
    for r, q in zip(rate[order], quality[order], strict=True):
        if not keep_rate or (r > keep_rate[-1] + 1e-9 and q > keep_quality[-1] + 1e-6):
            keep_rate.append(float(r))
            keep_quality.append(float(q))
    return np.array(keep_rate), np.array(keep_quality)


def bd_rate(anchor: tuple[ArrayLike, ArrayLike], test: tuple[ArrayLike, ArrayLike]) -> float | None:
    """Average bitrate of ``test`` above ``anchor`` at equal VMAF, per cent.

    Args:
        anchor, test: (kbit/s, VMAF) of each curve.

    Returns:
        The difference over the common VMAF range, or None if there is none to speak of.
    """
    anchor_rate, anchor_vmaf = clean_curve(*anchor)
    test_rate, test_vmaf = clean_curve(*test)
    if min(len(anchor_rate), len(test_rate)) < 2:
        return None
    low = max(anchor_vmaf[0], test_vmaf[0])
    high = min(anchor_vmaf[-1], test_vmaf[-1])
    if high - low < 1e-3:
        return None
    areas = [
        float(PchipInterpolator(v, r).integrate(low, high))
        for v, r in ((anchor_vmaf, anchor_rate), (test_vmaf, test_rate))
    ]
    return float((2 ** ((areas[1] - areas[0]) / (high - low)) - 1) * 100)


def envelope(kbps: ArrayLike, vmaf: ArrayLike, points: int = 400) -> tuple[Array, Array]:
    """The upper envelope of several curves: best VMAF at each bitrate.

    Args:
        kbps, vmaf: curves × points, each row one height along CRF.
        points: resolution over the whole bitrate range, evenly in log rate.

    Returns:
        (kbit/s, VMAF), rising.
    """
    rates = np.asarray(kbps, dtype=np.float64)
    values = np.asarray(vmaf, dtype=np.float64)
    curves = [clean_curve(r, v) for r, v in zip(rates, values, strict=True)]
    grid = np.linspace(min(c[0][0] for c in curves), max(c[0][-1] for c in curves), points)
    best = np.full(points, -np.inf)
    for rate, quality in curves:
        if len(rate) == 1:
            inside = grid >= rate[0]
            best[inside] = np.maximum(best[inside], quality[0])
            continue
        inside = (grid >= rate[0]) & (grid <= rate[-1])
        if inside.any():
            best[inside] = np.maximum(best[inside], PchipInterpolator(rate, quality)(grid[inside]))
    good = np.isfinite(best)
    top = np.maximum.accumulate(best[good])
    return 2 ** grid[good], top
