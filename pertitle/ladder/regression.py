"""From analysis features to the surface's principal scores: Gaussian-process regression.

Kept as plain arrays so that a model file needs no code to load. Two experts are averaged. One
weighs all features alike; the other weighs each by how it correlates with the score in the training
titles, which finds the few that matter among many and errs in other places. Every score has its own
kernel ``linear + Matern 5/2``, chosen by leave-one-group-out error in closed form (Rasmussen and
Williams, *Gaussian Processes for Machine Learning*, 2006, section 5.4.2, for groups).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LENGTHS = (0.7, 1.3, 2.5)
_LINEAR = (0.0, 0.2, 1.0)
_NOISES = (0.03, 0.1, 0.3, 0.7, 1.5, 4.0)
_POWERS = (1.0, 2.0)
"""Exponents of the correlation in the second expert's weights."""
_LIMIT = 4.0
"""Standardised features are squashed to about this, so that an odd title is not extrapolated."""


@dataclass(frozen=True)
class Scaler:
    """Robust scaling of named features: median, spread; what is missing becomes the median."""

    names: tuple[str, ...]
    centre: Array
    spread: Array

    @classmethod
    def fit(cls, names: Sequence[str], rows: Array) -> Scaler:
        """Learn from titles × features; columns with nothing in them are harmless."""
        if not len(names):
            return cls((), np.empty(0), np.empty(0))
        with np.errstate(all="ignore"):
            finite = np.where(np.isfinite(rows), rows, np.nan)
            usable = np.isfinite(finite).any(axis=0)
            filled = np.where(usable, finite, 0.0)
            centre = np.nanmedian(filled, axis=0)
            low, high = np.nanpercentile(filled, [16, 84], axis=0)
            spread = np.maximum((high - low) / 2, 0.5 * np.nanstd(filled, axis=0))
        spread = np.where(spread > 1e-9 * (1 + np.abs(centre)), spread, np.inf)
        return cls(tuple(names), centre, spread)

    def row(self, features: Mapping[str, float]) -> Array:
        """One title's values in the order of ``names``; absent ones are NaN."""
        return np.array([float(features.get(name, np.nan)) for name in self.names])

    def transform(self, rows: Array) -> Array:
        """Scaled features, linear near the median and squashed far away."""
        scaled = (rows - self.centre) / self.spread
        scaled = np.where(np.isfinite(scaled), scaled, 0.0)
        squashed: Array = _LIMIT * np.arcsinh(scaled) / np.arcsinh(_LIMIT * 4.0)
        return squashed


