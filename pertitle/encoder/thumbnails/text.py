"""Telling credits, crawls and title cards from pictures that merely hold some lettering."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.encoder.thumbnails.decoding import Image
from pertitle.encoder.thumbnails.measures import flatness

SIDE = 480
CREDITS_FLATNESS = 0.55
"""Credits stand on an empty ground: this share of the pixels has about one luma."""


@dataclass(frozen=True)
class Lettering:
    """Text found in a picture.

    Attributes:
        lines: rows of lettering.
        glyphs: pieces of lettering in them.
        coverage: share of the picture under the lines' boxes.
        ground: share of the pixels that have the most common luma.
    """

    lines: int
    glyphs: int
    coverage: float
    ground: float

    @property
    def is_credits(self) -> bool:
        """Lines of text and little else."""
        if self.ground >= CREDITS_FLATNESS and self.lines >= 2 and self.glyphs >= 10:
            return True
        if self.ground >= 0.8 and self.glyphs >= 5 and self.lines >= 1:
            return True
        return self.lines >= 5 and self.glyphs >= 50 and self.coverage >= 0.12


def find_lettering(grey: Image) -> Lettering:
    """Look for rows of glyph-sized, high-contrast strokes of equal height."""
    scale = SIDE / max(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(
            np.uint8
        )
    lines = glyphs = 0
    covered = np.zeros(grey.shape, dtype=bool)
    for polarity in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (15, 15))
        strokes = cv2.morphologyEx(grey, polarity, kernel)
        mask = (strokes > 60).astype(np.uint8)
        boxes = _glyph_boxes(mask)
        for row in _rows(boxes):
            lines += 1
            glyphs += len(row)
            left, top = row[:, 0].min(), row[:, 1].min()
            right, bottom = (row[:, 0] + row[:, 2]).max(), (row[:, 1] + row[:, 3]).max()
            covered[top:bottom, left:right] = True
    return Lettering(lines, glyphs, float(covered.mean()), flatness(grey))


def _glyph_boxes(mask: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Components (x, y, width, height) of the size and fill of letters."""
    count, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    if count <= 1:
        return np.empty((0, 4), dtype=np.int32)
    rows = stats[1:]
    width, height, area = rows[:, 2], rows[:, 3], rows[:, 4]
    limit = mask.shape[0] / 6
    fill = area / np.maximum(1, width * height)
    good = (height >= 4) & (height <= limit) & (width <= 8 * height) & (area >= 6) & (fill > 0.18)
    boxes: NDArray[np.int32] = rows[good, :4].astype(np.int32)
    return boxes


def _rows(boxes: NDArray[np.int32]) -> list[NDArray[np.int32]]:
    """Groups of at least four letters, alike in height, on one line, without wide gaps."""
    found: list[NDArray[np.int32]] = []
    left = boxes[np.argsort(boxes[:, 1] + boxes[:, 3])] if len(boxes) else boxes
    while len(left):
        first = left[0]
        base, height = first[1] + first[3], first[3]
        bases, heights = left[:, 1] + left[:, 3], left[:, 3]
        alike = (np.abs(bases - base) <= max(2, 0.35 * height)) & (
            (heights >= 0.5 * height) & (heights <= 2 * height)
        )
        group = left[alike]
        left = left[~alike]
        group = group[np.argsort(group[:, 0])]
        gaps = group[1:, 0] - (group[:-1, 0] + group[:-1, 2])
        runs = np.split(group, np.flatnonzero(gaps > 3 * height) + 1)
        found += [run for run in runs if len(run) >= 4]
    return found
