"""A small title from source to package, and what its checks catch."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import m3u8
import numpy as np
import pytest
from mpegdash.parser import MPEGDASHParser

from pertitle.codecs import codec_named
from pertitle.encoder.audio.tracks import encode_audio
from pertitle.encoder.checks import check_rendition
from pertitle.encoder.package.checks import check_package
from pertitle.encoder.package.packaging import package
from pertitle.encoder.pictures import read_pictures
from pertitle.encoder.prober import DigestProber, digest_spans, scored_period
from pertitle.encoder.renditions import EncodedRung, encode_renditions, vbv_cap
from pertitle.errors import DeliveryError, SourceError, UsageError
from pertitle.records import Analysis, Size, Window
from pertitle.results import AudioRendition, Package, Rendition
from pertitle.system.tools import Toolbox
from tests.conftest import MakeClip
from tests.encoder.helpers import MODEL, analysis_of, rendition_of, rung

H264 = codec_named("h264")
RATE = Fraction(25)
GOP = 25
FRAMES = 90
SMALL = Size(320, 180)


@dataclass(frozen=True)
class Delivered:
    analysis: Analysis
    encoded: tuple[EncodedRung, ...]
    renditions: tuple[Rendition, ...]
    audio: tuple[AudioRendition, ...]
    package: Package
    folder: Path


@pytest.fixture(scope="module")
def delivered(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path_factory: pytest.TempPathFactory
) -> Delivered:
    clip = make_clip(
        "testsrc2=s=320x180:r=25:d=3.6", 'it\'s a "name" -x, é;=.mkv', sound="sine=f=440:d=3.6"
    )
    folder = tmp_path_factory.mktemp("de,li;ver=ed")
    analysis = analysis_of(clip)
    rungs = [rung(320, 180, 20, 700), rung(320, 180, 32, 250), rung(160, 90, 30, 100)]
    encoded = encode_renditions(
        toolbox, analysis, rungs, codec=H264, preset="veryfast", segment_seconds=1,
        vbv_ratio=2, folder=folder,
    )  # fmt: skip
    audio = encode_audio(toolbox, analysis, frames=encoded[0].frames, folder=folder)
    renditions = tuple(rendition_of(one) for one in encoded)
    packaged = package(
        toolbox, renditions, audio, folder=folder / "package", segment_seconds=1, frame_rate=RATE
    )
    return Delivered(analysis, encoded, renditions, audio, packaged, folder)


def check(delivered: Delivered, folder: Path) -> None:
    check_package(
        folder, delivered.package, delivered.renditions, delivered.audio,
        segment_seconds=1, frame_rate=RATE,
    )  # fmt: skip


def test_rungs_have_every_frame_and_the_asked_size(delivered: Delivered) -> None:
    for one in delivered.encoded:
        with av.open(str(one.path)) as container:
            frames = list(container.decode(video=0))
        assert len(frames) == one.frames == FRAMES
        assert (frames[0].width, frames[0].height) == (one.rung.width, one.rung.height)
        assert [float(f.time or 0) for f in frames] == pytest.approx(np.arange(FRAMES) / 25)


def test_bitrate_follows_crf_and_size(delivered: Delivered) -> None:
    best, middle, least = (one.average_kbps for one in delivered.encoded)
    assert best > 1.5 * middle > 2 * least
    for one in delivered.encoded:
        assert one.peak_kbps >= one.average_kbps
        assert one.bitrate_series.times == (0.0, 1.0, 2.0, 3.0)
        kbits = np.dot(one.bitrate_series.values, (1.0, 1.0, 1.0, FRAMES / 25 - 3))
        assert kbits == pytest.approx(one.average_kbps * FRAMES / 25, rel=1e-3)


def test_keyframes_stand_on_the_same_grid_in_every_rung(delivered: Delivered) -> None:
    for one in delivered.encoded:
        keys = np.flatnonzero(read_pictures(one.path).keys)
        assert keys.tolist() == [0, 25, 50, 75]


def test_the_package_passes_and_counts_its_files(delivered: Delivered) -> None:
    folder = delivered.folder / "package"
    check(delivered, folder)
    assert delivered.package.segments == 4 * 4
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert delivered.package.bytes == sum(path.stat().st_size for path in files)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_independent_parsers_read_both_manifests(delivered: Delivered) -> None:
    folder = delivered.folder / "package"
    master = m3u8.load(str(folder / "master.m3u8"))
    assert master.is_independent_segments
    assert [p.stream_info.resolution for p in master.playlists] == [
        (320, 180), (320, 180), (160, 90),
    ]  # fmt: skip
    for playlist in [*master.playlists, *master.media]:
        listed = m3u8.load(str(folder / playlist.uri))
        assert listed.is_endlist
        assert sum(s.duration for s in listed.segments) == pytest.approx(3.6, abs=0.03)
    mpd = MPEGDASHParser.parse(str(folder / "manifest.mpd"))
    sets = mpd.periods[0].adaptation_sets
    assert [len(one.representations) for one in sets] == [3, 1]
    for one in sets[0].representations:
        timeline = one.segment_templates[0].segment_timelines[0]
        scale = one.segment_templates[0].timescale
        assert sum(s.d * ((s.r or 0) + 1) for s in timeline.Ss) / scale == pytest.approx(3.6)


def test_put_together_again_segments_are_the_encoded_frames(
    delivered: Delivered, tmp_path: Path
) -> None:
    base = delivered.folder / "package" / "segments"
    folders = ["video-h264-180p", "video-h264-180p-2", "video-h264-90p"]
    for name, one in zip(folders, delivered.encoded, strict=True):
        parts = sorted((base / name).glob("*.m4s"))
        joined = tmp_path / f"{name}.mp4"
        joined.write_bytes(b"".join(p.read_bytes() for p in [base / name / "init.mp4", *parts]))
        pictures = []
        for path in (joined, one.path):
            with av.open(str(path)) as container:
                pictures.append([f.to_ndarray() for f in container.decode(video=0)])
        assert len(pictures[0]) == FRAMES
        assert all(np.array_equal(a, b) for a, b in zip(*pictures, strict=True))


def damage_missing(folder: Path) -> None:
    (folder / "segments/video-h264-90p/00002.m4s").unlink()


def damage_swapped(folder: Path) -> None:
    base = folder / "segments/video-h264-90p"
    (base / "00002.m4s").rename(base / "x")
    (base / "00003.m4s").rename(base / "00002.m4s")
    (base / "x").rename(base / "00003.m4s")


def damage_torn(folder: Path) -> None:
    path = folder / "segments/video-h264-180p/00004.m4s"
    path.write_bytes(path.read_bytes()[:150])


def damage_bandwidth(folder: Path) -> None:
    master = folder / "master.m3u8"
    master.write_text(re.sub(r"AVERAGE-BANDWIDTH=\d+", "AVERAGE-BANDWIDTH=9", master.read_text()))


def damage_variant(folder: Path) -> None:
    master = folder / "master.m3u8"
    master.write_text(master.read_text().replace("RESOLUTION=160x90", "RESOLUTION=320x180"))


def damage_playlist(folder: Path) -> None:
    playlist = folder / "segments/audio-1/playlist.m3u8"
    playlist.write_text(playlist.read_text().replace("#EXT-X-ENDLIST", ""))


def damage_mpd(folder: Path) -> None:
    mpd = folder / "manifest.mpd"
    mpd.write_text(mpd.read_text().replace('startNumber="1"', 'startNumber="2"', 1))


@pytest.mark.parametrize(
    "damage",
    [
        damage_missing, damage_swapped, damage_torn, damage_bandwidth, damage_variant,
        damage_playlist, damage_mpd,
    ],
)  # fmt: skip
def test_damage_is_found(delivered: Delivered, tmp_path: Path, damage: object) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(delivered.folder / "package", copy)
    check(delivered, copy)
    damage(copy)  # type: ignore[operator]
    with pytest.raises(DeliveryError):
        check(delivered, copy)


def test_a_finished_rung_is_kept_and_a_changed_one_is_made_again(
    delivered: Delivered, toolbox: Toolbox
) -> None:
    path = delivered.encoded[0].path
    before = [one.path.stat().st_mtime_ns for one in delivered.encoded]
    note = delivered.encoded[2].path.with_suffix(".json")
    note.write_text(json.dumps({**json.loads(note.read_text()), "key": "other"}))
    again = encode_renditions(
        toolbox, delivered.analysis, [one.rung for one in delivered.encoded], codec=H264,
        preset="veryfast", segment_seconds=1, vbv_ratio=2, folder=path.parent,
    )  # fmt: skip
    after = [one.path.stat().st_mtime_ns for one in again]
    assert [one.reused for one in again] == [True, True, False]
    assert before[:2] == after[:2]
    assert before[2] != after[2]
    assert [one.frames for one in again] == [FRAMES] * 3
    assert not list(path.parent.glob("*.part*"))


def test_a_damaged_rung_does_not_pass(
    delivered: Delivered, toolbox: Toolbox, tmp_path: Path
) -> None:
    original = delivered.encoded[0].path

    def checked(path: Path, **changes: object) -> None:
        wanted: dict[str, object] = {"size": SMALL, "frame_rate": RATE, "gop": GOP}
        check_rendition(toolbox, path, **(wanted | changes))  # type: ignore[arg-type]

    checked(original, frames=FRAMES)
    with pytest.raises(DeliveryError, match="91"):
        checked(original, frames=91)
    with pytest.raises(DeliveryError, match="keyframe at frame 10"):
        checked(original, gop=10)
    with pytest.raises(DeliveryError, match="320x180"):
        checked(original, size=Size(322, 180))
    with pytest.raises(DeliveryError, match="frame 3 is shown"):
        checked(original, frame_rate=Fraction(24))
    data = bytearray(original.read_bytes())
    start = data.find(b"mdat") + 3000
    data[start : start + 2000] = bytes(2000)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    with pytest.raises(DeliveryError, match="decode"):
        checked(broken)


def test_a_truncated_source_is_refused(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path
) -> None:
    whole = make_clip(
        "testsrc2=s=320x180:r=25:d=6", "front.mp4", "-c:v", "libx264", "-movflags", "+faststart"
    )
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    analysis = analysis_of(whole)
    analysis = replace(analysis, source=replace(analysis.source, path=torn))
    with pytest.raises(SourceError, match="truncated"):
        encode_renditions(
            toolbox, analysis, [rung(160, 90, 30)], codec=H264, preset="ultrafast",
            segment_seconds=1, vbv_ratio=2, folder=tmp_path,
        )  # fmt: skip
    assert not list(tmp_path.glob("160x90*.json"))


def test_the_vbv_cap_holds(toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path) -> None:
    """The leaky bucket of H.264 annex C: the buffer never runs dry at the capped rate."""
    clip = make_clip("testsrc2=s=320x180:r=25:d=2,noise=alls=60:allf=t", "noise.mp4")
    wanted = rung(320, 180, 18, 500)
    (one,) = encode_renditions(
        toolbox, analysis_of(clip), [wanted], codec=H264, preset="veryfast",
        segment_seconds=1, vbv_ratio=2, folder=tmp_path,
    )  # fmt: skip
    cap = vbv_cap(500, 2, 1)
    with av.open(str(one.path)) as container:
        bits = [packet.size * 8 / 1000 for packet in container.demux(video=0) if packet.size]
    fill = float(cap.bufsize_kbit)
    for size in bits:
        fill = min(cap.bufsize_kbit, fill + cap.maxrate_kbps / 25) - size
        assert fill > -0.05 * cap.bufsize_kbit
    # Without the cap this clip would take much more.
    assert one.average_kbps == pytest.approx(1000 + 1000 / 2, rel=0.25)


def test_probes_measure_what_is_delivered(
    toolbox: Toolbox, delivered: Delivered, tmp_path: Path
) -> None:
    with DigestProber(
        toolbox, delivered.analysis, codec=H264, preset="veryfast", quality_model=MODEL,
        display=SMALL, segment_seconds=1, scratch=tmp_path,
    ) as prober:  # fmt: skip
        assert prober.frames == FRAMES
        good, bad = prober.measure(180, 20), prober.measure(180, 32)
        small = prober.measure(90, 30)
        with pytest.raises(UsageError, match="above the source"):
            prober.measure(360, 30)
    assert good.vmaf > bad.vmaf > small.vmaf
    for probe, one in zip((good, bad, small), delivered.encoded, strict=True):
        assert probe.bitrate_kbps == pytest.approx(one.average_kbps, rel=0.03)
    assert list(tmp_path.iterdir()) == []


def test_a_few_frames_score_as_the_whole_digest_does(
    toolbox: Toolbox, make_clip: MakeClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where every other frame repeats the one before, as in pulled-down film."""
    clip = make_clip("testsrc2=s=160x90:r=12.5:d=11,fps=25", "doubled.mp4")
    found = []
    for frames in (40, 10_000):
        monkeypatch.setattr("pertitle.encoder.prober.SCORED_FRAMES", frames)
        with DigestProber(
            toolbox, analysis_of(clip), codec=H264, preset="ultrafast", quality_model=MODEL,
            display=Size(160, 90), segment_seconds=4, scratch=tmp_path,
        ) as prober:  # fmt: skip
            found.append(prober.measure(90, 38).vmaf)
    assert found[0] == pytest.approx(found[1], abs=0.6)
    assert found[0] != found[1]


def test_scored_frames_of_a_digest_meet_every_level_of_the_pyramid() -> None:
    assert scored_period(100) is None
    for frames in (144, 480, 1200):
        period = scored_period(frames)
        assert period is not None
        assert period % 2 == 1
        assert 30 <= frames // period <= 50


def test_digest_windows_lie_apart_inside_the_title(delivered: Delivered) -> None:
    source = replace(delivered.analysis.source, duration=60.0)
    analysis = replace(
        delivered.analysis, source=source, digest=(Window(3, 4), Window(57.5, 4), Window(55, 4))
    )
    spans = digest_spans(analysis)
    assert [span.frames for span in spans] == [100] * 3
    assert [span.first for span in spans] == [75, 1300, 1400]
    assert digest_spans(replace(analysis, digest=(Window(0, 60),)))[0].frames == 1500
