"""Bjøntegaard's difference and the envelope."""

from __future__ import annotations

import numpy as np
import pytest

from pertitle.ladder.bdrate import bd_rate, clean_curve, envelope

VMAF = np.array([40.0, 60.0, 75.0, 85.0, 93.0])
KBPS = np.array([200.0, 450.0, 900.0, 1800.0, 4000.0])


def test_a_curve_with_a_tenth_more_bits_everywhere_is_ten_per_cent_worse() -> None:
    assert bd_rate((KBPS, VMAF), (1.1 * KBPS, VMAF)) == pytest.approx(10.0, abs=1e-6)
    assert bd_rate((1.1 * KBPS, VMAF), (KBPS, VMAF)) == pytest.approx(100 / 1.1 - 100, abs=1e-6)


def test_the_difference_is_taken_over_the_common_range_only() -> None:
    cut = slice(1, 4)
    assert bd_rate((KBPS, VMAF), (2 * KBPS[cut], VMAF[cut])) == pytest.approx(100.0, abs=2.0)
    assert bd_rate((KBPS, VMAF), (KBPS, VMAF + 60)) is None
    assert bd_rate((KBPS, VMAF), ([300.0], [50.0])) is None


def test_points_that_cost_more_for_less_are_dropped() -> None:
    rate, vmaf = clean_curve([100, 200, 210, 400], [30, 50, 49, 70])
    assert 2**rate == pytest.approx([100, 200, 400])
    assert vmaf == pytest.approx([30, 50, 70])


def test_the_envelope_is_nowhere_below_any_curve_and_rises() -> None:
    low_res = np.array([100.0, 200.0, 400.0, 800.0]), np.array([50.0, 65.0, 72.0, 75.0])
    full_res = np.array([300.0, 600.0, 1200.0, 2400.0]), np.array([40.0, 70.0, 85.0, 95.0])
    kbps, vmaf = envelope([low_res[0], full_res[0]], [low_res[1], full_res[1]])
    assert np.all(np.diff(vmaf) >= 0)
    for curve in (low_res, full_res):
        reached = np.interp(np.log2(curve[0]), np.log2(kbps), vmaf)
        assert np.all(reached >= curve[1] - 0.05)
    assert vmaf[0] == pytest.approx(50)
    assert vmaf[-1] == pytest.approx(95)
