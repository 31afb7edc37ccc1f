"""Titles measured in another codec teach what features tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from pertitle.ladder.surface import SurfaceModel, TitleTable, fit_surface
from pertitle.ladder.transfer import MIN_COMMON, transfer_scores
from tests.ladder.synthetic import make_titles


def in_other_codec(title: TitleTable) -> TitleTable:
    """The same title in a codec that needs two thirds of the bits at a little more quality."""
    return replace(title, kbps=title.kbps * 1.5, vmaf=np.clip(title.vmaf - 2.0, 0, 100))


def rates(model: SurfaceModel, titles: list[TitleTable]) -> NDArray[np.float64]:
    """Expected log2 bitrate at the native height and the middle CRF."""
    found = [model.prior(t.context).predict(t.context.size.height, [32.0]) for t in titles]
    return np.asarray(np.log2([float(p.bitrate_kbps[0]) for p in found]))


def fitted(titles: list[TitleTable], relatives: list[TitleTable]) -> SurfaceModel:
    return fit_surface(
        titles, codec="hevc", preset="medium", quality_model="vmaf", relatives=relatives
    )


def test_a_small_table_learns_from_a_large_one_in_another_codec() -> None:
    titles = make_titles(90, seed=3)
    own, measured, unseen = titles[:16], titles[:60], titles[60:]
    full = rates(fitted(measured, []), unseen)
    alone = rates(fitted(own, []), unseen)
    helped = rates(fitted(own, [in_other_codec(t) for t in measured]), unseen)
    assert np.abs(helped - full).mean() < 0.3 * np.abs(alone - full).mean()


def test_too_few_common_titles_lend_nothing() -> None:
    scores = np.random.default_rng(0).normal(size=(20, 3))
    names = [f"t{i}" for i in range(20)]
    few = MIN_COMMON - 1
    chosen, transferred = transfer_scores(
        names[:few], scores[:few], names, names, scores, 2 * scores
    )
    assert chosen == []
    assert transferred.shape == (0, 3)


def test_lent_scores_follow_the_relation_of_the_common_titles() -> None:
    rng = np.random.default_rng(1)
    hidden = rng.normal(size=(60, 3))
    names = [f"t{i}" for i in range(60)]
    mix = np.array([[1.0, 0.3, 0.0], [0.0, 0.8, 0.2], [0.1, 0.0, 1.2]])
    chosen, transferred = transfer_scores(
        names[:40], hidden[:40], names, names, hidden @ mix, hidden @ mix
    )
    assert chosen == list(range(40, 60))
    assert np.abs(transferred - hidden[40:]).mean() < 0.2 * np.abs(hidden).mean()


@pytest.mark.parametrize("count", [0, 16])
def test_a_codec_measured_on_every_title_needs_no_help(count: int) -> None:
    titles = make_titles(16, seed=5)
    plain = fitted(titles, [])
    same = fitted(titles, [in_other_codec(t) for t in titles[:count]])
    assert np.array_equal(plain.mean, same.mean)
    assert np.array_equal(plain.regression.points, same.regression.points)
