"""Ladders under a size, and rungs that no player should choose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pertitle.delivery.constraints import CONTAINER_SHARE, SOUND_KBPS, fit_size, undominated
from pertitle.errors import UsageError
from pertitle.results import Rendition
from tests.report import example


def size_of(kbps: float, tracks: int = 2) -> int:
    """Bytes that hold pictures of that bitrate and the example's sound."""
    total = (kbps + tracks * SOUND_KBPS) * 1000 / 8 * example.LENGTH
    return round(total / (1 - CONTAINER_SHARE))


def lowest_rate(height: int) -> float:
    """Where the example's curves end."""
    return min(p.bitrate_kbps for p in example.ladder().curves if p.height == height)


def test_a_ladder_that_fits_stays_as_it_is() -> None:
    plan = example.title().plan
    total = sum(rung.bitrate_kbps for rung in plan.ladder.rungs)
    assert fit_size(plan.analysis, plan.ladders, size_of(total + 1), min_vmaf=20) == plan.ladders


@pytest.mark.parametrize("share", [0.9, 0.6, 0.3])
def test_a_ladder_is_brought_below_a_size(share: float) -> None:
    plan = example.title().plan
    total = sum(rung.bitrate_kbps for rung in plan.ladder.rungs)
    (fitted,) = fit_size(plan.analysis, plan.ladders, size_of(share * total), min_vmaf=20)
    rates = [rung.bitrate_kbps for rung in fitted.rungs]
    assert sum(rates) == pytest.approx(share * total, rel=1e-3)
    assert rates == sorted(rates, reverse=True)
    for before, after in zip(plan.ladder.rungs, fitted.rungs, strict=False):
        # The height is the one that looks best at the new rate, and the believed VMAF its own.
        best = max(
            example.curve_vmaf(height, after.bitrate_kbps)
            for height in example.HEIGHTS
            if height <= before.height and after.bitrate_kbps >= lowest_rate(height)
        )
        assert after.vmaf == pytest.approx(best, abs=0.3)
        assert after.width == 2 * round(after.height * 16 / 9 / 2)
    assert "of what was wished for, to fit" in fitted.notes[-1]


def test_rungs_below_the_least_quality_leave_their_bits_to_the_others() -> None:
    plan = example.title().plan
    total = sum(rung.bitrate_kbps for rung in plan.ladder.rungs)
    (fitted,) = fit_size(plan.analysis, plan.ladders, size_of(0.5 * total), min_vmaf=70)
    assert len(fitted.rungs) < len(plan.ladder.rungs)
    assert fitted.rungs[-1].vmaf >= 70
    assert sum(rung.bitrate_kbps for rung in fitted.rungs) == pytest.approx(0.5 * total, rel=1e-3)


def test_a_size_that_sound_alone_fills_is_refused() -> None:
    plan = example.title().plan
    with pytest.raises(UsageError, match="sound alone"):
        fit_size(plan.analysis, plan.ladders, 10_000, min_vmaf=20)


def made(codec: str, kbps: float, vmaf: float, dynamic_range: str = "sdr") -> Rendition:
    plain = example.title().renditions[0]
    return replace(
        plain, codec=codec, average_kbps=kbps, dynamic_range=dynamic_range,
        verification=replace(plain.verification, vmaf=vmaf),
    )  # fmt: skip


H264 = (made("h264", 3000, 95), made("h264", 1000, 85), made("h264", 300, 60))


def test_a_newer_codec_loses_the_rungs_that_h264_makes_useless() -> None:
    good, useless = made("hevc", 2000, 95), made("hevc", 1100, 84)
    lowest = made("hevc", 320, 59)  # useless too, but what a player falls back on
    assert undominated((*H264, good, useless, lowest)) == (*H264, good, lowest)


def test_a_codec_without_a_useful_rung_goes() -> None:
    assert undominated((*H264, made("av1", 3100, 94), made("av1", 320, 59))) == H264


def test_no_h264_rung_and_no_other_range_is_ever_useless() -> None:
    better = (made("hevc", 100, 99), made("av1", 90, 99))
    assert undominated((*H264, *better)) == (*H264, *better)
    hdr = (made("hevc", 3100, 94, "pq"),)
    assert undominated((*H264, *hdr)) == (*H264, *hdr)
    between = (made("hevc", 100, 99), made("av1", 200, 98))
    assert undominated(between) == between
