"""Choosing rungs along the expected hull under the user's rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pertitle.ladder.allocation import choose_points
from pertitle.ladder.decision import Curves, choose_heights, costs
from pertitle.options import LadderOptions

Array = NDArray[np.float64]

_FINE = 0.25
"""VMAF spacing of the hull that rungs are read from."""
_WORTH = 0.7
"""When the wanted top is out of reach, quality that costs more octaves of bitrate a VMAF point
than this is not bought: at saturation the last tenths of a point cost whole octaves."""


@dataclass(frozen=True)
class Hull:
    """The expected hull from the best quality down: equally long arrays.

    Attributes:
        vmaf, rate: quality and log2 kbit/s, both falling.
        row: index of the height.
        crf: where on that height.
    """

    vmaf: Array
    rate: Array
    row: NDArray[np.int64]
    crf: Array


@dataclass(frozen=True)
class Step:
    """A chosen rung: height index, CRF on the encoder's step, expected log2 kbit/s and VMAF."""

    row: int
    crf: float
    rate: float
    vmaf: float


@dataclass(frozen=True)
class Choice:
    """Chosen rungs, best first, and what could not be satisfied ("" if all was)."""

    steps: tuple[Step, ...]
    problem: str = ""


def expected_hull(curves: Curves, top: float, bottom: float) -> Hull:
    """The cheapest height at every quality between two bounds, best first.

    The top is lowered to what is reachable and worth its bits.
    """
    best = float(curves.vmaf[:, 0].max())
    high = min(top, best)
    low = min(max(bottom, float(curves.vmaf[:, -1].min())), high)
    targets = high - np.arange(0.0, high - low + 1e-9, _FINE)
    rate, crf = costs(curves, targets)
    row = choose_heights(rate)
    pick = np.arange(len(targets))
    hull_rate = np.minimum.accumulate(rate[row, pick])
    start = 0
    if best < top and len(targets) > 1:
        slope = np.diff(hull_rate) / np.diff(targets)
        worth = np.flatnonzero(slope <= _WORTH)
        start = int(worth[0]) if len(worth) else len(targets) - 1
    keep = slice(start, None)
    return Hull(targets[keep], hull_rate[keep], row[keep], crf[row, pick][keep])


def read(curves: Curves, row: int, crf: float) -> Step:
    """The expected rung at a height and CRF."""
    return Step(
        row,
        crf,
        float(np.interp(crf, curves.crfs, curves.rate[row])),
        float(np.interp(crf, curves.crfs, curves.vmaf[row])),
    )


def choose_rungs(curves: Curves, options: LadderOptions, crf_step: float) -> Choice:
    """Walk down the hull by the quality step inside the bitrate ratio bounds, or serve an audience.

    Rungs get strictly lower in bitrate and VMAF and never higher in lines. What the rules cannot
    satisfy is named in the result's ``problem``; the steps are then the closest attempt.
    """
    hull = expected_hull(curves, options.top_vmaf, options.min_vmaf)
    most = np.log2(options.max_kbps) if options.max_kbps else np.inf
    least = np.log2(options.min_kbps) if options.min_kbps else -np.inf
    inside = (hull.rate <= most + 1e-9) & (hull.rate >= least - 1e-9)
    if hull.vmaf[0] < options.min_vmaf - 0.5 or not inside.any():
        nearest = int(np.argmin(np.abs(hull.rate - np.clip(hull.rate, least, most))))
        step = read(curves, int(hull.row[nearest]), _snap(hull.crf[nearest], crf_step, curves))
        reason = (
            f"the best reachable VMAF is {hull.vmaf[0]:.1f}, below the minimum {options.min_vmaf:g}"
            if hull.vmaf[0] < options.min_vmaf - 0.5
            else "no rung fits between the bitrate bounds: this title's hull spans "
            f"{2 ** hull.rate[-1]:.0f} to {2 ** hull.rate[0]:.0f} kbit/s"
        )
        return Choice((step,), reason)
    hull = Hull(hull.vmaf[inside], hull.rate[inside], hull.row[inside], hull.crf[inside])
    if options.audience:
        return _enough(_for_audience(curves, hull, options, crf_step), options)

    def walk(step: float) -> tuple[Step, ...]:
        return _walk(curves, hull, options, step, crf_step)

    steps = walk(options.vmaf_step)
    if len(steps) > options.max_rungs:
        steps = _search(walk, options.vmaf_step, 100.0, lambda n: n <= options.max_rungs)
        steps = steps[: options.max_rungs]
    if len(steps) < options.min_rungs:
        steps = _search(walk, options.vmaf_step, 0.05, lambda n: n >= options.min_rungs)
        steps = steps[: options.max_rungs]
    return _enough(steps, options)


