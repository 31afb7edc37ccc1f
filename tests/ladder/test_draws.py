"""Drawn surfaces, who contends on them, and evidence for the top rung."""

from __future__ import annotations

import numpy as np
import pytest

from pertitle.ladder.coordinates import vmaf_from_quality
from pertitle.ladder.decision import contenders, expected_curves, linearised, outlook_of
from pertitle.ladder.draws import draw
from pertitle.ladder.grid import Grid
from pertitle.ladder.plan import candidate_heights, next_probe, plan_ladder, targets_of
from pertitle.ladder.posterior import Posterior
from pertitle.ladder.surface import SurfaceModel
from pertitle.options import LadderOptions
from pertitle.records import Probe
from pertitle.training.replay import options_for
from pertitle.training.scoring import Truth
from tests.ladder.synthetic import CRFS, make_titles

UNSEEN = make_titles(8, seed=91)
TRUTHS = [Truth(title) for title in UNSEEN]


def prepared(model: SurfaceModel, truth: Truth) -> tuple[Posterior, Grid, LadderOptions]:
    title = truth.table.context
    options = options_for(truth, LadderOptions())
    heights = candidate_heights(options, title.size.height)
    grid = Grid.of(model.axes, title, heights, truth.crf_range, 0.1)
    return model.prior(title), grid, options


def test_drawn_surfaces_fall_and_lie_around_the_expected_one(model: SurfaceModel) -> None:
    belief, grid, _ = prepared(model, TRUTHS[0])
    drawn = draw(belief, grid)
    assert np.all(np.diff(drawn.rate, axis=2) <= 1e-9)
    assert np.all(np.diff(drawn.quality, axis=2) <= 1e-9)
    expected = grid.moments(belief)
    gap = drawn.rate.mean(axis=0) - grid.pixels[:, None] - expected.rate
    assert np.abs(gap).max() < 0.25 * expected.rate_deviation.max()


def test_costs_of_a_draw_read_its_own_curve_and_charge_for_what_is_short(
    model: SurfaceModel,
) -> None:
    belief, grid, _ = prepared(model, TRUTHS[1])
    drawn = draw(belief, grid)
    targets = np.array([80.0, 60.0])
    cost = drawn.costs(targets)
    vmaf = vmaf_from_quality(drawn.quality[3, 0])
    if vmaf[0] > 80 and vmaf[-1] < 60:
        crf = np.interp(-80.0, -vmaf, grid.crfs)
        assert cost[3, 0, 0] == pytest.approx(np.interp(crf, grid.crfs, drawn.rate[3, 0]), abs=0.05)
    small = drawn.costs(np.array([99.9]))[:, -1, 0]
    assert np.all(small > drawn.rate[:, -1, 0])


def test_the_chosen_heights_always_contend(model: SurfaceModel) -> None:
    for truth in TRUTHS:
        belief, grid, options = prepared(model, truth)
        curves = expected_curves(grid, grid.moments(belief))
        at = linearised(grid, curves, targets_of(curves, options))
        found = contenders(outlook_of(draw(belief, grid), at))
        assert found[at.chosen, np.arange(len(at.targets))].all()


def test_no_height_makes_the_top_rung_without_a_measurement_near_it(model: SurfaceModel) -> None:
    for truth in TRUTHS:
        title = truth.table.context
        plan = plan_ladder(
            model, title, options_for(truth, LadderOptions()), preset="medium",
            quality_model="vmaf_v0.6.1", display=title.display,
            crf_range=(CRFS[0], CRFS[-1]), crf_step=0.1, measure=truth.measure,
        )  # fmt: skip
        top = plan.rungs[0]
        near = [p for p in plan.probes if p.height == top.height and abs(p.crf - top.crf) < 15]
        assert near, truth.table.name


def test_probes_stay_within_the_wanted_qualities(model: SurfaceModel) -> None:
    for truth in TRUTHS:
        belief, grid, options = prepared(model, truth)
        probes: list[Probe] = []
        while len(probes) < 5 and (cell := next_probe(belief, grid, options, probes)):
            expected = belief.predict(cell[0], [cell[1]]).vmaf[0]
            assert options.min_vmaf - 4 < expected < options.top_vmaf + 4
            probes.append(truth.measure(*cell))
            belief = belief.condition(probes[-1])


def test_the_bound_is_above_what_is_expected_and_falls_with_probes(model: SurfaceModel) -> None:
    def bound(truth: Truth, probes: int) -> tuple[float, float]:
        title = truth.table.context
        plan = plan_ladder(
            model, title, LadderOptions(max_probes=probes, heights=truth.heights),
            preset="medium", quality_model="vmaf_v0.6.1", display=title.display,
            crf_range=(CRFS[0], CRFS[-1]), crf_step=0.1, measure=truth.measure,
        )  # fmt: skip
        return plan.expected_loss, plan.loss_bound

    blind, probed = ([bound(t, n) for t in TRUTHS] for n in (0, 6))
    assert all(high > expected for expected, high in probed)
    assert np.mean([b for _, b in probed]) < np.mean([b for _, b in blind])


def test_overpay_is_the_bitrate_above_the_cheapest_height() -> None:
    truth = TRUTHS[0]
    kbps, vmaf = truth.at(truth.heights[0], 27.0)
    own = truth.overpay(kbps, vmaf)
    assert own >= -0.2
    assert truth.overpay(1.5 * kbps, vmaf) == pytest.approx(1.5 * (100 + own) - 100, abs=0.5)
