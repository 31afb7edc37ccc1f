"""A toy encoder: what a title costs to code, and what coding does to its pictures.

It codes a few pictures at a few sizes with 8×8 transforms and motion-compensated prediction,
without an entropy coder or a search. Its quantisers follow the rules that x264 sets them by, so
that its estimates move from title to title as the real encoder's do.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.analysis import transform
from pertitle.analysis.frames import Plane
from pertitle.analysis.motion import FLOW_LINES, Group, find_flow, warp
from pertitle.analysis.registry import CODING_CRFS, SCALES
from pertitle.records import Size

Floats = NDArray[np.float32]
STRIP_LINES = 256
"""Lines of a picture coded at once, whole macroblocks: bounds the memory for UHD."""
MAX_BLOCKS = 4000
"""8×8 blocks coded a picture and scale; about a 640 × 400 picture."""
KEY_DISTANCE = 60
"""Frames from one key picture to the next in the estimated rate."""
RATE_FLOOR = 0.0005
"""Bits a pixel that an empty picture still costs."""

# Quantisation as x264 does it (encoder/ratecontrol.c and slicetype.c, default settings).
CRF_OFFSET = 4.5
"""QP of a block of average texture that nothing is predicted from, above the CRF: x264 adds
13.5 · (1 - qcomp) = 5.4 in expectation of what the macroblock tree takes off."""
RATE_OFFSET = 2.4
"""QP added for each doubling of the frame rate over 25: 6 · (1 - qcomp)."""
TEXTURE_STRENGTH = 1.0397
"""QP added for each doubling of a macroblock's AC energy (adaptive quantisation, mode 1)."""
TEXTURE_MIDDLE = 14.427
"""log2 of the energy of a 16×16 macroblock that is left as it is."""
TREE_STRENGTH = 1.75
"""QP taken off for each doubling of the information later pictures draw from a block
(macroblock tree; x264's 5 · (1 - qcomp) = 2, a little less for what its lookahead misses)."""
TREE_PICTURES = 10
"""Predicted pictures over which references reach: a lookahead of 40 frames with B-frames."""
KEY_OFFSET = -1.5
"""QP of key pictures against predicted ones."""
SETTLING = 2.0
"""QP by which a block that time predicts perfectly looks better than its own quantiser: it is
copied from a finer key picture and refined by every picture after."""


