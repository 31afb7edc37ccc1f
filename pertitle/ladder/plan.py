"""Planning one title's ladder: prior, probes, hull, rungs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pertitle.errors import LadderError
from pertitle.ladder.coordinates import TitleContext
from pertitle.ladder.decision import (
    Curves,
    LinearDecision,
    Outlook,
    Weights,
    contenders,
    expected_curves,
    linearised,
    outlook_of,
    probe_values,
    regret,
    worst_error,
)
from pertitle.ladder.draws import draw
from pertitle.ladder.grid import Grid
from pertitle.ladder.posterior import Posterior
from pertitle.ladder.rungs import Choice, choose_rungs, expected_hull
from pertitle.ladder.surface import SurfaceModel
from pertitle.options import LadderOptions
from pertitle.records import CurvePoint, LadderPlan, Probe, RatePoint, Rung, Size

Array = NDArray[np.float64]
Measure = Callable[[int, float], Probe]

_COST_POWER = 0.5
"""How much a probe's price (pixels a frame) counts against what it tells."""
_UNTRAINED = {"preset": 2.0, "quality_model": 4.0}
"""Variance factors for what the model was not trained on."""
_UNSURE = 6.0
"""Times the tolerance that a bound of the loss must exceed to be told of."""
_NEAR_TOP = 12.5
"""CRFs around the top rung's within which a probe of its height tells of it."""
_SURE = 1.4
"""Probing may stop once no rung's VMAF is expected to be off by more than this many points per per
cent of the loss tolerance."""


