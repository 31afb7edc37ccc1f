"""The analysis of whole files: treatment, warnings, bounded cost."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

import pertitle
from pertitle.analysis import scan as scan_module
from pertitle.analysis.analysing import analyse
from pertitle.analysis.probe import probe
from pertitle.errors import SourceError
from pertitle.options import LadderOptions, Options
from pertitle.records import Analysis, Size
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip

SMALL = "s=320x180:r=25"
TAGS = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709"
MOVING = f"testsrc2={SMALL}:d=1.2,{TAGS}"
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "12")


def codes(analysis: Analysis) -> set[str]:
    return {warning.code for warning in analysis.warnings}


@pytest.fixture(scope="module")
def ordinary(real_clip: Path) -> Analysis:
    return analyse(real_clip)


def test_an_ordinary_clip_has_no_defects(ordinary: Analysis) -> None:
    assert codes(ordinary) <= {"untagged-colour"}
    assert ordinary.treatment.size == ordinary.source.size
    assert not ordinary.treatment.deinterlace
    assert ordinary.treatment.crop is None


def test_what_is_returned_fits_together(ordinary: Analysis) -> None:
    duration = ordinary.source.duration
    assert ordinary.shots[0].start == 0
    assert ordinary.shots[-1].end == duration
    for before, after in zip(ordinary.shots, ordinary.shots[1:], strict=False):
        assert before.end == after.start
    assert sum(w.duration for w in ordinary.digest) == pytest.approx(duration, abs=0.05)
    assert all(math.isfinite(v) for v in ordinary.features.values())


def test_progress_rises_to_one(make_clip: MakeClip) -> None:
    told: list[float] = []
    analyse(make_clip(MOVING, "moving.mp4"), on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_probed_source_is_accepted(make_clip: MakeClip) -> None:
    source = probe(make_clip(MOVING, "moving.mp4"))
    assert analyse(source).source is source


def test_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SourceError):
        analyse(tmp_path / "text.mp4")


INTERLACE = f"testsrc2=s=320x180:r=50:d=1.6,{TAGS},tinterlace=interleave_top"


def test_interlaced_pictures_are_seen_without_a_flag(make_clip: MakeClip) -> None:
    found = analyse(make_clip(f"{INTERLACE},setfield=prog", "fields.mkv", *FAST))
    assert found.treatment.deinterlace
    assert "interlaced" in codes(found)


def test_a_wrong_flag_is_not_believed(make_clip: MakeClip) -> None:
    flagged = (*FAST, "-x264-params", "tff=1")
    path = make_clip(f"{MOVING},setfield=tff", "flagged.mkv", *flagged)
    found = analyse(path)
    assert probe(path).video.interlaced
    assert not found.treatment.deinterlace
    assert "interlaced" not in codes(found)


def test_letterbox_is_reported_and_cut_on_request(make_clip: MakeClip) -> None:
    path = make_clip(f"testsrc2=s=320x134:r=25:d=1,{TAGS},pad=320:180:0:23", "bars.mkv", *FAST)
    kept, cut = analyse(path), analyse(path, crop=True)
    assert "letterbox" in codes(kept)
    assert kept.treatment.crop is None
    assert kept.treatment.size == Size(320, 180)
    assert cut.treatment.crop is not None
    assert cut.treatment.size.width == 320
    assert abs(cut.treatment.size.height - 134) <= 2


def test_a_night_scene_has_no_letterbox(make_clip: MakeClip) -> None:
    graph = f"testsrc2={SMALL}:d=1,{TAGS},eq=brightness=-0.45:contrast=0.4"
    assert "letterbox" not in codes(analyse(make_clip(graph, "night.mkv", *FAST)))


def test_hdr_alpha_and_missing_tags(make_clip: MakeClip) -> None:
    hdr = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    path = make_clip(
        f"testsrc2={SMALL}:d=0.5,format=yuv420p10le,{hdr}", "hdr10.mkv", *FAST,
        "-pix_fmt", "yuv420p10le",
    )  # fmt: skip
    assert codes(analyse(path)) == {"hdr"}
    clear = make_clip(
        f"testsrc2={SMALL}:d=0.3,format=yuva444p", "clear.mkv", "-c:v", "ffv1",
        "-pix_fmt", "yuva444p",
    )  # fmt: skip
    assert {"alpha", "untagged-colour"} <= codes(analyse(clear))


def test_an_upscale_is_recognised(real_clip: Path, toolbox: Toolbox, tmp_path: Path) -> None:
    path = tmp_path / "upscaled.mkv"
    graph = "trim=end_frame=12,scale=640:360:flags=bicubic,scale=1280:720:flags=bicubic"
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-i", f"file:{real_clip}", "-an", "-vf", graph, *FAST,
         f"file:{path}"]
    )  # fmt: skip
    found = analyse(path)
    assert "upscaled" in codes(found)
    # Scaled by the same kernel twice it is softer than 360 lines, but not as they would be.
    assert found.native_height in (360, 432)
    # What its lines are worth is decided by what they cost: none is taken away beforehand.
    ladder = LadderOptions(max_probes=0)
    planned = pertitle.plan(path, Options(ladder=ladder, cache=False))
    assert max(point.height for point in planned.ladder.curves) == 720


def test_noise_and_banding(make_clip: MakeClip) -> None:
    noisy = make_clip(f"{MOVING},noise=alls=40:allf=t:all_seed=3", "noisy.mkv", *FAST)
    assert "noise" in codes(analyse(noisy))
    slope = "geq=lum='60+12*X/W+8*Y/H':cb=128:cr=128"
    banded = make_clip(f"color=s=640x360:r=25:d=0.4,{slope},{TAGS}", "banded.mkv", *FAST)
    assert "banding" in codes(analyse(banded))
    dithered = make_clip(
        f"color=s=640x360:r=25:d=0.4,{slope},noise=alls=4:allf=t:all_seed=2,{TAGS}",
        "dithered.mkv", "-c:v", "ffv1",
    )  # fmt: skip
    assert "banding" not in codes(analyse(dithered))


def test_black_and_frozen_stretches(make_clip: MakeClip) -> None:
    graph = (
        f"testsrc2={SMALL}:d=1[a];color=c=black:{SMALL}:d=1[b];"
        f"testsrc2={SMALL}:d=0.04,loop=loop=74:size=1[c];[a][b][c]concat=n=3:v=1:a=0,{TAGS}"
    )
    found = analyse(make_clip(graph, "still.mkv", *FAST))
    messages = {w.code: w.message for w in found.warnings}
    assert "1.0 s (from 1.0 s on)" in messages["black"]
    assert "3.0 s (from 2.0 s on)" in messages["frozen"]


@pytest.fixture(scope="module")
def hour(make_clip: MakeClip, toolbox: Toolbox) -> tuple[Path, Path]:
    """The same two scenes for 60 s and for an hour, the long one stream-copied."""
    minute = make_clip(
        f"testsrc2={SMALL}:d=30[a];mandelbrot={SMALL},trim=duration=30,format=yuv420p[b];"
        f"[a]format=yuv420p[x];[x][b]concat=n=2:v=1:a=0,{TAGS}",
        "minute.mp4", *FAST, "-g", "50",
    )  # fmt: skip
    long = minute.with_name("hour.mp4")
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-stream_loop", "59", "-i", f"file:{minute}",
         "-c", "copy", f"file:{long}"]
    )  # fmt: skip
    return minute, long


def test_the_cost_of_a_long_title_is_bounded(
    hour: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    minute, long = hour
    monkeypatch.setattr(scan_module, "MAX_SCANNED_PIXELS", 1e6)  # both count as long
    spent = []
    for path in (minute, long):
        started = time.process_time()
        found = analyse(path)
        spent.append(time.process_time() - started)
        assert sum(w.duration for w in found.digest) == pytest.approx(20)
    assert found.source.duration == pytest.approx(3600, abs=1)
    assert spent[1] < 2.0 * spent[0] + 1.0


def test_the_digest_of_a_long_title_holds_both_scenes(hour: tuple[Path, Path]) -> None:
    found = analyse(hour[1])
    first = sum(w.start % 60 < 30 for w in found.digest)
    assert 0.4 <= first / len(found.digest) <= 0.6


@pytest.mark.parametrize(
    ("name", "seconds"), [("short.ts", 1.6), ("one.mkv", 0.04)], ids=["no index", "one frame"]
)
def test_pictures_are_found_where_seeking_leads_past_them(
    make_clip: MakeClip, name: str, seconds: float
) -> None:
    clip = make_clip(f"testsrc2=s=320x180:r=25:d={seconds}", name, "-c:v", "libx264", "-preset",
                     "veryfast")  # fmt: skip
    assert analyse(clip).features["brightness_mean"] > 50
