"""Planning one title's ladder: prior, probes, hull, rungs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pertitle.errors import LadderError, UsageError
from pertitle.ladder.coordinates import TitleContext
from pertitle.ladder.decision import (
    Curves,
    Weights,
    expected_curves,
    probe_values,
    regret,
    stake,
)
from pertitle.ladder.posterior import Posterior
from pertitle.ladder.rungs import Choice, choose_rungs, expected_hull
from pertitle.ladder.surface import SurfaceModel
from pertitle.records import CurvePoint, LadderOptions, LadderPlan, Probe, RatePoint, Rung, Size

Array = NDArray[np.float64]
Measure = Callable[[int, float], Probe]

_GRID = 0.5
"""CRF spacing of the grid decisions are made on."""
_COST_POWER = 0.25
"""How much a probe's price (pixels a frame) counts against what it tells."""
_UNTRAINED = {"preset": 2.0, "quality_model": 4.0, "codec": 4.0, "display": 2.0}
"""Variance factors for what the model was not trained on."""


@dataclass(frozen=True)
class Settings:
    """What of the title and the encoder the ladder has to know.

    Attributes:
        heights: candidates, best first.
        crf_range, crf_step: of the encoder.
    """

    heights: tuple[int, ...]
    crf_range: tuple[float, float]
    crf_step: float

    @property
    def grid(self) -> Array:
        """CRFs that decisions are made on."""
        low, high = self.crf_range
        return np.linspace(low, high, max(2, round((high - low) / _GRID) + 1))


def candidate_heights(options: LadderOptions, source_height: int) -> tuple[int, ...]:
    """The source's own height and the allowed ones below it, best first."""
    below = {h for h in options.heights if 2 <= h < source_height}
    return (source_height, *sorted(below, reverse=True))


def check_options(options: LadderOptions, crf_range: tuple[float, float], crf_step: float) -> None:
    """Refuse contradictory wishes before anything is measured.

    Raises:
        UsageError: in one line.
    """
    low, high = crf_range
    if not (math.isfinite(low) and math.isfinite(high) and low < high and crf_step > 0):
        raise UsageError(f"CRF range {low:g} to {high:g} in steps of {crf_step:g} is empty")
    if any(h < 2 for h in options.heights):
        raise UsageError(f"rung height {min(options.heights)} is not possible")
    if not 0 <= options.min_vmaf <= options.top_vmaf <= 100:
        raise UsageError(
            f"VMAF from {options.min_vmaf:g} to {options.top_vmaf:g} is not a range within 0 to 100"
        )
    if not options.vmaf_step > 0:
        raise UsageError("the VMAF step must be above 0")
    if not 1.0 <= options.min_ratio <= options.max_ratio:
        raise UsageError(
            f"bitrate ratios {options.min_ratio:g} to {options.max_ratio:g} are not a range above 1"
        )
    if not 1 <= options.min_rungs <= options.max_rungs:
        raise UsageError(f"{options.min_rungs} to {options.max_rungs} rungs is not a range")
    least, most = options.min_kbps, options.max_kbps
    if (least is not None and least <= 0) or (most is not None and most <= (least or 0)):
        raise UsageError(f"bitrates from {least} to {most} kbit/s are not a range")
    if options.max_probes < 0:
        raise UsageError("the number of probes cannot be negative")


def plan_ladder(
    model: SurfaceModel,
    title: TitleContext,
    options: LadderOptions,
    *,
    preset: str,
    quality_model: str,
    display: Size,
    crf_range: tuple[float, float],
    crf_step: float,
    measure: Measure | None,
    on_probe: Callable[[Probe], None] = lambda probe: None,
) -> LadderPlan:
    """Plan the ladder of one title.

    Args:
        preset, quality_model, display: what will be encoded and how quality is meant; untrained
            ones widen the belief and are named in the plan's notes.
        crf_range, crf_step: of the encoder.
        measure: encodes the digest at (height, CRF) and measures it; None for prediction alone.
        on_probe: told of each probe.

    Raises:
        UsageError: the options contradict one another.
        LadderError: no ladder meets them; holds the best attempt as a ``LadderPlan``.
    """
    check_options(options, crf_range, crf_step)
    settings = Settings(candidate_heights(options, title.size.height), crf_range, crf_step)
    inflate, notes = _unfamiliar(model, title, preset, quality_model)
    posterior = model.prior(title, inflate=inflate)
    probes: list[Probe] = []
    while measure is not None and len(probes) < options.max_probes:
        cell = next_probe(posterior, settings, options, probes)
        if cell is None:
            break
        probe = measure(*cell)
        probes.append(probe)
        on_probe(probe)
        posterior = posterior.condition(probe)
    return finish_plan(
        posterior,
        settings,
        options,
        probes,
        preset=preset,
        quality_model=quality_model,
        display=display,
        notes=notes,
    )


def _unfamiliar(
    model: SurfaceModel, title: TitleContext, preset: str, quality_model: str
) -> tuple[float, list[str]]:
    inflate, notes = 1.0, []
    given = {"codec": title.codec, "preset": preset, "quality_model": quality_model}
    trained = {
        "codec": model.meta.get("trained_codec", model.codec),
        "preset": model.preset,
        "quality_model": model.quality_model,
    }
    for name, value in given.items():
        if value != trained[name]:
            inflate *= _UNTRAINED[name]
            notes.append(
                f"the model was trained on {name.replace('_', ' ')} {trained[name]}, not {value}: "
                "predictions are less certain and need more probes"
            )
            if name == "codec":
                break
    return inflate, notes


