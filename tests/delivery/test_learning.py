"""What a verified rung tells of the others, on an imagined title that differs from its digest."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from pertitle.delivery.correction import Lesson, read_curve
from pertitle.delivery.learning import replanned, taught
from pertitle.delivery.renditions import batches
from pertitle.records import CurvePoint, LadderPlan, Rung, Size


def vmaf_of(logit: float) -> float:
    return 100 / (1 + math.exp(-logit))


def believed(height: int, crf: float) -> tuple[float, float]:
    """kbit/s and VMAF of the digest."""
    octave = math.log2(height / 720)
    return 2 ** ((28 - crf) / 6 + octave) * 700, vmaf_of(2.2 - 0.17 * (crf - 28) + 0.8 * octave)


def ladder() -> LadderPlan:
    curves = tuple(
        CurvePoint(height, float(crf), *believed(height, crf), 0, 100, 0, 1e6)
        for height in (720, 540, 432)
        for crf in range(10, 52)
    )
    rungs = []
    for height, wanted in (
        (720, 95.0), (720, 89.0), (720, 83.0), (540, 77.0), (540, 71.0), (432, 65.0), (432, 59.0),
    ):  # fmt: skip
        crfs = np.arange(10, 51, 0.1)
        crf = float(crfs[np.argmin([abs(believed(height, c)[1] - wanted) for c in crfs])])
        kbps, vmaf = believed(height, crf)
        rungs.append(Rung(height * 16 // 9, height, crf, kbps, vmaf, 0, 100, 0, 1e6))
    return LadderPlan(
        "h264", "medium", "vmaf_v0.6.1", Size(1920, 1080), tuple(rungs), (), curves, ()
    )


def encoded(rung: Rung, off: float, slope: float) -> Lesson:
    """The title is better than its digest by ``off`` logits at 80 and more so where it is worse."""
    kbps, vmaf = believed(rung.height, rung.crf)
    logit = math.log(vmaf / (100 - vmaf))
    title = vmaf_of(logit + off + slope * (1.4 - logit))
    return Lesson(rung.height, rung.crf, 1.2 * kbps, title, 0.2)


@pytest.mark.parametrize(("off", "slope"), [(0.2, 0.0), (-0.2, 0.0), (0.1, 0.06), (0.0, -0.1)])
def test_others_come_closer_to_their_targets(off: float, slope: float) -> None:
    plan = ladder()
    order = batches(len(plan.rungs))
    lessons = [encoded(plan.rungs[i], off, slope) for i in (*order[0], *order[1])]
    known = taught(plan, lessons)
    before, after = [], []
    for i in order[2]:
        rung = plan.rungs[i]
        before.append(abs(encoded(rung, off, slope).vmaf - rung.vmaf))
        again = replanned(known, rung, crf_range=(10, 51), crf_step=0.1)
        after.append(abs(encoded(again, off, slope).vmaf - rung.vmaf))
        assert again.vmaf == rung.vmaf
    assert max(after) < 1.0
    assert np.mean(after) < 0.5 * np.mean(before)


def test_bitrates_are_learned_too() -> None:
    plan = ladder()
    known = taught(plan, [encoded(plan.rungs[3], 0.0, 0.0)])
    assert 2 ** read_curve(known, 540, "bitrate_kbps", 30) == pytest.approx(
        1.2 * 2 ** read_curve(plan, 540, "bitrate_kbps", 30), rel=0.05
    )


def test_what_is_measured_loosely_moves_less() -> None:
    plan = ladder()
    sure = encoded(plan.rungs[3], 0.2, 0.0)
    at = read_curve(plan, 540, "vmaf", 30)
    moves = [
        read_curve(taught(plan, [replace(sure, deviation=d)]), 540, "vmaf", 30) - at
        for d in (0.1, 1.5, 10.0)
    ]
    assert moves[0] > 1.5 * moves[1] > 3 * moves[2] > 0


def test_nothing_is_learned_of_nothing_or_of_a_height_that_was_not_planned() -> None:
    plan = ladder()
    assert taught(plan, []) is plan
    assert taught(plan, [Lesson(144, 30.0, 90.0, 40.0, 0.2)]) is plan
    alone = replace(plan.rungs[0], height=144)
    assert replanned(plan, alone, crf_range=(10, 51), crf_step=0.1) is alone


def test_every_rung_is_made_once_and_the_top_at_first() -> None:
    for count in range(1, 16):
        order = batches(count)
        assert sorted(i for places in order for i in places) == list(range(count))
        assert order[0][0] == 0
        assert len(order) <= 3
    assert batches(8, learn=False) == [list(range(8))]
