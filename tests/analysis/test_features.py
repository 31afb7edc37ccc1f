"""Features against generated pictures whose truth is known."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from pertitle.analysis.features import measure_features
from pertitle.analysis.fidelity import Fidelity, Reference
from pertitle.analysis.probe import probe
from pertitle.analysis.registry import REGISTRY
from pertitle.analysis.vmaf_terms import predict_vmaf
from pertitle.errors import SourceError
from pertitle.records import Size, Source, Treatment, Window
from tests.conftest import MakeClip

SIZE = "s=320x180:r=25:d=0.6"
LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
DETAIL = "mandelbrot=s=480x270:r=25:start_scale=0.4:end_scale=0.39,trim=duration=0.5"


def treated(source: Source) -> Treatment:
    return Treatment(source.video.frame_rate, source.size)


def features_of(path: Path) -> dict[str, float]:
    source = probe(path)
    return measure_features(source, [Window(0.0, source.duration)], treated(source))


@pytest.fixture(scope="module")
def plain(make_clip: MakeClip) -> dict[str, float]:
    return features_of(make_clip(f"color=c=gray:{SIZE}", "flat.mkv", *LOSSLESS))


@pytest.fixture(scope="module")
def pattern(make_clip: MakeClip) -> dict[str, float]:
    return features_of(make_clip(f"testsrc2={SIZE}", "pattern.mkv", *LOSSLESS))


@pytest.fixture(scope="module")
def real(real_clip: Path) -> dict[str, float]:
    source = probe(real_clip)
    return measure_features(source, [Window(1.0, 1.0)], treated(source))


def test_every_registered_feature_is_there_and_finite(
    plain: dict[str, float], pattern: dict[str, float], real: dict[str, float]
) -> None:
    for values in (plain, pattern, real):
        assert list(values) == list(REGISTRY)
        assert all(math.isfinite(value) for value in values.values())


def test_register_is_complete() -> None:
    for name, feature in REGISTRY.items():
        assert feature.unit, name
        assert feature.meaning, name


def test_detail_and_motion(plain: dict[str, float], pattern: dict[str, float]) -> None:
    for name in ("si_mean", "texture_mean", "edge_density_mean", "glcm_entropy_mean"):
        assert pattern[name] > plain[name] + 0.5, name
    for name in ("ti_mean", "change_mean", "residual_mean", "rate_native_crf22"):
        assert pattern[name] > plain[name] + 0.5, name
    assert plain["rate_native_crf22"] < 1  # an empty picture costs about a kilobit a second
    assert plain["flat_share_mean"] == 1
    assert plain["frozen_share"] == 1
    assert plain["vmaf_half"] > 95


def test_noise_estimate_follows_the_noise(make_clip: MakeClip) -> None:
    rng = np.random.default_rng(3)
    for spread in (2.0, 5.0):
        plane = rng.normal(120, spread, (270, 480)).clip(16, 235).round().astype(np.uint8)
        frames = [plane, np.roll(plane, 37, axis=1)]
        source = probe(_write(frames, make_clip))
        values = measure_features(source, [Window(0.0, source.duration)], treated(source))
        assert 2 ** values["noise_mean"] - 0.1 == pytest.approx(spread, rel=0.12)
        assert 2 ** values["noise_flat_mean"] - 0.05 == pytest.approx(spread, rel=0.25)


def _write(planes: list[np.ndarray], make_clip: MakeClip) -> Path:
    import av

    path = make_clip(f"color={SIZE}", "flat.mkv", *LOSSLESS).with_name(f"{id(planes)}.mkv")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = planes[0].shape[1], planes[0].shape[0], "gray"
        for plane in planes:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(plane, format="gray")))
        container.mux(stream.encode())
    return path


def test_two_frame_clip(make_clip: MakeClip) -> None:
    values = features_of(make_clip("testsrc2=s=320x180:r=25:d=0.08", "two.mp4"))
    assert values["ti_mean"] > math.log2(0.2)
    assert all(math.isfinite(value) for value in values.values())


def test_small_odd_and_portrait_pictures(make_clip: MakeClip) -> None:
    for size in ("16x16", "34x120", "130x36"):
        path = make_clip(f"testsrc2=s={size}:r=25:d=0.4", f"s{size}.mkv", *LOSSLESS)
        assert all(math.isfinite(value) for value in features_of(path).values())


def test_ten_bits_measure_like_eight(make_clip: MakeClip) -> None:
    eight = features_of(make_clip(f"testsrc2={SIZE}", "pattern.mkv", *LOSSLESS))
    ten = features_of(
        make_clip(f"testsrc2={SIZE}", "ten.mkv", *LOSSLESS, "-pix_fmt", "yuv420p10le")
    )
    for name in ("si_mean", "ti_mean", "brightness_mean", "contrast_mean", "noise_mean"):
        assert ten[name] == pytest.approx(eight[name], abs=0.15), name


def test_full_range_measures_like_limited(make_clip: MakeClip) -> None:
    limited = features_of(make_clip(f"testsrc2={SIZE}", "pattern.mkv", *LOSSLESS))
    full = features_of(
        make_clip(f"testsrc2={SIZE},scale=out_range=pc", "full.mkv", *LOSSLESS, "-pix_fmt",
                  "yuvj420p")
    )  # fmt: skip
    assert full["brightness_mean"] == pytest.approx(limited["brightness_mean"], abs=1.5)
    assert full["contrast_mean"] == pytest.approx(limited["contrast_mean"], rel=0.03)


def test_measuring_again_gives_the_same(make_clip: MakeClip, pattern: dict[str, float]) -> None:
    assert features_of(make_clip(f"testsrc2={SIZE}", "pattern.mkv", *LOSSLESS)) == pattern


def test_an_upscale_shows_in_the_spectrum_and_in_fidelity(make_clip: MakeClip) -> None:
    sharp = features_of(make_clip(DETAIL, "sharp.mkv", *LOSSLESS))
    soft = features_of(
        make_clip(f"{DETAIL},scale=240:-2:flags=area,scale=480:270:flags=bicubic", "soft.mkv",
                  *LOSSLESS)
    )  # fmt: skip
    assert soft["rolloff_mean"] < sharp["rolloff_mean"] - 0.1
    assert soft["spectrum_top_mean"] < sharp["spectrum_top_mean"] - 0.5
    assert soft["loss_half"] > sharp["loss_half"] + 6
    assert soft["vmaf_half"] > sharp["vmaf_half"] + 5


def test_estimated_rate_falls_with_crf_and_lines(real: dict[str, float]) -> None:
    for scale in ("native", "540", "360", "240"):
        rates = [real[f"rate_{scale}_crf{crf}"] for crf in (22, 32, 42)]
        assert rates == sorted(rates, reverse=True)
    rates = [real[f"rate_{scale}_crf22"] for scale in ("native", "540", "360", "240")]
    assert rates == sorted(rates, reverse=True)


def test_estimated_quality_falls_with_crf_and_lines(real: dict[str, float]) -> None:
    for scale in ("native", "540", "240"):
        scores = [real[f"vmaf_{scale}_crf{crf}"] for crf in (22, 32, 42)]
        assert scores == sorted(scores, reverse=True)
    scores = [real[f"vmaf_{lines}"] for lines in ("720", "540", "432", "360", "240")]
    # The stand-in for VMAF is good to a point or so.
    assert all(fewer < more + 1.5 for more, fewer in itertools.pairwise(scores))
    assert scores[-1] < scores[0] - 5
    assert scores[0] > 95  # the clip has 720 lines itself


def test_blocking_shows(make_clip: MakeClip, real_clip: Path) -> None:
    rng = np.random.default_rng(5)
    smooth = cv2.GaussianBlur(rng.normal(120, 90, (270, 480)), (0, 0), 6).clip(16, 235)
    plane = smooth.round().astype(np.uint8)
    blocks = cv2.resize(plane, (60, 34), interpolation=cv2.INTER_AREA)
    blocky = cv2.resize(blocks, (480, 272), interpolation=cv2.INTER_NEAREST)[:270]
    clean, broken = (features_of(_write([p, p], make_clip)) for p in (plane, blocky))
    assert broken["blockiness_mean"] > clean["blockiness_mean"] + 1


def test_window_past_the_end_is_refused(make_clip: MakeClip) -> None:
    source = probe(make_clip(f"testsrc2={SIZE}", "pattern.mkv", *LOSSLESS))
    with pytest.raises(SourceError, match="no picture"):
        measure_features(source, [Window(30.0, 1.0)], treated(source))


def test_a_window_that_ends_early_is_measured_by_what_is_there(make_clip: MakeClip) -> None:
    source = probe(make_clip("testsrc2=s=320x180:r=25:d=0.28", "seven.mkv", *LOSSLESS))
    values = measure_features(source, [Window(0.0, 4.0)], treated(source))
    assert values["ti_mean"] > math.log2(0.2)
    assert all(math.isfinite(value) for value in values.values())


def test_treated_size_is_what_is_measured(make_clip: MakeClip) -> None:
    source = probe(make_clip(f"testsrc2={SIZE}", "pattern.mkv", *LOSSLESS))
    half = Treatment(source.video.frame_rate, Size(240, 136))
    values = measure_features(source, [Window(0.0, 0.5)], half)
    assert values["log2_height"] == pytest.approx(math.log2(136))


def test_fidelity_of_an_untouched_and_of_a_blurred_tile() -> None:
    rng = np.random.default_rng(1)
    noise = rng.normal(120, 60, (192, 192)).astype(np.float32)
    tile, blurred = (
        np.asarray(cv2.GaussianBlur(noise, (0, 0), spread), np.float32) for spread in (1.0, 2.2)
    )
    same, lost = Fidelity(), Fidelity()
    same.add(Reference(tile), tile)
    lost.add(Reference(tile), blurred)
    assert same.vif == pytest.approx(1, abs=1e-3)
    assert same.detail == pytest.approx(1)
    assert same.vmaf(2.0) > 95
    assert lost.vif < 0.6
    assert lost.detail < 0.7
    assert lost.vmaf(2.0) < same.vmaf(2.0) - 30


def test_vmaf_stand_in_stays_on_the_scale() -> None:
    for detail in (0.0, 0.5, 1.0):
        for vif in (0.0, 0.5, 1.0):
            for motion in (0.0, 5.0, 100.0):
                assert 0 <= predict_vmaf(detail, np.full(4, vif), motion) <= 100