def kernel(a: Array, b: Array, length: float, linear: float) -> Array:
    """Covariance of two sets of scaled features, per feature count."""
    width = max(1, a.shape[1])
    dot = a @ b.T
    square = (a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * dot
    gap = np.sqrt(5.0 * np.maximum(square, 0.0) / width) / length
    out: Array = linear * dot / width + (1.0 + gap + gap**2 / 3.0) * np.exp(-gap)
    return out


@dataclass(frozen=True)
class Expert:
    """One Gaussian process a score.

    Attributes:
        weights: scores × features, relative importance.
        settings: scores × (length, linear, noise).
        coefficients: titles × scores, kernel weights.
    """

    weights: Array
    settings: Array
    coefficients: Array

    def predict(self, x: Array, points: Array) -> Array:
        """Deviations from the mean scores for titles × scaled features."""
        out = np.empty((len(x), len(self.settings)))
        for k, (length, linear, _) in enumerate(self.settings):
            w = self.weights[k]
            out[:, k] = kernel(x * w, points * w, length, linear) @ self.coefficients[:, k]
        return out


@dataclass(frozen=True)
class Regression:
    """Fitted regressions of all scores.

    Attributes:
        scaler: feature scaling.
        points: titles × features, scaled.
        offset: mean of each score.
        experts: averaged.
    """

    scaler: Scaler
    points: Array
    offset: Array
    experts: tuple[Expert, ...]

    def predict(self, features: Mapping[str, float]) -> Array:
        """Expected scores of one title."""
        return np.asarray(self.predict_rows(self.scaler.row(features)[None, :])[0])

    def predict_rows(self, rows: Array) -> Array:
        """Expected scores of titles × features."""
        x = self.scaler.transform(rows)
        parts = [expert.predict(x, self.points) for expert in self.experts]
        return np.asarray(self.offset + np.mean(parts, axis=0))


def fit_regression(
    names: Sequence[str], rows: Array, scores: Array, groups: Sequence[str]
) -> tuple[Regression, Array]:
    """Fit every score and predict each title without its group.

    Returns:
        The regression, and titles × scores of leave-one-group-out predictions.
    """
    scaler = Scaler.fit(names, rows)
    x = scaler.transform(rows)
    offset = scores.mean(axis=0)
    centred = scores - offset
    index = np.unique(np.asarray(groups), return_inverse=True)[1]
    members = [np.flatnonzero(index == g) for g in range(index.max() + 1)]
    alike = np.ones((scores.shape[1], x.shape[1]))
    plain = _fit(x, centred, members, [alike])
    relevance = _relevance(x, centred)
    ranked = _fit(x, centred, members, [_unit(relevance**power) for power in _POWERS])
    experts = (plain[0], ranked[0])
    outside = offset + (plain[1] + ranked[1]) / 2
    return Regression(scaler, x, offset, experts), outside


def _relevance(x: Array, scores: Array) -> Array:
    """Scores × features: absolute correlation, 0 where a feature never varies."""
    a, b = x - x.mean(axis=0), scores - scores.mean(axis=0)
    size = np.outer(np.sqrt((b**2).sum(axis=0)), np.sqrt((a**2).sum(axis=0)))
    return np.asarray(np.abs(b.T @ a) / np.maximum(size, 1e-12))


def _unit(weights: Array) -> Array:
    """Rows with a mean square of 1, as the kernel's length scales expect."""
    size = np.sqrt((weights**2).mean(axis=1, keepdims=True)) if weights.shape[1] else 1.0
    return np.asarray(weights / np.maximum(size, 1e-12))


def _fit(
    x: Array, centred: Array, members: Sequence[NDArray[np.int64]], choices: Sequence[Array]
) -> tuple[Expert, Array]:
    """The kernel of each score with the least leave-one-group-out error."""
    count = centred.shape[1]
    best = np.full(count, np.inf)
    weights = np.ones((count, x.shape[1]))
    settings = np.zeros((count, 3))
    coefficients = np.zeros_like(centred)
    outside = np.zeros_like(centred)
    for choice in choices:
        # Scores with equal weights share their eigenvectors.
        alike = [np.arange(count)] if np.ptp(choice, axis=0).max(initial=0.0) == 0 else None
        for rows in alike or [np.array([k]) for k in range(count)]:
            points = x * choice[rows[0]]
            for length, linear in product(_LENGTHS, _LINEAR):
                values, vectors = np.linalg.eigh(kernel(points, points, length, linear))
                for noise in _NOISES:
                    inverse = (vectors / (np.maximum(values, 0) + noise)) @ vectors.T
                    solved = inverse @ centred[:, rows]
                    errors = left_out(inverse, solved, members)
                    loss = (errors**2).mean(axis=0)
                    better = loss < best[rows]
                    chosen = rows[better]
                    best[chosen] = loss[better]
                    weights[chosen] = choice[chosen]
                    settings[chosen] = (length, linear, noise)
                    coefficients[:, chosen] = solved[:, better]
                    outside[:, chosen] = (centred[:, rows] - errors)[:, better]
    return Expert(weights, settings, coefficients), outside


def left_out(inverse: Array, solved: Array, members: Sequence[NDArray[np.int64]]) -> Array:
    """Errors of predicting each group from all others."""
    errors = np.empty_like(solved)
    for member in members:
        if len(member) == 1:
            errors[member] = solved[member] / inverse[member[0], member[0]]
        else:
            errors[member] = np.linalg.solve(inverse[np.ix_(member, member)], solved[member])
    return errors
