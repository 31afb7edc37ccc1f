"""Packaging: one set of CMAF segments that HLS and DASH share, or MPEG-TS segments for HLS."""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pertitle.codecs import CODECS
from pertitle.encoder.grid import gop_frames
from pertitle.encoder.package.dash import tidy_mpd
from pertitle.encoder.package.manifests import (
    Rates,
    TextTrack,
    read_media_playlist,
    subtitle_playlist,
    tidy_master,
)
from pertitle.encoder.package.remux import manifest, master_playlist, segment_track
from pertitle.encoder.package.storyboard import (
    Storyboard,
    storyboard_playlist,
    storyboard_set,
    storyboard_stream,
    storyboard_vtt,
)
from pertitle.encoder.package.subtitles import SubtitleRendition, language_tag
from pertitle.encoder.package.transport import START_SECONDS, TIMESTAMP_MAP, write_iframes
from pertitle.encoder.pictures import peak_rate
from pertitle.errors import DeliveryError, ProcessError, ToolError
from pertitle.results import AudioRendition, Package, Rendition
from pertitle.system.tools import Toolbox

MASTER = "master.m3u8"
MANIFEST = "manifest.mpd"
SEGMENTS = "segments"
SINGLE = "media.mp4"
"""A whole track, where segments are ranges of bytes."""
STORYBOARD = f"{SEGMENTS}/storyboard"
BIF_NAME = "storyboard.bif"


@dataclass(frozen=True)
class PackagedTrack:
    """A track's place in the package: its folder below ``segments`` and what it holds."""

    name: str
    path: Path
    video: bool
    language: str = ""
    title: str = ""
    default: bool = False


def in_order(renditions: Sequence[Rendition]) -> list[Rendition]:
    """H.264 first, which every player plays, then the newer codecs; each from its best down."""
    reach = list(CODECS)
    return sorted(renditions, key=lambda r: (reach.index(r.codec), -r.average_kbps))


def packaged_tracks(
    renditions: Sequence[Rendition], audio: Sequence[AudioRendition]
) -> tuple[PackagedTrack, ...]:
    """Names and order: pictures as :func:`in_order` has them, then sound as in the source."""
    tracks = []
    taken: set[str] = set()
    for rendition in in_order(renditions):
        base = name = f"video-{rendition.codec}-{rendition.rung.height}p"
        number = 2
        while name in taken:
            name, number = f"{base}-{number}", number + 1
        taken.add(name)
        tracks.append(PackagedTrack(name, rendition.path, video=True))
    titles: set[str] = set()
    for i, sound in enumerate(audio):
        language = language_tag(sound.language)
        label = _unlike(manifest_text(sound.title or language or "Audio"), titles)
        name = f"audio-{i + 1}" + (f"-{language}" if language else "")
        tracks.append(PackagedTrack(name, sound.path, False, language, label, default=i == 0))
    return tuple(tracks)


def manifest_text(text: str) -> str:
    """Text that can stand in a quoted HLS attribute and in the packager's descriptor."""
    return re.sub(r'[\s\x00-\x1f\x7f",=]+', " ", text).strip() or "Audio"


def package(
    toolbox: Toolbox,
    renditions: Sequence[Rendition],
    audio: Sequence[AudioRendition],
    *,
    folder: Path,
    segment_seconds: float,
    frame_rate: Fraction,
    subtitles: Sequence[SubtitleRendition] = (),
    storyboard: Storyboard | None = None,
    bif: Path | None = None,
    single_file: bool = False,
    segment_format: str = "cmaf",
) -> Package:
    """Write segments and manifests into ``folder``; the manifests come last.

    Shaka Packager does it, or ffmpeg alone where that is missing or fails.

    Args:
        bif: a finished BIF file that goes along.
        single_file: one file a track, whose segments are ranges of bytes; ffmpeg cannot.
        segment_format: ``cmaf``, or ``ts`` for MPEG-TS segments, which DASH players do not take.

    Raises:
        DeliveryError: both failed.
    """
    tracks = packaged_tracks(renditions, audio)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".packaging-") as name:
        work = Path(name)
        # A segment ends with the first keyframe at or after this time; a little less keeps
        # 23.976 and its kin from missing it by a rounding.
        exact = gop_frames(segment_seconds, frame_rate) / frame_rate
        cut = float(exact - Fraction(1, 4000))
        program = "Shaka Packager"
        ts = segment_format == "ts"
        if not _packed(toolbox, tracks, work, cut, single_file=single_file, ts=ts):
            program = "ffmpeg"
            _remux(toolbox, tracks, in_order(renditions), audio, work, cut, frame_rate, ts=ts)
        for track in tracks if ts else ():
            if track.video:
                write_iframes(work / SEGMENTS / track.name, "playlist.m3u8", "iframes.m3u8")
        texts = _place_subtitles(work, subtitles, title_seconds(renditions, frame_rate), ts=ts)
        if storyboard is not None:
            _place_storyboard(work, storyboard, bif)
        rates = {
            f"{SEGMENTS}/{track.name}/playlist.m3u8": frame_rate / (2 if r.rung.half_rate else 1)
            for track, r in zip(tracks, in_order(renditions), strict=False)
        }
        _finish_manifests(work, tracks, texts, storyboard, rates, ts=ts)
        target = folder / SEGMENTS
        if target.exists():
            shutil.rmtree(target)
        (work / SEGMENTS).replace(target)
        manifests = (MASTER,) if ts else (MASTER, MANIFEST)
        for file in manifests:
            (work / file).replace(folder / file)
    files = [*(folder / file for file in manifests), *target.rglob("*")]
    return Package(
        hls_master=MASTER,
        dash_manifest="" if ts else MANIFEST,
        segments=sum(
            len(read_media_playlist(path.read_text("utf-8")).segments)
            for track in tracks
            for path in [target / track.name / "playlist.m3u8"]
        ),
        bytes=sum(path.stat().st_size for path in files if path.is_file()),
        program=program,
        segment_format=segment_format,
    )


