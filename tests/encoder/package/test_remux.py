"""Other packages: by ffmpeg where Shaka Packager is missing or fails, and single files."""

from __future__ import annotations

import io
import re
import stat
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from mpegdash.parser import MPEGDASHParser

from pertitle.codecs import codec_named
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.manifests import read_master, read_media_playlist
from pertitle.encoder.package.packaging import package
from pertitle.encoder.renditions import encode_renditions
from pertitle.errors import DeliveryError
from pertitle.results import AudioRendition, Rendition
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import analysis_of, rendition_of, rung

RATE = Fraction(30000, 1001)


@pytest.fixture(scope="module")
def made(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Rendition], tuple[AudioRendition, ...]]:
    clip = make_clip("testsrc2=s=160x90:r=30000/1001:d=2.6", "ntsc.mkv", sound="sine=d=2.6")
    folder = tmp_path_factory.mktemp("100 %d")
    renditions = []
    for codec, preset in (("h264", "ultrafast"), ("av1", "12")):
        encoded = encode_renditions(
            toolbox, analysis_of(clip), [rung(160, 90, 30), rung(96, 54, 34)],
            codec=codec_named(codec), preset=preset, segment_seconds=1, vbv_ratio=9, folder=folder,
        )  # fmt: skip
        renditions += [rendition_of(one) for one in encoded]
    audio = encode_audio(toolbox, analysis_of(clip), frames=renditions[0].frames, folder=folder)
    return renditions, audio


def broken(folder: Path) -> str:
    program = folder / "packager"
    program.write_text("#!/bin/sh\nmkdir -p segments/half\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(program)


@pytest.mark.parametrize("missing", [True, False])
def test_ffmpeg_packages_in_its_place(
    made: tuple[list[Rendition], tuple[AudioRendition, ...]], toolbox: Toolbox, tmp_path: Path,
    missing: bool,
) -> None:  # fmt: skip
    renditions, audio = made
    found = replace(toolbox, packager=None if missing else broken(tmp_path))
    texts, counts, spans, starts = [], [], [], []
    picture = float(renditions[0].frames / RATE)
    for name, box in (("usual", toolbox), ("other", found)):
        folder = tmp_path / f"{name} %d"
        finished = package(
            box, renditions, audio, folder=folder, segment_seconds=1, frame_rate=RATE
        )
        check_package(folder, finished, renditions, audio, segment_seconds=1, frame_rate=RATE)
        assert finished.program == {"usual": "Shaka Packager", "other": "ffmpeg"}[name]
        texts.append(read_master((folder / "master.m3u8").read_text("utf-8")))
        counts.append(finished.segments)
        mpd = MPEGDASHParser.parse(str(folder / "manifest.mpd"))
        spans.append([
            sum((s.r or 0) + 1 for s in row.segment_templates[0].segment_timelines[0].Ss)
            for one in mpd.periods[0].adaptation_sets for row in one.representations
        ])  # fmt: skip
        assert not (folder / "segments/half").exists()
        # Sound is heard from 0 to the end of the picture, whatever primes its decoder.
        (sound,) = folder.glob("segments/audio-*")
        listed = read_media_playlist((sound / "playlist.m3u8").read_text("utf-8"))
        assert sum(seconds for _, seconds in listed.segments) == pytest.approx(picture, abs=2e-3)
        (clock,) = (
            row.segment_templates[0].segment_timelines[0]
            for one in mpd.periods[0].adaptation_sets for row in one.representations
            if row.mime_type == "audio/mp4" or one.mime_type == "audio/mp4"
        )  # fmt: skip
        ticks = sum(entry.d * ((entry.r or 0) + 1) for entry in clock.Ss)
        assert ticks / audio[0].sample_rate == pytest.approx(picture, abs=2e-3)
        data = io.BytesIO(listed.init_bytes(sound) + listed.segment_bytes(sound, 0))
        with av.open(data, "r") as file:
            starts.append(next(file.demux(file.streams.audio[0])).pts or 0)
    assert starts[0] == starts[1] < 0
    assert counts[0] == counts[1]
    assert spans[0] == spans[1]
    for usual, other in zip(texts[0][0], texts[1][0], strict=True):
        assert (usual.uri, usual.width, usual.height) == (other.uri, other.width, other.height)
        assert usual.average_bandwidth == pytest.approx(other.average_bandwidth, rel=0.1)
        assert usual.codecs[0].startswith(other.codecs[0])


@pytest.mark.parametrize(
    ("program", "single_file"),
    [("Shaka Packager", False), ("Shaka Packager", True), ("ffmpeg", False)],
)
def test_the_same_tracks_make_the_same_package(
    made: tuple[list[Rendition], tuple[AudioRendition, ...]], toolbox: Toolbox, tmp_path: Path,
    program: str, single_file: bool,
) -> None:  # fmt: skip
    box = toolbox if program == "Shaka Packager" else replace(toolbox, packager=None)
    renditions, audio = made
    packages = []
    for number in range(8):
        folder = tmp_path / str(number)
        package(
            box, renditions, audio, folder=folder, segment_seconds=1, frame_rate=RATE,
            single_file=single_file,
        )  # fmt: skip
        files = (path for path in folder.rglob("*") if path.is_file())
        packages.append({path.relative_to(folder): path.read_bytes() for path in files})
        # Times of day are in whole seconds.
        time.sleep(0.3)
    for one in packages[1:]:
        assert one.keys() == packages[0].keys()
        assert [name for name in one if one[name] != packages[0][name]] == []


def test_a_track_in_one_file_has_the_segments_as_ranges(
    made: tuple[list[Rendition], tuple[AudioRendition, ...]], toolbox: Toolbox, tmp_path: Path
) -> None:
    renditions, audio = made
    finished = package(
        toolbox, renditions, audio, folder=tmp_path, segment_seconds=1, frame_rate=RATE,
        single_file=True,
    )  # fmt: skip

    def check() -> None:
        check_package(tmp_path, finished, renditions, audio, segment_seconds=1, frame_rate=RATE)

    check()
    assert len(list(tmp_path.rglob("*.mp4"))) == len(renditions) + len(audio)
    assert not list(tmp_path.rglob("*.m4s"))
    assert finished.segments == 3 * (len(renditions) + len(audio))
    listings = [p.read_text("utf-8") for p in tmp_path.glob("segments/video-*/playlist.m3u8")]
    sizes = sorted([int(n) for n in re.findall(r"EXT-X-BYTERANGE:(\d+)", one)] for one in listings)
    rates = sorted(r.bitrate_series.values for r in renditions)
    seconds = np.diff([*renditions[0].bitrate_series.times, renditions[0].frames / float(RATE)])
    for track, series in zip(sizes, rates, strict=True):
        assert np.array(track) * 8 / 1000 / seconds == pytest.approx(series, rel=0.15)
    manifest = tmp_path / "manifest.mpd"
    text = manifest.read_text("utf-8")
    manifest.write_text(re.sub(r'indexRange="(\d)', r'indexRange="1\1', text, count=1), "utf-8")
    with pytest.raises(DeliveryError, match="index"):
        check()
