"""The cells decisions are made on: all candidate heights × a fine grid of CRFs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pertitle.ladder.coordinates import Axes, TitleContext, pixel_rate
from pertitle.ladder.posterior import Moments, Posterior

Array = NDArray[np.float64]

_SPACING = 0.5
"""CRF spacing."""


@dataclass(frozen=True)
class Grid:
    """Cells and their place on the latent surface, prepared once a title.

    Attributes:
        heights: candidates, best first.
        crfs: ascending, evenly spaced.
        step: finest CRF step of the encoder; ``crfs[0]`` is on it.
        pixels: log2 kilopixels a second of each height's rendition.
        weights: heights × CRFs × nodes, interpolation weights of one output.
        interpolation: heights × CRFs, variance the nodes do not tell, at unit scale.
    """

    heights: tuple[int, ...]
    crfs: Array
    step: float
    pixels: Array
    weights: Array
    interpolation: Array

    @classmethod
    def of(
        cls,
        axes: Axes,
        title: TitleContext,
        heights: tuple[int, ...],
        crf_range: tuple[float, float],
        step: float,
    ) -> Grid:
        """Cells of a title."""
        low, high = crf_range
        crfs = np.linspace(low, high, max(2, round((high - low) / _SPACING) + 1))
        cells = np.repeat(heights, len(crfs))
        weights, interpolation = axes.weights(*title.octaves(cells), np.tile(crfs, len(heights)))
        shape = (len(heights), len(crfs))
        return cls(
            heights,
            crfs,
            step,
            pixel_rate(title, heights),
            weights.reshape(*shape, -1),
            interpolation.reshape(shape),
        )

    def nearest(self, crf: Array) -> NDArray[np.int64]:
        """Column of the grid CRF nearest to each CRF."""
        spacing = self.crfs[1] - self.crfs[0]
        place = np.rint((np.asarray(crf) - self.crfs[0]) / spacing)
        return np.asarray(np.clip(place, 0, len(self.crfs) - 1), dtype=np.int64)

    def snap(self, crf: float) -> float:
        """The nearest CRF the encoder tells apart, inside the range."""
        low, high = float(self.crfs[0]), float(self.crfs[-1])
        return round(min(max(low + round((crf - low) / self.step) * self.step, low), high), 6)

    def moments(self, belief: Posterior) -> Moments:
        """Latent means and deviations, heights × CRFs."""
        half = len(belief.mean) // 2
        flat = self.weights.reshape(-1, half)
        shape = self.interpolation.shape
        deviations = []
        for k in range(2):
            part = slice(k * half, (k + 1) * half)
            variance = ((flat @ belief.covariance[part, part]) * flat).sum(axis=1).reshape(shape)
            variance = (variance + belief.interpolation[k] * self.interpolation) * belief.scale
            deviations.append(np.sqrt(np.maximum(variance, 0.0)))
        return Moments(
            (flat @ belief.mean[:half]).reshape(shape),
            deviations[0],
            (flat @ belief.mean[half:]).reshape(shape),
            deviations[1],
        )
