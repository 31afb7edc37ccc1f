"""Telling credits, crawls and title cards from pictures that merely hold some lettering."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.thumbnails.decoding import Image
from pertitle.thumbnails.measures import flatness

SIDE = 960
"""Long side in which small lettering is sought; larger lettering in half of it."""
CREDITS_FLATNESS = 0.55
"""Credits stand on an empty ground: this share of the pixels has about one luma."""
STROKE_CONTRAST = 50
ROW_GLYPHS = 4
COLUMNS = ("left", "top", "width", "height", "peak")


@dataclass(frozen=True)
class Lettering:
    """Text found in a picture.

    Attributes:
        lines: rows of lettering of about one height.
        glyphs: pieces of lettering in them.
        coverage: share of the picture under the rows' boxes.
        ground: share of the pixels that have the most common luma.
    """

    lines: int
    glyphs: int
    coverage: float
    ground: float

    @property
    def is_credits(self) -> bool:
        """Lines of text and little else, or so many lines over a picture that they are it."""
        if self.ground >= CREDITS_FLATNESS and self.lines >= 2 and self.glyphs >= 10:
            return True
        if self.ground >= 0.75 and self.lines >= 1:
            return True
        return self.lines >= 4 and self.glyphs >= 24


def find_lettering(grey: Image) -> Lettering:
    """Look for rows of strokes alike in height and brightness, as type is and texture is not."""
    lines = glyphs = 0
    covered = 0.0
    for side in (SIDE, SIDE // 2, SIDE // 4):
        picture = _shrunk(grey, side)
        rows = [row for sign in (1, -1) for row in _rows(_glyphs(picture, sign))]
        rows = _of_one_height(rows)
        count = sum(len(row) for row in rows)
        if count > glyphs:
            lines, glyphs = len(rows), count
            covered = sum(_area(row) for row in rows) / picture.size
    return Lettering(lines, glyphs, min(1.0, covered), flatness(_shrunk(grey, SIDE // 2)))


def _shrunk(grey: Image, side: int) -> Image:
    scale = side / max(grey.shape)
    if scale >= 1:
        return grey
    return cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _glyphs(grey: Image, sign: int) -> NDArray[np.float64]:
    """Bright (or dark) strokes of the size and fill of letters; columns as ``COLUMNS``.

    ``peak`` is the brightest (darkest) luma inside.
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (13, 13))
    kind = cv2.MORPH_TOPHAT if sign > 0 else cv2.MORPH_BLACKHAT
    mask = (cv2.morphologyEx(grey, kind, kernel) > STROKE_CONTRAST).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count <= ROW_GLYPHS:
        return np.empty((0, 5))
    width, height, area = stats[:, 2], stats[:, 3], stats[:, 4]
    fill = area / np.maximum(1, width * height)
    good = (height >= 6) & (height <= 40) & (width <= 8 * height) & (area >= 12) & (fill > 0.18)
    good[0] = False
    inside = mask.astype(bool)
    values = grey[inside].astype(np.int64) * sign
    peaks = np.full(count, -(1 << 20))
    np.maximum.at(peaks, labels[inside], values)
    found: NDArray[np.float64] = np.column_stack(
        [stats[good, :4].astype(np.float64), peaks[good].astype(np.float64)]
    )
    return found


def _rows(glyphs: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """At least four letters on one line, alike in height and peak, without wide gaps."""
    found: list[NDArray[np.float64]] = []
    left = glyphs[np.argsort(-glyphs[:, 3], kind="stable")]
    while len(left):
        tall = left[0]
        foot, height = tall[1] + tall[3], tall[3]
        feet = left[:, 1] + left[:, 3]
        alike = (
            (np.abs(feet - foot) <= max(1.5, 0.28 * height))
            & (left[:, 3] >= 0.5 * height)
            & (np.abs(left[:, 4] - tall[4]) <= 18)
        )
        group = left[alike]
        left = left[~alike]
        group = group[np.argsort(group[:, 0])]
        gaps = group[1:, 0] - (group[:-1, 0] + group[:-1, 2])
        runs = np.split(group, np.flatnonzero((gaps > 1.6 * height) | (gaps < -0.3 * height)) + 1)
        found += [run for run in runs if _is_type(run)]
    return found


def _is_type(run: NDArray[np.float64]) -> bool:
    """Enough letters, most of them standing exactly on the line, evenly bright."""
    if len(run) < ROW_GLYPHS:
        return False
    height = float(np.median(run[:, 3]))
    feet = run[:, 1] + run[:, 3]
    on_line = float((np.abs(feet - np.median(feet)) <= max(1.0, 0.08 * height)).mean())
    return on_line >= 0.6 and float(run[:, 4].std()) <= 9


def _of_one_height(rows: list[NDArray[np.float64]]) -> list[NDArray[np.float64]]:
    """The largest set of rows whose letters are about equally high."""
    if not rows:
        return []
    heights = np.array([np.percentile(row[:, 3], 75) for row in rows])
    sets = [np.abs(heights - h) <= max(1.5, 0.2 * h) for h in heights]
    best = max(sets, key=lambda chosen: sum(len(rows[i]) for i in np.flatnonzero(chosen)))
    return [rows[i] for i in np.flatnonzero(best)]


def _area(row: NDArray[np.float64]) -> float:
    width = float((row[:, 0] + row[:, 2]).max() - row[:, 0].min())
    height = float((row[:, 1] + row[:, 3]).max() - row[:, 1].min())
    return width * height