def _enough(steps: tuple[Step, ...], options: LadderOptions) -> Choice:
    if len(steps) < options.min_rungs:
        return Choice(
            steps, f"only {len(steps)} of at least {options.min_rungs} rungs fit the rules"
        )
    return Choice(steps)


def _for_audience(
    curves: Curves, hull: Hull, options: LadderOptions, crf_step: float
) -> tuple[Step, ...]:
    """The hull's points that serve the audience best (see :mod:`.allocation`)."""
    # Points of equal bitrate are one: the best of them.
    places = np.flatnonzero(np.append(True, np.diff(hull.rate) < -1e-9))[::-1]
    chosen = choose_points(2 ** hull.rate[places], hull.vmaf[places], options)
    steps: list[Step] = []
    for point in reversed(chosen):
        place = int(places[point])
        step = _rounded(curves, hull, place, float(hull.vmaf[place]), options, crf_step, steps)
        if step is not None:
            steps.append(step)
    return tuple(steps)


def _search(
    walk: Callable[[float], tuple[Step, ...]],
    start: float,
    end: float,
    good: Callable[[int], bool],
) -> tuple[Step, ...]:
    """The step nearest to ``start`` with a good number of rungs, or the walk at ``end``."""
    best = walk(end)
    if not good(len(best)):
        return best
    low, high = start, end
    for _ in range(20):
        middle = (low * high) ** 0.5
        steps = walk(middle)
        if good(len(steps)):
            best, high = steps, middle
        else:
            low = middle
    return best


def _walk(
    curves: Curves, hull: Hull, options: LadderOptions, quality_step: float, crf_step: float
) -> tuple[Step, ...]:
    low_ratio, high_ratio = np.log2(options.min_ratio), np.log2(options.max_ratio)
    bottom, floor = float(hull.rate[-1]), float(hull.vmaf[-1])
    # np.interp wants rising abscissae; equal rates (a flat hull) are read at the better quality.
    rates, values = hull.rate[::-1], hull.vmaf[::-1]
    steps: list[Step] = []
    rate, vmaf = float(hull.rate[0]), float(hull.vmaf[0])
    while True:
        steps_before = len(steps)
        place = int(np.argmin(np.abs(hull.vmaf - vmaf)))
        found = _rounded(curves, hull, place, vmaf, options, crf_step, steps)
        if found is not None:
            steps.append(found)
            rate, vmaf = found.rate, found.vmaf
        if found is None or len(steps) == steps_before or len(steps) >= 200:
            return tuple(steps)
        wanted = vmaf - quality_step
        next_rate = float(np.interp(wanted, values, rates)) if wanted >= floor else bottom
        next_rate = float(np.clip(next_rate, rate - high_ratio, rate - low_ratio))
        if next_rate < bottom - 1e-9 or wanted < floor - 0.6 * quality_step:
            return tuple(steps)
        vmaf = float(np.interp(next_rate, rates, values))
        if vmaf >= steps[-1].vmaf - 1e-3:
            return tuple(steps)


def _rounded(
    curves: Curves,
    hull: Hull,
    place: int,
    vmaf: float,
    options: LadderOptions,
    crf_step: float,
    above: list[Step],
) -> Step | None:
    """The rung at a place of the hull with its CRF on the step, nudged to keep the rules."""
    row = int(hull.row[place])
    value = curves.vmaf[row] - 1e-9 * np.arange(len(curves.crfs))
    crf = _snap(float(np.interp(-vmaf, -value, curves.crfs)), crf_step, curves)
    most = np.log2(options.max_kbps) if options.max_kbps else np.inf
    most += 1e-9
    least = np.log2(options.min_kbps) - 1e-9 if options.min_kbps else -np.inf
    lowest = -np.inf
    if above:
        most = min(most, above[-1].rate - np.log2(options.min_ratio) + 1e-9)
        lowest = above[-1].rate - np.log2(options.max_ratio) - 1e-9
    step = read(curves, row, crf)
    for _ in range(4):
        if step.rate > most or (above and step.vmaf >= above[-1].vmaf):
            crf += crf_step
        elif step.vmaf < options.min_vmaf or step.rate < max(least, lowest):
            crf -= crf_step
        else:
            return step
        crf = _snap(crf, crf_step, curves)
        step = read(curves, row, crf)
    fits = least <= step.rate <= most and (not above or step.vmaf < above[-1].vmaf)
    return step if fits and step.vmaf >= options.min_vmaf else None


def _snap(crf: float, step: float, curves: Curves) -> float:
    low, high = float(curves.crfs[0]), float(curves.crfs[-1])
    snapped = low + round((crf - low) / step) * step
    return round(float(np.clip(snapped, low, high)), 6)
