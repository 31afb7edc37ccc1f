"""What is said of files: geometry, timing, colour, and refusals."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from pertitle.analysis.probe import probe
from pertitle.errors import SourceError
from pertitle.records import Size
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip

SMALL = "testsrc2=s=320x180:r=25:d=2"


def ffmpeg(toolbox: Toolbox, *arguments: str) -> None:
    toolbox.runner.run([toolbox.ffmpeg, "-v", "error", *arguments])


def test_plain_clip(make_clip: MakeClip) -> None:
    source = probe(make_clip(SMALL, "plain.mp4", sound="sine=f=440:d=2"))
    assert source.size == Size(320, 180)
    assert source.video.frame_rate == 25
    assert source.video.frames == 50
    assert source.duration == pytest.approx(2.0)
    assert not source.video.variable_rate
    assert not source.video.interlaced
    assert [track.channels for track in source.audio] == [1]


@pytest.mark.parametrize("name", ["-dash first.mp4", 'it\'s "odd" %03d:x.mp4', "пример ünï.mp4"])
def test_names_mean_only_themselves(make_clip: MakeClip, name: str) -> None:
    assert probe(make_clip(SMALL, name)).video.frames == 50


def test_two_frames(make_clip: MakeClip) -> None:
    source = probe(make_clip("testsrc2=s=320x180:r=25:d=0.08", "two.mp4"))
    assert source.video.frames == 2
    assert source.duration == pytest.approx(0.08)


def test_pixel_aspect_widens_the_picture(make_clip: MakeClip) -> None:
    source = probe(make_clip("testsrc2=s=720x576:r=25:d=0.4,setsar=64/45", "wide.mp4"))
    assert source.size == Size(1024, 576)


def test_rotation_turns_the_picture(make_clip: MakeClip, toolbox: Toolbox, tmp_path: Path) -> None:
    flat = make_clip(SMALL, "plain.mp4", sound="sine=f=440:d=2")
    turned = tmp_path / "turned.mp4"
    ffmpeg(
        toolbox, "-display_rotation", "-90", "-i", f"file:{flat}", "-c", "copy", f"file:{turned}"
    )
    source = probe(turned)
    assert source.video.rotation == 90
    assert source.size == Size(180, 320)


def test_ten_bit_hdr_tags(make_clip: MakeClip) -> None:
    tags = "color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    graph = f"{SMALL},format=yuv420p10le,setparams={tags}"
    path = make_clip(graph, "hdr.mkv", "-c:v", "libx264", "-pix_fmt", "yuv420p10le")
    video = probe(path).video
    assert (video.bit_depth, video.dynamic_range, video.matrix) == (10, "pq", "bt2020nc")


def test_full_range(make_clip: MakeClip) -> None:
    video = probe(make_clip(SMALL, "full.mp4", "-c:v", "libx264", "-pix_fmt", "yuvj420p")).video
    assert video.color_range == "pc"


def test_alpha(make_clip: MakeClip) -> None:
    path = make_clip(
        SMALL + ",format=yuva444p", "alpha.mkv", "-c:v", "ffv1", "-pix_fmt", "yuva444p"
    )
    assert probe(path).video.has_alpha


def test_largest_of_several_tracks_and_no_cover(toolbox: Toolbox, tmp_path: Path) -> None:
    path = tmp_path / "several.mkv"
    inputs = ["-f", "lavfi", "-i", "color=s=64x64:d=1:r=25", "-f", "lavfi", "-i", SMALL]
    ffmpeg(toolbox, *inputs, "-map", "0:v", "-map", "1:v", "-c:v", "libx264", f"file:{path}")
    assert probe(path).video.width == 320
    cover = tmp_path / "cover.mp4"
    ffmpeg(
        toolbox,
        "-f",
        "lavfi",
        "-i",
        "sine=d=1",
        "-f",
        "lavfi",
        "-i",
        "color=s=640x640:d=1",
        "-map",
        "0:a",
        "-map",
        "1:v",
        "-frames:v",
        "1",
        "-c:v",
        "png",
        "-c:a",
        "aac",
        "-disposition:v",
        "attached_pic",
        f"file:{cover}",
    )
    with pytest.raises(SourceError, match="no video track"):
        probe(cover)


def test_cut_without_reencoding_counts_its_frames(
    make_clip: MakeClip, toolbox: Toolbox, tmp_path: Path
) -> None:
    """A copied cut ends with a reference frame whose B-frames are gone: no frame time for them."""
    whole = make_clip("testsrc2=s=320x180:r=25:d=4", "bframes.mp4", "-c:v", "libx264", "-bf", "3")
    for packets in (37, 38, 39, 40):
        cut = tmp_path / f"{packets}.mp4"
        ffmpeg(
            toolbox, "-i", f"file:{whole}", "-frames:v", str(packets), "-c", "copy", f"file:{cut}"
        )
        source = probe(cut)
        assert source.video.frames == packets
        assert source.duration == pytest.approx(packets / 25)
        assert not source.video.variable_rate


@pytest.mark.parametrize("container", ["mkv", "mp4"])
def test_variable_rate_keeps_the_usual_frames(make_clip: MakeClip, container: str) -> None:
    """60 frames at 30 a second, then 20 at 10: 20 on average, but most come at 30."""
    graph = "testsrc2=s=320x180:r=30:d=4,select='not(mod(n,3))+lt(n,60)'"
    path = make_clip(graph, f"vfr.{container}", "-c:v", "libx264", "-fps_mode", "vfr")
    source = probe(path)
    assert source.video.variable_rate
    assert source.video.frame_rate == 30
    assert source.duration == pytest.approx(4, abs=0.1)


@pytest.mark.parametrize("container", ["mkv", "ts", "webm"])
def test_no_declared_frame_count(make_clip: MakeClip, container: str) -> None:
    codec = "libvpx-vp9" if container == "webm" else "libx264"
    extra = ("-deadline", "realtime", "-cpu-used", "8") if container == "webm" else ()
    source = probe(make_clip(SMALL, f"short.{container}", "-c:v", codec, *extra))
    assert source.video.frames == 50
    assert source.duration == pytest.approx(2.0, abs=0.05)


def test_torn_file_lasts_as_long_as_its_data(make_clip: MakeClip, tmp_path: Path) -> None:
    whole = make_clip(
        "testsrc2=s=160x90:r=25:d=60", "long.mp4", "-c:v", "libx264", "-preset", "ultrafast",
        "-g", "50", "-movflags", "+faststart",
    )  # fmt: skip
    assert probe(whole).duration == pytest.approx(60)
    torn = tmp_path / "torn.mp4"
    data = whole.read_bytes()
    torn.write_bytes(data[: len(data) // 2])
    assert 20 < probe(torn).duration < 40


def test_ntsc_rate_is_exact(make_clip: MakeClip) -> None:
    source = probe(make_clip("testsrc2=s=160x90:r=30000/1001:d=1", "ntsc.mkv"))
    assert source.video.frame_rate == Fraction(30000, 1001)


class TestRefusals:
    """Each with one line that names the file."""

    def refused(self, path: Path) -> str:
        with pytest.raises(SourceError) as caught:
            probe(path)
        message = str(caught.value)
        assert "\n" not in message
        assert path.name in message
        return message

    def test_missing_empty_folder(self, tmp_path: Path) -> None:
        assert "No such file" in self.refused(tmp_path / "none.mp4")
        (tmp_path / "empty.mp4").touch()
        assert "empty" in self.refused(tmp_path / "empty.mp4")
        assert "not a file" in self.refused(tmp_path)

    @pytest.mark.parametrize("size", [20, 5000])
    def test_text(self, tmp_path: Path, size: int) -> None:
        path = tmp_path / "text.mp4"
        path.write_text("a line of text\n" * size)
        self.refused(path)

    def test_sound_alone(self, toolbox: Toolbox, tmp_path: Path) -> None:
        path = tmp_path / "sound.mp4"
        ffmpeg(toolbox, "-f", "lavfi", "-i", "sine=d=1", f"file:{path}")
        assert "no video track" in self.refused(path)

    def test_index_cut_off(self, make_clip: MakeClip, tmp_path: Path) -> None:
        data = make_clip(SMALL, "plain.mp4", sound="sine=f=440:d=2").read_bytes()
        path = tmp_path / "cut.mp4"
        path.write_bytes(data[: len(data) // 2])
        assert "cut off" in self.refused(path)

    @pytest.mark.parametrize("kind", ["hls", "concat", "dash"])
    def test_playlists_open_no_other_file(
        self, make_clip: MakeClip, tmp_path: Path, kind: str
    ) -> None:
        other = make_clip(SMALL, "plain.mp4", sound="sine=f=440:d=2")
        text = {
            "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{other}\n#EXT-X-ENDLIST\n",
            "concat": f"ffconcat version 1.0\nfile '{other}'\n",
            "dash": f"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period>"
            f"<AdaptationSet mimeType='video/mp4'><Representation id='1' bandwidth='1'>"
            f"<BaseURL>file://{other}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        }[kind]
        path = tmp_path / f"{kind}.mp4"
        path.write_text(text)
        self.refused(path)

    def test_picture_file(self, toolbox: Toolbox, tmp_path: Path) -> None:
        still = tmp_path / "still.png"
        ffmpeg(toolbox, "-f", "lavfi", "-i", "color=s=64x64:d=1", "-frames:v", "1", f"file:{still}")
        self.refused(still)
