"""Verification: exact where it says so, and honest about its doubt where it samples."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from ffmpeg_quality_metrics import FfmpegQualityMetrics

from pertitle.codecs import codec_named
from pertitle.encoder.commands import MAX_RUNS, in_runs, measurable
from pertitle.encoder.extra_metrics import VMAF_V1
from pertitle.encoder.quality import Scores, measure_vmaf
from pertitle.encoder.renditions import EncodedRung, encode_renditions
from pertitle.encoder.sampling import Design
from pertitle.encoder.series import MAX_POINTS, frame_series, window_series
from pertitle.encoder.title import Span
from pertitle.encoder.verification import Measured, Verifier, verify_rendition
from pertitle.errors import DeliveryError
from pertitle.options import VerifyOptions
from pertitle.records import Analysis, Shot, Size
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import MODEL, analysis_of, rung

H264 = codec_named("h264")
DISPLAY = Size(320, 180)
GRAPH = (
    # Still, then moving, then noisy: three shots of unlike quality.
    "testsrc=s=160x90:r=25:d=4[a];mandelbrot=s=160x90:r=25:end_scale=0.01,trim=duration=4[b];"
    "testsrc2=s=160x90:r=25:d=4,noise=alls=40:allf=t[c];[a][b][c]concat=n=3,setsar=1[out0]"
)


@pytest.fixture(scope="module")
def analysis(make_clip: MakeClip) -> Analysis:
    clip = make_clip(GRAPH, "shots.mkv", "-c:v", "libx264", "-preset", "ultrafast", "-crf", "8")
    return replace(analysis_of(clip), shots=(Shot(0, 4), Shot(4, 8), Shot(8, 12)))


@pytest.fixture(scope="module")
def encoded(
    toolbox: Toolbox, analysis: Analysis, tmp_path_factory: pytest.TempPathFactory
) -> tuple[EncodedRung, ...]:
    return encode_renditions(
        toolbox, analysis, [rung(160, 90, 32, 150), rung(96, 54, 34, 50)], codec=H264,
        preset="veryfast", segment_seconds=1, vbv_ratio=8, folder=tmp_path_factory.mktemp("rungs"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def whole(toolbox: Toolbox, analysis: Analysis, encoded: tuple[EncodedRung, ...]) -> Scores:
    """All frame scores of the first rung, measured apart from the verifier."""
    return measure_vmaf(
        toolbox, encoded[0].path, analysis.source.path, display=DISPLAY, models=[MODEL],
        frame_rate=analysis.treatment.frame_rate, threads=2,
    )  # fmt: skip


def test_exact_verification_is_the_whole_file_score(
    toolbox: Toolbox, analysis: Analysis, encoded: tuple[EncodedRung, ...], whole: Scores
) -> None:
    found = verify_rendition(
        toolbox, analysis, encoded[0].path, codec=H264, quality_model=MODEL, display=DISPLAY,
        options=VerifyOptions(all_frames=True),
    )  # fmt: skip
    assert found.frames == 300
    assert found.vmaf == found.low == found.high == pytest.approx(whole.mean(MODEL), abs=0.01)
    assert found.worst <= found.vmaf
    scores = whole.frames[0]
    first = round(found.worst_window.start * 25)
    assert found.worst == pytest.approx(scores[first : first + 25].mean(), abs=0.01)
    series = found.vmaf_series
    assert series.times[:2] == (0.12, 0.36)  # steps of 6 frames at 25 frames/s
    assert series.values == pytest.approx(scores.reshape(-1, 6).mean(axis=1), abs=0.01)


@pytest.mark.parametrize("floor", [None, 10.0])
@pytest.mark.parametrize("seek", [True, False])
def test_units_have_the_scores_of_the_whole_file(
    toolbox: Toolbox, analysis: Analysis, encoded: tuple[EncodedRung, ...], whole: Scores,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seek: bool, floor: float | None,
) -> None:  # fmt: skip
    """A frame by itself, and windows of four: the motion feature meets their real neighbours."""
    if seek:
        monkeypatch.setattr("pertitle.encoder.title.SEEK_WORTHWHILE", 0.0)
        monkeypatch.setattr("pertitle.encoder.title.SEEK_FRAMES", 0)
        monkeypatch.setattr("pertitle.encoder.verification.SEEK_FRAMES", 0)
    options = VerifyOptions(half_width=50, min_window_vmaf=floor)
    with Verifier(
        toolbox, analysis, codec=H264, quality_model=MODEL, display=DISPLAY, scratch=tmp_path
    ) as verifier:
        found = verifier.verify(encoded[0].path, options, threads=2)
    length = 1 if floor is None else 4
    assert len(found.frames) == (32 if floor is None else 24)
    for first, score in zip(found.frames, found.scores, strict=True):
        assert score == pytest.approx(whole.frames[0][first : first + length].mean(), abs=0.001)
    assert found.verification.frames == length * len(found.frames)
    assert found.verification.worst == min(found.scores)
    assert list(tmp_path.iterdir()) == []


def test_a_sampled_interval_holds_the_exact_score(
    toolbox: Toolbox, analysis: Analysis, encoded: tuple[EncodedRung, ...], whole: Scores,
    tmp_path: Path,
) -> None:  # fmt: skip
    with Verifier(
        toolbox, analysis, codec=H264, quality_model=MODEL, display=DISPLAY, scratch=tmp_path
    ) as verifier:
        wide = VerifyOptions(half_width=50)
        first = verifier.verify(encoded[0].path, wide).verification
        second = verifier.verify(encoded[1].path, wide).verification
    assert first.frames == second.frames == 32
    assert first.low <= whole.mean(MODEL) <= first.high
    assert first.low < first.vmaf < first.high
    assert second.vmaf < first.vmaf
    assert first.worst == min(first.worst, first.vmaf)
    assert len(first.vmaf_series.times) == 32
    assert list(first.vmaf_series.times) == sorted(first.vmaf_series.times)
    assert min(first.vmaf_series.values) == pytest.approx(first.worst, abs=0.01)
    exact = whole.frames[0]
    for time, vmaf in zip(first.vmaf_series.times, first.vmaf_series.values, strict=True):
        assert vmaf == pytest.approx(exact[int(time * 25)], abs=0.02)


def test_a_rung_is_told_with_the_help_of_one_that_was_looked_at_more_closely(
    toolbox: Toolbox, analysis: Analysis, encoded: tuple[EncodedRung, ...], whole: Scores,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("pertitle.encoder.sampling.FIRST_UNITS", (16,))
    wide = VerifyOptions(half_width=50)
    with Verifier(
        toolbox, analysis, codec=H264, quality_model=MODEL, display=DISPLAY, scratch=tmp_path
    ) as verifier:
        alone = verifier.verify(encoded[0].path, wide)
        closer = [span.first for span in Design(300).look(1)]
        assert set(alone.frames) < set(closer)
        # The same rendition, as if it were another that was looked at twice as closely.
        scores = tuple(float(whole.frames[0][first]) for first in closer)
        other = Measured(alone.verification, 1.0, 1, tuple(closer), scores)
        helped = verifier.verify(encoded[0].path, wide, others=[other]).verification
    assert helped.vmaf == pytest.approx(np.mean(scores), abs=0.5)
    assert helped.high - helped.low < alone.verification.high - alone.verification.low


def test_looking_ends_where_it_is_sure_of_the_target(
    toolbox: Toolbox, analysis: Analysis, encoded: tuple[EncodedRung, ...], whole: Scores,
    tmp_path: Path,
) -> None:  # fmt: skip
    with Verifier(
        toolbox, analysis, codec=H264, quality_model=MODEL, display=DISPLAY, scratch=tmp_path
    ) as verifier:

        def frames(target: float, tolerance: float) -> int:
            found = verifier.verify(encoded[0].path, target=target, tolerance=tolerance)
            return found.verification.frames

        mean = whole.mean(MODEL)
        assert frames(mean, 40.0) == 32, "surely on its target"
        assert frames(mean + 60, 1.0) == 32, "surely off it"
        assert frames(mean + 1, 1.0) > 32, "in doubt"


def test_a_long_title_keeps_a_bounded_series() -> None:
    spans = [Span(100 * i, 4) for i in reversed(range(1000))]
    series = window_series(spans, [float(i % 50) for i in range(1000)], Fraction(25))
    assert len(series.times) == 200
    assert series.times[0] == pytest.approx((200 + 2) / 25)  # the middle of five windows
    assert np.mean(series.values) == pytest.approx(24.5, abs=0.01)
    assert len(frame_series(np.zeros(100_000), Fraction(25)).times) <= MAX_POINTS


def test_an_independent_meter_agrees(toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path) -> None:
    """ffmpeg-quality-metrics, with a model file of its own, on the whole files."""
    clip = make_clip(GRAPH.replace("setsar=1", "scale=320:180,setsar=1"), "meter.mkv", "-c:v",
                     "libx264", "-preset", "ultrafast", "-crf", "8")  # fmt: skip
    title = replace(analysis_of(clip), shots=(Shot(0, 4), Shot(4, 8), Shot(8, 12)))
    (one,) = encode_renditions(
        toolbox, title, [rung(320, 180, 30, 150)], codec=H264, preset="veryfast",
        segment_seconds=1, vbv_ratio=8, folder=tmp_path,
    )  # fmt: skip
    meter = FfmpegQualityMetrics(
        str(clip), str(one.path), framerate=25.0, threads=2, ffmpeg_path=toolbox.ffmpeg
    )
    scores = [frame["vmaf"] for frame in meter.calculate(metrics=["vmaf"])["vmaf"]]
    assert len(scores) == 300
    mean = float(np.mean(scores))
    with Verifier(
        toolbox, title, codec=H264, quality_model=MODEL, display=DISPLAY, scratch=tmp_path
    ) as verifier:
        exact = verifier.verify(one.path, VerifyOptions(all_frames=True)).verification
        sampled = verifier.verify(one.path, VerifyOptions(half_width=50)).verification
    assert exact.vmaf == pytest.approx(mean, abs=0.1)
    assert sampled.frames < 300
    assert sampled.vmaf == pytest.approx(mean, abs=2.5)


def test_few_frames_tell_v1_xpsnr_and_banding_of_all(
    toolbox: Toolbox, analysis: Analysis, encoded: tuple[EncodedRung, ...], tmp_path: Path
) -> None:
    path = encoded[0].path
    every = VerifyOptions(all_frames=True)
    with Verifier(
        toolbox, analysis, codec=H264, quality_model=MODEL, display=DISPLAY, scratch=tmp_path
    ) as verifier:
        full = verifier.verify(path, replace(every, full_quality=True)).verification
        some = verifier.verify(path, every).verification
        wide = VerifyOptions(half_width=50)
        sampled = verifier.verify(path, wide).verification
        units = verifier.verify(path, replace(wide, full_quality=True)).verification
    reference = measure_vmaf(
        toolbox, path, analysis.source.path, display=DISPLAY, models=[VMAF_V1],
        frame_rate=analysis.treatment.frame_rate, threads=2,
    )  # fmt: skip
    assert full.vmaf_v1 == pytest.approx(reference.mean(VMAF_V1), abs=0.01)
    # ffmpeg's own figure of the whole file.
    log = toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "info", "-nostats", "-i", f"file:{analysis.source.path}",
         "-i", f"file:{path}", "-filter_complex",
         "[0:v]scale=320:180:flags=bicubic[a];[1:v]scale=320:180:flags=bicubic[b];[a][b]xpsnr",
         "-f", "null", "-"]
    ).stderr_tail  # fmt: skip
    assert full.xpsnr == pytest.approx(float(log.partition("XPSNR  y: ")[2].split()[0]), abs=0.02)
    for other, room in ((some, 1.5), (sampled, 1.5), (units, 1.0)):
        assert other.vmaf_v1 == pytest.approx(full.vmaf_v1, abs=4 * room)
        assert other.xpsnr == pytest.approx(full.xpsnr, abs=room)
        assert other.cambi == pytest.approx(full.cambi, abs=0.5)


@pytest.mark.parametrize("quality_model", [MODEL, VMAF_V1])
@pytest.mark.parametrize(
    "display", [Size(256, 144), Size(100, 178), Size(640, 16), Size(64, 64), Size(1920, 100)]
)
def test_displays_too_small_for_a_metric_are_measured_larger(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, display: Size, quality_model: str
) -> None:
    """Pictures this small crash or stop libvmaf: SpEED needs 160 lines, CAMBI 216 pixels."""
    clip = make_clip(f"testsrc2=s={display}:r=25:d=0.4,noise=alls=8:allf=t:all_seed=2", "small.mp4")
    analysis = analysis_of(clip)
    good, poor = encode_renditions(
        toolbox, analysis, [rung(display.width, display.height, crf, 900) for crf in (14, 44)],
        codec=H264, preset="veryfast", segment_seconds=1, vbv_ratio=8, folder=tmp_path,
    )  # fmt: skip
    better, worse = (
        verify_rendition(
            toolbox, analysis, one.path, codec=H264, quality_model=quality_model, display=display
        )
        for one in (good, poor)
    )
    assert 100 >= better.vmaf > worse.vmaf + 10
    assert 100 >= better.vmaf_v1 > worse.vmaf_v1 + 10
    assert better.xpsnr > worse.xpsnr + 5
    assert 0 <= better.cambi < 17


@pytest.mark.parametrize(
    "options",
    [VerifyOptions(all_frames=True), VerifyOptions(all_frames=True, full_quality=True)],
)
def test_titles_of_thousands_of_frames_are_compared_whole(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, options: VerifyOptions
) -> None:
    """ffmpeg takes 100 terms in a sum; one term a burst was too many beyond 2,900 frames."""
    clip = make_clip("testsrc2=s=64x36:r=60:d=52", "thousands.mp4")
    (one,) = encode_renditions(
        toolbox, analysis_of(clip), [rung(64, 36, 34, 60)], codec=H264, preset="ultrafast",
        segment_seconds=4, vbv_ratio=8, folder=tmp_path,
    )  # fmt: skip
    found = verify_rendition(
        toolbox, analysis_of(clip), one.path, codec=H264, quality_model=MODEL,
        display=Size(64, 36), options=options,
    )  # fmt: skip
    assert found.frames == 52 * 60
    assert found.low == found.vmaf == found.high


def test_ffmpeg_takes_the_longest_expression_that_is_built(toolbox: Toolbox) -> None:
    runs = [(4 * i, 4 * i + 2) for i in range(MAX_RUNS)]
    argv = [toolbox.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "color=s=16x16:r=25:d=64", "-vf",
            f"select='{in_runs(runs)}'", "-f", "null", "-progress", "pipe:", "-"]  # fmt: skip
    assert f"frame={2 * MAX_RUNS}\n" in toolbox.runner.run(argv).stdout
    with pytest.raises(ValueError, match=f"{MAX_RUNS + 1} runs"):
        in_runs([*runs, (9999, 10_000)])


def test_displays_large_enough_are_left_alone() -> None:
    for size in (Size(284, 160), Size(160, 284), Size(216, 160), Size(1920, 1080), Size(1280, 160)):
        assert measurable(size, [VMAF_V1]) == (size, size)
    for size in (Size(256, 144), Size(1920, 18)):
        assert measurable(size, [MODEL]) == (size, size)
    assert measurable(Size(256, 144), [MODEL, VMAF_V1]) == (Size(256, 144), Size(286, 160))
    assert measurable(Size(100, 178), [VMAF_V1]) == (Size(100, 178), Size(160, 286))
    assert measurable(Size(180, 180), [VMAF_V1]) == (Size(180, 180), Size(216, 216))
    assert measurable(Size(1920, 160), [VMAF_V1]) == (Size(1280, 160), Size(1280, 160))
    assert measurable(Size(640, 16), [VMAF_V1]) == (Size(128, 16), Size(1280, 160))


def test_a_rendition_of_another_length_is_refused(
    toolbox: Toolbox, analysis: Analysis, make_clip: MakeClip
) -> None:
    other = make_clip("testsrc2=s=160x90:r=25:d=14", "longer.mp4")
    with pytest.raises(DeliveryError, match="compared 300 of 350"):
        verify_rendition(
            toolbox, analysis, other, codec=H264, quality_model=MODEL, display=DISPLAY,
            options=VerifyOptions(all_frames=True),
        )  # fmt: skip
