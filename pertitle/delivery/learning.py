"""What verified rungs tell of the rungs that are not encoded yet.

A plan is measured on the digest of a title; the title differs. By how much is a smooth function of
the quality: a Gaussian process over the logit of VMAF and the height, of a part that all rungs
share and a part that only neighbours do (Rasmussen & Williams, *Gaussian Processes for Machine
Learning*, 2006, section 2.2). It is conditioned on what was measured, and moves the plan's curves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pertitle.delivery.correction import Lesson, corrected_crf, read_curve
from pertitle.records import LadderPlan, Rung

Array = NDArray[np.float64]

SHARED = 0.10
"""Standard deviation of the part that all rungs share: logits of VMAF, of which 0.05 are a point
at VMAF 70."""
OWN = 0.07
"""Standard deviation of the part that neighbours share."""
REACH = 1.0
"""Logits of VMAF over which neighbours grow apart; a step of 6 points at VMAF 80 is 0.4."""
HEIGHT_REACH = 1.0
"""The same in octaves of height."""
RATE_SHARE = 1.5
"""Octaves of bitrate that the title may differ by, in the standard deviation of its logits."""
NOISE = 0.02
"""Logits that a verification may be off by beside its interval."""


def taught(ladder: LadderPlan, lessons: Sequence[Lesson]) -> LadderPlan:
    """The plan with its curves where the title is now believed to lie."""
    known = [lesson for lesson in lessons if any(p.height == lesson.height for p in ladder.curves)]
    if not known:
        return ladder
    believed = [read_curve(ladder, one.height, "vmaf", one.crf) for one in known]
    places = _places([one.height for one in known], believed)
    kernel = _kernel(places, places)
    noise = np.array([one.deviation / _slope(one.vmaf) for one in known]) ** 2 + NOISE**2
    off = np.array([_logit(one.vmaf) for one in known]) - _logit(believed)
    rates = np.array(
        [
            math.log2(max(one.kbps, 1e-6)) - read_curve(ladder, one.height, "bitrate_kbps", one.crf)
            for one in known
        ]
    )
    quality = np.linalg.solve(kernel + np.diag(noise), off)
    rate = np.linalg.solve(RATE_SHARE**2 * kernel + NOISE**2 * np.eye(len(known)), rates)
    points = _places([p.height for p in ladder.curves], [p.vmaf for p in ladder.curves])
    across = _kernel(points, places)
    moved = _vmaf(points[:, 0] + across @ quality)
    factors = 2.0 ** (RATE_SHARE**2 * across @ rate)
    curves = tuple(
        replace(point, vmaf=float(vmaf), bitrate_kbps=point.bitrate_kbps * float(factor))
        for point, vmaf, factor in zip(ladder.curves, moved, factors, strict=True)
    )
    return replace(ladder, curves=curves)


def replanned(
    ladder: LadderPlan, rung: Rung, *, crf_range: tuple[float, float], crf_step: float
) -> Rung:
    """A rung at the CRF that brings it to its VMAF by the plan's curves."""
    if not any(point.height == rung.height for point in ladder.curves):
        return rung
    wanted = rung.vmaf - read_curve(ladder, rung.height, "vmaf", rung.crf)
    crf = corrected_crf(ladder, rung, wanted=wanted, crf_range=crf_range, crf_step=crf_step)
    kbps = 2 ** read_curve(ladder, rung.height, "bitrate_kbps", crf)
    return replace(rung, crf=crf, bitrate_kbps=kbps)


def _places(heights: Sequence[int], vmaf: Sequence[float]) -> Array:
    """Logit of VMAF and octave of the height, a row each."""
    return np.column_stack([_logit(vmaf), np.log2(np.asarray(heights, dtype=np.float64))])


def _kernel(first: Array, second: Array) -> Array:
    apart = (first[:, None, :] - second[None, :, :]) / np.array([REACH, HEIGHT_REACH])
    return np.asarray(SHARED**2 + OWN**2 * np.exp(-0.5 * (apart**2).sum(axis=2)))


def _logit(vmaf: ArrayLike) -> Array:
    share = np.clip(np.asarray(vmaf, dtype=np.float64) / 100, 0.005, 0.995)
    return np.asarray(np.log(share / (1 - share)))


def _vmaf(logit: Array) -> Array:
    return np.asarray(100 / (1 + np.exp(-logit)))


def _slope(vmaf: float) -> float:
    """VMAF points a logit."""
    share = min(0.995, max(0.005, vmaf / 100))
    return 100 * share * (1 - share)
