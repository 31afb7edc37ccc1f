"""Subtitles follow the picture's clock; a package may hold them and several codecs."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from pertitle.codecs import codec_named
from pertitle.encoder.grid import segment_grid
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.manifests import read_master
from pertitle.encoder.package.packaging import in_order, package
from pertitle.encoder.package.subtitles import (
    Cue,
    escaped,
    extract_subtitles,
    language_tag,
    read_cues,
    within,
    without_drawing,
    write_cues,
)
from pertitle.encoder.renditions import encode_renditions
from pertitle.errors import DeliveryError
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import analysis_of, rendition_of, rung

SRT = """1
00:00:00,100 --> 00:00:00,700
Before the picture & <i>so</i>

2
00:00:01,000 --> 00:00:01,500
One
Two

3
00:00:01,900 --> 00:00:09,000
Long

4
00:00:08,000 --> 00:00:09,000
After the end
"""


def test_cues_are_read_cut_and_written() -> None:
    text = (
        "WEBVTT - title\n\nNOTE nothing\n\nSTYLE\n::cue { color: red }\n\n"
        "first\n00:01.000 --> 00:02.000 align:start\nA\nB\n\n01:00:00.000 --> 01:00:01.500\nC\n"
    )
    cues = read_cues(text)
    assert cues == [Cue(1, 2, "align:start", "A\nB"), Cue(3600, 3601.5, "", "C")]
    assert within(cues, 1.5, 100) == [Cue(0, 0.5, "align:start", "A\nB")]
    assert read_cues(write_cues(cues)) == cues


def test_language_tags_are_as_short_as_can_be() -> None:
    assert [language_tag(code) for code in ("eng", "GER", "haw", "pt-br", "und", "x\"'")] == [
        "en", "de", "haw", "pt-br", "", "",
    ]  # fmt: skip


def test_subtitles_and_three_codecs_in_one_package(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    clip = make_clip("testsrc2=s=160x90:r=25:d=2.2", "grid.mkv", "-c:v", "libx264", "-crf", "10")
    srt = tmp_path / "a.srt"
    srt.write_text(SRT, encoding="utf-8")
    source = tmp_path / "with.mkv"
    toolbox.runner.run(
        # The picture starts 0.5 s after the first subtitle track's clock.
        [toolbox.ffmpeg, "-v", "error", "-f", "lavfi", "-i", "sine=d=3", "-itsoffset", "0.5",
         "-i", f"file:{clip}", "-i", f"file:{srt}", "-map", "0", "-map", "1", "-map", "2",
         "-map", "2", "-c:v", "copy", "-c:a", "flac", "-c:s:0", "srt", "-c:s:1", "ass",
         "-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=fra",
         "-metadata:s:s:1", 'title=Pour, "tous"', f"file:{source}"]
    )  # fmt: skip
    analysis = analysis_of(source)
    renditions = []
    for name, preset in (("av1", "12"), ("h264", "ultrafast"), ("hevc", "ultrafast")):
        made_now = encode_renditions(
            toolbox, analysis, [rung(160, 90, 34), rung(96, 54, 36)], codec=codec_named(name),
            preset=preset, segment_seconds=1, vbv_ratio=9, folder=tmp_path,
        )  # fmt: skip
        renditions += [rendition_of(one) for one in made_now]
    frames = renditions[0].frames
    subtitles = extract_subtitles(toolbox, analysis, frames=frames, folder=tmp_path)
    assert [(s.language, s.title, s.cues) for s in subtitles] == [
        ("eng", "", 3), ("fra", 'Pour, "tous"', 3),
    ]  # fmt: skip
    first, second, third = read_cues(subtitles[0].path.read_text(encoding="utf-8"))
    assert (first.start, first.end) == pytest.approx((0, 0.2), abs=0.021)
    assert second.start == pytest.approx(0.5, abs=0.021)
    assert second.text == "One\nTwo"
    assert third.end == pytest.approx(frames / 25, abs=0.001)
    folder = tmp_path / "p"
    rate = analysis.treatment.frame_rate
    made = package(
        toolbox, renditions, (), folder=folder, segment_seconds=1, frame_rate=rate,
        subtitles=subtitles,
    )  # fmt: skip

    def check() -> None:
        check_package(
            folder,
            made,
            renditions,
            (),
            segment_seconds=1,
            frame_rate=rate,
            subtitles=subtitles,
            skipped=segment_grid(analysis.source.duration, rate, 1).skipped,
        )

    check()
    variants, media = read_master((folder / "master.m3u8").read_text(encoding="utf-8"))
    assert [v.codecs[0][:4] for v in variants] == ["avc1"] * 2 + ["hvc1"] * 2 + ["av01"] * 2
    assert [r.codec for r in in_order(renditions)] == ["h264"] * 2 + ["hevc"] * 2 + ["av1"] * 2
    assert [(m["LANGUAGE"], m["NAME"]) for m in media] == [("en", "en"), ("fr", "Pour tous")]
    mpd = ElementTree.parse(folder / "manifest.mpd").getroot()
    kinds = [s.get("contentType") for s in mpd.iter("{urn:mpeg:dash:schema:mpd:2011}AdaptationSet")]
    assert kinds == ["video"] * 3 + ["text"] * 2
    (folder / "segments/subtitles-1-en/subtitles.vtt").write_text("WEBVTT\n", encoding="utf-8")
    with pytest.raises(DeliveryError, match="cues"):
        check()


def test_picture_without_subtitles(toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("testsrc2=s=160x90:r=25:d=0.4", "mute.mp4")
    assert extract_subtitles(toolbox, analysis_of(clip), frames=10, folder=tmp_path) == ()


def test_text_means_itself_and_drawings_are_no_text() -> None:
    assert escaped("Tom & <i>Jerry</i> <3 &amp; a --> b") == (
        "Tom &amp; <i>Jerry</i> &lt;3 &amp; a --&gt; b"
    )
    assert without_drawing("m 0 0 l 100 0 100 100 0 100") == ""
    assert without_drawing("m 0 0 l 1 1\nmy dear") == "my dear"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp1252", "Café à la crème"), ("cp1251", "Привет, как дела? Хорошо, спасибо")],
)
def test_text_that_is_not_utf_8_is_read(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, encoding: str, text: str
) -> None:
    clip = make_clip("testsrc2=s=160x90:r=25:d=2", "two.mp4")
    srt = tmp_path / "a.srt"
    # Of the same length in bytes, and put in their place when the file is made.
    data = text.encode(encoding)
    srt.write_text(f"1\n00:00:00,100 --> 00:00:00,700\n{'x' * len(data)}\n", encoding="utf-8")
    source = tmp_path / "with.mkv"
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-i", f"file:{clip}", "-i", f"file:{srt}", "-map", "0",
         "-map", "1", "-c:v", "copy", "-c:s", "srt", f"file:{source}"]
    )  # fmt: skip
    source.write_bytes(source.read_bytes().replace(b"x" * len(data), data))
    notes: list[str] = []
    (made,) = extract_subtitles(
        toolbox, analysis_of(source), frames=50, folder=tmp_path, on_note=notes.append
    )
    assert text in made.path.read_text(encoding="utf-8")
    assert encoding in notes[0]
