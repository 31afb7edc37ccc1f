"""Truths a ladder must hold, on synthetic titles and with the shipped H.264 model."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from pertitle.errors import LadderError, ModelError
from pertitle.ladder import model_file
from pertitle.ladder.coordinates import TitleContext
from pertitle.ladder.library import load_model
from pertitle.ladder.plan import plan_ladder
from pertitle.ladder.posterior import Posterior
from pertitle.ladder.surface import SurfaceModel
from pertitle.options import LadderOptions
from pertitle.records import FULL_HD, LadderPlan, Probe, Size

TITLE = TitleContext({}, Size(1280, 720), Fraction(25), FULL_HD, "h264")
HEIGHTS = (720, 540, 432, 360, 240)


@pytest.fixture(scope="module")
def model() -> SurfaceModel:
    return load_model("h264")


def truth(height: int, crf: float) -> Probe:
    """A made-up title: sharper than most, bits halving every 5.5 CRF."""
    kbps = 9000 * (height / 720) ** 1.4 * 2 ** (-(crf - 17) / 5.5)
    ceiling = 100 - 55 * max(0.0, np.log2(720 / height)) ** 1.2
    return Probe(height, crf, kbps, max(0.0, ceiling - 0.055 * max(0.0, crf - 14) ** 2), 0.1)


def plan(
    model: SurfaceModel, title: TitleContext = TITLE, measured: bool = True, **changes: object
) -> LadderPlan:
    return plan_ladder(
        model,
        title,
        replace(LadderOptions(), **changes),  # type: ignore[arg-type]
        preset="medium",
        quality_model="vmaf_v0.6.1",
        display=title.display,
        crf_range=(10, 51),
        crf_step=0.1,
        measure=truth if measured else None,
    )


def prior(model: SurfaceModel) -> Posterior:
    return model.prior(TITLE)


def test_a_probe_pulls_its_surroundings_and_narrows_them(model: SurfaceModel) -> None:
    probe = truth(540, 27)
    before, after = prior(model), prior(model).condition(probe)
    at = after.predict(540, [27.0])
    assert at.vmaf[0] == pytest.approx(probe.vmaf, abs=0.5)
    assert at.bitrate_kbps[0] == pytest.approx(probe.bitrate_kbps, rel=0.03)
    for crf in (27.0, 29.0):
        old, new = before.predict(540, [crf]), after.predict(540, [crf])
        assert new.vmaf_high[0] - new.vmaf_low[0] < 0.7 * (old.vmaf_high[0] - old.vmaf_low[0])
        ratios = [p.bitrate_high_kbps[0] / p.bitrate_low_kbps[0] for p in (old, new)]
        assert ratios[1] < 0.7 * ratios[0]


def test_the_order_of_probes_does_not_matter(model: SurfaceModel) -> None:
    probes = [truth(720, 25), truth(360, 30), truth(540, 35)]
    one = prior(model).condition(probes).predict(432, [28.0])
    two = prior(model).condition(probes[2]).condition(probes[:2]).predict(432, [28.0])
    assert one.vmaf[0] == pytest.approx(two.vmaf[0], abs=1e-6)
    assert one.bitrate_kbps[0] == pytest.approx(two.bitrate_kbps[0], rel=1e-6)


@pytest.mark.parametrize("height", HEIGHTS)
def test_quality_and_bitrate_fall_with_crf(model: SurfaceModel, height: int) -> None:
    for posterior in (prior(model), prior(model).condition([truth(720, 20), truth(240, 40)])):
        found = posterior.predict(height, np.arange(10, 51.5, 0.5))
        assert np.all(np.diff(found.vmaf) <= 1e-9)
        assert np.all(np.diff(found.bitrate_kbps) <= 1e-9)
        assert np.all((found.vmaf_low <= found.vmaf) & (found.vmaf <= found.vmaf_high))


def test_rungs_fall_strictly_and_come_from_allowed_heights(model: SurfaceModel) -> None:
    ladder = plan(model, heights=(1080, 720, 540, 360))
    rungs = ladder.rungs
    assert len(rungs) >= 5
    assert {r.height for r in rungs} <= {720, 540, 360}
    for upper, lower in pairwise(rungs):
        assert upper.bitrate_kbps > lower.bitrate_kbps
        assert upper.vmaf > lower.vmaf
    assert all(r.crf == round(r.crf, 1) for r in rungs)


def test_probes_bring_the_prediction_to_the_truth(model: SurfaceModel) -> None:
    def error(ladder: LadderPlan) -> float:
        return float(np.mean([abs(r.vmaf - truth(r.height, r.crf).vmaf) for r in ladder.rungs]))

    blind, probed = plan(model, measured=False), plan(model, tolerance=1e-9)
    assert blind.probes == ()
    assert 0 < len(probed.probes) <= LadderOptions().max_probes
    assert error(probed) < 0.5 * error(blind)
    assert error(probed) < 1.5


def test_the_budget_and_the_bounds_are_kept(model: SurfaceModel) -> None:
    ladder = plan(model, max_probes=2, max_rungs=4, max_kbps=2500.0, min_kbps=200.0)
    assert len(ladder.probes) <= 2
    assert len(ladder.rungs) <= 4
    assert all(200 <= r.bitrate_kbps <= 2500 for r in ladder.rungs)


def test_impossible_bounds_are_a_typed_error(model: SurfaceModel) -> None:
    with pytest.raises(LadderError) as caught:
        plan(model, measured=False, min_kbps=1e7)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [Size(256, 144), Size(3840, 2160), Size(608, 1080), Size(2, 2)])
def test_unusual_sizes_are_planned_sanely(model: SurfaceModel, size: Size) -> None:
    title = replace(TITLE, size=size, display=size.fit(FULL_HD))
    ladder = plan(model, title, measured=False)
    rates = [r.bitrate_kbps for r in ladder.rungs]
    assert rates == sorted(rates, reverse=True)
    assert ladder.rungs[0].height <= size.height


def test_a_black_title_is_planned_sanely(model: SurfaceModel) -> None:
    flat = {"si": 0.0, "ti": float("nan")}
    ladder = plan_ladder(
        model, replace(TITLE, features=flat), LadderOptions(), preset="medium",
        quality_model="vmaf_v0.6.1", display=FULL_HD, crf_range=(10, 51), crf_step=0.1,
        measure=lambda height, crf: Probe(height, crf, 3.0, 97.4, 0.1),
    )  # fmt: skip
    assert len(ladder.rungs) >= 1
    assert ladder.rungs[0].bitrate_kbps < 1000


def test_an_untrained_preset_widens_the_intervals_and_says_so(model: SurfaceModel) -> None:
    usual = plan(model, measured=False)
    other = plan_ladder(
        model, TITLE, LadderOptions(), preset="veryslow", quality_model="vmaf_v0.6.1",
        display=FULL_HD, crf_range=(10, 51), crf_step=0.1, measure=None,
    )  # fmt: skip
    assert not usual.notes
    assert "veryslow" in " ".join(other.notes)
    width = [max(p.vmaf_high - p.vmaf_low for p in ladder.curves) for ladder in (usual, other)]
    assert width[1] > width[0]


def test_a_model_survives_its_file_and_a_damaged_file_is_refused(
    model: SurfaceModel, tmp_path: Path
) -> None:
    path = tmp_path / "model.npz"
    model_file.write(path, model)
    again = load_model("h264", path)
    assert np.allclose(again.prior(TITLE).mean, prior(model).mean)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(ModelError):
        load_model("h264", path)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(ModelError):
        load_model("h264", path)