def _packed(
    toolbox: Toolbox,
    tracks: Sequence[PackagedTrack],
    work: Path,
    segment_seconds: float,
    *,
    single_file: bool,
    ts: bool,
) -> bool:
    """Whether Shaka Packager is there and did it."""
    if toolbox.packager is None:
        return False
    for i, track in enumerate(tracks):
        # The packager's descriptors have no quoting: it sees plain names only.
        (work / f"in{i}.mp4").symlink_to(track.path.absolute())
    argv = packager_command(
        toolbox.packager, tracks, segment_seconds=segment_seconds, single_file=single_file, ts=ts
    )
    try:
        toolbox.runner.run(argv, limits=toolbox.limits(), cwd=work)
    except (ProcessError, ToolError):
        shutil.rmtree(work / SEGMENTS, ignore_errors=True)
        return False
    return True


def _remux(
    toolbox: Toolbox,
    tracks: Sequence[PackagedTrack],
    renditions: Sequence[Rendition],
    audio: Sequence[AudioRendition],
    work: Path,
    segment_seconds: float,
    frame_rate: Fraction,
    *,
    ts: bool,
) -> None:
    """The packager's work by ffmpeg.

    Raises:
        DeliveryError: it failed too.
    """
    try:
        for track in tracks:
            folder = work / SEGMENTS / track.name
            segment_track(
                toolbox,
                track.path,
                folder,
                video=track.video,
                segment_seconds=segment_seconds,
                ts=ts,
            )
    except ProcessError as error:
        raise DeliveryError(f"packaging failed: {error}") from error
    named = [f"{SEGMENTS}/{track.name}" for track in tracks]
    pictures = [
        (name, one, frame_rate / (2 if one.rung.half_rate else 1))
        for name, one in zip(named, renditions, strict=False)
    ]
    sounds = [
        (f"{SEGMENTS}/{track.name}", track.title, track.language, sound)
        for track, sound in zip(tracks[len(renditions) :], audio, strict=True)
    ]
    (work / MASTER).write_text(master_playlist(pictures, sounds), "utf-8")
    if ts:
        return
    seconds = title_seconds(renditions, frame_rate)
    (work / MANIFEST).write_text(manifest(work, pictures, sounds, seconds=seconds), "utf-8")


def packager_command(
    program: str,
    tracks: Sequence[PackagedTrack],
    *,
    segment_seconds: float,
    single_file: bool = False,
    ts: bool = False,
) -> list[str]:
    """Shaka Packager's argv; inputs are ``in0.mp4``, ``in1.mp4``… in the working directory."""
    if single_file:
        files = ["output={0}/" + SINGLE]
    elif ts:
        files = ["segment_template={0}/$Number%05d$.ts"]
    else:
        files = ["init_segment={0}/init.mp4", "segment_template={0}/$Number%05d$.m4s"]
    clock = [f"--transport_stream_timestamp_offset_ms={START_SECONDS * 1000}"]
    manifest = [f"--mpd_output={MANIFEST}"]
    if not single_file:
        manifest.append("--generate_static_live_mpd")
    descriptors = []
    for i, track in enumerate(tracks):
        base = f"{SEGMENTS}/{track.name}"
        fields = [
            f"in=in{i}.mp4",
            f"stream={'video' if track.video else 'audio'}",
            *(field.replace("{0}", base) for field in files),
            f"playlist_name={base}/playlist.m3u8",
        ]
        if track.video:
            fields.append(f"iframe_playlist_name={base}/iframes.m3u8")
        else:
            fields += ["hls_group_id=audio", f"hls_name={track.title}"]
            if track.language:
                fields.append(f"language={track.language}")
            fields.append(f"dash_roles={'main' if track.default else 'alternate'}")
        descriptors.append(",".join(fields))
    return [
        program,
        *descriptors,
        f"--segment_duration={segment_seconds:.6f}",
        f"--hls_master_playlist_output={MASTER}",
        *(clock if ts else manifest),
        "--hls_playlist_type=VOD",
        # Else init segments hold the time of day, and no two runs write the same package.
        "--use_fake_clock_for_muxer",
        "--quiet",
    ]


