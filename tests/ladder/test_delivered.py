"""What finished rungs teach of a title."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pertitle.ladder.delivered import learn_from_rungs
from pertitle.ladder.plan import plan_ladder
from pertitle.ladder.surface import SurfaceModel, TitleTable
from pertitle.options import LadderOptions
from pertitle.records import LadderPlan, RatePoint, Rung
from pertitle.training.scoring import Truth
from tests.ladder.synthetic import CRFS, make_titles

OPTIONS = LadderOptions(max_probes=3)
UNSEEN = make_titles(6, seed=77)
HARDER = 1.15
"""Bits of the whole title over those of its digest."""


def long(title: TitleTable) -> TitleTable:
    return replace(title, context=replace(title.context, unseen=0.9))


def planned(model: SurfaceModel, title: TitleTable) -> LadderPlan:
    return plan_ladder(
        model, title.context, OPTIONS, preset="medium", quality_model="vmaf_v0.6.1",
        display=title.context.display, crf_range=(CRFS[0], CRFS[-1]), crf_step=0.1,
        measure=Truth(title).measure,
    )  # fmt: skip


def learn(
    model: SurfaceModel, title: TitleTable, plan: LadderPlan, seen: list[RatePoint]
) -> LadderPlan:
    return learn_from_rungs(
        plan, seen, model=model, title=title.context, options=OPTIONS,
        crf_range=(CRFS[0], CRFS[-1]), crf_step=0.1,
    )  # fmt: skip


def delivered(title: TitleTable, rung: Rung) -> RatePoint:
    kbps, vmaf = Truth(title).at(rung.height, rung.crf)
    return RatePoint(rung.height, rung.crf, HARDER * kbps, vmaf)


def errors(plan: LadderPlan, title: TitleTable) -> list[float]:
    """Of the curves' bitrates in octaves, inside the rungs' CRFs."""
    inside = [p for p in plan.curves if 22 <= p.crf <= 37]
    true = [HARDER * Truth(title).at(p.height, p.crf)[0] for p in inside]
    return [abs(np.log2(p.bitrate_kbps / t)) for p, t in zip(inside, true, strict=True)]


@pytest.mark.parametrize("title", [long(t) for t in UNSEEN], ids=lambda t: t.name)
def test_one_finished_rung_brings_the_curves_of_all_heights_nearer(
    model: SurfaceModel, title: TitleTable
) -> None:
    plan = planned(model, title)
    after = learn(model, title, plan, [delivered(title, plan.rungs[0])])
    assert np.mean(errors(after, title)) < 0.6 * np.mean(errors(plan, title))
    assert after.rungs == plan.rungs


def test_what_was_learned_does_not_depend_on_order_or_on_earlier_lessons(
    model: SurfaceModel,
) -> None:
    title = long(UNSEEN[0])
    plan = planned(model, title)
    seen = [delivered(title, rung) for rung in plan.rungs[:3]]
    once = learn(model, title, plan, seen)
    again = learn(model, title, learn(model, title, plan, seen[:1]), seen[::-1])
    for a, b in zip(once.curves, again.curves, strict=True):
        assert a.bitrate_kbps == pytest.approx(b.bitrate_kbps, rel=1e-6)
        assert a.vmaf == pytest.approx(b.vmaf, abs=1e-4)


def test_a_title_longer_than_its_digest_is_promised_with_less_certainty(
    model: SurfaceModel,
) -> None:
    short, rest = planned(model, UNSEEN[1]), planned(model, long(UNSEEN[1]))
    for a, b in zip(short.rungs, rest.rungs, strict=True):
        assert b.bitrate_high_kbps / b.bitrate_low_kbps > a.bitrate_high_kbps / a.bitrate_low_kbps
