"""The fixed ladder that a title's own is compared with, and the saving.

What it is made of is in :mod:`pertitle.ladder.fixed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from pertitle.ladder.bdrate import bd_rate, clean_curve
from pertitle.ladder.fixed import APPLE, HEIGHT_TOLERANCE
from pertitle.records import CurvePoint, LadderPlan
from pertitle.results import Rendition

_Array = NDArray[np.float64]
_Curve = tuple[_Array, _Array]

ASPECTS = (1.2, 2.5)
"""Pictures of another shape (portrait, square) are too far from 16:9 to be compared by lines."""


@dataclass(frozen=True)
class FixedRung:
    """A rung of the fixed ladder and the quality this title is believed to have there."""

    height: int
    bitrate_kbps: float
    vmaf: float


@dataclass(frozen=True)
class Comparison:
    """A title's ladder beside the fixed one.

    Attributes:
        rungs: the fixed ladder up to the source's height, best first.
        own_kbps, own_vmaf: the title's top rung, measured if it was delivered.
        at_top: bitrate (kbit/s) the fixed ladder's curve needs for the quality of the title's
            top rung; None if that quality lies beyond its ends.
        bd_rate: average bitrate of the title's ladder above the fixed one at equal VMAF, per
            cent (Bjøntegaard); negative is a saving; None without a common range.
    """

    rungs: tuple[FixedRung, ...]
    own_kbps: float
    own_vmaf: float
    at_top: float | None
    bd_rate: float | None


def curves_by_height(curves: Sequence[CurvePoint]) -> dict[int, list[CurvePoint]]:
    """Points of each height from low to high bitrate; heights from large to small."""
    ordered = sorted(curves, key=lambda p: (-p.height, p.bitrate_kbps, p.vmaf))
    return {height: list(points) for height, points in groupby(ordered, key=lambda p: p.height)}


def own_points(plan: LadderPlan, renditions: Sequence[Rendition]) -> list[tuple[float, float]]:
    """(kbit/s, VMAF) of the ladder, best first: as measured if delivered, else as predicted."""
    if renditions:
        return [(r.average_kbps, r.verification.vmaf) for r in renditions]
    return [(r.bitrate_kbps, r.vmaf) for r in plan.rungs]


def compare_with_fixed(plan: LadderPlan, renditions: Sequence[Rendition]) -> Comparison | None:
    """Place the fixed ladder on the title's believed curves.

    Returns:
        None where the specification lists no rungs of the codec, or none of the title's curves
        reaches one.
    """
    rungs = _fixed_rungs(plan, renditions)
    own = own_points(plan, renditions)
    if not rungs or not own:
        return None
    fixed = [r.bitrate_kbps for r in rungs], [r.vmaf for r in rungs]
    ours = [kbps for kbps, _ in own], [vmaf for _, vmaf in own]
    top_kbps, top_vmaf = own[0]
    return Comparison(rungs, top_kbps, top_vmaf, _rate_at(fixed, top_vmaf), bd_rate(fixed, ours))


def _fixed_rungs(plan: LadderPlan, renditions: Sequence[Rendition]) -> tuple[FixedRung, ...]:
    if not plan.rungs or not ASPECTS[0] <= plan.rungs[0].width / plan.rungs[0].height <= ASPECTS[1]:
        return ()
    curves = _corrected_curves(plan, renditions)
    found = []
    for height, kbps in APPLE.get(plan.codec, ()):
        near = min(curves, key=lambda h: abs(h - height), default=None)
        if near is None or abs(near - height) > HEIGHT_TOLERANCE * height:
            continue
        vmaf = _vmaf_at(curves[near], kbps)
        if vmaf is not None:
            found.append(FixedRung(height, float(kbps), vmaf))
    return tuple(found)


def _corrected_curves(plan: LadderPlan, renditions: Sequence[Rendition]) -> dict[int, _Curve]:
    """The believed curves by height, moved onto what was measured.

    Between measured rungs of a height the move in log bitrate is interpolated over VMAF, beyond
    them it stays; a height without any moves by the median of all. Otherwise a title whose curves
    were misjudged would be compared with a fixed ladder that knows only the misjudgement.
    """
    curves = {}
    for height, points in curves_by_height(plan.curves).items():
        curve = clean_curve([p.bitrate_kbps for p in points], [p.vmaf for p in points])
        if len(curve[0]) > 1:
            curves[height] = curve
    moves: dict[int, list[tuple[float, float]]] = {height: [] for height in curves}
    for done in renditions:
        if done.rung.height in curves and done.average_kbps > 0:
            rate, quality = curves[done.rung.height]
            at = float(np.clip(done.verification.vmaf, quality[0], quality[-1]))
            move = np.log2(done.average_kbps) - float(PchipInterpolator(quality, rate)(at))
            moves[done.rung.height].append((at, float(move)))
    everywhere = [move for found in moves.values() for _, move in found]
    if not everywhere:
        return curves
    general = float(np.median(everywhere))
    return {
        height: (rate + _interpolated(moves[height], quality, general), quality)
        for height, (rate, quality) in curves.items()
    }


def _interpolated(moves: list[tuple[float, float]], quality: _Array, general: float) -> _Array:
    if not moves:
        return np.full_like(quality, general)
    places, amounts = zip(*sorted(moves), strict=True)
    return np.asarray(np.interp(quality, places, amounts), dtype=np.float64)


def _vmaf_at(curve: _Curve, kbps: float) -> float | None:
    """VMAF at a bitrate; above the curve's end its last value, below its start unknown."""
    rate, quality = clean_curve(2 ** curve[0], curve[1])
    wanted = float(np.log2(kbps))
    if len(rate) < 2 or wanted < rate[0]:
        return None
    return float(PchipInterpolator(rate, quality)(min(wanted, rate[-1])))


def _rate_at(curve: tuple[list[float], list[float]], vmaf: float) -> float | None:
    rate, quality = clean_curve(*curve)
    if len(rate) < 2 or not quality[0] <= vmaf <= quality[-1]:
        return None
    return float(2 ** PchipInterpolator(quality, rate)(vmaf))
