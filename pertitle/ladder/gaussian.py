"""Gaussian algebra: conditioning on noisy linear observations, and learning from partial ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.special import gammaln

Array = NDArray[np.float64]

_TIGHT, _LOOSE = 2.5, 60.0
"""Bounds of the degrees of freedom: below 2 the variance is endless; far above, it is Gaussian."""


def condition(
    mean: Array, covariance: Array, design: Array, noise: Array, values: Array
) -> tuple[Array, Array, float]:
    """Posterior of ``w ~ N(mean, covariance)`` given ``values = design w + N(0, diag(noise))``.

    Returns:
        Posterior mean and covariance, and the squared Mahalanobis distance of the observation
        from its prediction (chi-squared with ``len(values)`` degrees of freedom if the prior is
        right), by which a prior's scale can be judged.
    """
    cross = covariance @ design.T
    gram = design @ cross
    gram[np.diag_indices_from(gram)] += noise
    factor = cho_factor(gram, lower=True)
    error = values - design @ mean
    solved = cho_solve(factor, error)
    posterior = covariance - cross @ cho_solve(factor, cross.T)
    return mean + cross @ solved, 0.5 * (posterior + posterior.T), float(error @ solved)


@dataclass(frozen=True)
class Observations:
    """One title's measurements: design matrix, noise variances, values; ``weight`` in learning."""

    design: Array
    noise: Array
    values: Array
    weight: float = 1.0


@dataclass(frozen=True)
class Learned:
    """What :func:`learn` found: the population and each title's own posterior.

    Attributes:
        mean: population mean, latent.
        covariance: latent × latent.
        means: titles × latent, posterior means.
    """

    mean: Array
    covariance: Array
    means: Array


def learn(
    titles: Sequence[Observations],
    smooth: Array,
    shrink: Callable[[Array, float], Array],
    strength: float,
    *,
    offsets: Array | None = None,
    steps: int = 12,
) -> Learned:
    """Mean and covariance of latent vectors seen through partial, noisy observations.

    Expectation–maximisation (Dempster, Laird, Rubin 1977), each step shrunk towards a structured
    covariance worth ``strength`` titles, so that directions no title shows stay sane.

    Args:
        smooth: covariance to start from.
        shrink: the structured covariance for a scatter matrix and its number of titles.
        strength: its weight, in titles.
        offsets: titles × latent means to measure deviations from; the population mean is then
            fixed at zero deviation.
    """
    size = smooth.shape[0]
    weights = np.array([t.weight for t in titles])
    covariance = smooth.copy()
    mean = np.zeros(size)
    if offsets is None:
        mean = _ridge_mean(titles, smooth)
    information = [(t.design.T / t.noise) @ t.design for t in titles]
    projected = [(t.design.T / t.noise) @ t.values for t in titles]
    means = np.zeros((len(titles), size))
    total = float(weights.sum())
    for _ in range(steps):
        inverse = np.linalg.inv(covariance)
        scatter = np.zeros((size, size))
        for i in range(len(titles)):
            start = mean if offsets is None else offsets[i]
            spread = np.linalg.inv(inverse + information[i])
            means[i] = spread @ (projected[i] + inverse @ start)
            deviation = means[i] - start
            scatter += weights[i] * (spread + np.outer(deviation, deviation))
        if offsets is None:
            mean = weights @ means / total
        covariance = (scatter + strength * shrink(scatter, total)) / (total + strength)
        covariance = 0.5 * (covariance + covariance.T)
    return Learned(mean, covariance, means)


@dataclass(frozen=True)
class Tails:
    """Student's t of titles' scales: degrees of freedom, and a factor on the covariance."""

    freedom: float
    scale: float


def fit_tails(counts: Array, distances: Array) -> Tails:
    """The likeliest Student distribution for held-out titles.

    Args:
        counts, distances: of each title, from :func:`mahalanobis` under a belief that never saw it.
    """

    def loss(parameters: Array) -> float:
        freedom, scale = _TIGHT + np.exp(parameters[0]), np.exp(parameters[1])
        each = (
            gammaln((freedom + counts) / 2)
            - gammaln(freedom / 2)
            - counts / 2 * np.log(freedom * scale)
            - (freedom + counts) / 2 * np.log1p(distances / (scale * freedom))
        )
        return -float(each.mean())

    found = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    freedom = min(_TIGHT + float(np.exp(found[0])), _LOOSE)
    return Tails(freedom, float(np.exp(found[1])))


def mahalanobis(mean: Array, covariance: Array, seen: Observations) -> tuple[float, float]:
    """How far a title lies from what was expected of it, in its few independent ways to differ.

    The plain Mahalanobis distance is ruled by the many directions in which titles hardly differ
    and which no decision depends on. This is the mean squared standardised error of the cells,
    times the effective number of independent cells (n² over the squared norm of their correlation
    matrix; Bretherton et al., "The effective number of spatial degrees of freedom", J. Climate
    12, 1999).

    Returns:
        That number, and the distance; about chi-squared if the belief is right.
    """
    gram = seen.design @ covariance @ seen.design.T
    gram[np.diag_indices_from(gram)] += seen.noise
    deviation = np.sqrt(np.diag(gram))
    count = len(deviation) ** 2 / float(((gram / np.outer(deviation, deviation)) ** 2).sum())
    error = (seen.values - seen.design @ mean) / deviation
    return count, count * float((error**2).mean())


def _ridge_mean(titles: Sequence[Observations], smooth: Array) -> Array:
    """A smooth common surface through all titles' values, where learning starts."""
    inverse = np.linalg.inv(100.0 * smooth)
    left, right = inverse.copy(), np.zeros(len(smooth))
    for title in titles:
        # Titles differ from one another by far more than the measurements err.
        left += title.design.T @ title.design
        right += title.design.T @ title.values
    return np.linalg.solve(left, right)
