"""Choosing heights, valuing probes, keeping the rules of the ladder."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest

from pertitle.errors import UsageError
from pertitle.ladder.audience import AUDIENCES
from pertitle.ladder.decision import (
    Curves,
    choose_heights,
    costs,
    expected_curves,
    linearised,
    regret,
    worst_error,
)
from pertitle.ladder.grid import Grid
from pertitle.ladder.plan import candidate_heights, next_probe, targets_of
from pertitle.ladder.rungs import choose_rungs, expected_hull
from pertitle.ladder.surface import SurfaceModel, TitleTable
from pertitle.options import LadderOptions
from pertitle.records import Probe
from pertitle.training.replay import DENSE, options_for, replay
from pertitle.training.scoring import Truth
from tests.ladder.synthetic import make_titles

UNSEEN = make_titles(12, seed=55)
CRF = np.arange(17, 47.5, 0.5)


def true_curves(truth: Truth) -> Curves:
    values = np.array([[truth.at(h, c) for c in CRF] for h in truth.heights])
    return Curves(truth.heights, CRF, np.log2(values[:, :, 0]), values[:, :, 1])


def test_heights_are_the_cheapest_that_never_rise_again() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        cost = rng.normal(size=(4, 5))
        found = choose_heights(cost)
        assert np.all(np.diff(found) >= 0)
        paths = [p for p in product(range(4), repeat=5) if list(p) == sorted(p)]
        best = min(sum(cost[row, k] for k, row in enumerate(path)) for path in paths)
        assert cost[found, np.arange(5)].sum() == pytest.approx(best)


def test_costs_read_the_curve_and_refuse_what_a_height_cannot_reach() -> None:
    truth = Truth(UNSEEN[0])
    curves = true_curves(truth)
    rate, crf = costs(curves, np.array([60.0, 99.9]))
    assert np.interp(crf[0, 0], CRF, curves.vmaf[0]) == pytest.approx(60.0, abs=0.01)
    assert np.interp(crf[0, 0], CRF, curves.rate[0]) == pytest.approx(rate[0, 0])
    assert np.all(rate[-1, 1] > rate[-1, 0] + 10)


@pytest.mark.parametrize("title", UNSEEN[:4], ids=lambda t: str(t.context.size))
def test_rungs_of_a_known_surface_lie_on_its_envelope(title: TitleTable) -> None:
    truth = Truth(title)
    choice = choose_rungs(true_curves(truth), options_for(truth), 0.1)
    assert not choice.problem
    points = [truth.at(truth.heights[s.row], s.crf) for s in choice.steps]
    assert truth.loss(points) == pytest.approx(0.0, abs=0.3)
    assert truth.loss([(1.2 * kbps, vmaf) for kbps, vmaf in points]) == pytest.approx(20, abs=0.5)


def test_the_hull_stops_where_quality_is_not_worth_its_bits() -> None:
    rate = np.array([[14.0, 12.0, 10.0, 9.0, 8.0, 7.0]])
    curves = Curves((1080,), np.arange(6.0), rate, np.array([[92.1, 92.0, 91.0, 80.0, 60.0, 40.0]]))
    hull = expected_hull(curves, 95.0, 30.0)
    assert 90.5 <= hull.vmaf[0] <= 91.5
    assert expected_hull(curves, 91.8, 30.0).vmaf[0] == pytest.approx(91.8)


RULES = {
    "usual": {},
    "few": {"max_rungs": 3},
    "many": {"min_rungs": 12, "min_ratio": 1.02},
    "wide": {"min_ratio": 2.0},
    "narrow": {"max_ratio": 1.25},
    "bounded": {"min_kbps": 150.0, "max_kbps": 2000.0},
    "fine": {"vmaf_step": 1.0},
    "short": {"top_vmaf": 70.0, "min_vmaf": 60.0},
    "mobile": {"audience": AUDIENCES["mobile"]},
    "fixed": {"audience": AUDIENCES["fixed"], "min_rungs": 4},
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
@pytest.mark.parametrize("crf_step", [0.1, 1.0])
def test_rungs_keep_every_rule(rules: dict[str, float], crf_step: float) -> None:
    for title in UNSEEN[:6]:
        options = replace(LadderOptions(), **rules)  # type: ignore[arg-type]
        choice = choose_rungs(true_curves(Truth(title)), options, crf_step)
        if choice.problem:
            assert rules is RULES["many"] or rules is RULES["bounded"]
            continue
        steps = choice.steps
        assert options.min_rungs <= len(steps) <= options.max_rungs
        for step in steps:
            assert step.crf == pytest.approx(17 + round((step.crf - 17) / crf_step) * crf_step)
            assert step.vmaf >= options.min_vmaf - 1e-9
            assert step.vmaf <= options.top_vmaf + 2.5 * crf_step + 0.01
            assert 2**step.rate <= (options.max_kbps or np.inf) + 1e-6
            assert 2**step.rate >= (options.min_kbps or 0) - 1e-6
        for upper, lower in pairwise(steps):
            ratio = 2 ** (upper.rate - lower.rate)
            # A coarse CRF step may overshoot the upper bound, by less than that step.
            assert options.min_ratio - 1e-6 <= ratio <= options.max_ratio * 2 ** (crf_step / 4)
            assert lower.vmaf < upper.vmaf
            assert lower.row >= upper.row


def test_probing_lowers_the_true_loss_and_what_is_expected_of_it(model: SurfaceModel) -> None:
    results = [replay(model, Truth(t), [0, 6], options=DENSE) for t in UNSEEN]
    figures = np.array(
        [[(r.score.loss, r.score.vmaf_error, r.plan.expected_loss) for r in row] for row in results]
    )
    (loss, vmaf, expected), (loss_after, vmaf_after, expected_after) = figures.mean(axis=0)
    assert loss_after < 0.5 * loss
    assert vmaf_after < 0.4 * vmaf
    assert expected_after < 0.5 * expected


def test_chosen_probes_tell_more_than_the_same_number_in_one_corner(model: SurfaceModel) -> None:
    chosen: list[float] = []
    corner: list[float] = []
    for title in UNSEEN:
        truth = Truth(title)
        options = replace(options_for(truth), tolerance=1e-9)
        heights = candidate_heights(options, title.context.size.height)
        grid = Grid.of(model.axes, title.context, heights, truth.crf_range, 1.0)
        belief = model.prior(title.context)
        probes: list[Probe] = []
        for _ in range(3):
            cell = next_probe(belief, grid, options, probes)
            assert cell is not None
            probes.append(truth.measure(*cell))
            belief = belief.condition(probes[-1])
        blind = model.prior(title.context).condition(
            [truth.measure(heights[-1], c) for c in (41.0, 42.0, 43.0)]
        )
        for found, out in ((belief, chosen), (blind, corner)):
            curves = expected_curves(grid, grid.moments(found))
            at = linearised(grid, curves, targets_of(curves, options))
            out.append(regret(found, at) + worst_error(found, at))
    assert np.mean(chosen) < 0.7 * np.mean(corner)


def test_probing_stops_early_for_those_who_tolerate_more(model: SurfaceModel) -> None:
    def probes(tolerance: float) -> int:
        options = replace(DENSE, tolerance=tolerance)
        return sum(
            replay(model, Truth(t), [8], options=options, stop=True)[0].probes for t in UNSEEN[:6]
        )

    assert probes(20.0) < probes(0.05)


def test_probing_goes_on_while_any_rung_is_in_doubt(
    model: SurfaceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pertitle.ladder.plan.regret", lambda belief, at: 0.0)
    for title in UNSEEN[:6]:
        truth = Truth(title)
        options = replace(options_for(truth), tolerance=0.5)
        heights = candidate_heights(options, title.context.size.height)
        grid = Grid.of(model.axes, title.context, heights, truth.crf_range, 1.0)
        belief = model.prior(title.context)
        probes: list[Probe] = []
        while cell := next_probe(belief, grid, options, probes):
            probes.append(truth.measure(*cell))
            belief = belief.condition(probes[-1])
        curves = expected_curves(grid, grid.moments(belief))
        assert worst_error(belief, linearised(grid, curves, targets_of(curves, options))) < 0.71


@pytest.mark.parametrize(
    "changes",
    [
        {"vmaf_step": 0.0},
        {"top_vmaf": 20.0},
        {"min_ratio": 3.0, "max_ratio": 2.0},
        {"min_rungs": 9, "max_rungs": 3},
        {"min_kbps": 900.0, "max_kbps": 300.0},
        {"heights": (0,)},
        {"max_probes": -1},
    ],
)
def test_wishes_that_contradict_one_another_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        replace(LadderOptions(), **changes)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_heights_not_below_the_source_are_left_out_and_its_own_is_always_there() -> None:
    options = LadderOptions(heights=(2160, 1080, 720, 576, 360))
    assert candidate_heights(options, 576) == (576, 360)
    assert candidate_heights(replace(options, heights=()), 144) == (144,)