def texture_qp(coefficients: Floats, columns: int) -> Floats:
    """QP that adaptive quantisation adds to each 8×8 block, from the AC energy of its macroblock.

    Args:
        coefficients: transformed blocks in rows of ``columns``, shape (blocks, 64).
        columns: blocks a row.
    """
    energy = np.einsum("ij,ij->i", coefficients, coefficients).reshape(-1, columns)
    mean = coefficients[:, 0].reshape(-1, columns)
    rows = len(energy)
    # A macroblock is two by two blocks; a ragged edge is completed with its neighbours.
    edge = ((0, rows % 2), (0, columns % 2))
    energy, mean = (
        np.pad(part, edge, mode="edge").reshape((rows + 1) // 2, 2, -1, 2).sum(axis=(1, 3))
        for part in (energy, mean)
    )
    ac = np.maximum(energy - mean * mean / 4, 1)
    qp = TEXTURE_STRENGTH * (np.log2(ac) - TEXTURE_MIDDLE)
    return np.asarray(qp.repeat(2, axis=0).repeat(2, axis=1)[:rows, :columns].ravel(), np.float32)


def base_qp(crf: float, frame_rate: float) -> float:
    """QP of a block of average texture at a CRF and frame rate, before the reference tree."""
    return crf + CRF_OFFSET + RATE_OFFSET * float(np.log2(frame_rate / 25))


def tree_qp(kept_ahead: Floats, kept_between: Floats) -> Floats:
    """QP that the reference tree takes off each block (not positive).

    Args:
        kept_ahead: share of a block's information that the next predicted picture takes from it.
        kept_between: the same for the pictures between, which nothing is predicted from.
    """
    chain = np.ones_like(kept_ahead)
    power = np.ones_like(kept_ahead)
    for _ in range(TREE_PICTURES):
        power = power * kept_ahead
        chain = chain + power
    return np.asarray(-TREE_STRENGTH * np.log2(chain * (1 + kept_between)), np.float32)


@dataclass
class ToyEncoder:
    """Sums of estimated bits by scale, picture kind and CRF over the groups it was given.

    Kinds: ``i`` key pictures, ``p`` pictures predicted from one before, ``b`` pictures between
    two that nothing is predicted from. Each 8×8 block takes the cheapest of the predictions its
    kind allows.
    """

    frame_rate: float
    scales: tuple[str, ...] = SCALES
    crfs: tuple[int, ...] = CODING_CRFS
    _bits: dict[tuple[str, str, int], float] = field(default_factory=dict)
    _pixels: dict[str, float] = field(default_factory=dict)
    _predicted: dict[str, list[float]] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)

    def add(self, group: Group) -> Floats:
        """Code the three pictures of a group at every scale.

        Returns:
            QP that prediction in time takes off how a picture looks (not positive), a map of 8×8
            blocks at the last scale.
        """
        pictures = (group.anchor, group.middle, group.last)
        small = [p.lines(FLOW_LINES) for p in pictures]
        flows = (
            find_flow(small[2], small[0]),
            find_flow(small[1], small[0]),
            find_flow(small[1], small[2]),
        )
        height, width = group.anchor.luma.shape
        tree = np.zeros((1, 1), np.float32)
        for name in self.scales:
            lines = height if name == "native" else min(int(name), height)
            size = Size(max(8, round(width * lines / height)), max(8, lines))
            self._sizes[name] = size.width * size.height
            tree = self._add_scale(name, [p.at(size) for p in pictures], flows)
        return tree

    def _add_scale(
        self, name: str, pictures: list[Plane], flows: tuple[Floats, Floats, Floats]
    ) -> Floats:
        rows = transform.block_rows(pictures[0].shape[0], pictures[0].shape[1], MAX_BLOCKS)
        anchor, middle, last = (_coefficients(p[rows].astype(np.float32)) for p in pictures)
        from_anchor = _coefficients(warp(pictures[0], flows[0], rows))
        before = _coefficients(warp(pictures[0], flows[1], rows))
        after = _coefficients(warp(pictures[2], flows[2], rows))
        p, p_kept = _cheapest(last, [last - from_anchor, last - anchor])
        both = middle - (before + after) * np.float32(0.5)
        b, b_kept = _cheapest(middle, [middle - before, middle - after, both])
        tree = tree_qp(p_kept, b_kept)
        columns = pictures[0].shape[1] // 8
        self._predicted.setdefault(name, []).append(float(0.5 * (p_kept.mean() + b_kept.mean())))
        self._pixels[name] = self._pixels.get(name, 0.0) + anchor.size
        key = anchor.copy()
        key[:, 0] = 0
        kinds = {
            "i": (key, texture_qp(anchor, columns) + tree + KEY_OFFSET),
            "p": (p, texture_qp(last, columns) + tree),
            "b": (b, texture_qp(middle, columns)),
        }
        for kind, (coefficients, offset) in kinds.items():
            for crf in self.crfs:
                qp = np.clip(base_qp(crf, self.frame_rate) + offset, 0, 51)
                index = (name, kind, crf)
                bits = transform.bits(coefficients, transform.quantisation_step(qp))
                self._bits[index] = self._bits.get(index, 0.0) + bits
        return (tree - SETTLING * p_kept * p_kept).reshape(len(rows) // 8, columns)

    def _bits_per_pixel(self, scale: str, kind: str, crf: int) -> float:
        return self._bits.get((scale, kind, crf), 0.0) / max(1.0, self._pixels.get(scale, 0.0))

    def rate(self, scale: str, crf: int) -> float:
        """Estimated bitrate, log2(kbit/s), with two B-pictures to each predicted one."""
        i, p, b = (self._bits_per_pixel(scale, kind, crf) for kind in "ipb")
        mean = (p + 2 * b) / 3 * (1 - 1 / KEY_DISTANCE) + i / KEY_DISTANCE + RATE_FLOOR
        return float(np.log2(mean * self._sizes.get(scale, 1) * self.frame_rate / 1000))

    def key_bits(self, scale: str, crf: int) -> float:
        """Estimated size of a key picture, log2(kbit)."""
        mean = self._bits_per_pixel(scale, "i", crf) + RATE_FLOOR
        return float(np.log2(mean * self._sizes.get(scale, 1) / 1000))

    def predicted_share(self, scale: str) -> float:
        """Share of the information of a picture that prediction in time supplies."""
        return float(np.mean(self._predicted.get(scale, [0.0])))


def _coefficients(lines: Floats) -> Floats:
    return transform.transform(transform.blocks(lines))


def _cheapest(intra: Floats, inter: list[Floats]) -> tuple[Floats, Floats]:
    """Coefficients of each block's cheapest prediction, and the share of its information that
    the best prediction in time supplies."""
    best = intra.copy()
    best[:, 0] = 0
    alone = np.abs(best).sum(axis=1)
    cost = alone * 1.1 + 8  # an intra block also pays for its mean and mode
    least = np.full(len(best), np.inf, np.float32)
    for coefficients in inter:
        price = np.abs(coefficients).sum(axis=1)
        best = np.where((price < cost)[:, None], coefficients, best)
        cost = np.minimum(cost, price)
        least = np.minimum(least, price)
    kept = np.clip(1 - least / np.maximum(alone, 1), 0, 1)
    return best, np.asarray(kept, np.float32)


def code_picture(plane: Plane, crf: float, frame_rate: float, tree: Floats) -> Plane:
    """A picture as it looks after coding at a CRF: every 8×8 block quantised but for its mean.

    Args:
        tree: QP taken off by prediction in time, a map over the picture (of any size).
    """
    height, width = plane.shape
    padded = cv2.copyMakeBorder(plane, 0, -height % 8, 0, -width % 8, cv2.BORDER_REPLICATE)
    grid = (padded.shape[1] // 8, padded.shape[0] // 8)
    taken = cv2.resize(tree, grid, interpolation=cv2.INTER_LINEAR)
    coded = np.empty(padded.shape, np.uint8)
    base = base_qp(crf, frame_rate)
    for top in range(0, padded.shape[0], STRIP_LINES):
        lines = padded[top : top + STRIP_LINES]
        coefficients = transform.transform(transform.blocks(lines.astype(np.float32)))
        qp = base + texture_qp(coefficients, grid[0])
        qp += taken[top // 8 : (top + len(lines)) // 8].ravel()
        mean = coefficients[:, 0].copy()
        steps = transform.quantisation_step(np.clip(qp, 0, 51))
        coefficients = transform.quantised(coefficients, steps)
        coefficients[:, 0] = mean
        back = transform.unblocks(transform.untransform(coefficients), len(lines), padded.shape[1])
        coded[top : top + len(lines)] = np.clip(np.round(back), 0, 255)
    return coded[:height, :width]
