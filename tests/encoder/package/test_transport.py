"""MPEG-TS packages: what they hold, on which clock, and that damage to them is found."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import m3u8
import numpy as np
import pytest

from pertitle.codecs import codec_named, prepared
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.encoder.grid import segment_grid
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.packaging import package
from pertitle.encoder.package.storyboard import Storyboard, make_storyboard
from pertitle.encoder.package.subtitles import SubtitleRendition, read_cues
from pertitle.encoder.package.transport import START_SECONDS, TIMESTAMP_MAP, first_picture
from pertitle.encoder.renditions import encode_renditions
from pertitle.errors import DeliveryError, UsageError
from pertitle.options import AudioOptions, EncodeOptions, Options
from pertitle.results import AudioRendition, Package, Rendition
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import analysis_of, rendition_of, rung

RATE = Fraction(60000, 1001)
FRAMES = 156


@dataclass(frozen=True)
class Made:
    """A package of a title of 2.6 s in segments of 1 s, its last rung of half the rate."""

    renditions: tuple[Rendition, ...]
    audio: tuple[AudioRendition, ...]
    texts: tuple[SubtitleRendition, ...]
    board: Storyboard
    package: Package
    folder: Path

    def check(self, folder: Path | None = None) -> None:
        check_package(
            folder or self.folder, self.package, self.renditions, self.audio, segment_seconds=1,
            frame_rate=RATE, subtitles=self.texts, storyboard=self.board,
        )  # fmt: skip


@pytest.fixture(scope="module", params=["Shaka Packager", "ffmpeg"])
def made(
    request: pytest.FixtureRequest, toolbox: Toolbox, make_clip: MakeClip,
    tmp_path_factory: pytest.TempPathFactory,
) -> Made:  # fmt: skip
    clip = make_clip("testsrc2=s=160x90:r=60000/1001:d=2.6", "fast.mkv", sound="sine=d=2.6")
    folder = tmp_path_factory.mktemp("100 %d")
    renditions = []
    for half_rate, wanted in ((False, rung(160, 90, 28)), (True, rung(96, 54, 34))):
        (one,) = encode_renditions(
            toolbox, prepared(analysis_of(clip), "sdr", half_rate=half_rate), [wanted],
            codec=codec_named("h264"), preset="medium", segment_seconds=1, vbv_ratio=9,
            folder=folder,
        )  # fmt: skip
        renditions.append(rendition_of(one, half_rate=half_rate))
    audio = encode_audio(toolbox, analysis_of(clip), frames=FRAMES, folder=folder)
    cues = folder / "cues.vtt"
    cues.write_text("WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nA line\n", encoding="utf-8")
    texts = (SubtitleRendition(cues, 2, "eng", "English", 1),)
    grid = segment_grid(2.6, RATE, 1)
    board = make_storyboard(
        toolbox, renditions[0], gop=grid.gop, frame_rate=RATE, folder=folder / "board"
    )
    if request.param == "ffmpeg":
        toolbox = replace(toolbox, packager=None)
    finished = package(
        toolbox, renditions, audio, folder=folder / "p", segment_seconds=1, frame_rate=RATE,
        subtitles=texts, storyboard=board, segment_format="ts",
    )  # fmt: skip
    assert finished.program == request.param
    return Made(tuple(renditions), audio, texts, board, finished, folder / "p")


def test_the_package_is_for_hls_alone(made: Made) -> None:
    made.check()
    assert (made.package.segment_format, made.package.dash_manifest) == ("ts", "")
    suffixes = {path.suffix for path in made.folder.rglob("*") if path.is_file()}
    assert suffixes == {".ts", ".m3u8", ".vtt", ".jpg"}
    assert made.package.segments == 9
    files = [path for path in made.folder.rglob("*") if path.is_file()]
    assert made.package.bytes == sum(path.stat().st_size for path in files)
    master = m3u8.load(str(made.folder / "master.m3u8"))
    assert [p.stream_info.frame_rate for p in master.playlists] == [59.94, 29.97]
    for one in [*master.playlists, *master.media, *master.iframe_playlists]:
        assert m3u8.load(str(made.folder / one.uri)).is_endlist


def test_every_segment_plays_alone_and_holds_the_encoded_pictures(made: Made) -> None:
    for name, one in zip(("90p", "54p"), made.renditions, strict=True):
        parts = sorted((made.folder / f"segments/video-h264-{name}").glob("*.ts"))
        pictures, starts = [], []
        for part in parts:
            with av.open(io.BytesIO(part.read_bytes()), "r", format="mpegts") as container:
                frames = list(container.decode(video=0))
            assert frames[0].key_frame
            starts.append(float(frames[0].time or 0) - START_SECONDS)
            pictures += [frame.to_ndarray() for frame in frames]
        assert starts == pytest.approx([0, 60 / float(RATE), 120 / float(RATE)], abs=1e-4)
        with av.open(str(one.path)) as container:
            wanted = [frame.to_ndarray() for frame in container.decode(video=0)]
        assert len(pictures) == len(wanted) == one.frames
        assert all(np.array_equal(a, b) for a, b in zip(pictures, wanted, strict=True))


def test_subtitles_name_the_clock_of_the_segments(made: Made) -> None:
    text = (made.folder / "segments/subtitles-1-en/subtitles.vtt").read_text("utf-8")
    assert text.startswith(f"WEBVTT\n{TIMESTAMP_MAP}\n\n")
    assert TIMESTAMP_MAP == "X-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000"
    assert [cue.start for cue in read_cues(text)] == [0.5]


def test_pictures_of_the_i_frame_playlist_decode_from_their_bytes_alone(made: Made) -> None:
    folder = made.folder / "segments/video-h264-90p"
    lines = (folder / "iframes.m3u8").read_text("utf-8").splitlines()
    ranges = re.findall(r"BYTERANGE[:=]\"?(\d+)@(\d+)", "\n".join(lines))
    names = [line for line in lines if line.endswith(".ts")]
    (size, place), *rest = [(int(a), int(b)) for a, b in ranges]
    tables = (folder / names[0]).read_bytes()[place : place + size]
    assert len(rest) == 3
    for name, (size, place) in zip(names, rest, strict=True):
        data = tables + (folder / name).read_bytes()[place : place + size]
        with av.open(io.BytesIO(data), "r", format="mpegts") as container:
            assert [frame.key_frame for frame in container.decode(video=0)] == [True]


def cut_off(folder: Path) -> None:
    path = folder / "segments/video-h264-90p/00002.ts"
    path.write_bytes(path.read_bytes()[: -3 * 188])


def without_tables(folder: Path) -> None:
    path = folder / "segments/video-h264-54p/00002.ts"
    data = path.read_bytes()
    path.write_bytes(data[first_picture(data)[0] :])


def swapped(folder: Path) -> None:
    base = folder / "segments/video-h264-90p"
    (base / "00001.ts").rename(base / "x")
    (base / "00002.ts").rename(base / "00001.ts")
    (base / "x").rename(base / "00002.ts")


def another_clock(folder: Path) -> None:
    path = folder / "segments/subtitles-1-en/subtitles.vtt"
    path.write_text(path.read_text("utf-8").replace("900000", "0"), "utf-8")


def short_sound(folder: Path) -> None:
    path = folder / "segments/audio-1/playlist.m3u8"
    lines = path.read_text("utf-8").splitlines()
    at = next(i for i, line in enumerate(lines) if line == "00003.ts")
    path.write_text("\n".join([*lines[: at - 1], *lines[at + 1 :]]) + "\n", "utf-8")


def cheap(folder: Path) -> None:
    path = folder / "master.m3u8"
    text = re.sub(r"AVERAGE-BANDWIDTH=\d+", "AVERAGE-BANDWIDTH=9", path.read_text("utf-8"))
    path.write_text(text, "utf-8")


def wrong_keyframe(folder: Path) -> None:
    path = folder / "segments/video-h264-90p/iframes.m3u8"
    text = re.sub(r"BYTERANGE:(\d+)@\d+", r"BYTERANGE:188@9024", path.read_text("utf-8"))
    path.write_text(text, "utf-8")


@pytest.mark.parametrize(
    "damage",
    [cut_off, without_tables, swapped, another_clock, short_sound, cheap, wrong_keyframe],
)
def test_damage_is_found(made: Made, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.folder, copy)
    made.check(copy)
    damage(copy)
    with pytest.raises(DeliveryError):
        made.check(copy)


def test_what_no_transport_stream_holds_is_refused_in_one_line() -> None:
    for wrong, match in (
        ({"codecs": ("h264", "av1")}, "H.264 alone, not h264, av1"),
        ({"codecs": ("hevc",)}, "H.264 alone, not hevc"),
        ({"single_file": True}, "no single file"),
    ):
        with pytest.raises(UsageError, match=match):
            EncodeOptions(segments="ts", **wrong)
    with pytest.raises(UsageError, match="AAC, not opus"):
        Options(encode=EncodeOptions(segments="ts"), audio=AudioOptions(codec="opus"))
    with pytest.raises(UsageError, match="cmaf or ts"):
        EncodeOptions(segments="mp4")