def _place_subtitles(
    work: Path, subtitles: Sequence[SubtitleRendition], seconds: float, *, ts: bool
) -> tuple[TextTrack, ...]:
    """Copy subtitle files into the package, each with its playlist; they name the clock of TS."""
    tracks = []
    names: set[str] = set()
    for i, track in enumerate(subtitles):
        language = language_tag(track.language)
        name = _unlike(manifest_text(track.title or language or "Subtitles"), names)
        base = f"{SEGMENTS}/subtitles-{i + 1}" + (f"-{language}" if language else "")
        (work / base).mkdir(parents=True)
        text = track.path.read_text(encoding="utf-8")
        if ts:
            text = text.replace("WEBVTT", f"WEBVTT\n{TIMESTAMP_MAP}", 1)
        (work / base / "subtitles.vtt").write_text(text, encoding="utf-8")
        playlist = subtitle_playlist("subtitles.vtt", seconds)
        (work / base / "playlist.m3u8").write_text(playlist, encoding="utf-8")
        tracks.append(TextTrack(f"{base}/subtitles.vtt", f"{base}/playlist.m3u8", language, name))
    return tuple(tracks)


def _place_storyboard(work: Path, board: Storyboard, bif: Path | None) -> None:
    """Copy a storyboard into the package."""
    folder = work / STORYBOARD
    folder.mkdir(parents=True)
    for sheet in board.sheets:
        shutil.copyfile(sheet, folder / sheet.name)
    (folder / "storyboard.vtt").write_text(storyboard_vtt(board), encoding="utf-8")
    (folder / "images.m3u8").write_text(storyboard_playlist(board), encoding="utf-8")
    if bif is not None:
        shutil.copyfile(bif, folder / BIF_NAME)


def _unlike(label: str, taken: set[str]) -> str:
    """The label, numbered if it is taken: names within an HLS group differ."""
    name, number = label, 2
    while name in taken:
        name, number = f"{label} {number}", number + 1
    taken.add(name)
    return name


def _finish_manifests(
    work: Path,
    tracks: Sequence[PackagedTrack],
    texts: Sequence[TextTrack],
    board: Storyboard | None,
    frame_rates: Mapping[str, Fraction],
    *,
    ts: bool,
) -> None:
    """Put the rates, subtitles and storyboard into the manifests."""
    video: dict[str, Rates] = {}
    audio: dict[str, Rates] = {}
    inits: dict[str, Rates] = {}
    default = ""
    for track in tracks:
        base = f"{SEGMENTS}/{track.name}"
        address = f"{base}/playlist.m3u8"
        rates = _measured(work / base)
        (video if track.video else audio)[address] = rates
        inits[f"{base}/init.mp4"] = inits[f"{base}/{SINGLE}"] = rates
        if track.default:
            default = address
    master, mpd = work / MASTER, work / MANIFEST
    streams = [storyboard_stream(board, STORYBOARD)] if board is not None else []
    images = [storyboard_set(board, STORYBOARD)] if board is not None else []
    try:
        text = tidy_master(
            master.read_text("utf-8"), video, audio, default_audio=default, subtitles=texts,
            further=streams, frame_rates=frame_rates,
        )  # fmt: skip
        master.write_text(text, "utf-8")
        if not ts:
            text = tidy_mpd(mpd.read_text("utf-8"), inits, subtitles=texts, extra_sets=images)
            mpd.write_text(text, "utf-8")
    except OSError as error:
        raise DeliveryError(f"the packager wrote no {error.filename}") from error


def _measured(folder: Path) -> Rates:
    listed = read_media_playlist((folder / "playlist.m3u8").read_text("utf-8"))
    sizes = listed.segment_sizes(folder)
    seconds = [length for _, length in listed.segments]
    average = sum(sizes) * 8 / sum(seconds)
    return Rates(math.ceil(average), math.ceil(peak_rate(sizes, seconds) * 8))


def title_seconds(renditions: Sequence[Rendition], frame_rate: Fraction) -> float:
    """Length of the pictures; a rung of half the rate may end half a frame later."""
    frames = [r.frames for r in renditions if not r.rung.half_rate]
    if not frames:
        frames = [2 * r.frames for r in renditions]
    return float(max(frames) / frame_rate)
