"""Measurements of one picture. Every function takes 8-bit planes and returns finite numbers."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.analysis import transform
from pertitle.analysis.frames import Picture, Plane, Pyramid

Floats = NDArray[np.float32]
WORK_LINES = 540
"""Lines of the reduced picture on which texture statistics are taken."""
COOCCURRENCE_LINES = 360
GREY_LEVELS = 32
BLACK_LUMA = 24
"""Below this luma (16 is black) a pixel counts as black."""


def measure(picture: Picture, pyramid: Pyramid) -> dict[str, float]:
    """All single-picture features by name; see ``features.REGISTRY``."""
    luma = pyramid.luma
    small = pyramid.lines(WORK_LINES)
    values = _gradients(luma)
    values |= _noise(luma)
    values |= _spectrum(luma)
    values |= _blocking(luma)
    values |= _texture(small)
    values |= _cooccurrence(pyramid.lines(COOCCURRENCE_LINES))
    values |= _tones(picture)
    return values


def sobel(plane: Plane) -> Floats:
    """Gradient magnitude, luma levels, border excluded (ITU-T P.910)."""
    x = cv2.Sobel(plane, cv2.CV_32F, 1, 0)
    y = cv2.Sobel(plane, cv2.CV_32F, 0, 1)
    # Not cv2.magnitude, whose last bit depends on where the array lies in memory. In place:
    # a UHD picture of floats takes 33 MB.
    np.multiply(x, x, out=x)
    np.multiply(y, y, out=y)
    np.add(x, y, out=x)
    return np.asarray(np.sqrt(x, out=x), np.float32)[1:-1, 1:-1]


def spread(values: NDArray[Any]) -> float:
    """Standard deviation of an array, without a copy of it."""
    return float(cv2.meanStdDev(values)[1][0, 0])


def _gradients(luma: Plane) -> dict[str, float]:
    gradient = sobel(luma)
    if gradient.size == 0:
        return {"si": 0.0, "edge_density": 0.0}
    return {"si": spread(gradient), "edge_density": float((gradient > 60).mean())}


_IMMERKAER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def _noise(luma: Plane) -> dict[str, float]:
    """Noise from the Laplacian difference, over the picture and in its smoothest blocks."""
    if min(luma.shape) < 16:
        return {"noise": 0.0, "noise_flat": 0.0, "ringing": 0.0}
    response = np.asarray(cv2.filter2D(luma, cv2.CV_32F, _IMMERKAER), np.float32)[1:-1, 1:-1]
    np.abs(response, out=response)
    scale = float(np.sqrt(np.pi / 2) / 6)
    cells = _cell_means(response, 16) * scale
    detail = cv2.absdiff(luma, cv2.medianBlur(luma, 3))
    edges = cv2.Canny(luma, 80, 160)
    wide, narrow = (cv2.dilate(edges, np.ones((n, n), np.uint8)) > 0 for n in (9, 3))
    near = wide & ~narrow
    ring = float(detail[near].mean()) if near.any() else 0.0
    return {
        "noise": float(response.mean()) * scale,
        "noise_flat": float(np.percentile(cells, 15)),
        "ringing": ring,
    }


def _cell_means(values: Floats, side: int) -> Floats:
    height, width = (max(1, values.shape[0] // side), max(1, values.shape[1] // side))
    return np.asarray(cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _spectrum(luma: Plane) -> dict[str, float]:
    """Radial power spectrum of a few square tiles: where the picture's detail ends."""
    height, width = luma.shape
    side = 1 << int(np.log2(max(16, min(512, height, width))))
    if min(height, width) < 16:
        names = ("rolloff", "spectral_slope", "spectrum_low", "spectrum_mid", "spectrum_top")
        empty = dict.fromkeys(names, 0.0)
        return {**empty, "rolloff_lines": float(np.log2(max(2, height))), "high_share": -5.0}
    window = np.hanning(side + 2)[1:-1].astype(np.float32)
    taper = window[:, None] * window[None, :]
    power = np.zeros((side, side // 2 + 1))
    places = [(0.5, 0.5), (0.1, 0.2), (0.9, 0.2), (0.2, 0.9), (0.8, 0.85)]
    for x, y in places:
        left, top = int((width - side) * x), int((height - side) * y)
        tile = luma[top : top + side, left : left + side].astype(np.float32)
        power += np.abs(np.fft.rfft2((tile - tile.mean()) * taper)) ** 2
    power /= len(places) * float((taper**2).sum())
    fy = np.abs(np.fft.fftfreq(side))[:, None]
    fx = np.fft.rfftfreq(side)[None, :]
    radius = np.sqrt(fx**2 + fy**2)
    bins = np.clip((radius * 64).astype(int), 0, 31)  # 32 rings from 0 to half the sampling rate
    inside = radius <= 0.5
    sums = np.bincount(bins[inside], weights=power[inside], minlength=32)
    counts = np.bincount(bins[inside], minlength=32)
    profile = sums / np.maximum(counts, 1)
    centres = (np.arange(32) + 0.5) / 64
    # Natural pictures fall as 1/f²: times f², every octave of real detail weighs alike.
    whitened = profile * centres**2
    total = whitened.sum()
    share = np.cumsum(whitened) / total if total > 1e-9 else np.ones(32)
    log_profile = np.log10(profile + 1e-3)
    span = slice(2, 28)
    slope = np.polyfit(np.log10(centres[span]), log_profile[span], 1)[0]
    # The knee: the highest ring that still holds more than a thousandth of a 1/f² spectrum
    # drawn through the low rings, and more than the noise of 8-bit rounding.
    level = float(np.median(whitened[2:6]))
    alive = np.flatnonzero((whitened > 0.004 * level) & (profile > 0.05))
    knee = centres[alive[-1]] if alive.size else centres[0]
    result = {
        "rolloff": float(np.interp(0.98, share, centres)) * 2,
        "rolloff_lines": float(np.log2(max(16.0, 2 * knee * height))),
        "spectral_slope": float(slope),
        "high_share": float(np.log10(whitened[16:].sum() / total + 1e-5)) if total > 1e-9 else -5.0,
    }
    for name, ring in (("low", slice(2, 5)), ("mid", slice(7, 12)), ("top", slice(20, 28))):
        result[f"spectrum_{name}"] = float(np.log10(profile[ring].mean() + 1e-2))
    return result


def _blocking(luma: Plane) -> dict[str, float]:
    """Steps across the 8×8 grid over steps inside the blocks, log2; 0 for no grid.

    After Wang, Bovik and Evans, "Blind measurement of blocking artifacts in images", 2000.
    """
    values = []
    for axis in (0, 1):
        if luma.shape[axis] < 24:
            continue
        step = np.abs(np.diff(luma.astype(np.int16), axis=axis)).clip(0, 20)
        profile = step.mean(axis=1 - axis)
        place = np.arange(profile.size) % 8
        grid = float(profile[place == 7].mean())
        others = float(profile[(place != 7)].mean())
        values.append(np.log2((grid + 0.05) / (others + 0.05)))
    return {"blockiness": float(np.mean(values)) if values else 0.0}


def _texture(small: Plane) -> dict[str, float]:
    """DCT energy of texture and its evenness, on 32×32 blocks of the reduced picture."""
    energy = texture_energy(small)
    if energy.size == 0:
        return {"texture": 0.0, "texture_spread": 0.0, "flat_share": 1.0}
    gradient = sobel(small)
    cells = _cell_means(gradient, 8) if gradient.size else np.zeros((1, 1), np.float32)
    return {
        "texture": float(energy.mean()),
        "texture_spread": float(energy.std()),
        "flat_share": float((cells < 6).mean()),
    }


def texture_energy(plane: Plane) -> Floats:
    """Texture energy of each 32×32 block: the weighted sum of its AC coefficients.

    Menon et al., "VCA: Video Complexity Analyzer", ACM MMSys 2022, eq. 1.
    """
    rows, columns = plane.shape[0] // 32, plane.shape[1] // 32
    if not rows or not columns:
        return np.zeros(0, np.float32)
    d = np.ascontiguousarray(transform.dct_matrix(32).T)
    cells = plane[: rows * 32, : columns * 32].astype(np.float32)
    cells = cells.reshape(rows, 32, columns, 32).transpose(0, 2, 1, 3).reshape(-1, 32)
    half = transform.product(cells, d).reshape(-1, 32, 32).transpose(0, 2, 1).reshape(-1, 32)
    coefficients = np.abs(transform.product(half, d)).reshape(-1, 32, 32)
    i, j = np.mgrid[0:32, 0:32]
    weight = np.exp(np.abs((i * j / 32**2) ** 2 - 1)).astype(np.float32)
    weight[0, 0] = 0
    return np.asarray((coefficients * weight).sum(axis=(1, 2)) / 32**2, np.float32)


def _cooccurrence(small: Plane) -> dict[str, float]:
    """Statistics of neighbouring grey levels (Haralick et al., IEEE TSMC 1973)."""
    levels = (small.astype(np.int32) * GREY_LEVELS) >> 8
    pairs = np.concatenate(
        [
            (levels[:, :-1] * GREY_LEVELS + levels[:, 1:]).ravel(),
            (levels[:-1] * GREY_LEVELS + levels[1:]).ravel(),
        ]
    )
    if pairs.size == 0:
        pairs = np.zeros(1, np.int64)
    table = np.bincount(pairs, minlength=GREY_LEVELS**2).reshape(GREY_LEVELS, GREY_LEVELS)
    p = (table + table.T) / (2 * table.sum())
    i, j = np.mgrid[0:GREY_LEVELS, 0:GREY_LEVELS]
    mean = (p * i).sum()
    variance = (p * (i - mean) ** 2).sum()
    covariance = (p * (i - mean) * (j - mean)).sum()
    used = p[p > 0]
    return {
        "glcm_contrast": float((p * (i - j) ** 2).sum()),
        "glcm_homogeneity": float((p / (1 + (i - j) ** 2)).sum()),
        "glcm_energy": float(np.sqrt((p**2).sum())),
        "glcm_correlation": float(covariance / variance) if variance > 1e-6 else 1.0,
        "glcm_entropy": float(-(used * np.log2(used)).sum()),
    }


def _tones(picture: Picture) -> dict[str, float]:
    luma = picture.planes[0]
    u, v = (plane.astype(np.float32) - 128 for plane in picture.planes[1:])
    # Red-green and yellow-blue differences straight from BT.709 colour differences.
    red, green, blue = 1.5748 * v, -0.1873 * u - 0.4681 * v, 1.8556 * u
    rg, yb = red - green, 0.5 * (red + green) - blue
    colour = np.hypot(rg.std(), yb.std()) + 0.3 * np.hypot(rg.mean(), yb.mean())
    return {
        "brightness": float(luma.mean()),
        "contrast": spread(luma),
        "colourfulness": float(colour),
        "chroma_detail": float(np.abs(np.diff(u, axis=1)).mean() if u.shape[1] > 1 else 0.0),
        "black_share": float((luma < BLACK_LUMA).mean()),
    }
