"""The surface model of one codec: what titles are like, and what to expect of one title."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pertitle.ladder.coordinates import (
    Axes,
    TitleContext,
    quality_from_vmaf,
    quality_slope,
    rate_from_kbps,
)
from pertitle.ladder.gaussian import Learned, Observations, fit_tails, learn, mahalanobis
from pertitle.ladder.posterior import Posterior
from pertitle.ladder.regression import Regression, fit_regression
from pertitle.ladder.smoothness import native_doubt, smooth_correlation, smoothed
from pertitle.ladder.transfer import transfer_scores

Array = NDArray[np.float64]

_STRENGTH = 12.0
"""Titles' worth of smoothness prior mixed into the learned covariance."""
_SCORES = 14
"""Principal scores the features predict."""
_UNTOLD = (0.05, 0.2)
"""Scale of the variance between nodes, (rate, quality)."""


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
        interpolation: scale of the variance between nodes, (rate, quality).
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
    interpolation: tuple[float, float]
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
            interpolation=self.interpolation,
            noise_rate=self.noise.rate,
            noise_vmaf=self.noise.vmaf,
            tails=self.tails,
            freedom=0,
            distance=0.0,
        )


def observe(
    axes: Axes, table: TitleTable, noise: Noise, interpolation: tuple[float, float]
) -> Observations:
    """A title's cells as linear observations of its latent surface."""
    title = table.context
    design, missing = axes.design(*title.octaves(table.heights), table.crfs)
    rate = rate_from_kbps(title, table.heights, table.kbps)
    quality = quality_from_vmaf(table.vmaf)
    count = len(table.crfs)
    variance = np.concatenate(
        [
            np.full(count, noise.rate**2) + interpolation[0] * missing[:count],
            (noise.vmaf * quality_slope(table.vmaf)) ** 2 + interpolation[1] * missing[count:],
        ]
    )
    return Observations(design, variance, np.concatenate([rate, quality]))


def default_axes(titles: Sequence[TitleTable], heights: int = 7, crfs: int = 7) -> Axes:
    """Nodes that cover the cells of the titles."""
    places = [t.context.octaves(t.heights) for t in titles]
    scaled = np.concatenate([u[~native] for u, native in places])
    nodes = _spread(titles, crfs)
    known = np.unique(np.round(scaled, 3))[::-1]
    if len(known) > heights:
        known = np.linspace(0.0, scaled.min(), heights)
    return Axes((0.0, *map(float, known)), nodes, (nodes[0] + nodes[-1]) / 2)


def _spread(titles: Sequence[TitleTable], count: int) -> tuple[float, ...]:
    """The CRFs of the titles, or ``count`` evenly over their range if they are more."""
    crf = np.unique(np.concatenate([t.crfs for t in titles]))
    return tuple(map(float, crf if len(crf) <= count else np.linspace(crf[0], crf[-1], count)))


@dataclass(frozen=True)
class _Population:
    """Titles as one population: what was seen of each, its mean, and principal scores.

    Attributes:
        axes: nodes.
        seen: each title's cells.
        mean: latent.
        centred: titles × latent, deviations from it.
        directions: latent × scores.
        scores: titles × scores.
    """

    axes: Axes
    seen: list[Observations]
    mean: Array
    centred: Array
    directions: Array
    scores: Array

    def learn(self, members: Sequence[int], offsets: Array | None = None) -> Learned:
        """Mean and covariance of some of the titles, or of their deviations from offsets."""
        one = smooth_correlation(self.axes)
        zero = np.zeros_like(one)
        return learn(
            [self.seen[i] for i in members],
            np.block([[0.8 * one, zero], [zero, 1.5 * one]]),
            lambda scatter, total: smoothed(self.axes, scatter, total),
            _STRENGTH,
            offsets=None if offsets is None else offsets[list(members)],
        )


def _populate(titles: Sequence[TitleTable], axes: Axes, noise: Noise) -> _Population:
    seen = [observe(axes, t, noise, _UNTOLD) for t in titles]
    empty = np.empty((0, 0))
    learned = _Population(axes, seen, empty, empty, empty, empty).learn(range(len(seen)))
    centred = learned.means - learned.mean
    _, _, rows = np.linalg.svd(centred, full_matrices=False)
    directions = rows[: min(_SCORES, len(titles) - 1, axes.size)].T
    return _Population(axes, seen, learned.mean, centred, directions, centred @ directions)


def fit_surface(
    titles: Sequence[TitleTable],
    *,
    codec: str,
    preset: str,
    quality_model: str,
    axes: Axes | None = None,
    feature_names: Iterable[str] | None = None,
    noise: Noise | None = None,
    relatives: Sequence[TitleTable] = (),
    meta: Mapping[str, str] | None = None,
) -> SurfaceModel:
    """Learn a codec's model from measured titles; groups are never split. Deterministic.

    Args:
        relatives: titles measured in another codec, some of them the same (by name); the others
            help to learn what features tell (see :mod:`.transfer`).
    """
    noise = noise or Noise()
    population = _populate(titles, axes or default_axes(titles), noise)
    learning, scores = list(titles), population.scores
    if relatives:
        # Both codecs' nodes stand at the same heights, and at CRFs of like quality.
        crfs = _spread(relatives, len(population.axes.crfs))
        nodes = replace(population.axes, crfs=crfs, centre=(crfs[0] + crfs[-1]) / 2)
        other = _populate(relatives, nodes, noise)
        chosen, transferred = transfer_scores(
            [t.name for t in titles],
            scores,
            [t.name for t in relatives],
            [t.group for t in relatives],
            other.centred @ population.directions,
            other.scores,
        )
        learning += [relatives[i] for i in chosen]
        scores = np.vstack([scores, transferred])
    every = [{**t.context.features, **t.context.geometry()} for t in learning]
    known = sorted({name for row in every for name in row})
    names = tuple(known if feature_names is None else feature_names)
    table = np.array(
        [[float(row.get(name, np.nan)) for name in names] for row in every], dtype=np.float64
    ).reshape(len(learning), len(names))
    regression, outside = fit_regression(names, table, scores, [t.group for t in learning])
    offsets = population.mean + outside[: len(titles)] @ population.directions.T
    from sklearn.model_selection import GroupKFold  # reading a model needs none of it

    residual = population.learn(range(len(titles)), offsets)
    groups = [t.group for t in titles]
    far = np.empty((len(titles), 2))
    for train, test in GroupKFold(min(4, len(set(groups)))).split(offsets, groups=groups):
        others = population.learn(train, offsets)
        for i in test:
            far[i] = mahalanobis(offsets[i], others.covariance, population.seen[i])
    tails = fit_tails(far[:, 0], far[:, 1])
    return SurfaceModel(
        codec=codec,
        preset=preset,
        quality_model=quality_model,
        axes=population.axes,
        mean=population.mean,
        directions=population.directions,
        regression=regression,
        covariance=residual.covariance * tails.scale + native_doubt(population.axes),
        interpolation=_UNTOLD,
        noise=noise,
        tails=tails.freedom,
        meta=dict(meta or {}),
    )
