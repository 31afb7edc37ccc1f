"""Measurements of neighbouring pictures: difference, motion, and what prediction leaves over."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.analysis import transform
from pertitle.analysis.frames import Plane, Pyramid
from pertitle.analysis.spatial import WORK_LINES, texture_energy
from pertitle.records import Size

Floats = NDArray[np.float32]
FLOW_LINES = 270
"""Lines of the picture on which optical flow is found."""
MAX_BLOCKS = 4000
"""8×8 blocks coded a picture and scale; about a 640 × 400 picture."""
CODING_QPS = (22, 32, 42)
CODING_LINES = (540, 360, 240)
"""Scales of the toy encoder beside the source's own."""


@dataclass(frozen=True)
class Group:
    """Three pictures of a small group of pictures: one to predict from, one three frames on that
    is predicted from it, and one between that is predicted from both.

    In a stretch too short for that, the later ones are nearer or the same picture.
    """

    anchor: Pyramid
    middle: Pyramid
    last: Pyramid


def measure(group: Group) -> dict[str, float]:
    """Motion features of a group by name; all 0 for a single picture."""
    first, second = group.anchor.luma, group.middle.luma
    difference = cv2.absdiff(first, second).astype(np.float32)
    signed = first.astype(np.float32) - second.astype(np.float32)
    small_a, small_b = group.anchor.lines(FLOW_LINES), group.middle.lines(FLOW_LINES)
    flow = find_flow(small_b, small_a)
    lines = small_a.shape[0]
    speed = np.hypot(flow[..., 0], flow[..., 1]) / lines * 100
    half = Size(max(2, first.shape[1] // 2), max(2, first.shape[0] // 2))
    half_a, half_b = group.anchor.at(half), group.middle.at(half)
    left = half_b.astype(np.float32) - warp(half_a, flow)
    plain = half_b.astype(np.float32) - half_a
    energy_a = texture_energy(group.anchor.lines(WORK_LINES))
    energy_b = texture_energy(group.middle.lines(WORK_LINES))
    blur_a = cv2.GaussianBlur(small_a.astype(np.float32), (5, 5), 1.08)
    blur_b = cv2.GaussianBlur(small_b.astype(np.float32), (5, 5), 1.08)
    return {
        "ti": float(signed.std()),
        "change": float(difference.mean()),
        "still_share": float((difference < 3).mean()),
        "vmaf_motion": float(np.abs(blur_a - blur_b).mean()),
        "coherence": _correlation(small_a, small_b),
        "speed": float(speed.mean()),
        "speed_spread": float(speed.std()),
        "residual": float(np.abs(left).mean()),
        "residual_gain": float(np.log2((np.abs(plain).mean() + 0.1) / (np.abs(left).mean() + 0.1))),
        "texture_change": float(np.abs(energy_a - energy_b).mean()) if energy_a.size else 0.0,
    }


def _correlation(a: Plane, b: Plane) -> float:
    x, y = a.astype(np.float64) - a.mean(), b.astype(np.float64) - b.mean()
    norm = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / norm) if norm > 1e-6 else 1.0


def find_flow(target: Plane, reference: Plane) -> Floats:
    """Where in ``reference`` each pixel of ``target`` comes from: (h, w, 2) displacements.

    Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV 2016.
    """
    height, width = target.shape
    if min(height, width) < 32:
        return np.zeros((height, width, 2), np.float32)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow = search.calc(np.ascontiguousarray(target), np.ascontiguousarray(reference), None)  # type: ignore[call-overload]
    return np.nan_to_num(np.asarray(flow, np.float32))


def warp(reference: Plane, flow: Floats, lines: NDArray[np.intp] | None = None) -> Floats:
    """Predict a picture, or some lines of it, from a reference and a (smaller) flow field."""
    height, width = reference.shape
    wanted = np.arange(height) if lines is None else lines
    scale_x, scale_y = width / flow.shape[1], height / flow.shape[0]
    rows = ((wanted + 0.5) / scale_y - 0.5).astype(np.float32)
    columns = ((np.arange(width) + 0.5) / scale_x - 0.5).astype(np.float32)
    at_x, at_y = np.meshgrid(columns, rows)
    dense = cv2.remap(flow, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    map_x = dense[..., 0] * np.float32(scale_x) + np.arange(width, dtype=np.float32)
    map_y = dense[..., 1] * np.float32(scale_y) + wanted[:, None].astype(np.float32)
    moved = cv2.remap(
        reference.astype(np.float32), map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)


def scales_of(height: int) -> dict[str, int]:
    """Names and lines of the toy encoder's scales; none is above the source."""
    return {"native": height} | {str(h): min(h, height) for h in CODING_LINES}


@dataclass
class ToyEncoder:
    """Estimates what coding costs: bits a pixel by scale, picture type and quantiser.

    Each picture is cut into 8×8 blocks; each block takes the cheapest of the predictions its
    picture type allows (own mean; motion-compensated from before, after, or both), and the
    transformed remainder is counted by ``transform.bits``. No entropy coder, no rate-distortion
    search: what is wanted is not the rate but what moves with it from title to title.
    """

    sums: dict[tuple[str, str, int], float] = field(default_factory=dict)
    counts: dict[tuple[str, str, int], float] = field(default_factory=dict)
    coded_inter: dict[str, list[float]] = field(default_factory=dict)

    def add(self, group: Group) -> None:
        """Code the three pictures of a group at every scale."""
        pictures = (group.anchor, group.middle, group.last)
        small = [p.lines(FLOW_LINES) for p in pictures]
        flows = (
            find_flow(small[2], small[0]),
            find_flow(small[1], small[0]),
            find_flow(small[1], small[2]),
        )
        height, width = group.anchor.luma.shape
        seen: dict[int, str] = {}
        for name, lines in scales_of(height).items():
            if lines in seen:
                self._copy(seen[lines], name)
                continue
            seen[lines] = name
            size = Size(max(8, round(width * lines / height)), max(8, lines))
            self._add_scale(name, [p.at(size) for p in pictures], flows)

    def _copy(self, known: str, name: str) -> None:
        for store in (self.sums, self.counts):
            for key in [k for k in store if k[0] == known]:
                store[(name, *key[1:])] = store[key]
        self.coded_inter[name] = list(self.coded_inter[known])

    def _add_scale(
        self, name: str, pictures: list[Plane], flows: tuple[Floats, Floats, Floats]
    ) -> None:
        rows = transform.block_rows(pictures[0].shape[0], pictures[0].shape[1], MAX_BLOCKS)
        anchor, middle, last = (_coefficients(p[rows].astype(np.float32)) for p in pictures)
        from_anchor = _coefficients(warp(pictures[0], flows[0], rows))
        before = _coefficients(warp(pictures[0], flows[1], rows))
        after = _coefficients(warp(pictures[2], flows[2], rows))
        predicted, p_share = _cheapest(last, [last - from_anchor, last - anchor])
        both = middle - (before + after) * np.float32(0.5)
        between, b_share = _cheapest(middle, [middle - before, middle - after, both])
        self.coded_inter.setdefault(name, []).append(0.5 * (p_share + b_share))
        kinds = {"i": _without_mean(anchor), "p": predicted, "b": between}
        for kind, coefficients in kinds.items():
            for qp in CODING_QPS:
                # Pictures nothing is predicted from are quantised two steps coarser.
                step = transform.quantisation_step(qp + (2 if kind == "b" else 0))
                key = (name, kind, qp)
                self.sums[key] = self.sums.get(key, 0.0) + transform.bits(coefficients, step)
                self.counts[key] = self.counts.get(key, 0.0) + coefficients.size

    def bits_per_pixel(self, name: str, kind: str, qp: int) -> float:
        """Mean estimated bits a pixel, 0 if nothing was coded."""
        key = (name, kind, qp)
        return self.sums.get(key, 0.0) / max(1.0, self.counts.get(key, 0.0))

    def inter_share(self, name: str) -> float:
        """Share of blocks that prediction in time made cheaper."""
        return float(np.mean(self.coded_inter.get(name, [0.0])))


def _coefficients(lines: Floats) -> Floats:
    return transform.transform(transform.blocks(lines))


def _without_mean(coefficients: Floats) -> Floats:
    rest = coefficients.copy()
    rest[:, 0] = 0
    return rest


def _cheapest(intra: Floats, inter: list[Floats]) -> tuple[Floats, float]:
    """Coefficients of the cheapest prediction of each block, and the share coded in time."""
    best = _without_mean(intra)
    # An intra block also pays for its mean and mode.
    cost = np.abs(best).sum(axis=1) * 1.1 + 8
    share = np.zeros(len(best), bool)
    for coefficients in inter:
        price = np.abs(coefficients).sum(axis=1)
        better = price < cost
        best = np.where(better[:, None], coefficients, best)
        cost = np.minimum(cost, price)
        share |= better
    return best, float(share.mean()) if share.size else 0.0
