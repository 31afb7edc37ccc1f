"""Surfaces drawn from a belief, and what every height would cost on each.

Regret is ruled by what is unlikely: that a height reaches a quality after all, or reaches it far
more cheaply. Costs are therefore read off whole drawn surfaces; to first order they would miss it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm, qmc

from pertitle.ladder.coordinates import quality_from_vmaf, vmaf_from_quality
from pertitle.ladder.grid import Grid
from pertitle.ladder.posterior import Posterior

Array = NDArray[np.float64]

COUNT = 256
_SHORT = 0.7
"""Octaves of bitrate charged for each VMAF point that a height cannot reach: what the ladder's top
would pay for it (:data:`pertitle.ladder.rungs.WORTH`)."""
_LEAST, _MOST = 1e-3, 1 - 1e-3


@dataclass(frozen=True)
class Draws:
    """Drawn surfaces on a grid: draws × heights × CRFs, falling with CRF.

    Attributes:
        rate: log2 kbit/s.
        quality: logit of VMAF.
    """

    rate: Array
    quality: Array

    def costs(self, targets: Array) -> Array:
        """draws × heights × targets: log2 kbit/s that each height pays for each VMAF.

        A height that cannot reach one pays for its best, and for what is short of it.
        """
        wanted = quality_from_vmaf(targets)
        count, heights, crfs = self.quality.shape
        above = (self.quality[:, :, :, None] > wanted).sum(axis=2)
        right = np.clip(above, 1, crfs - 1)
        s, h = np.arange(count)[:, None, None], np.arange(heights)[None, :, None]
        high, low = self.quality[s, h, right - 1], self.quality[s, h, right]
        share = np.clip((high - wanted) / np.maximum(high - low, 1e-9), 0.0, 1.0)
        rate = self.rate[s, h, right - 1] * (1 - share) + self.rate[s, h, right] * share
        best = vmaf_from_quality(self.quality[:, :, :1])
        return np.asarray(rate + _SHORT * np.maximum(0.0, targets - best))


@lru_cache(maxsize=4)
def _variates(dimensions: int) -> tuple[Array, Array]:
    """Normal draws (in pairs of opposite ones) and a uniform one each, the same every time."""
    sobol = qmc.Sobol(dimensions + 1, scramble=True, seed=1).random(COUNT // 2)
    normal = norm.ppf(np.clip(sobol[:, 1:], _LEAST, _MOST))
    return np.concatenate([normal, -normal]), np.tile(np.clip(sobol[:, 0], _LEAST, _MOST), 2)


def draw(belief: Posterior, grid: Grid, *, tails: bool = True) -> Draws:
    """Surfaces as likely as the belief has them: Student's t from title to title, or Gaussian."""
    normal, uniform = _variates(len(belief.mean))
    values, vectors = np.linalg.eigh(belief.covariance)
    freedom = belief.tails + belief.freedom
    spread = chi2.ppf(uniform, freedom) if tails else np.full(len(uniform), freedom)
    scale = np.sqrt((belief.tails + belief.distance) / spread)
    latent = belief.mean + scale[:, None] * (
        (normal * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    )
    half = latent.shape[1] // 2
    shape = (len(latent), *grid.interpolation.shape)
    flat = grid.weights.reshape(-1, half).T
    rate = _falling((latent[:, :half] @ flat).reshape(shape)) + grid.pixels[:, None]
    return Draws(rate, _falling((latent[:, half:] @ flat).reshape(shape)))


def _falling(values: Array) -> Array:
    """Halfway between the lowest so far and the highest still to come: falling, and not moved."""
    low = np.minimum.accumulate(values, axis=2)
    high = np.maximum.accumulate(values[:, :, ::-1], axis=2)[:, :, ::-1]
    return np.asarray((low + high) / 2)
