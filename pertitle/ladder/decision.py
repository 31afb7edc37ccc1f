"""From a belief about the surface to a choice of heights, and to the probe that improves it most.

At a wanted VMAF each height would cost some bitrate; the hull takes the cheapest. The belief about
those costs is Gaussian to first order, so the expected regret of a choice (what a better informed
choice would have saved) and what one more probe would save of it both have closed or nearly closed
forms: the knowledge gradient (Frazier, Powell and Dayanik, "The knowledge-gradient policy for
correlated normal beliefs", INFORMS J. Computing 21, 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from pertitle.ladder.coordinates import (
    pixel_rate,
    quality_from_vmaf,
    quality_slope,
    vmaf_from_quality,
)
from pertitle.ladder.posterior import Posterior, falling

Array = NDArray[np.float64]
_DRAWS = 64
_UNREACHED = 30.0
"""log2 bitrate charged for a quality that a height cannot reach."""


@dataclass(frozen=True)
class Curves:
    """Expected surface on a common CRF grid.

    Attributes:
        heights: best first.
        crfs: ascending.
        rate: heights × CRFs, log2 kbit/s, falling with CRF.
        vmaf: heights × CRFs, falling with CRF.
    """

    heights: tuple[int, ...]
    crfs: Array
    rate: Array
    vmaf: Array


def expected_curves(posterior: Posterior, heights: Sequence[int], crfs: Array) -> Curves:
    """The monotone expected surface at some heights."""
    rates, values = [], []
    for height in heights:
        m = posterior.moments(height, crfs)
        rates.append(falling(m.rate, m.rate_deviation) + pixel_rate(posterior.title, height)[0])
        values.append(vmaf_from_quality(falling(m.quality, m.quality_deviation)))
    return Curves(tuple(heights), crfs, np.array(rates), np.array(values))


def costs(curves: Curves, targets: Array) -> tuple[Array, Array]:
    """What each height pays for each VMAF.

    Returns:
        (heights × targets) log2 kbit/s and CRF; unreachable ones cost ``_UNREACHED`` and more the
        further away they are, at the lowest CRF.
    """
    rate = np.empty((len(curves.heights), len(targets)))
    crf = np.empty_like(rate)
    for i in range(len(curves.heights)):
        # Strictly falling for the inversion: flat stretches read at their cheap end.
        value = curves.vmaf[i] - 1e-9 * np.arange(len(curves.crfs))
        crf[i] = np.interp(-targets, -value, curves.crfs)
        rate[i] = np.interp(crf[i], curves.crfs, curves.rate[i])
        short = targets - value[0]
        rate[i] = np.where(short > 1e-6, _UNREACHED + short, rate[i])
    return rate, crf


def choose_heights(cost: Array) -> NDArray[np.int64]:
    """Cheapest height for each target under the rule that heights never rise as quality falls.

    Args:
        cost: heights (best first) × targets (best first).

    Returns:
        Row of the chosen height for each target.
    """
    count, steps = cost.shape
    total = cost[:, 0].copy()
    back = np.zeros((count, steps), dtype=np.int64)
    for k in range(1, steps):
        # best[i]: cheapest way to arrive from a height not smaller than i.
        arrive = np.empty(count, dtype=np.int64)
        best = 0
        for i in range(count):
            if total[i] < total[best]:
                best = i
            arrive[i] = best
        back[:, k] = arrive
        total = total[arrive] + cost[:, k]
    path = np.empty(steps, dtype=np.int64)
    path[-1] = int(np.argmin(total))
    for k in range(steps - 1, 0, -1):
        path[k - 1] = back[path[k], k]
    return path


@dataclass(frozen=True)
class Stake:
    """The decision as linear functions of the latent surface.

    Attributes:
        heights: best first.
        cost, crf: heights × targets, from :func:`costs`.
        slopes: (heights × targets) × latent: how each cost moves with the latent surface.
        chosen: row of the height chosen for each target.
        rate_slopes, vmaf_slopes: targets × latent: the chosen rungs' log2 bitrate and VMAF.
        targets: VMAF of each target.
    """

    heights: tuple[int, ...]
    cost: Array
    crf: Array
    slopes: Array
    chosen: NDArray[np.int64]
    rate_slopes: Array
    vmaf_slopes: Array
    targets: Array


def stake(posterior: Posterior, curves: Curves, targets: Array) -> Stake:
    """Linearise the decision around the expected surface."""
    cost, crf = costs(curves, targets)
    count, steps = cost.shape
    latent = len(posterior.mean)
    slopes = np.empty((count, steps, latent))
    rates = np.empty_like(slopes)
    values = np.empty_like(slopes)
    for i, height in enumerate(curves.heights):
        u = min(0.0, float(np.log2(height / posterior.title.size.height)))
        design, _ = posterior.axes.design(np.full(steps, u), crf[i])
        step = curves.crfs[1] - curves.crfs[0]
        fall = np.interp(crf[i], curves.crfs, np.gradient(curves.rate[i], step))
        quality = quality_from_vmaf(curves.vmaf[i])
        drop = np.interp(crf[i], curves.crfs, np.gradient(quality, step))
        exchange = np.clip(fall / np.minimum(drop, -1e-3), 0.0, 10.0)
        rates[i] = design[:steps]
        values[i] = design[steps:]
        slopes[i] = design[:steps] - exchange[:, None] * design[steps:]
    chosen = choose_heights(cost)
    pick = np.arange(steps)
    reach = vmaf_from_quality(quality_from_vmaf(targets))
    return Stake(
        curves.heights,
        cost,
        crf,
        slopes.reshape(count * steps, latent),
        chosen,
        rates[chosen, pick],
        values[chosen, pick] / quality_slope(reach)[:, None],
        targets,
    )


@lru_cache(maxsize=4)
def _normals(dimensions: int) -> Array:
    """Low-discrepancy standard normal draws, the same every time."""
    sobol = qmc.Sobol(dimensions, scramble=True, seed=1)
    draws = norm.ppf(np.clip(sobol.random(_DRAWS), 1e-6, 1 - 1e-6))
    return np.asarray(draws - draws.mean(axis=0))


def regret(posterior: Posterior, at: Stake) -> float:
    """Expected bitrate lost by choosing heights now rather than with full knowledge, per cent."""
    count, steps = at.cost.shape
    slopes = at.slopes.reshape(count, steps, -1)
    lost = np.empty(steps)
    draws = _normals(count)
    for k in range(steps):
        block = slopes[:, k] @ posterior.covariance @ slopes[:, k].T * posterior.scale
        values, vectors = np.linalg.eigh(block)
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        sampled = at.cost[:, k] + draws @ root.T
        lost[k] = at.cost[at.chosen[k], k] - sampled.min(axis=1).mean()
    return float((2 ** np.maximum(0.0, lost.mean()) - 1) * 100)


@dataclass(frozen=True)
class Weights:
    """What the ladder's errors cost, in per cent of bitrate.

    Attributes:
        vmaf: of one VMAF point of error of a rung's expected quality.
        rate: of one per cent of error of a rung's expected bitrate.
    """

    vmaf: float = 0.5
    rate: float = 0.04


def probe_values(
    posterior: Posterior, at: Stake, cells: Sequence[tuple[int, float]], weights: Weights
) -> Array:
    """What measuring each cell is expected to save, in per cent of bitrate.

    The saving has two parts: regret avoided by choosing heights better, and error taken off the
    quality and bitrate promised for the rungs.
    """
    count, steps = at.cost.shape
    covariance = posterior.covariance * posterior.scale
    moved = at.slopes @ covariance
    moved_rate = at.rate_slopes @ covariance
    moved_vmaf = at.vmaf_slopes @ covariance
    spread_rate = np.sqrt(np.einsum("ij,ij->i", moved_rate, at.rate_slopes))
    spread_vmaf = np.sqrt(np.einsum("ij,ij->i", moved_vmaf, at.vmaf_slopes))
    draws = _normals(2)
    now = at.cost.min(axis=0)
    heights = np.array([c[0] for c in cells], dtype=np.float64)
    crfs = np.array([c[1] for c in cells])
    u = np.minimum(0.0, np.log2(heights / posterior.title.size.height))
    design, missing = posterior.axes.design(u, crfs)
    expected = vmaf_from_quality(design[len(cells) :] @ posterior.mean)
    out = np.empty(len(cells))
    for c in range(len(cells)):
        rows = design[[c, len(cells) + c]]
        noise = np.array(
            [
                posterior.noise_rate**2 + posterior.untold[0] * missing[c],
                (posterior.noise_vmaf * float(quality_slope(expected[c]))) ** 2
                + posterior.untold[1] * missing[len(cells) + c],
            ]
        )
        gram = rows @ covariance @ rows.T + np.diag(noise)
        root = np.linalg.cholesky(np.linalg.inv(gram))
        shift = (moved @ rows.T @ root).reshape(count, steps, 2)
        after = at.cost[:, :, None] + shift @ draws.T
        saved = float((now - after.min(axis=0).mean(axis=1)).mean())
        left_rate = np.sqrt(
            np.maximum(0.0, spread_rate**2 - ((moved_rate @ rows.T @ root) ** 2).sum(axis=1))
        )
        left_vmaf = np.sqrt(
            np.maximum(0.0, spread_vmaf**2 - ((moved_vmaf @ rows.T @ root) ** 2).sum(axis=1))
        )
        out[c] = (
            100 * np.log(2) * max(0.0, saved)
            + weights.vmaf * float((spread_vmaf - left_vmaf).mean())
            + weights.rate * 100 * np.log(2) * float((spread_rate - left_rate).mean())
        )
    return out
