from __future__ import annotations

import pytest

from pertitle.delivery import _Track, corrected_crf, crf_at_share, crf_between
from pertitle.records import CurvePoint, LadderPlan, Rung, Size, Window
from pertitle.results import Verification


def plan() -> tuple[LadderPlan, Rung]:
    curves = tuple(
        CurvePoint(360, crf, 1000 * 2 ** (-crf / 6), 100 - crf, 0, 100, 0, 1e6)
        for crf in range(10, 52)
    )
    rung = Rung(640, 360, 20.0, 99.0, 80.0, 79, 81, 90, 110)
    ladder = LadderPlan("h264", "medium", "vmaf_v0.6.1", Size(1920, 1080), (rung,), (), curves, ())
    return ladder, rung


def crf(wanted: float, low: float = 10, high: float = 51, step: float = 0.1) -> float:
    ladder, rung = plan()
    return corrected_crf(ladder, rung, wanted=wanted, crf_range=(low, high), crf_step=step)


def test_the_correction_moves_along_the_believed_slope() -> None:
    assert crf(+3.0) == 17.0  # the curve loses one point a CRF
    assert crf(-2.5) == 22.5
    assert crf(0.0) == 20.0


def test_the_correction_stays_in_the_encoders_range_and_on_its_steps() -> None:
    assert crf(+50.0) == 10.0
    assert crf(-90.0) == 51.0
    assert crf(+2.6, step=1.0) == 17.0


def test_a_height_without_a_curve_is_left_alone() -> None:
    ladder, rung = plan()
    other = Rung(320, 180, 30.0, 99.0, 80.0, 79, 81, 90, 110)
    found = corrected_crf(ladder, other, wanted=5, crf_range=(10, 51), crf_step=0.1)
    assert found == other.crf
    assert rung.height == 360


def test_attempts_on_both_sides_of_the_target_narrow_it_down() -> None:
    assert crf_between({20.0: 1.5, 11.0: -3.0}, 1.0) == 17.0
    assert crf_between({20.0: 1.5, 11.0: -3.0, 17.0: 0.6}, 0.1) == 16.0
    assert crf_between({20.0: 1.5, 17.0: 0.4}, 0.1) is None
    assert crf_between({20.0: 0.1, 19.0: -2.0}, 1.0) == 20.0  # no step lies between


@pytest.mark.parametrize(
    ("vmaf", "worst", "wanted"),
    [
        (79.5, 75.0, 0.5),  # both well
        (80.0, 62.0, 9.0),  # the worst window lacks 8 points of the floor, and a tolerance
        (88.0, 70.5, 0.5),  # held up by its worst window: better than asked, and on target
        (88.0, 76.0, -5.0),  # too good, down to where the floor is met
    ],
)
def test_a_worst_window_below_the_floor_is_corrected(
    vmaf: float, worst: float, wanted: float
) -> None:
    _, rung = plan()
    check = Verification(vmaf, vmaf, vmaf, 250, worst, Window(0, 1), vmaf, 35, 0)
    assert _Track(rung, 1.0, floor=70.0).wanted(check) == pytest.approx(wanted)
    assert _Track(rung, 1.0).wanted(check) == pytest.approx(80 - vmaf)
    # A rung that is meant to be worse than the floor cannot hold it.
    assert _Track(rung, 1.0, floor=90.0).wanted(check) == pytest.approx(80 - vmaf)


def test_a_bitrate_is_brought_down_by_the_crf() -> None:
    ladder, rung = plan()  # the curve halves the bitrate in six CRFs
    assert crf_at_share(ladder, rung, 0.5, 1.0) == 26.0
    assert crf_at_share(ladder, rung, 0.99, 1.0) == 21.0
    assert crf_at_share(ladder, rung, 1e-6, 1.0) >= 51.0
