"""The model on made-up titles: what it learns, promises and stores."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pertitle.errors import ModelError
from pertitle.ladder import model_file
from pertitle.ladder.library import load_model
from pertitle.ladder.surface import SurfaceModel, TitleTable, fit_surface
from pertitle.records import Size
from pertitle.training.scoring import Truth
from tests.ladder.synthetic import make_title, make_titles, title_context

UNSEEN = make_titles(12, seed=99)


def median_error(model: SurfaceModel, titles: list[TitleTable], probes: int = 0) -> float:
    errors = []
    for title in titles:
        truth = Truth(title)
        belief = model.prior(title.context)
        places = [(truth.heights[-1], 32.0), (truth.heights[0], 27.0)][:probes]
        belief = belief.condition([truth.measure(*place) for place in places])
        for height in truth.heights:
            found = belief.predict(height, [27.0, 37.0]).vmaf
            errors += [
                abs(v - truth.at(height, c)[1]) for v, c in zip(found, (27, 37), strict=True)
            ]
    return float(np.median(errors))


def test_features_explain_unseen_titles_better_than_the_mean_surface(
    model: SurfaceModel, titles: list[TitleTable]
) -> None:
    plain = fit_surface(titles, codec="h264", preset="medium", quality_model="v", feature_names=())
    assert median_error(model, UNSEEN) < 0.5 * median_error(plain, UNSEEN)
    # Without features, two probes tell more than the corpus mean.
    assert median_error(plain, UNSEEN, probes=2) < 0.5 * median_error(plain, UNSEEN)


def test_features_that_are_missing_fall_back_to_the_usual_title(model: SurfaceModel) -> None:
    known = title_context(Size(1280, 720), {"complexity": 0.0, "sharpness": 0.5})
    blank = title_context(Size(1280, 720), {"complexity": float("nan")})
    a, b = (model.prior(t).predict(540, [30.0]).vmaf[0] for t in (known, blank))
    assert b == pytest.approx(a, abs=12)


def test_intervals_hold_unseen_truth_about_nine_times_in_ten(model: SurfaceModel) -> None:
    inside = []
    for title in make_titles(40, seed=7):
        truth, belief = Truth(title), model.prior(title.context)
        for height in truth.heights:
            found = belief.predict(height, [24.0, 34.0])
            true = [truth.at(height, c)[1] for c in (24.0, 34.0)]
            inside += list((found.vmaf_low <= true) & (true <= found.vmaf_high))
    assert np.mean(inside) >= 0.75


def test_a_surprising_probe_widens_the_belief_about_the_rest(model: SurfaceModel) -> None:
    title = UNSEEN[0]
    truth = Truth(title)
    fair = truth.measure(truth.heights[-1], 32.0)
    odd = replace(fair, bitrate_kbps=60 * fair.bitrate_kbps, vmaf=99.0)
    prior = model.prior(title.context)
    assert prior.condition(odd).scale > 2 * prior.condition(fair).scale


def test_sources_taller_than_the_display_share_its_surface(model: SurfaceModel) -> None:
    uhd = title_context(Size(3840, 2160), {"complexity": 0.0, "sharpness": 0.5})
    octaves, native = uhd.octaves([2160, 1440, 1080, 540])
    assert octaves == pytest.approx([0, 0, 0, -1])
    assert list(native) == [True, False, False, False]
    found = model.prior(uhd).predict(2160, [20.0, 30.0])
    assert np.all(np.isfinite(found.bitrate_kbps))


def test_training_twice_gives_the_same_file(titles: list[TitleTable], tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        model = fit_surface(titles[:12], codec="h264", preset="m", quality_model="v")
        model_file.write(tmp_path / name, model)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_titles_may_lack_cells_and_codecs_may_lack_titles(titles: list[TitleTable]) -> None:
    rng = np.random.default_rng(0)
    holed = []
    for title in titles[:16]:
        keep = rng.random(len(title.crfs)) < 0.6
        arrays = {k: getattr(title, k)[keep] for k in ("heights", "crfs", "kbps", "vmaf")}
        holed.append(replace(title, **arrays))
    model = fit_surface(holed, codec="h264", preset="m", quality_model="v")
    assert median_error(model, UNSEEN) < 8


def test_a_flat_title_does_not_upset_training(titles: list[TitleTable]) -> None:
    flat = make_title("flat", Size(1280, 720), 0.0, 0.0)
    flat = replace(flat, kbps=np.full_like(flat.kbps, 0.0), vmaf=np.full_like(flat.vmaf, 100.0))
    model = fit_surface([*titles, flat], codec="h264", preset="m", quality_model="v")
    assert median_error(model, UNSEEN) < 8


def rewrite(path: Path, **changes: object) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    head = json.loads(parts["model.json"])
    parts["model.json"] = json.dumps({**head, **changes}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_model_files_of_other_kinds_are_refused_in_one_line(
    model: SurfaceModel, tmp_path: Path
) -> None:
    cases: dict[str, dict[str, object]] = {
        "schema": {"schema": 999},
        "fingerprint": {"digest": "0" * 64},
        "another library": {"versions": {"numpy": "1.0", "scipy": "1.0", "scikit-learn": "1.0"}},
        "lost fields": {"axes": {}},
        "other shapes": {"features": ["one"]},
    }
    for name, changes in cases.items():
        path = tmp_path / f"{name}.npz"
        model_file.write(path, model)
        rewrite(path, **changes)
        with pytest.raises(ModelError) as caught:
            load_model("h264", path)
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelError):
        load_model("h264", tmp_path / "absent.npz")
    model_file.write(tmp_path / "h264.npz", model)
    with pytest.raises(ModelError):
        load_model("hevc", tmp_path / "h264.npz")


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
def test_every_codec_has_a_shipped_model_that_expects_sane_curves(codec: str) -> None:
    model = load_model(codec)
    assert model.codec == codec
    seen = model.prior(title_context(Size(1280, 720))).predict(720, model.axes.crfs)
    assert np.all(np.diff(seen.bitrate_kbps) < 0)
    assert np.all(np.diff(seen.vmaf) <= 0)
    assert seen.vmaf[0] > 85 > seen.vmaf[-1]