def candidate_heights(options: LadderOptions, source_height: int) -> tuple[int, ...]:
    """The source's own height and the allowed ones below it, best first.

    Where ``max_height`` forbids all of these it stands alone.
    """
    most = options.max_height or source_height
    heights = {h for h in options.heights if 2 <= h < source_height} | {source_height}
    allowed = sorted((h for h in heights if h <= most), reverse=True)
    return tuple(allowed) or (most // 2 * 2,)


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
        LadderError: no ladder meets them; holds the best attempt as a ``LadderPlan``.
    """
    heights = candidate_heights(options, title.size.height)
    grid = Grid.of(model.axes, title, heights, crf_range, crf_step)
    inflate, notes = unfamiliar(model, preset, quality_model)
    belief = model.prior(title, inflate=inflate)
    probes: list[Probe] = []
    while measure is not None and len(probes) < options.max_probes:
        cell = next_probe(belief, grid, options, probes)
        if cell is None:
            break
        probe = measure(*cell)
        probes.append(probe)
        on_probe(probe)
        belief = belief.condition(probe)
    return finish_plan(
        belief,
        grid,
        options,
        probes,
        preset=preset,
        quality_model=quality_model,
        display=display,
        notes=notes,
    )


def unfamiliar(model: SurfaceModel, preset: str, quality_model: str) -> tuple[float, list[str]]:
    """What of a request the model was not trained on: variance factor, and notes for people."""
    inflate, notes = 1.0, []
    asked = {"preset": preset, "quality_model": quality_model}
    trained = {"preset": model.preset, "quality_model": model.quality_model}
    for name, value in asked.items():
        if value != trained[name]:
            inflate *= _UNTRAINED[name]
            notes.append(
                f"the model was trained on {name.replace('_', ' ')} {trained[name]}, not {value}: "
                "predictions are less certain and take more probes"
            )
    return inflate, notes


def targets_of(curves: Curves, options: LadderOptions) -> Array:
    """VMAF levels that stand for the wanted ladder, best first."""
    hull = expected_hull(curves, options.top_vmaf, options.min_vmaf)
    span = hull.vmaf[0] - hull.vmaf[-1]
    count = max(2, round(span / max(3.0, options.vmaf_step / 2)) + 1)
    return np.linspace(hull.vmaf[0], hull.vmaf[-1], min(count, 24))


def next_probe(
    belief: Posterior, grid: Grid, options: LadderOptions, probes: Sequence[Probe]
) -> tuple[int, float] | None:
    """The (height, CRF) worth measuring next, or None if enough is known.

    Heights are measured at wanted qualities where they may be the one to choose. The last probes
    go to the heights that may make the top rung and were not measured near it.
    """
    curves = expected_curves(grid, grid.moments(belief))
    at = linearised(grid, curves, targets_of(curves, options))
    outlook = outlook_of(draw(belief, grid), at)
    contends = contenders(outlook) & (at.targets <= curves.vmaf[:, :1] + 1e-6)
    doubtful = unproven(outlook, at, grid, contends, probes)
    if probes and int(at.chosen[0]) not in doubtful:
        sure = worst_error(belief, at) < _SURE * options.tolerance
        if sure and regret(belief, at) < options.tolerance:
            return None
    known = {(p.height, round(p.crf, 3)) for p in probes}
    rows, places, cells = [], [], []
    for i, height in enumerate(grid.heights):
        for crf in sorted({grid.snap(float(c)) for c in at.crf[i][contends[i]]}):
            if (height, round(crf, 3)) not in known:
                rows.append(i)
                places.append(int(grid.nearest(np.array([crf]))[0]))
                cells.append((height, crf))
    if not cells:
        return None
    if doubtful and len(doubtful) >= options.max_probes - len(probes):
        return grid.heights[doubtful[0]], grid.snap(float(at.crf[doubtful[0], 0]))
    values = probe_values(belief, grid, at, np.array(rows), np.array(places), Weights())
    price = 2 ** (grid.pixels - grid.pixels.max())
    best = int(np.argmax(values / (0.3 + price[rows]) ** _COST_POWER))
    return cells[best]


def unproven(
    outlook: Outlook,
    at: LinearDecision,
    grid: Grid,
    contends: NDArray[np.bool_],
    probes: Sequence[Probe],
) -> list[int]:
    """Rows of the heights that may make the top rung and were not measured near it, the likeliest
    first, at most two."""
    odds = (outlook.cost[:, :, 0] <= outlook.cost[:, :, 0].min(axis=1, keepdims=True)).mean(axis=0)
    odds[at.chosen[0]] += 1.0
    rows = [
        int(i)
        for i in np.argsort(-odds)
        if contends[i, 0]
        and not any(
            p.height == grid.heights[i] and abs(p.crf - at.crf[i, 0]) < _NEAR_TOP for p in probes
        )
    ]
    return rows[:2]


def finish_plan(
    belief: Posterior,
    grid: Grid,
    options: LadderOptions,
    probes: Sequence[Probe],
    *,
    preset: str,
    quality_model: str,
    display: Size,
    notes: Sequence[str] = (),
) -> LadderPlan:
    """Read hull and rungs off a belief about the digest.

    Raises:
        LadderError: no ladder meets the options; holds the best attempt.
    """
    belief = belief.of_title()
    curves = expected_curves(grid, grid.moments(belief))
    choice = choose_rungs(curves, options, grid.step)
    at = linearised(grid, curves, targets_of(curves, options))
    bound = outlook_of(draw(belief, grid), at).loss_bound
    told = list(notes)
    if probes and bound > _UNSURE * options.tolerance:
        told.append(
            f"this title is unlike those measured: its ladder may lose {bound:.0f} %, more probes"
            " (--max-probes) would tell"
        )
    plan = LadderPlan(
        codec=belief.title.codec,
        preset=preset,
        quality_model=quality_model,
        display=display,
        rungs=_rungs(belief, curves, choice),
        hull=_hull_points(curves, options),
        curves=_curve_points(belief, curves),
        probes=tuple(probes),
        notes=tuple(told),
        expected_loss=regret(belief, at),
        loss_bound=bound,
    )
    if choice.problem:
        raise LadderError(choice.problem, plan)
    return plan


def reread(plan: LadderPlan, belief: Posterior, grid: Grid, options: LadderOptions) -> LadderPlan:
    """The plan with hull, curves and expected loss of a belief about the title; same rungs."""
    curves = expected_curves(grid, grid.moments(belief))
    at = linearised(grid, curves, targets_of(curves, options))
    return replace(
        plan,
        hull=_hull_points(curves, options),
        curves=_curve_points(belief, curves),
        expected_loss=regret(belief, at),
        loss_bound=outlook_of(draw(belief, grid), at).loss_bound,
    )


def _curve_points(belief: Posterior, curves: Curves) -> tuple[CurvePoint, ...]:
    points = []
    for height in curves.heights:
        # Every whole CRF is plenty for a drawing.
        p = belief.predict(height, curves.crfs[::2])
        columns = (
            p.crfs,
            p.bitrate_kbps,
            p.vmaf,
            p.vmaf_low,
            p.vmaf_high,
            p.bitrate_low_kbps,
            p.bitrate_high_kbps,
        )
        points += [CurvePoint(height, *map(float, row)) for row in zip(*columns, strict=True)]
    return tuple(points)


def _rungs(belief: Posterior, curves: Curves, choice: Choice) -> tuple[Rung, ...]:
    rungs = []
    for step in choice.steps:
        height = curves.heights[step.row]
        size = belief.title.rung_size(height)
        p = belief.predict(height, [step.crf])
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
