"""The surface model of one codec: what titles are like, and what to expect of one title."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from pertitle.ladder import store
from pertitle.ladder.coordinates import (
    Axes,
    TitleContext,
    quality_from_vmaf,
    quality_slope,
    rate_from_kbps,
)
from pertitle.ladder.gaussian import Observations, fit_tails, learn, surprise
from pertitle.ladder.posterior import Posterior
from pertitle.ladder.regression import Regression, fit_regression
from pertitle.ladder.smoothness import smooth_correlation, smoothed

Array = NDArray[np.float64]

_STRENGTH = 12.0
"""Titles' worth of smoothness prior mixed into the learned covariance."""
_SCORES = 14
"""Principal scores the features predict."""


@dataclass(frozen=True)
class TitleTable:
    """The measured grid of one title: equally long arrays, one entry an encode."""

    name: str
    group: str
    context: TitleContext
    heights: NDArray[np.int64]
    crfs: Array
    kbps: Array
    vmaf: Array


@dataclass(frozen=True)
class Noise:
    """Measurement noise: standard deviation of log2 bitrate and of VMAF in points."""

    rate: float = 0.01
    vmaf: float = 0.3


@dataclass(frozen=True)
class SurfaceModel:
    """What is known of a codec's surfaces.

    Attributes:
        codec, preset, quality_model: what it was trained on.
        axes: nodes and smoothness.
        mean: latent population mean.
        directions: latent × scores, the principal directions the features predict.
        regression: features to scores.
        covariance: latent covariance around the regression, from grouped cross-validation.
        untold: scale of the variance between nodes, (rate, quality).
        noise: of a measurement.
        tails: degrees of freedom of the title-to-title scale (Student's t), by which titles less
            usual than the corpus widen their own intervals.
        meta: training facts for people: fingerprint, titles, versions.
    """

    codec: str
    preset: str
    quality_model: str
    axes: Axes
    mean: Array
    directions: Array
    regression: Regression
    covariance: Array
    untold: tuple[float, float]
    noise: Noise
    tails: float
    meta: Mapping[str, str] = field(default_factory=dict)

    def prior(self, title: TitleContext, *, inflate: float = 1.0) -> Posterior:
        """Belief about a title from its features alone; ``inflate`` scales the variance."""
        features = {**title.features, **title.geometry()}
        mean = self.mean + self.directions @ self.regression.predict(features)
        return Posterior(
            axes=self.axes,
            title=title,
            mean=mean,
            covariance=self.covariance * inflate,
            untold=self.untold,
            noise_rate=self.noise.rate,
            noise_vmaf=self.noise.vmaf,
            tails=self.tails,
            freedom=0,
            distance=0.0,
        )

    def save(self, path: Path) -> None:
        """Write plain arrays and JSON metadata (npz, no pickled objects)."""
        store.write(path, self)

    def retitled(self, codec: str) -> SurfaceModel:
        """The same surface under another codec's name, for a codec without a model."""
        return replace(self, codec=codec)


def observe(
    axes: Axes, table: TitleTable, noise: Noise, untold: tuple[float, float]
) -> Observations:
    """A title's cells as linear observations of its latent surface."""
    title = table.context
    design, missing = axes.design(*title.octaves(table.heights), table.crfs)
    rate = rate_from_kbps(title, table.heights, table.kbps)
    quality = quality_from_vmaf(table.vmaf)
    count = len(table.crfs)
    variance = np.concatenate(
        [
            np.full(count, noise.rate**2) + untold[0] * missing[:count],
            (noise.vmaf * quality_slope(table.vmaf)) ** 2 + untold[1] * missing[count:],
        ]
    )
    return Observations(design, variance, np.concatenate([rate, quality]))


def default_axes(titles: Sequence[TitleTable], heights: int = 7, crfs: int = 7) -> Axes:
    """Nodes that cover the cells of the titles."""
    places = [t.context.octaves(t.heights) for t in titles]
    scaled = np.concatenate([u[~native] for u, native in places])
    crf = np.unique(np.concatenate([t.crfs for t in titles]))
    known = np.unique(np.round(scaled, 3))[::-1]
    if len(known) > heights:
        known = np.linspace(0.0, scaled.min(), heights)
    nodes = crf if len(crf) <= crfs else np.linspace(crf[0], crf[-1], crfs)
    return Axes((0.0, *map(float, known)), tuple(map(float, nodes)), float((crf[0] + crf[-1]) / 2))


def fit_surface(
    titles: Sequence[TitleTable],
    *,
    codec: str,
    preset: str,
    quality_model: str,
    axes: Axes | None = None,
    feature_names: Iterable[str] | None = None,
    noise: Noise | None = None,
    meta: Mapping[str, str] | None = None,
) -> SurfaceModel:
    """Learn a codec's model from measured titles; groups are never split. Deterministic."""
    axes = axes or default_axes(titles)
    noise = noise or Noise()
    untold = (0.05, 0.2)
    seen = [observe(axes, t, noise, untold) for t in titles]
    one = smooth_correlation(axes)
    zero = np.zeros_like(one)
    smooth = np.block([[0.8 * one, zero], [zero, 1.5 * one]])
    groups = [t.group for t in titles]

    def shrink(scatter: Array, total: float) -> Array:
        return smoothed(axes, scatter, total)

    population = learn(seen, smooth, shrink, _STRENGTH)
    centred = population.means - population.mean
    _, _, rows = np.linalg.svd(centred, full_matrices=False)
    count = min(_SCORES, len(titles) - 1, axes.size)
    directions = rows[:count].T
    scores = centred @ directions
    every = [{**t.context.features, **t.context.geometry()} for t in titles]
    known = sorted({name for row in every for name in row})
    names = tuple(known if feature_names is None else feature_names)
    table = np.array(
        [[float(row.get(name, np.nan)) for name in names] for row in every], dtype=np.float64
    ).reshape(len(titles), len(names))
    regression, outside = fit_regression(names, table, scores, groups)
    offsets = population.mean + outside @ directions.T
    residual = learn(seen, smooth, shrink, _STRENGTH, offsets=offsets)
    far = np.empty((len(titles), 2))
    for train, test in GroupKFold(min(4, len(set(groups)))).split(offsets, groups=groups):
        part = [seen[i] for i in train]
        others = learn(part, smooth, shrink, _STRENGTH, offsets=offsets[train])
        for i in test:
            far[i] = surprise(offsets[i], others.covariance, seen[i])
    tails = fit_tails(far[:, 0], far[:, 1])
    return SurfaceModel(
        codec=codec,
        preset=preset,
        quality_model=quality_model,
        axes=axes,
        mean=population.mean,
        directions=directions,
        regression=regression,
        covariance=residual.covariance * tails.scale,
        untold=untold,
        noise=noise,
        tails=tails.freedom,
        meta=dict(meta or {}),
    )
