"""Belief about one title's surface: conditioned on probes, read as curves with intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression
from scipy.special import stdtrit

from pertitle.ladder.coordinates import (
    Axes,
    TitleContext,
    pixel_rate,
    quality_from_vmaf,
    quality_slope,
    rate_from_kbps,
    vmaf_from_quality,
)
from pertitle.ladder.gaussian import condition
from pertitle.ladder.smoothness import digest_error
from pertitle.records import Probe

Array = NDArray[np.float64]
Measurement = Probe | tuple[float, float, float, float]
"""A probe, or (height, CRF, kbit/s, VMAF)."""

_LEVEL = 0.90


@dataclass(frozen=True)
class Prediction:
    """Means and 90 % intervals along some CRFs of one height; all arrays as long as ``crfs``."""

    height: int
    crfs: Array
    bitrate_kbps: Array
    bitrate_low_kbps: Array
    bitrate_high_kbps: Array
    vmaf: Array
    vmaf_low: Array
    vmaf_high: Array


@dataclass(frozen=True)
class Moments:
    """Latent mean and standard deviation of cells: log2 bits a pixel, and logit quality."""

    rate: Array
    rate_deviation: Array
    quality: Array
    quality_deviation: Array


@dataclass(frozen=True)
class Posterior:
    """A Gaussian belief over the latent surface, widened by Student's t for titles unlike others.

    Attributes:
        axes: nodes of the latent surface.
        title: whose surface it is.
        mean, covariance: latent moments.
        interpolation: variance scale between nodes, (rate, quality).
        noise_rate, noise_vmaf: standard deviations of a measurement.
        tails: degrees of freedom of the title's scale before any probe.
        freedom: measured values so far.
        distance: sum of their squared Mahalanobis distances.
    """

    axes: Axes
    title: TitleContext
    mean: Array
    covariance: Array
    interpolation: tuple[float, float]
    noise_rate: float
    noise_vmaf: float
    tails: float
    freedom: int
    distance: float

    @property
    def scale(self) -> float:
        """Factor on the variance, learned from how far the probes lay from their prediction."""
        return (self.tails + self.distance) / (self.tails + self.freedom)

    def condition(self, probes: Measurement | Sequence[Measurement]) -> Posterior:
        """The belief after measuring; the order of probes does not matter."""
        rows = _rows(probes)
        if not len(rows):
            return self
        heights, crfs, kbps, vmaf = rows.T
        design, missing = self.axes.design(*self.title.octaves(heights), crfs)
        count = len(rows)
        noise = np.concatenate(
            [
                np.full(count, self.noise_rate**2) + self.interpolation[0] * missing[:count],
                (self.noise_vmaf * quality_slope(vmaf)) ** 2
                + self.interpolation[1] * missing[count:],
            ]
        )
        values = np.concatenate(
            [rate_from_kbps(self.title, heights, kbps), quality_from_vmaf(vmaf)]
        )
        mean, covariance, distance = condition(self.mean, self.covariance, design, noise, values)
        return replace(
            self,
            mean=mean,
            covariance=covariance,
            freedom=self.freedom + len(values),
            distance=self.distance + distance,
        )

    def of_title(self) -> Posterior:
        """The belief about the whole title, of which the probes measured the digest."""
        wider = self.covariance + digest_error(self.axes) * self.title.unseen
        return replace(self, covariance=wider)

    def moments(self, height: int, crfs: ArrayLike) -> Moments:
        """Latent means and deviations of cells, not yet made monotone."""
        crf = np.atleast_1d(np.asarray(crfs, dtype=np.float64))
        design, missing = self.axes.design(*self.title.octaves(np.full(len(crf), height)), crf)
        count = len(crf)
        mean = design @ self.mean
        variance = ((design @ self.covariance) * design).sum(axis=1)
        variance = variance + np.repeat(self.interpolation, count) * missing
        deviation = np.sqrt(np.maximum(variance, 0.0) * self.scale)
        return Moments(mean[:count], deviation[:count], mean[count:], deviation[count:])

    def predict(self, height: int, crfs: ArrayLike) -> Prediction:
        """Bitrate and VMAF at some CRFs of a height, both falling with CRF.

        Intervals hold the outcome of an encode measured like a probe with probability 0.9.
        """
        crf = np.atleast_1d(np.asarray(crfs, dtype=np.float64))
        m = self.moments(height, crf)
        order = np.argsort(crf)
        rate, quality = m.rate.copy(), m.quality.copy()
        rate[order] = falling(m.rate[order], m.rate_deviation[order])
        quality[order] = falling(m.quality[order], m.quality_deviation[order])
        wide, narrow = _quantile(self.tails + self.freedom), _quantile(np.inf)
        vmaf = vmaf_from_quality(quality)
        noise = narrow * self.noise_vmaf
        spread_rate = np.hypot(wide * m.rate_deviation, narrow * self.noise_rate)
        spread = wide * m.quality_deviation
        low, high = vmaf_from_quality(quality - spread), vmaf_from_quality(quality + spread)
        pixels = pixel_rate(self.title, height)
        return Prediction(
            height=height,
            crfs=crf,
            bitrate_kbps=2 ** (rate + pixels),
            bitrate_low_kbps=2 ** (rate - spread_rate + pixels),
            bitrate_high_kbps=2 ** (rate + spread_rate + pixels),
            vmaf=vmaf,
            vmaf_low=np.maximum(0.0, vmaf - np.hypot(vmaf - low, noise)),
            vmaf_high=np.minimum(100.0, vmaf + np.hypot(high - vmaf, noise)),
        )


@lru_cache(maxsize=256)
def _quantile(freedom: float) -> float:
    """Half width of the 90 % interval of Student's t in standard deviations."""
    return float(stdtrit(freedom, 0.5 + _LEVEL / 2) if np.isfinite(freedom) else 1.6448536269514722)


def falling(values: Array, deviation: Array) -> Array:
    """Weighted isotonic projection onto non-increasing sequences (pool adjacent violators)."""
    if np.all(np.diff(values) <= 0):
        return values
    weights = 1.0 / (deviation**2 + 1e-9)
    return np.asarray(isotonic_regression(values, weights=weights, increasing=False).x)


def _rows(probes: Measurement | Sequence[Measurement]) -> Array:
    if isinstance(probes, Probe) or (
        isinstance(probes, tuple) and len(probes) == 4 and not isinstance(probes[0], Probe | tuple)
    ):
        probes = [probes]
    many: Iterable[Measurement] = probes
    return np.array(
        [
            (p.height, p.crf, p.bitrate_kbps, p.vmaf) if isinstance(p, Probe) else tuple(p)
            for p in many
        ],
        dtype=np.float64,
    ).reshape(-1, 4)
