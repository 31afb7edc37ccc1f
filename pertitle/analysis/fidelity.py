"""What scaling and quantising do to a picture, seen as VMAF's elementary features see it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.analysis.frames import Plane
from pertitle.analysis.vmaf_terms import predict_vmaf
from pertitle.records import Size

Floats = NDArray[np.float32]
TILE = 128
"""Side of a tile of the display on which fidelity is measured, pixels."""
EYE_NOISE = 2.0
"""Variance of the visual noise of VIF (Sheikh and Bovik); flatter places count as kept."""
SPREAD_LIMIT = 255.0**2 / 4
"""Variance of a distorted flat place at which nothing of it counts as kept (libvmaf)."""


def tiles(size: Size, count: int, first: int = 0) -> list[tuple[int, int, int, int]]:
    """(left, top, width, height) of ``count`` tiles spread over a picture; multiples of 8.

    Args:
        size: the picture.
        count: how many.
        first: number of the first tile in an endless sequence of places, so that several
            pictures of a title can be looked at in different places.
    """
    width = min(TILE, size.width // 8 * 8) or size.width
    height = min(TILE, size.height // 8 * 8) or size.height
    # Low-discrepancy places (R2 sequence) from the middle on: deterministic and well spread.
    places = [((0.5 + 0.7549 * i) % 1, (0.5 + 0.5698 * i) % 1) for i in range(first, first + count)]
    return [
        (
            int((size.width - width) * x) // 8 * 8,
            int((size.height - height) * y) // 8 * 8,
            width,
            height,
        )
        for x, y in places
    ]


def cut(plane: Plane, boxes: Sequence[tuple[int, int, int, int]]) -> list[Floats]:
    """The tiles of a picture as floating-point arrays."""
    return [plane[y : y + h, x : x + w].astype(np.float32) for x, y, w, h in boxes]


def _blurs(scale: int) -> tuple[tuple[int, int], float]:
    side = 2 ** (4 - scale) + 1
    return (side, side), side / 5


def _half(plane: Floats, scale: int) -> Floats:
    return np.asarray(cv2.GaussianBlur(plane, *_blurs(scale))[::2, ::2], np.float32)


class Reference:
    """A tile of the source, less its mean, with what every comparison needs of it."""

    def __init__(self, tile: Floats) -> None:
        # Variances of the difference from a middle keep the last digits of flat tiles.
        self.middle = float(tile.mean())
        self.pixels = tile = tile - np.float32(self.middle)
        self.planes: list[tuple[Floats, Floats, Floats]] = []
        self.vif = np.zeros(4)
        plane = tile
        for scale in range(4):
            if scale:
                plane = _half(plane, scale)
            if min(plane.shape) < 4:
                break
            mean, variance = _moments(plane, scale)
            self.planes.append((plane, mean, variance))
            seen = np.where(variance < EYE_NOISE, 1, np.log2(1 + variance / EYE_NOISE))
            self.vif[scale] = float(seen.sum())
        self.bands = _bands(tile)
        self.detail = np.zeros((LEVELS, 3))
        for level, bands in enumerate(self.bands):
            self.detail[level] = [_cube_sum(np.abs(band)) for band in bands]


def _cube_sum(size: Floats) -> float:
    return float((size * size * size).sum(dtype=np.float64))


def _moments(plane: Floats, scale: int) -> tuple[Floats, Floats]:
    blur = _blurs(scale)
    mean = cv2.GaussianBlur(plane, *blur)
    variance = np.maximum(cv2.GaussianBlur(plane * plane, *blur) - mean * mean, 0)
    return np.asarray(mean, np.float32), np.asarray(variance, np.float32)


def vif_kept(reference: Reference, distorted: Floats) -> NDArray[np.float64]:
    """Visual information that a distorted tile (less the reference's mean) keeps at four scales,
    finest first.

    Sheikh and Bovik, "Image information and visual quality", IEEE TIP 2006, in the form that
    VMAF takes it (one Gaussian window a scale; flat places count as kept). Divided by
    ``Reference.vif`` it is VIF.
    """
    kept = np.zeros(4)
    for scale, (plane, mean_r, var_r) in enumerate(reference.planes):
        if scale:
            distorted = _half(distorted, scale)
        mean_d, var_d = _moments(distorted, scale)
        both = cv2.GaussianBlur(plane * distorted, *_blurs(scale)) - mean_r * mean_d
        gain = np.clip(both / (var_r + 1e-6), 0, None)
        noise = np.maximum(var_d - gain * both, 1e-6)
        seen = np.log2(1 + gain * gain * var_r / (noise + EYE_NOISE))
        kept[scale] = np.where(var_r < EYE_NOISE, 1 - var_d / SPREAD_LIMIT, seen).sum()
    return kept


_DB2 = np.array([0.4829629131, 0.8365163037, 0.2241438680, -0.1294095226], np.float32)
_DB2_HIGH = np.array([-0.1294095226, -0.2241438680, 0.8365163037, -0.4829629131], np.float32)
LEVELS = 4
_MASK = np.full((3, 3), 1 / 30, np.float32)
_MASK[1, 1] = 1 / 15
"""How far noise hides detail of the same place and its neighbours (ADM)."""
_SAME_DIRECTION = float(np.cos(np.radians(1.0)) ** 2)
_AREA_SHARE = 32
"""A band of n coefficients counts as if it held n / 32 coefficients of one threshold more."""


def _visibility(level: int, band: int) -> float:
    """Visible thresholds in a wavelet coefficient of one luma level, at 3 picture heights from a
    1080-line display.

    Watson, Yang, Solomon and Villasenor, "Visibility of wavelet quantization noise", IEEE TIP
    1997, eq. 1 and table IV.
    """
    orientation, amplitudes = (
        (1.0, (0.67234, 0.41317, 0.22727, 0.11792)),
        (0.534, (0.72709, 0.49428, 0.28688, 0.15214)),
    )[band == 2]
    degree = 3 * 1080 * np.pi / 180
    distance = np.log10(2 ** (level + 1) * 0.401 * orientation / degree)
    return float(amplitudes[level] / (2 * 0.495 * 10 ** (0.466 * distance**2)))


VISIBILITY = np.array([[_visibility(level, band) for band in range(3)] for level in range(LEVELS)])


def detail_kept(reference: Reference, distorted: Floats) -> NDArray[np.float64]:
    """Cubed detail that a distorted tile keeps and what was added does not mask, in visible
    thresholds, by wavelet level and direction, shape (4, 3).

    Li, Zhang, Ma and Ngan, "Image quality assessment by separately evaluating detail losses and
    additive impairments", IEEE TMM 2011, in the form that VMAF takes it.
    """
    kept = np.zeros((LEVELS, 3))
    for level, (was, now) in enumerate(zip(reference.bands, _bands(distorted), strict=True)):
        dot = was[0] * now[0] + was[1] * now[1]
        size_was, size_now = was[0] ** 2 + was[1] ** 2, now[0] ** 2 + now[1] ** 2
        same = (dot >= 0) & (dot * dot >= _SAME_DIRECTION * size_was * size_now)
        rest = []
        for r, d in zip(was, now, strict=True):
            share = np.clip(d / np.where(np.abs(r) < 1e-9, 1e-9, r), 0, 1)
            rest.append(np.where(same, d, share * r))
        added = sum(np.abs(d - k) for d, k in zip(now, rest, strict=True))
        masked = cv2.filter2D(np.asarray(added, np.float32), -1, _MASK)
        kept[level] = [_cube_sum(np.maximum(np.abs(k) - masked, 0)) for k in rest]
    return kept


def _bands(plane: Floats) -> list[list[Floats]]:
    """Horizontal, vertical and diagonal detail of up to four Daubechies-2 wavelet levels, in
    visible thresholds."""
    low, high = _DB2[None, :], _DB2_HIGH[None, :]
    levels = []
    for level in range(LEVELS):
        if min(plane.shape) < 8:
            break
        rows_low = cv2.filter2D(plane, -1, low)[:, ::2]
        rows_high = cv2.filter2D(plane, -1, high)[:, ::2]
        bands = (
            cv2.filter2D(rows_low, -1, high.T)[::2],
            cv2.filter2D(rows_high, -1, low.T)[::2],
            cv2.filter2D(rows_high, -1, high.T)[::2],
        )
        weights = VISIBILITY[level].astype(np.float32)
        levels.append([np.asarray(b * w, np.float32) for b, w in zip(bands, weights, strict=True)])
        plane = np.asarray(cv2.filter2D(rows_low, -1, low.T)[::2], np.float32)
    return levels


class Fidelity:
    """Sums of fidelity terms over tiles and frames of one kind of degradation."""

    def __init__(self) -> None:
        self._vif = np.zeros((2, 4))
        self._detail = np.zeros((2, LEVELS, 3))
        self._counts = np.zeros(LEVELS)
        self._error = 0.0
        self._pixels = 0

    def add(self, reference: Reference, distorted: Floats) -> None:
        """Compare a tile with what became of it."""
        distorted = distorted - np.float32(reference.middle)
        self._vif += (vif_kept(reference, distorted), reference.vif)
        self._detail += (detail_kept(reference, distorted), reference.detail)
        for level, bands in enumerate(reference.bands):
            self._counts[level] += bands[0].size
        self._error += float(((reference.pixels - distorted) ** 2).sum(dtype=np.float64))
        self._pixels += reference.pixels.size

    @property
    def vif_by_scale(self) -> NDArray[np.float64]:
        """VIF of the four scales, finest first; 1 for a perfect picture and for missing scales."""
        there = self._vif[1]
        return np.where(there > 0, self._vif[0] / np.maximum(there, 1e-9), 1.0)

    @property
    def vif(self) -> float:
        """Mean VIF over the four scales."""
        return float(self.vif_by_scale.mean())

    @property
    def detail(self) -> float:
        """Share of visible wavelet detail kept, 0 to 1; 1 for a perfect or a flat picture."""
        floor = np.cbrt(self._counts / _AREA_SHARE)[:, None]
        kept, there = (np.cbrt(self._detail) + floor).sum(axis=(1, 2))
        return float(min(1.0, kept / there)) if there > 0 else 1.0

    @property
    def psnr(self) -> float:
        """PSNR in dB, at most 60."""
        mean = self._error / max(1, self._pixels)
        return float(min(60.0, 10 * np.log10(255**2 / max(mean, 1e-3))))

    def vmaf(self, motion: float) -> float:
        """Estimated VMAF, 0 to 100, at a motion (mean difference of blurred luma, levels)."""
        return predict_vmaf(self.detail, self.vif_by_scale, motion)
