"""Where a measurement lies on a title's surface, and the scales its two values live on.

A *cell* is one (height, CRF). Its coordinates are ``u = log2(height / full)``, at most 0, where
*full* is the smaller of the source's and the display's height (nobody sees more lines than the
display has, and bits a pixel hardly change above), ``t = (crf - centre) / 10``, and whether the
picture is native, that is not scaled at all. Its two values are

* *rate*: log2 of bits a pixel of the rendition, which takes picture size and frame rate out;
* *quality*: a scaled logit of VMAF. Near 0 and 100 VMAF saturates; there the logit runs away and
  the measurement noise, constant in VMAF points, grows with it, so that such cells carry little
  weight by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pertitle.records import Size

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MARGIN = 3.0
"""VMAF points beyond 0 and 100 where the logit has its poles."""
_MIN_KBPS = 1e-3
"""Less than this is written as this: a black clip has almost no bits."""


@dataclass(frozen=True)
class TitleContext:
    """What the model is told of a title before anything is measured.

    Attributes:
        features: any named numbers; the model uses those it was trained with, NaN is allowed.
        size: the picture after treatment; the native rung has this size.
        frame_rate: frames per second of what is delivered.
        display: the surface it is shown on, of the title's aspect (``Size.fit``).
        codec: ``h264``, ``hevc`` or ``av1``.
        unseen: share of the title that its digest leaves out, 0 to 1.
    """

    features: Mapping[str, float]
    size: Size
    frame_rate: Fraction
    display: Size
    codec: str
    unseen: float = 0.0

    def rung_size(self, height: int) -> Size:
        """The rendition's size at a height; the native one is the source's own size."""
        return self.size if height == self.size.height else self.size.at_height(height)

    def octaves(self, heights: ArrayLike) -> tuple[Array, Mask]:
        """``u`` of each height, and which of them is native."""
        lines = np.atleast_1d(np.asarray(heights, dtype=np.float64))
        full = min(self.size.height, self.display.height)
        return np.minimum(0.0, np.log2(lines / full)), lines >= self.size.height

    def geometry(self) -> dict[str, float]:
        """Covariates every model has, named apart from the analysis features."""
        return {
            "geometry_lines": float(np.log2(self.size.height)),
            "geometry_pixels": float(np.log2(self.size.width * self.size.height)),
            "geometry_upscale": float(np.log2(self.display.height / self.size.height)),
            "geometry_rate": float(np.log2(max(1e-3, float(self.frame_rate)))),
        }


def quality_from_vmaf(vmaf: ArrayLike) -> Array:
    """Scaled logit of VMAF, finite for any VMAF."""
    v = np.clip(np.asarray(vmaf, dtype=np.float64), 0.0, 100.0)
    return np.log((v + _MARGIN) / (100.0 + _MARGIN - v))


def vmaf_from_quality(quality: ArrayLike) -> Array:
    """Inverse of :func:`quality_from_vmaf`, clipped to 0 to 100."""
    span = 100.0 + 2 * _MARGIN
    q = np.clip(np.asarray(quality, dtype=np.float64), -60.0, 60.0)
    return np.clip(span / (1.0 + np.exp(-q)) - _MARGIN, 0.0, 100.0)


def quality_slope(vmaf: ArrayLike) -> Array:
    """Derivative of the scaled logit at a VMAF, per point."""
    v = np.clip(np.asarray(vmaf, dtype=np.float64), 0.0, 100.0)
    return 1.0 / (v + _MARGIN) + 1.0 / (100.0 + _MARGIN - v)


def pixel_rate(title: TitleContext, heights: ArrayLike) -> Array:
    """log2 of kilopixels a second of the rendition at each height."""
    rate = max(1e-3, float(title.frame_rate))
    sizes = [title.rung_size(int(h)) for h in np.atleast_1d(np.asarray(heights))]
    return np.array([np.log2(s.width * s.height * rate / 1000.0) for s in sizes])


def rate_from_kbps(title: TitleContext, heights: ArrayLike, kbps: ArrayLike) -> Array:
    """log2 of bits a pixel."""
    safe = np.maximum(np.asarray(kbps, dtype=np.float64), _MIN_KBPS)
    return np.log2(safe) - pixel_rate(title, heights)


@dataclass(frozen=True)
class Axes:
    """The inducing nodes of the surface and the smoothness prior that interpolates them.

    A surface is held by its values at ``len(octaves) × len(crfs)`` nodes for each of its two
    outputs; the value at any cell is the Gaussian process (kriging) interpolation of those. The
    first height node is the native picture at ``u = 0``, which no scaler has touched and which
    therefore may step away from the limit of slightly smaller ones.

    Attributes:
        octaves: ``u`` of the height nodes; the first is the native one.
        crfs: CRF nodes.
        centre: CRF where ``t`` is 0.
        u_length, t_length: length scales of the smooth part, octaves and tens of CRF.
        native: variance of the native step, relative.
    """

    octaves: tuple[float, ...]
    crfs: tuple[float, ...]
    centre: float
    u_length: float = 1.0
    t_length: float = 1.2
    native: float = 0.05

    @property
    def size(self) -> int:
        """Number of latent values, both outputs."""
        return 2 * len(self.octaves) * len(self.crfs)

    def height_kernel(self, a: Array, a_native: Mask, b: Array, b_native: Mask) -> Array:
        """Covariance along heights: level, slope, bend and native step."""
        gap = a[:, None] - b[None, :]
        smooth = np.exp(-0.5 * (gap / self.u_length) ** 2)
        step = self.native * (a_native[:, None] & b_native[None, :])
        return np.asarray(1.0 + 0.3 * a[:, None] * b[None, :] + smooth + step)

    def crf_kernel(self, a: Array, b: Array) -> Array:
        """Covariance along CRF: level, slope and bend."""
        gap = a[:, None] - b[None, :]
        return 1.0 + 0.5 * a[:, None] * b[None, :] + 0.3 * np.exp(-0.5 * (gap / self.t_length) ** 2)

    def weights(self, u: Array, native: Mask, crf: Array) -> tuple[Array, Array]:
        """Interpolation weights of one output's nodes for cells, and what they cannot tell.

        Returns:
            (cells × nodes) weights and the conditional variance of each cell given the nodes, at
            the scale where the average node has variance 1.
        """
        nodes = _nodes(self)
        t = (crf - self.centre) / 10.0
        cross_u = self.height_kernel(u, native, nodes.u, nodes.native)
        cross_t = self.crf_kernel(t, nodes.t)
        wu = cross_u @ nodes.inverse_u
        wt = cross_t @ nodes.inverse_t
        weights = (wu[:, :, None] * wt[:, None, :]).reshape(len(u), -1)
        own_u = 2.0 + 0.3 * u**2 + self.native * native
        own_t = 1.3 + 0.5 * t**2
        told = np.einsum("ij,ij->i", wu, cross_u) * np.einsum("ij,ij->i", wt, cross_t)
        return weights, np.maximum(0.0, own_u * own_t - told) / nodes.scale

    def design(self, u: Array, native: Mask, crf: Array) -> tuple[Array, Array]:
        """Both outputs: (2 × cells, latent) matrix, rates first, and interpolation variances."""
        weights, interpolation = self.weights(u, native, crf)
        zero = np.zeros_like(weights)
        return np.block([[weights, zero], [zero, weights]]), np.concatenate(
            [interpolation, interpolation]
        )


@dataclass(frozen=True)
class _Nodes:
    """Coordinates of an :class:`Axes`'s nodes and the inverses of their kernels."""

    u: Array
    native: Mask
    t: Array
    inverse_u: Array
    inverse_t: Array
    scale: float


@lru_cache(maxsize=32)
def _nodes(axes: Axes) -> _Nodes:
    u = np.array(axes.octaves)
    native = np.zeros(len(u), dtype=bool)
    native[0] = True
    t = (np.array(axes.crfs) - axes.centre) / 10.0
    ku = axes.height_kernel(u, native, u, native) + 1e-6 * np.eye(len(u))
    kt = axes.crf_kernel(t, t) + 1e-6 * np.eye(len(t))
    scale = float(np.mean(np.diag(ku)) * np.mean(np.diag(kt)))
    inverse_u = np.asarray(np.linalg.inv(ku), dtype=np.float64)
    inverse_t = np.asarray(np.linalg.inv(kt), dtype=np.float64)
    return _Nodes(u, native, t, inverse_u, inverse_t, scale)
