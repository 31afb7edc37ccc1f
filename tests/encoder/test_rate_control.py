"""Two passes to an average bitrate, pictures at half the rate, and the end of a title."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from pertitle.codecs import codec_named, prepared
from pertitle.encoder.grid import segment_grid
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.packaging import package
from pertitle.encoder.package.storyboard import make_storyboard
from pertitle.encoder.pictures import read_pictures
from pertitle.encoder.renditions import encode_renditions
from pertitle.encoder.verification import Verifier
from pertitle.records import Size
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import MODEL, analysis_of, rendition_of, rung

MOVING = "testsrc2=s=320x180:r={rate}:d={seconds},noise=alls=12:allf=t:all_seed=1"


@pytest.mark.parametrize(("codec", "preset"), [("h264", "veryfast"), ("hevc", "ultrafast")])
def test_two_passes_hold_the_average_bitrate(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, codec: str, preset: str
) -> None:
    clip = make_clip(MOVING.format(rate=25, seconds=4), "moving.mp4")
    folder = tmp_path / "it's a: 100 %d"
    folder.mkdir()
    seen: list[float] = []
    encoded = encode_renditions(
        toolbox, analysis_of(clip), [rung(320, 180, 30, 900), rung(160, 90, 30, 250)],
        codec=codec_named(codec), preset=preset, segment_seconds=2, vbv_ratio=2, folder=folder,
        two_pass=True, on_progress=seen.append,
    )  # fmt: skip
    assert [one.frames for one in encoded] == [100, 100]
    for one in encoded:
        assert one.average_kbps == pytest.approx(one.rung.bitrate_kbps, rel=0.12)
    assert seen == sorted(seen)
    assert {path.suffix for path in folder.iterdir()} == {".mp4", ".json"}, "no logs stay behind"


def test_rungs_of_one_crf_under_different_caps_have_files_of_their_own(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip(MOVING.format(rate=25, seconds=4), "moving.mp4")

    def sizes(*kbps: int) -> dict[int, tuple[Path, int]]:
        encoded = encode_renditions(
            toolbox, analysis_of(clip), [rung(320, 180, 20, one) for one in kbps],
            codec=codec_named("h264"), preset="ultrafast", segment_seconds=2, vbv_ratio=1.2,
            folder=tmp_path,
        )  # fmt: skip
        return {round(e.rung.bitrate_kbps): (e.path, e.path.stat().st_size) for e in encoded}

    together = sizes(3000, 300)
    assert together[3000][1] > 1.5 * together[300][1]
    assert sizes(300) == {300: together[300]}, "encoding one again leaves the other alone"
    assert sizes(3000) == {3000: together[3000]}


def test_rungs_of_half_the_rate_are_cut_at_the_same_moments(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip(MOVING.format(rate=50, seconds=2.5), "fifty.mp4")
    whole = analysis_of(clip)
    wanted = rung(320, 180, 26, 2000), rung(160, 90, 30, 200)
    renditions = []
    for half_rate, one in zip((False, True), wanted, strict=True):
        (made,) = encode_renditions(
            toolbox, prepared(whole, "sdr", half_rate=half_rate), [one], codec=codec_named("h264"),
            preset="ultrafast", segment_seconds=1, vbv_ratio=9, folder=tmp_path,
        )  # fmt: skip
        renditions.append(rendition_of(made, half_rate=half_rate))
    assert [r.frames for r in renditions] == [125, 63]
    full, half = (read_pictures(r.path) for r in renditions)
    starts = [[t for t, k in zip(p.times, p.keys, strict=True) if k] for p in (full, half)]
    assert starts[0] == starts[1] == [0, 1, 2]
    rate = Fraction(50)
    folder = tmp_path / "p"
    made_package = package(
        toolbox, renditions, (), folder=folder, segment_seconds=1, frame_rate=rate
    )
    check_package(folder, made_package, renditions, (), segment_seconds=1, frame_rate=rate)
    master = (folder / "master.m3u8").read_text()
    assert "FRAME-RATE=50.000" in master
    assert "FRAME-RATE=25.000" in master


def test_the_last_pictures_belong_to_the_segment_before(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    """2.2 s in segments of 1 s: two of them, in every codec, with one picture each to scrub."""
    clip = make_clip(MOVING.format(rate=25, seconds=2.2), "tail.mkv")
    analysis = analysis_of(clip)
    rate, grid = Fraction(25), segment_grid(2.2, Fraction(25), 1)
    renditions = []
    for name, preset in (("h264", "ultrafast"), ("hevc", "ultrafast"), ("av1", "12")):
        (one,) = encode_renditions(
            toolbox, analysis, [rung(160, 90, 34)], codec=codec_named(name), preset=preset,
            segment_seconds=1, vbv_ratio=9, folder=tmp_path,
        )  # fmt: skip
        renditions.append(rendition_of(one))
    for rendition in renditions:
        pictures = read_pictures(rendition.path)
        assert pictures.frames == 55
        assert [n for n in range(0, 55, 25) if pictures.keys[n]] == [0, 25]
    board = make_storyboard(
        toolbox, renditions[0], gop=grid.gop, skipped=grid.skipped, frame_rate=rate,
        folder=tmp_path / "board",
    )  # fmt: skip
    assert board.pictures == 2
    made = package(
        toolbox, renditions, (), folder=tmp_path / "p", segment_seconds=1, frame_rate=rate,
        storyboard=board,
    )  # fmt: skip
    assert made.segments == 6
    check_package(
        tmp_path / "p", made, renditions, (), segment_seconds=1, frame_rate=rate,
        skipped=grid.skipped, storyboard=board,
    )  # fmt: skip


@pytest.mark.parametrize(("name", "preset"), [("h264", "fast"), ("hevc", "ultrafast")])
def test_every_other_picture_keeps_its_quality_at_a_higher_crf(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, name: str, preset: str
) -> None:
    clip = make_clip(MOVING.format(rate=50, seconds=3), "half.mp4")
    whole, codec = analysis_of(clip), codec_named(name)
    higher = codec.half_rate_crf(Fraction(50))
    assert higher == 2.4

    def vmaf(crf: float, half_rate: bool) -> float:
        analysis = prepared(whole, "sdr", half_rate=half_rate)
        folder = tmp_path / f"{half_rate}"
        folder.mkdir(exist_ok=True)
        (made,) = encode_renditions(
            toolbox, analysis, [rung(320, 180, crf, 5000)], codec=codec, preset=preset,
            segment_seconds=4, vbv_ratio=9, folder=folder,
        )  # fmt: skip
        with Verifier(
            toolbox, analysis, codec=codec, quality_model=MODEL, display=Size(320, 180),
            scratch=tmp_path,
        ) as verifier:  # fmt: skip
            return float(verifier.frame_scores(made.path).mean())

    wanted = vmaf(34, half_rate=False)
    same, shifted = vmaf(34, half_rate=True), vmaf(34 + higher, half_rate=True)
    assert abs(shifted - wanted) < 0.5 * abs(same - wanted)


def test_a_picture_of_a_hundredth_of_a_second_is_as_fine_as_a_shorter_one() -> None:
    h264, av1 = codec_named("h264"), codec_named("av1")
    assert h264.half_rate_crf(Fraction(60000, 1001)) == 2.4
    assert h264.half_rate_crf(Fraction(120)) == 1.8
    assert av1.half_rate_crf(Fraction(50)) == 0
