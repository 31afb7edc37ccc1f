"""From a belief about the surface to a choice of heights, and to the probe that improves it most.

At a wanted VMAF each height would cost some bitrate; the hull takes the cheapest. The belief about
those costs is Gaussian to first order, so the expected regret of a choice (what a better informed
choice would have saved) and what one more probe would save of it both have closed or nearly closed
forms: the knowledge gradient (Frazier, Powell and Dayanik, "The knowledge-gradient policy for
correlated normal beliefs", INFORMS J. Computing 21, 2009).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from pertitle.ladder.coordinates import quality_from_vmaf, quality_slope, vmaf_from_quality
from pertitle.ladder.draws import Draws
from pertitle.ladder.grid import Grid
from pertitle.ladder.posterior import Moments, Posterior, falling

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
_NEAR = 0.03
"""Octaves by which a height may be dearer and yet be the one to choose."""
_BOUND = (1.0, 0.5)
"""Per cent, and factor on the 95 % quantile of the drawn losses: from folds grouped by source
(docs/model.md)."""
_DRAWS = 32
_DEAR = 0.6
"""Octaves above the cheapest height at which all heights count alike."""
_CHANCE = 0.1
"""Share of draws on which a height must be that near to be worth a probe."""
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


def expected_curves(grid: Grid, moments: Moments) -> Curves:
    """The monotone expected surface."""
    rates, values = [], []
    for i in range(len(grid.heights)):
        rates.append(falling(moments.rate[i], moments.rate_deviation[i]) + grid.pixels[i])
        values.append(falling(moments.quality[i], moments.quality_deviation[i]))
    return Curves(grid.heights, grid.crfs, np.array(rates), vmaf_from_quality(np.array(values)))


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


def choose_heights(cost: Array) -> Rows:
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
        # Cheapest way to arrive at each height from one that is not smaller.
        lowest = np.minimum.accumulate(total)
        arrive = np.maximum.accumulate(np.where(total <= lowest, np.arange(count), 0))
        back[:, k] = arrive
        total = total[arrive] + cost[:, k]
    path = np.empty(steps, dtype=np.int64)
    path[-1] = int(np.argmin(total))
    for k in range(steps - 1, 0, -1):
        path[k - 1] = back[path[k], k]
    return path


@dataclass(frozen=True)
class LinearDecision:
    """The decision as linear functions of the latent surface.

    Attributes:
        targets: VMAF of each target, best first.
        cost, crf: heights × targets, from :func:`costs`.
        chosen: row of the height chosen for each target.
        slopes: heights × targets × latent: how each cost moves with the latent surface.
        rate_slopes, vmaf_slopes: targets × latent: the chosen rungs' log2 bitrate and VMAF.
    """

    targets: Array
    cost: Array
    crf: Array
    chosen: Rows
    slopes: Array
    rate_slopes: Array
    vmaf_slopes: Array


def linearised(grid: Grid, curves: Curves, targets: Array) -> LinearDecision:
    """Linearise the decision around the expected surface."""
    cost, crf = costs(curves, targets)
    count, steps = cost.shape
    place = grid.nearest(crf)
    spacing = float(curves.crfs[1] - curves.crfs[0])
    fall = np.gradient(curves.rate, spacing, axis=1)
    drop = np.gradient(quality_from_vmaf(curves.vmaf), spacing, axis=1)
    exchange = np.clip(fall / np.minimum(drop, -1e-3), 0.0, 10.0)
    row = np.arange(count)[:, None]
    weights = grid.weights[row, place]
    slopes = np.concatenate([weights, -exchange[row, place][:, :, None] * weights], axis=2)
    chosen = choose_heights(cost)
    own = weights[chosen, np.arange(steps)]
    zero = np.zeros_like(own)
    return LinearDecision(
        targets=targets,
        cost=cost,
        crf=crf,
        chosen=chosen,
        slopes=slopes,
        rate_slopes=np.hstack([own, zero]),
        vmaf_slopes=np.hstack([zero, own / quality_slope(targets)[:, None]]),
    )


@lru_cache(maxsize=16)
def _normals(dimensions: int) -> Array:
    """Low-discrepancy standard normal draws, the same every time."""
    sobol = qmc.Sobol(dimensions, scramble=True, seed=1)
    draws = norm.ppf(np.clip(sobol.random(_DRAWS), 1e-6, 1 - 1e-6))
    return np.asarray(draws - draws.mean(axis=0))


@dataclass(frozen=True)
class Outlook:
    """What a choice of heights costs on drawn surfaces.

    Attributes:
        targets: VMAF of each, best first.
        cost: draws × heights × targets, log2 kbit/s.
        chosen: row of the height chosen for each target.
        losses, overpays: of each draw, per cent of bitrate above the cheapest heights: over all
            targets, and at the best one.
    """

    targets: Array
    cost: Array
    chosen: Rows
    losses: Array
    overpays: Array

    @property
    def loss_bound(self) -> float:
        """Loss that 95 % of titles stay under, per cent."""
        return _BOUND[0] + _BOUND[1] * float(np.quantile(self.losses, 0.95))


def outlook_of(drawn: Draws, at: LinearDecision) -> Outlook:
    """The choice of heights on drawn surfaces."""
    cost = drawn.costs(at.targets)
    # What is far too dear is not chosen, however much.
    cost = np.minimum(cost, cost.min(axis=1, keepdims=True) + _DEAR)
    over = cost[:, at.chosen, np.arange(len(at.targets))] - cost.min(axis=1)
    return Outlook(
        at.targets,
        cost,
        at.chosen,
        (2 ** over.mean(axis=1) - 1) * 100,
        (2 ** over[:, 0] - 1) * 100,
    )


def contenders(outlook: Outlook) -> NDArray[np.bool_]:
    """heights × targets: where a height may be the one to choose.

    That is the chosen one, and any that is among the cheapest on more than a few draws.
    """
    near = (outlook.cost <= outlook.cost.min(axis=1, keepdims=True) + _NEAR).mean(axis=0)
    found = np.asarray(near > _CHANCE)
    found[outlook.chosen, np.arange(found.shape[1])] = True
    return found


def regret(posterior: Posterior, at: LinearDecision) -> float:
    """Expected bitrate lost by choosing heights now rather than with full knowledge, per cent."""
    slopes = at.slopes.transpose(1, 0, 2)
    blocks = slopes @ posterior.covariance @ slopes.transpose(0, 2, 1) * posterior.scale
    values, vectors = np.linalg.eigh(blocks)
    roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    sampled = at.cost.T[:, None, :] + _normals(at.cost.shape[0]) @ roots.transpose(0, 2, 1)
    chosen = np.take_along_axis(at.cost, at.chosen[None, :], axis=0)[0]
    lost = chosen - sampled.min(axis=2).mean(axis=1)
    return float((2 ** np.maximum(0.0, lost.mean()) - 1) * 100)


def worst_error(posterior: Posterior, at: LinearDecision) -> float:
    """Expected absolute error, in points, of the VMAF of the rung least is known of."""
    slopes, covariance = at.vmaf_slopes, posterior.covariance * posterior.scale
    variance = ((slopes @ covariance) * slopes).sum(axis=1)
    return float(np.sqrt(2 / np.pi * max(0.0, variance.max())))


@dataclass(frozen=True)
class Weights:
    """What the ladder's errors cost, in per cent of bitrate.

    Attributes:
        vmaf: of one VMAF point of error of the rungs' expected quality.
        rate: of one per cent of error of the rungs' expected bitrate.
        top: of the top rung's regret beside that of the whole ladder: most viewers watch it.
    """

    vmaf: float = 1.0
    rate: float = 0.04
    top: float = 0.3


def probe_values(
    posterior: Posterior,
    grid: Grid,
    at: LinearDecision,
    rows: Rows,
    places: Rows,
    weights: Weights,
) -> Array:
    """What measuring each cell is expected to save, in per cent of bitrate.

    The saving has two parts: regret avoided by choosing heights better, and error taken off the
    quality and bitrate promised for the rungs. That error is their root mean square: a rung that is
    far off is encoded again, and several that are a little off are not.

    Args:
        rows, places: candidates as height rows and CRF columns of the grid.
    """
    covariance = posterior.covariance * posterior.scale
    half = covariance.shape[0] // 2
    cells = grid.weights[rows, places]
    # Columns of the covariance seen by each candidate's two values.
    seen = np.stack([covariance[:, :half] @ cells.T, covariance[:, half:] @ cells.T], axis=2)
    gram = np.empty((len(rows), 2, 2))
    for j in range(2):
        gram[:, 0, j] = np.einsum("cn,nc->c", cells, seen[:half, :, j])
        gram[:, 1, j] = np.einsum("cn,nc->c", cells, seen[half:, :, j])
    expected = vmaf_from_quality(cells @ posterior.mean[half:])
    interpolation = grid.interpolation[rows, places]
    gram[:, 0, 0] += posterior.noise_rate**2 + posterior.interpolation[0] * interpolation
    gram[:, 1, 1] += (
        posterior.noise_vmaf * quality_slope(expected)
    ) ** 2 + posterior.interpolation[1] * interpolation
    root = np.linalg.cholesky(np.linalg.inv(gram))
    whitened = np.einsum("ncj,cjk->nck", seen, root).reshape(covariance.shape[0], -1)

    def shift(slopes: Array) -> Array:
        flat = slopes.reshape(-1, slopes.shape[-1]) @ whitened
        return np.asarray(flat.reshape(*slopes.shape[:-1], len(rows), 2))

    def sharpened(slopes: Array) -> Array:
        before = np.maximum(0.0, ((slopes @ covariance) * slopes).sum(axis=1))
        left = np.maximum(0.0, before[:, None] - (shift(slopes) ** 2).sum(axis=2))
        return np.asarray(np.sqrt(before.mean()) - np.sqrt(left.mean(axis=0)))

    after = at.cost[:, :, None, None] + shift(at.slopes) @ _normals(2).T
    saved = np.maximum(0.0, (at.cost.min(axis=0)[:, None] - after.min(axis=0).mean(axis=2)))
    octave = 100 * float(np.log(2))
    return np.asarray(
        octave * (saved.mean(axis=0) + weights.top * saved[0])
        + weights.vmaf * sharpened(at.vmaf_slopes)
        + weights.rate * octave * sharpened(at.rate_slopes)
    )
