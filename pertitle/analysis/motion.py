"""Measurements of neighbouring pictures: difference, motion, and what prediction leaves over."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.analysis.frames import Plane, Pyramid
from pertitle.analysis.spatial import WORK_LINES, spread, texture_energy
from pertitle.records import Size

Floats = NDArray[np.float32]
FLOW_LINES = 270
"""Lines of the picture on which optical flow is found."""


@dataclass(frozen=True)
class Group:
    """Three pictures of a small group of pictures: one to predict from, one three frames on that
    is predicted from it, and one between that is predicted from both.

    In a stretch too short for that, the later ones are nearer or the same picture.
    """

    anchor: Pyramid
    middle: Pyramid
    last: Pyramid


def measure(group: Group, display: Size) -> dict[str, float]:
    """Motion features of a group by name; all 0 for a single picture.

    Args:
        display: the surface on which VMAF's motion feature is taken.
    """
    first, second = group.anchor.luma, group.middle.luma
    difference = cv2.absdiff(first, second)
    signed = cv2.subtract(first, second, dtype=cv2.CV_16S)
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
    shown = (group.anchor.at(display), group.middle.at(display))
    blur_a, blur_b = (cv2.GaussianBlur(s.astype(np.float32), (5, 5), 1.08) for s in shown)
    return {
        "ti": spread(signed),
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
