"""From analysis features to the surface's principal scores: Gaussian-process regression.

Kept as plain arrays so that a model file needs no code to load. Each score has its own kernel
``linear + Matern 5/2``, chosen by leave-one-group-out error in closed form (Rasmussen and
Williams, *Gaussian Processes for Machine Learning*, 2006, section 5.4.2, for groups).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LENGTHS = (0.7, 1.2, 2.0, 3.5)
_LINEAR = (0.0, 0.1, 0.3, 1.0)
_NOISES = (0.03, 0.1, 0.3, 0.7, 1.5, 4.0)
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
class Regression:
    """Fitted regressions of all scores.

    Attributes:
        scaler: feature scaling.
        points: titles × features, scaled.
        settings: scores × (length, linear, noise).
        coefficients: titles × scores, kernel weights.
        offset: mean of each score.
    """

    scaler: Scaler
    points: Array
    settings: Array
    coefficients: Array
    offset: Array

    def predict(self, features: Mapping[str, float]) -> Array:
        """Expected scores of one title."""
        return np.asarray(self.predict_rows(self.scaler.row(features)[None, :])[0])

    def predict_rows(self, rows: Array) -> Array:
        """Expected scores of titles × features."""
        x = self.scaler.transform(rows)
        out = np.tile(self.offset, (len(x), 1))
        for k, (length, linear, _) in enumerate(self.settings):
            out[:, k] += kernel(x, self.points, length, linear) @ self.coefficients[:, k]
        return out


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
    count = scores.shape[1]
    best = np.full(count, np.inf)
    settings = np.zeros((count, 3))
    coefficients = np.zeros_like(scores)
    outside = np.zeros_like(scores)
    for length, linear in product(_LENGTHS, _LINEAR):
        gram = kernel(x, x, length, linear)
        values, vectors = np.linalg.eigh(gram)
        for noise in _NOISES:
            inverse = (vectors / (np.maximum(values, 0) + noise)) @ vectors.T
            weights = inverse @ centred
            left_out = np.empty_like(centred)
            for member in members:
                block = inverse[np.ix_(member, member)]
                left_out[member] = centred[member] - np.linalg.solve(block, weights[member])
            errors = ((centred - left_out) ** 2).mean(axis=0)
            better = errors < best
            best[better] = errors[better]
            settings[better] = (length, linear, noise)
            coefficients[:, better] = weights[:, better]
            outside[:, better] = left_out[:, better]
    return Regression(scaler, x, settings, coefficients, offset), outside + offset
