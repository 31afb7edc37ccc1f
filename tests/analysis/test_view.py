"""The analysis sees what ffmpeg sees: crop windows, turns and mirrors, clocks that jump."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pertitle.analysis.analysing import analyse
from pertitle.analysis.clock import runs_evenly
from pertitle.analysis.frames import decoder
from pertitle.analysis.probe import probe
from pertitle.analysis.timing import is_pulled_down
from pertitle.analysis.view import as_shown, first_picture
from pertitle.codecs import codec_named
from pertitle.delivery.steady import copied_evenly, has_own_clock
from pertitle.encoder.renditions import encode_renditions
from pertitle.errors import SourceError
from pertitle.records import Crop, Size, Source
from pertitle.system.tools import Toolbox
from pertitle.thumbnails.decoding import FrameReader
from tests.conftest import MakeClip
from tests.encoder.helpers import rung as a_rung

# Nothing in it is symmetric.
SCENE = "testsrc2=s=160x90:r=25:d=2,drawbox=x=0:y=0:w=40:h=20:c=white:t=fill"
TS = ("-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2", "-c:a", "mp2")
MONO = "sine=f=440:r=48000:d=2"


def decoded_frames(toolbox: Toolbox, path: Path) -> int:
    """Pictures that a bare ffmpeg decodes."""
    lines = toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-i", f"file:{path}", "-map", "0:v:0",
         "-fps_mode", "passthrough", "-f", "framecrc", "pipe:1"]
    ).stdout.splitlines()  # fmt: skip
    return sum(line.startswith("0,") for line in lines)


def with_clap(data: bytes, width: int, height: int) -> bytes:
    """An MP4 whose sample entry gets a clean aperture (ISO/IEC 14496-12, 12.1.4), centred."""
    clap = struct.pack(">I4s8i", 40, b"clap", width, 1, height, 1, 0, 1, 0, 1)

    def grown(box: bytes, way: tuple[bytes, ...]) -> bytes:
        place, out = 0, b""
        while place < len(box):
            size, kind = struct.unpack_from(">I4s", box, place)
            one = box[place : place + size]
            if kind == way[0]:
                head = {b"stsd": 16, b"avc1": 86}.get(kind, 8)
                inner = one[head:]
                inner = inner + clap if len(way) == 1 else grown(inner, way[1:])
                one = struct.pack(">I", head + len(inner)) + one[4:head] + inner
            out += one
            place += size
        return out

    return grown(data, (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"avc1"))


@pytest.mark.parametrize("window", [Size(160, 68), Size(118, 90)])
def test_a_containers_crop_window_is_cut_and_nothing_is_stretched(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, window: Size
) -> None:
    path = tmp_path / "clap.mp4"
    path.write_bytes(with_clap(make_clip(SCENE, "plain.mp4").read_bytes(), *vars(window).values()))
    analysis = analyse(path, ffmpeg=toolbox.ffmpeg)
    assert analysis.source.size == analysis.treatment.size == window
    assert analysis.source.video.window is not None
    assert analysis.source.video.window.size == window
    with FrameReader(analysis) as reader:
        picture = reader.picture(reader.window(0.0, 0.1, limit=1)[0])
    assert picture.shape[:2] == (window.height, window.width)


@pytest.mark.parametrize("flags", [(), ("-display_hflip",), ("-display_rotation", "90"),
                                   ("-display_rotation", "90", "-display_vflip")])  # fmt: skip
def test_thumbnails_and_analysis_stand_as_ffmpeg_shows_them(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, flags: tuple[str, ...]
) -> None:
    path = tmp_path / "turned.mp4"
    plain = make_clip(SCENE, "plain.mp4")
    toolbox.runner.run([toolbox.ffmpeg, "-v", "error", *flags, "-i", str(plain), "-c", "copy",
                        str(path)])  # fmt: skip
    analysis = analyse(path, ffmpeg=toolbox.ffmpeg)
    shown = first_picture(toolbox.ffmpeg, analysis.source)
    assert (analysis.source.size.height, analysis.source.size.width) == shown.shape
    with FrameReader(analysis) as reader:
        thumbnail = reader.picture(reader.window(0.0, 0.1, limit=1)[0]) @ (0.114, 0.587, 0.299)
    assert np.corrcoef(thumbnail.ravel(), shown.ravel())[0, 1] > 0.97
    with decoder(analysis.source) as decode:
        window = replace(analysis.digest[0], start=0.0)
        planes = next(decode.read(window, analysis.treatment)).planes
    assert np.corrcoef(planes[0].ravel(), shown.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("mirrored", [False, True])
def test_every_position_and_offset_is_found(make_clip: MakeClip, turn: int, mirrored: bool) -> None:
    video = probe(make_clip(SCENE, "plain.mp4")).video
    coded = np.random.default_rng(1).integers(0, 255, (90, 160)).astype(np.uint8)
    shown = np.rot90(coded[10:60, 31:131], -turn)
    shown = np.ascontiguousarray(shown[:, ::-1] if mirrored else shown)
    found = as_shown(video, coded, shown)
    assert found.window == Crop(31, 10, Size(100, 50))
    assert (found.rotation, found.mirrored) == (90 * turn, mirrored)
    with pytest.raises(SourceError, match="do not agree"):
        as_shown(video, coded, np.ascontiguousarray(255 - shown))


def recording(make_clip: MakeClip, *offsets: float) -> bytes:
    """Transport streams of two seconds, one after another, their clocks shifted."""
    parts = [
        make_clip(SCENE, f"part-{offset}.ts", *TS, "-output_ts_offset", str(offset), sound=MONO)
        for offset in offsets
    ]
    return b"".join(part.read_bytes() for part in parts)


@pytest.mark.parametrize("offsets", [(0.0, 3600.0), (0.0, 5000.0, 40.0), (95441.7,)])
def test_a_clock_that_jumps_or_wraps_is_read_from_an_even_copy(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, offsets: tuple[float, ...]
) -> None:
    path = tmp_path / "recording.ts"
    path.write_bytes(recording(make_clip, *offsets))
    assert has_own_clock(path)
    copy = copied_evenly(path, tmp_path, toolbox)
    assert copy is not None
    analysis = analyse(copy, ffmpeg=toolbox.ffmpeg)
    assert decoded_frames(toolbox, copy) == decoded_frames(toolbox, path) == 50 * len(offsets)
    assert analysis.source.video.frames == 50 * len(offsets)
    assert analysis.source.duration == pytest.approx(2.0 * len(offsets), abs=0.1)


def test_an_even_recording_and_other_containers_need_no_copy(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    path = tmp_path / "recording.ts"
    path.write_bytes(recording(make_clip, 10.0))
    assert runs_evenly(path)
    assert copied_evenly(path, tmp_path, toolbox) is None
    assert not has_own_clock(make_clip(SCENE, "plain.mp4"))
    assert not has_own_clock(tmp_path)


def test_a_recording_cut_between_keyframes_has_the_pictures_that_decode(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    whole = make_clip(SCENE.replace("d=2", "d=4"), "whole.ts", *TS, sound="sine=f=440:d=4")
    data = whole.read_bytes()
    path = tmp_path / "cut.ts"
    tables = data[: 3 * 188]
    path.write_bytes(tables + data[188 * (len(data) // 188 // 5) :])
    frames = decoded_frames(toolbox, path)
    source: Source = probe(path)
    assert 0 < frames < 100
    assert source.video.frames == frames
    assert source.duration == pytest.approx(frames / 25, abs=0.02)


def test_film_in_sixty_fields_is_told_by_its_cadence() -> None:
    field = 1001 / 60000
    film = [field * (2 + i % 2) for i in range(40)]
    assert is_pulled_down(film)
    assert not is_pulled_down([2 * field] * 40)
    assert not is_pulled_down([3 * field] * 40)
    assert not is_pulled_down([1 / 25] * 40)


def test_the_last_picture_is_held_to_the_end_of_the_sound(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    still = make_clip("testsrc2=s=64x36:r=25:d=0.04", "still.mp4")
    path = tmp_path / "still.mp4"
    toolbox.runner.run(
        [toolbox.ffmpeg, "-v", "error", "-i", str(still), "-f", "lavfi", "-i", "sine=d=3",
         "-c:v", "copy", "-c:a", "aac", str(path)]
    )  # fmt: skip
    analysis = analyse(path, ffmpeg=toolbox.ffmpeg)
    assert analysis.source.duration == pytest.approx(3.0, abs=0.1)
    assert [warning.code for warning in analysis.warnings][:1] == ["held"]
    (rung,) = encode_renditions(
        toolbox, analysis, [a_rung(64, 36, 30)], codec=codec_named("h264"), preset="ultrafast",
        segment_seconds=1, vbv_ratio=8, folder=tmp_path,
    )  # fmt: skip
    assert rung.frames == pytest.approx(75, abs=2)
    with decoder(analysis.source) as decode:
        whole = replace(analysis.digest[0], start=0.0, duration=2.0)
        assert len(list(decode.read(whole, analysis.treatment))) == 50


def test_sound_a_little_longer_than_the_picture_holds_nothing(make_clip: MakeClip) -> None:
    path = make_clip(SCENE, "usual.mp4", sound="sine=d=2")
    assert probe(path).held == 0


@pytest.mark.parametrize("sound", [None, "sine=d=6"])
def test_a_torn_file_says_how_much_of_it_is_left(
    make_clip: MakeClip, tmp_path: Path, sound: str | None
) -> None:
    graph = SCENE.replace("d=2", "d=6")
    whole = make_clip(graph, "whole.mkv", *("-c:v", "libx264", "-g", "10"), sound=sound)
    assert "ends-early" not in [warning.code for warning in analyse(whole).warnings]
    path = tmp_path / "torn.mkv"
    data = whole.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    analysis = analyse(path)
    (told,) = [one.message for one in analysis.warnings if one.code == "ends-early"]
    assert told == (
        f"its header tells 6.0 s, of which {analysis.source.duration:.1f} s can be read"
    )
    assert 1 < analysis.source.duration < 5
