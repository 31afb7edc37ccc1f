"""The order in which rungs are made, and what the first ones change for the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import pertitle
from pertitle.delivery.correction import read_curve, replanned
from pertitle.delivery.renditions import batches
from pertitle.options import LadderOptions, Options
from pertitle.records import LadderPlan
from tests.conftest import MakeClip
from tests.delivery.test_correction import plan


def test_every_rung_is_made_once_and_the_top_at_first() -> None:
    for count in range(1, 16):
        order = batches(count)
        assert sorted(i for places in order for i in places) == list(range(count))
        assert order[0][0] == 0
        assert len(order) <= 3
    assert batches(8, learn=False) == [list(range(8))]
    # Those that are made last lie between others that are known by then.
    assert batches(8) == [[0, 4], [2, 7], [1, 3, 5, 6]]


def moved(ladder: LadderPlan, vmaf: float, octaves: float) -> LadderPlan:
    curves = tuple(
        replace(p, vmaf=p.vmaf + vmaf, bitrate_kbps=p.bitrate_kbps * 2**octaves)
        for p in ladder.curves
    )
    return replace(ladder, curves=curves)


@pytest.mark.parametrize("better", [-3.0, 2.0])
def test_a_rung_that_is_not_made_yet_follows_the_belief(better: float) -> None:
    ladder, rung = plan()  # the curve loses one point a CRF
    taught = moved(ladder, better, 0.5)
    again = replanned(taught, rung, room=0.25, crf_range=(10, 51), crf_step=0.1)
    assert again.crf == pytest.approx(20.0 + better)
    assert again.vmaf == rung.vmaf
    assert read_curve(taught, rung.height, "vmaf", again.crf) == pytest.approx(rung.vmaf)
    assert again.bitrate_kbps == pytest.approx(1000 * 2 ** (0.5 - again.crf / 6), rel=1e-3)


def test_small_changes_of_the_belief_change_no_rung() -> None:
    ladder, rung = plan()
    taught = moved(ladder, 0.2, 0.1)
    assert replanned(taught, rung, room=0.25, crf_range=(10, 51), crf_step=0.1) is rung


def test_a_rung_of_a_height_that_was_not_planned_stays_as_it_is() -> None:
    ladder, rung = plan()
    alone = replace(rung, height=144)
    assert replanned(ladder, alone, room=0.0, crf_range=(10, 51), crf_step=0.1) is alone


def test_no_rung_takes_more_than_the_highest_bitrate_allowed(
    make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("testsrc2=s=128x72:r=25:d=3,noise=alls=60:allf=t:all_seed=4", "noise.mp4")
    options = Options(
        ladder=LadderOptions(max_probes=0, max_kbps=60, min_vmaf=5, max_rungs=3),
        thumbnails=0, cache=False,
    )  # fmt: skip
    batch = pertitle.run(clip, tmp_path, options)
    rates = [one.average_kbps for title in batch.titles for one in title.renditions]
    assert all(rate <= 60 for rate in rates)
    assert rates or "no rung keeps to 60 kbit/s" in batch.failures[0].message