def _targets(curves: Curves, options: LadderOptions) -> Array:
    hull = expected_hull(curves, options.top_vmaf, options.min_vmaf)
    count = max(2, round((hull.vmaf[0] - hull.vmaf[-1]) / max(1.0, options.vmaf_step / 2)) + 1)
    return np.linspace(hull.vmaf[0], hull.vmaf[-1], min(count, 24))


def next_probe(
    posterior: Posterior, settings: Settings, options: LadderOptions, probes: Sequence[Probe]
) -> tuple[int, float] | None:
    """The (height, CRF) worth measuring next, or None if enough is known."""
    curves = expected_curves(posterior, settings.heights, settings.grid)
    targets = _targets(curves, options)
    at = stake(posterior, curves, targets)
    weights = Weights()
    known = {(p.height, round(p.crf, 3)) for p in probes}
    cells = [
        (h, c)
        for i, h in enumerate(settings.heights)
        for c in _candidates(curves, i, at.crf[i], targets, settings)
        if (h, round(c, 3)) not in known
    ]
    if not cells:
        return None
    if probes and regret(posterior, at) < options.tolerance and _precise(posterior, at.targets):
        return None
    values = probe_values(posterior, at, cells, weights)
    sizes = [posterior.title.rung_size(h) for h, _ in cells]
    price = np.array([s.width * s.height for s in sizes], dtype=np.float64)
    price = 0.3 + price / price.max()
    best = int(np.argmax(values / price**_COST_POWER))
    height, crf = cells[best]
    return height, float(crf)


def _precise(posterior: Posterior, targets: Array) -> bool:
    return False


def _candidates(
    curves: Curves, row: int, crf: Array, targets: Array, settings: Settings
) -> list[float]:
    """CRFs of a height at the wanted qualities, on the encoder's step."""
    reachable = targets <= curves.vmaf[row, 0] + 1e-6
    low = settings.crf_range[0]
    step = settings.crf_step
    picks = crf[reachable] if reachable.any() else np.array([low])
    picks = picks[:: max(1, len(picks) // 12)]
    snapped = {round(low + round((c - low) / step) * step, 6) for c in picks}
    return sorted(float(c) for c in snapped)


def finish_plan(
    posterior: Posterior,
    settings: Settings,
    options: LadderOptions,
    probes: Sequence[Probe],
    *,
    preset: str,
    quality_model: str,
    display: Size,
    notes: Sequence[str] = (),
) -> LadderPlan:
    """Read hull and rungs off a belief.

    Raises:
        LadderError: no ladder meets the options; holds the best attempt.
    """
    curves = expected_curves(posterior, settings.heights, settings.grid)
    choice = choose_rungs(curves, options, settings.crf_step)
    points = _curve_points(posterior, curves)
    at = stake(posterior, curves, _targets(curves, options))
    plan = LadderPlan(
        codec=posterior.title.codec,
        preset=preset,
        quality_model=quality_model,
        display=display,
        rungs=_rungs(posterior, curves, choice, points),
        hull=_hull_points(curves, options),
        curves=tuple(points),
        probes=tuple(probes),
        notes=tuple(notes),
        expected_loss=regret(posterior, at),
    )
    if choice.problem:
        raise LadderError(choice.problem, plan)
    return plan


def _curve_points(posterior: Posterior, curves: Curves) -> list[CurvePoint]:
    points = []
    for height in curves.heights:
        p = posterior.predict(height, curves.crfs)
        points += [
            CurvePoint(height, *(round(float(x), 4) for x in row))
            for row in zip(
                p.crfs,
                p.bitrate_kbps,
                p.vmaf,
                p.vmaf_low,
                p.vmaf_high,
                p.bitrate_low_kbps,
                p.bitrate_high_kbps,
                strict=True,
            )
        ]
    return points


def _rungs(
    posterior: Posterior, curves: Curves, choice: Choice, points: Sequence[CurvePoint]
) -> tuple[Rung, ...]:
    rungs = []
    for step in choice.steps:
        height = curves.heights[step.row]
        size = posterior.title.rung_size(height)
        p = posterior.predict(height, [step.crf])
        value, kbps = step.vmaf, 2**step.rate
        rungs.append(
            Rung(
                width=size.width,
                height=size.height,
                crf=step.crf,
                bitrate_kbps=kbps,
                vmaf=value,
                vmaf_low=max(0.0, value - float(p.vmaf[0] - p.vmaf_low[0])),
                vmaf_high=min(100.0, value + float(p.vmaf_high[0] - p.vmaf[0])),
                bitrate_low_kbps=kbps * float(p.bitrate_low_kbps[0] / p.bitrate_kbps[0]),
                bitrate_high_kbps=kbps * float(p.bitrate_high_kbps[0] / p.bitrate_kbps[0]),
            )
        )
    return tuple(rungs)


def _hull_points(curves: Curves, options: LadderOptions) -> tuple[RatePoint, ...]:
    hull = expected_hull(curves, max(options.top_vmaf, 98.0), min(options.min_vmaf, 10.0))
    pick = np.unique(np.linspace(0, len(hull.vmaf) - 1, 40).round().astype(int))
    return tuple(
        RatePoint(
            curves.heights[int(hull.row[i])],
            float(hull.crf[i]),
            float(2 ** hull.rate[i]),
            float(hull.vmaf[i]),
        )
        for i in pick
    )
