"""Where a viewer looks when there is no face, and how the picture is arranged around it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.thumbnails.decoding import Image

Map = NDArray[np.float32]
"""Height × width; not negative, sums to 1."""

SIDE = 64
"""Long side of the maps."""


def saliency(image: Image, boxes: Sequence[tuple[int, int, int, int]] = ()) -> Map:
    """Spectral-residual saliency of lightness and colour, with faces drawn in.

    Hou and Zhang, "Saliency Detection: A Spectral Residual Approach" (CVPR 2007), on each channel
    of Lab, and weighted towards the centre as gaze is (Tatler, Journal of Vision 7, 2007).

    Args:
        boxes: faces (x, y, width, height) in pixels of the picture; they hold at least half of
            all saliency.
    """
    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.float32)
    total = np.zeros(lab.shape[:2], dtype=np.float32)
    for channel, weight in zip(cv2.split(lab), (1.0, 1.0, 1.0), strict=True):
        if float(np.asarray(channel).std()) > 1.0:
            total += weight * spectral_residual(np.asarray(channel, dtype=np.float32))
    ys, xs = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    dy, dx = ys / size[1] - 0.5, xs / size[0] - 0.5
    total = total * np.exp(-(dx**2 + dy**2) / (2 * 0.35**2)).astype(np.float32)
    total = total / max(1e-9, float(total.sum())) if total.any() else total + 1 / total.size
    if boxes:
        drawn = np.zeros_like(total)
        for x, y, w, h in boxes:
            left, top = int(x * scale), int(y * scale)
            drawn[top : top + max(1, round(h * scale)), left : left + max(1, round(w * scale))] = 1
        if drawn.any():
            total = 0.4 * total + 0.6 * drawn / float(drawn.sum())
    weights: Map = total.astype(np.float32)
    return weights


def spectral_residual(channel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The part of the log spectrum that its own average does not foretell, back in pixels."""
    spectrum = np.fft.fft2(channel)
    magnitude = np.log(np.abs(spectrum) + 1e-6).astype(np.float32)
    residual = magnitude - cv2.blur(magnitude, (3, 3))
    back = np.abs(np.fft.ifft2(np.exp(residual + 1j * np.angle(spectrum)))) ** 2
    soft = cv2.GaussianBlur(back.astype(np.float32), (0, 0), 2.5)
    scaled: NDArray[np.float32] = (soft / max(1e-12, float(soft.sum()))).astype(np.float32)
    return scaled


def concentration(weights: Map) -> float:
    """How much a subject stands out: 0 for even saliency, towards 1 for one small spot.

    Share of the saliency on the most salient tenth of the picture, rescaled so that an even map
    gives 0.
    """
    values = np.sort(weights.ravel())[::-1]
    share = float(values[: max(1, len(values) // 10)].sum())
    return float(np.clip((share - 0.1) / 0.6, 0, 1))


def centroid(weights: Map) -> tuple[float, float]:
    """Centre of the most salient tenth, as shares of width and height."""
    limit = np.quantile(weights, 0.9)
    peak = np.where(weights >= limit, weights, 0)
    ys, xs = np.mgrid[0 : weights.shape[0], 0 : weights.shape[1]]
    total = max(1e-9, float(peak.sum()))
    return (
        (float((xs * peak).sum()) / total + 0.5) / weights.shape[1],
        (float((ys * peak).sum()) / total + 0.5) / weights.shape[0],
    )


def thirds(x: float, y: float) -> float:
    """Nearness of a point (shares of width and height) to a power point or the vertical centre
    line at eye height: 1 there, 0 at the border."""
    points = [(a, b) for a in (1 / 3, 0.5, 2 / 3) for b in (0.38, 0.55)]
    nearest = min(float(np.hypot((x - a) * 1.2, y - b)) for a, b in points)
    return float(np.clip(1 - nearest / 0.45, 0, 1))


def title_space(weights: Map) -> float:
    """Room for a title: how empty the emptiest third (left, right, top or bottom) is."""
    height, width = weights.shape
    parts = (
        weights[:, : width // 3],
        weights[:, -(width // 3) :],
        weights[: height // 3],
        weights[-(height // 3) :],
    )
    emptiest = min(float(part.sum()) for part in parts)
    return float(np.clip(1 - emptiest / (1 / 3), 0, 1))
