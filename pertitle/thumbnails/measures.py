"""Measurements of a single picture: what it shows well and what is wrong with it.

Every function takes a blue-green-red picture or its luma and returns a share from 0 to 1, or the
unit its docstring names.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.thumbnails.decoding import Image

TILES = 12
"""Tiles along the long side in which blur is judged."""


def luma(image: Image) -> Image:
    """BT.601 luma, 0 to 255."""
    return cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8)


def blur(grey: Image) -> float:
    """How blurred the picture's most detailed parts are, 0 (crisp) to 1.

    Crété et al., "The Blur Effect: Perception and Estimation with a New No-Reference Perceptual
    Blur Metric" (SPIE 2007): the share of neighbour differences that survives another blur. The
    measure is taken a tile, and the tiles that hold the upper half of the detail count, so that
    a shallow depth of field is no fault; the worse of the two directions counts, so that motion
    blur is one.
    """
    values = grey.astype(np.float32)
    height, width = values.shape
    tile = max(8, max(height, width) // TILES)
    grid = (max(1, width // tile), max(1, height // tile))
    worst = 0.0
    for axis in (0, 1):
        kernel = (1, 9) if axis == 0 else (9, 1)
        soft = cv2.blur(values, kernel)
        detail = np.abs(np.diff(values, axis=axis))
        left = np.abs(np.diff(soft, axis=axis))
        lost = np.maximum(0, detail - left)
        detail_tiles = cv2.resize(detail, grid, interpolation=cv2.INTER_AREA).ravel()
        lost_tiles = cv2.resize(lost, grid, interpolation=cv2.INTER_AREA).ravel()
        order = np.argsort(-detail_tiles)
        total = np.cumsum(detail_tiles[order])
        kept = order[: max(1, int(np.searchsorted(total, total[-1] / 2)) + 1)]
        amount = float(detail_tiles[kept].sum())
        if amount > 1e-6:
            worst = max(worst, 1 - float(lost_tiles[kept].sum()) / amount)
    return worst


def detail(grey: Image) -> float:
    """Mean squared gradient (Tenengrad), for comparing neighbouring frames of one shot."""
    gx = cv2.Sobel(grey, cv2.CV_16S, 1, 0)
    gy = cv2.Sobel(grey, cv2.CV_16S, 0, 1)
    return float(cv2.norm(gx, cv2.NORM_L2SQR) + cv2.norm(gy, cv2.NORM_L2SQR)) / grey.size


def flatness(grey: Image) -> float:
    """Share of the pixels within ±6 steps of the most common luma: near 1 for an empty frame."""
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    return float(np.convolve(counts, np.ones(13), mode="same").max() / grey.size)


def is_black(grey: Image) -> bool:
    """No more than a fiftieth of the pixels is brighter than a very dark grey."""
    return float(np.percentile(grey, 98)) < 38


def is_burnt(grey: Image) -> bool:
    """Most of the picture is at full white."""
    return float((grey >= 245).mean()) > 0.65


def exposure(grey: Image) -> float:
    """1 for a mean near middle grey and nothing clipped."""
    mean = float(grey.mean())
    low, high = float((grey <= 6).mean()), float((grey >= 250).mean())
    centred = float(np.exp(-(((mean - 115) / 75) ** 2)))
    return centred * (1 - min(1.0, 0.5 * low + 1.5 * high))


def contrast(grey: Image) -> float:
    """Distance of the 5th to the 95th percentile, full at 190 of 255 steps."""
    low, high = np.percentile(grey, (5, 95))
    return float(min(1.0, (high - low) / 190))


def colourfulness(image: Image) -> float:
    """Hasler and Süsstrunk, "Measuring colourfulness in natural images" (SPIE 2003).

    Full at 75, which their viewers called *quite* to *highly* colourful.
    """
    blue, green, red = (image[..., i].astype(np.float32) for i in range(3))
    rg, yb = red - green, (red + green) / 2 - blue
    spread = float(np.hypot(rg.std(), yb.std()))
    offset = float(np.hypot(rg.mean(), yb.mean()))
    return min(1.0, (spread + 0.3 * offset) / 75)


@cache
def _templates() -> NDArray[np.float64]:
    """Distance of each hue (180 steps) from each template at each turn: turns·templates × 180.

    The hue templates i, V, L, I, T, Y and X of Cohen-Or et al., "Color Harmonization"
    (SIGGRAPH 2006); sectors as (centre, width) in degrees.
    """
    shapes: list[list[tuple[float, float]]] = [
        [(0, 18)], [(0, 93.6)], [(0, 18), (90, 79.2)], [(0, 18), (180, 18)], [(0, 180)],
        [(0, 93.6), (180, 18)], [(0, 93.6), (180, 93.6)],
    ]  # fmt: skip
    hues = np.arange(180) * 2.0
    rows = []
    for shape in shapes:
        for turn in range(0, 360, 10):
            gaps = []
            for centre, width in shape:
                off = np.abs((hues - centre - turn + 180) % 360 - 180)
                gaps.append(np.maximum(0, off - width / 2))
            # Wide templates fit anything; a wider one has to pay for its width.
            rows.append(np.min(gaps, axis=0) + 0.05 * sum(width for _, width in shape))
    return np.array(rows)


def harmony(image: Image) -> float:
    """How near the hues, weighted by saturation, lie to a harmonic template; 1 for greys."""
    small = cv2.resize(image, (96, 96), interpolation=cv2.INTER_AREA)
    hsv = cv2.cvtColor(small, cv2.COLOR_BGR2HSV)
    weight = (hsv[..., 1].astype(np.float64) / 255) * (hsv[..., 2].astype(np.float64) / 255)
    counts = np.bincount(hsv[..., 0].ravel(), weights=weight.ravel(), minlength=180)
    if counts.sum() < 0.02 * weight.size:
        return 1.0
    distance = float((_templates() @ counts).min() / counts.sum())
    return float(np.exp(-distance / 20))


def combing(grey: Image) -> float:
    """Share of pixels whose lines above and below agree with one another but not with them."""
    lines = grey.astype(np.int16)
    above, here, below = lines[:-2], lines[1:-1], lines[2:]
    odd = (here - above).astype(np.int32) * (here - below)
    comb = (odd > 200) & (np.abs(above - below) < 10)
    return float(comb.mean())


def blocking(grey: Image) -> float:
    """Excess of luma steps at the 8×8 coding grid over those beside it, 0 to 1.

    After Wang, Sheikh and Bovik, "No-reference perceptual quality assessment of JPEG compressed
    images" (ICIP 2002); to be taken at source resolution, where the grid is.
    """
    values = grey.astype(np.float32)
    excess = []
    for axis in (0, 1):
        steps = np.abs(np.diff(values, axis=axis)).mean(axis=1 - axis)
        if len(steps) < 24:
            continue
        phase = np.arange(len(steps)) % 8
        grid, rest = steps[phase == 7].mean(), steps[(phase != 7)].mean()
        excess.append(float(max(0.0, grid - rest) / (rest + 0.5)))
    return min(1.0, float(np.mean(excess))) if excess else 0.0


def hash_bits(grey: Image) -> NDArray[np.bool_]:
    """Perceptual hash: signs of the 63 lowest DCT coefficients of a 32×32 picture."""
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:8, :8].ravel()[1:]
    bits: NDArray[np.bool_] = low > np.median(low)
    return bits


def signature(image: Image) -> NDArray[np.float32]:
    """A small descriptor for comparing pictures: colours in a 4×4 layout and a Lab histogram.

    Euclidean distances are about 0 for neighbouring frames and 0.3 and more for other shots.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_BGR2LAB)
    layout = cv2.resize(lab, (4, 4), interpolation=cv2.INTER_AREA).astype(np.float32).ravel() / 255
    counts = cv2.calcHist([lab], [0, 1, 2], None, [4, 8, 8], [0, 256, 64, 192, 64, 192]).ravel()
    spread = np.sqrt(counts / max(1.0, float(counts.sum())))
    return np.concatenate([layout * 0.6, spread * 0.6]).astype(np.float32)
