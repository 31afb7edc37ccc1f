"""Scoring, baselines and figures."""

from __future__ import annotations

from dataclasses import replace
from xml.dom import minidom

import numpy as np
import pytest

from pertitle.ladder.surface import TitleTable
from pertitle.records import Rung, Size
from pertitle.training.baselines import TreeBaseline, fixed_points, savings, uniform_probing
from pertitle.training.plots import LEVELS, calibration, chart
from pertitle.training.scoring import Truth
from tests.ladder.synthetic import make_title, make_titles

TITLE = make_title("title", Size(1920, 1080), 0.0, 0.5)


def rung(truth: Truth, height: int, crf: float, vmaf_error: float, rate_factor: float) -> Rung:
    kbps, vmaf = truth.at(height, crf)
    size = TITLE.context.rung_size(height)
    kbps, vmaf = kbps * rate_factor, vmaf + vmaf_error
    return Rung(
        size.width, size.height, crf, kbps, vmaf, vmaf - 1, vmaf + 1, kbps / 1.1, kbps * 1.1
    )


def test_errors_and_coverage_are_those_of_the_promises() -> None:
    truth = Truth(TITLE)
    rungs = [rung(truth, 1080, 22, 0.5, 1.05), rung(truth, 720, 30, -3.0, 1.3)]
    score = truth.score(rungs)
    assert score.vmaf_error == pytest.approx(1.75)
    assert score.rate_error == pytest.approx(17.5)
    assert score.vmaf_covered == 0.5
    assert score.rate_covered == 0.5
    assert score.vmaf_ratios == pytest.approx((0.5, 3.0))


def test_a_single_rung_is_compared_at_equal_quality() -> None:
    truth = Truth(TITLE)
    kbps, vmaf = truth.at(1080, 20)
    best = float(2 ** np.interp(vmaf, truth.hull[1], np.log2(truth.hull[0])))
    assert truth.loss([(1.3 * best, vmaf)]) == pytest.approx(30, abs=0.5)
    assert kbps >= best - 1


def test_rungs_of_a_table_of_rounded_heights_are_found() -> None:
    odd = make_title("odd", Size(1280, 798), 0.0, 0.5)
    truth = Truth(replace(odd, heights=np.where(odd.heights == 798, 798, odd.heights)))
    assert truth.score([rung(truth, 540, 27, 0, 1.0)]).vmaf_error == pytest.approx(0)


def test_the_fixed_ladder_has_no_rung_above_the_source_and_saves_nothing_over_itself() -> None:
    small = Truth(make_title("small", Size(640, 360), 1.0, 0.5))
    assert 1 <= len(fixed_points(small, "h264")) <= 2
    truth = Truth(TITLE)
    fixed = fixed_points(truth, "h264")
    saved = savings(truth, fixed, fixed)
    assert saved is not None
    by_hull, by_itself = saved
    assert by_itself == pytest.approx(0, abs=1e-6)
    assert by_hull > 0
    assert savings(truth, fixed[:1], fixed) is None


def test_three_measured_crfs_a_height_come_close_to_a_smooth_truth() -> None:
    score, encodes = uniform_probing(Truth(TITLE))
    assert encodes == 3 * 6
    assert score.loss < 2.0
    assert score.vmaf_error < 2.0
    assert np.isnan(score.vmaf_covered)


def test_trees_learn_what_they_are_shown() -> None:
    titles: list[TitleTable] = make_titles(12)
    poor = [replace(title, vmaf=title.vmaf / 5) for title in titles]
    assert TreeBaseline(poor).score(Truth(poor[0])).rungs > 0
    shown = TreeBaseline(titles).score(Truth(titles[0]))
    unseen = TreeBaseline(titles[6:]).score(Truth(titles[0]))
    assert shown.vmaf_error < unseen.vmaf_error


def test_calibration_of_a_right_belief_lies_on_the_diagonal() -> None:
    errors = np.abs(np.random.default_rng(0).normal(size=20_000)) / 1.6449
    for promised, observed in calibration(list(errors)):
        assert observed == pytest.approx(promised, abs=0.015)
    assert [p for p, _ in calibration([0.0])] == list(LEVELS)


def test_a_chart_is_well_formed_whatever_its_labels() -> None:
    text = chart("a < b & c", "x", "y", {"<line>": [(0, 3.0), (8, 0.1)]})
    assert len(minidom.parseString(text).getElementsByTagName("polyline")) == 1
