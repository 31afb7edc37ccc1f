"""Checks of a finished package: what a player will meet, re-read from the disk."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error

from pertitle.encoder.checks import check_times
from pertitle.encoder.grid import Grid, gop_frames
from pertitle.encoder.package.dash import DASH
from pertitle.encoder.package.manifests import MediaPlaylist, read_master, read_media_playlist
from pertitle.encoder.package.packaging import in_order, title_seconds
from pertitle.encoder.package.scrubbing import check_iframes, check_storyboard
from pertitle.encoder.package.storyboard import Storyboard
from pertitle.encoder.package.subtitles import SubtitleRendition, read_cues
from pertitle.encoder.package.transport import START_SECONDS, TIMESTAMP_MAP, first_picture
from pertitle.errors import DeliveryError
from pertitle.results import AudioRendition, Package, Rendition


@dataclass(frozen=True)
class _Pictures:
    """Packets of a track put together from its segments: times, sizes, keyframes."""

    times: tuple[Fraction, ...]
    sizes: tuple[int, ...]
    keys: tuple[bool, ...]


def check_package(
    folder: Path,
    package: Package,
    renditions: Sequence[Rendition],
    audio: Sequence[AudioRendition],
    *,
    segment_seconds: float,
    frame_rate: Fraction,
    skipped: int | None = None,
    subtitles: Sequence[SubtitleRendition] = (),
    storyboard: Storyboard | None = None,
    bif: bool = False,
) -> None:
    """Check a package as a player would read it.

    Every variant is declared with its real size, rate and bitrates; the segments of all
    renditions start at the same frames, each with a keyframe; put together they hold exactly
    the pictures that were encoded, in time; sound is as long as the picture; both manifests
    name only files that exist. I-frame playlists and storyboards are what they say.

    Args:
        skipped: the frame of the segment grid at which no segment starts.

    Raises:
        DeliveryError: one of these is not so.
    """
    whole = Grid(gop_frames(segment_seconds, frame_rate), skipped)
    variants, media = read_master(_text(folder / package.hls_master))
    ordered = in_order(renditions)
    if len(variants) != len(ordered):
        raise DeliveryError(f"{len(variants)} variants for {len(ordered)} renditions")
    for variant, rendition in zip(variants, ordered, strict=True):
        rung = rendition.rung
        if (variant.width, variant.height) != (rung.width, rung.height):
            raise DeliveryError(f"{variant.uri} is declared {variant.width}x{variant.height}")
        # AV1 names may go on with colour fields.
        if not any(name.startswith(rendition.codec_string) for name in variant.codecs):
            raise DeliveryError(f"{variant.uri} is declared as {','.join(variant.codecs)}")
        if variant.video_range.lower() != rendition.dynamic_range:
            raise DeliveryError(f"{variant.uri} is declared {variant.video_range}")
        rate = frame_rate / (2 if rung.half_rate else 1)
        if abs(variant.frame_rate - float(rate)) > 0.01:
            raise DeliveryError(f"{variant.uri} is declared at {variant.frame_rate} frames/s")
        if variant.average_bandwidth < rendition.average_kbps * 990:
            raise DeliveryError(f"{variant.uri} declares less than its average bitrate")
        if variant.bandwidth < variant.average_bandwidth:
            raise DeliveryError(f"{variant.uri} declares a peak below its average")
        grid = whole.halved() if rung.half_rate else whole
        _check_video(folder / variant.uri, rendition, rate, grid)
    length = title_seconds(ordered, frame_rate)
    sounds = [entry for entry in media if entry.get("TYPE") == "AUDIO"]
    if len(sounds) != len(audio):
        raise DeliveryError(f"{len(sounds)} sound renditions for {len(audio)} tracks")
    for entry in sounds:
        _check_audio(folder / entry["URI"], length)
    texts = [entry for entry in media if entry.get("TYPE") == "SUBTITLES"]
    if len(texts) != len(subtitles):
        raise DeliveryError(f"{len(texts)} of {len(subtitles)} subtitle tracks are named")
    ts = package.segment_format == "ts"
    for entry, track in zip(texts, subtitles, strict=True):
        playlist = folder / entry["URI"]
        (name,) = [line for line in _text(playlist).splitlines() if line[:1] not in ("#", "")]
        text = _text(playlist.parent / name)
        if len(read_cues(text)) != track.cues:
            raise DeliveryError(f"{playlist.parent.name} does not hold {track.cues} cues")
        if ts and text.splitlines()[1:2] != [TIMESTAMP_MAP]:
            raise DeliveryError(f"{playlist.parent.name} does not say its clock")
    mpd = folder / package.dash_manifest if package.dash_manifest else None
    if mpd is not None:
        _check_mpd(mpd, len(ordered) + len(audio), len(subtitles), length)
    check_iframes(folder, _text(folder / package.hls_master), len(ordered), length)
    if storyboard is not None:
        check_storyboard(folder / package.hls_master, mpd, storyboard, bif=bif)


def _check_video(playlist: Path, rendition: Rendition, frame_rate: Fraction, grid: Grid) -> None:
    listed = read_media_playlist(_text(playlist))
    wanted = grid.starts(rendition.frames)
    if len(listed.segments) != len(wanted):
        raise DeliveryError(
            f"{playlist.parent.name} has {len(listed.segments)} of {len(wanted)} segments"
        )
    pictures, starts = _assemble(playlist.parent, listed, video=True)
    name = playlist.parent.name
    if len(pictures.times) != rendition.frames:
        raise DeliveryError(f"{name}: {len(pictures.times)} of {rendition.frames} frames packaged")
    check_times(name, sorted(pictures.times), frame_rate)
    for i, (start, frame) in enumerate(zip(starts, wanted, strict=True)):
        if not pictures.keys[start]:
            raise DeliveryError(f"{name}: segment {i + 1} does not start with a keyframe")
        if abs(pictures.times[start] * frame_rate - frame) > Fraction(1, 10):
            raise DeliveryError(f"{name}: segment {i + 1} does not start at frame {frame}")


def _check_audio(playlist: Path, length: float) -> None:
    listed = read_media_playlist(_text(playlist))
    declared = sum(seconds for _, seconds in listed.segments)
    if abs(declared - length) > 0.1:
        name = playlist.parent.name
        raise DeliveryError(f"{name} is {declared:.2f} s long, the picture {length:.2f} s")
    packets, _ = _assemble(playlist.parent, listed, video=False)
    # The first packet primes the decoder and lies before 0.
    if not -0.05 < float(packets.times[0]) <= 0.001:
        raise DeliveryError(f"{playlist.parent.name} starts at {float(packets.times[0]):.3f} s")


def _assemble(
    folder: Path, listed: MediaPlaylist, *, video: bool
) -> tuple[_Pictures, tuple[int, ...]]:
    """Packets of all segments in decoding order, and the index of each segment's first."""
    ts = listed.transport_stream
    kind, origin = ("mpegts", START_SECONDS) if ts else ("mp4", 0)
    try:
        init = listed.init_bytes(folder)
        times: list[Fraction] = []
        sizes: list[int] = []
        keys: list[bool] = []
        starts: list[int] = []
        for number, (uri, _) in enumerate(listed.segments):
            starts.append(len(times))
            data = init + listed.segment_bytes(folder, number)
            if ts and video:
                first_picture(data)
            with av.open(io.BytesIO(data), "r", format=kind) as container:
                stream = (container.streams.video if video else container.streams.audio)[0]
                base = Fraction(stream.time_base or 1)
                for packet in container.demux(stream):
                    if packet.size:
                        times.append((packet.pts or 0) * base - origin)
                        sizes.append(packet.size)
                        keys.append(packet.is_keyframe)
            if starts[-1] == len(times):
                raise DeliveryError(f"{folder.name}/{uri} is empty")
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DeliveryError(f"{folder.name} cannot be read back: {error}") from error
    return _Pictures(tuple(times), tuple(sizes), tuple(keys)), tuple(starts)


def _check_mpd(path: Path, tracks: int, texts: int, length: float) -> None:
    try:
        root = ElementTree.fromstring(_text(path))
    except ElementTree.ParseError as error:
        raise DeliveryError(f"{path.name} is not XML: {error}") from error
    tracked = [r for r in root.iter(f"{DASH}Representation") if _is_track(r)]
    single = [r for r in tracked if r.find(f"{DASH}BaseURL") is not None]
    for representation in single:
        _check_single(path, representation)
    inside = {r.findtext(f"{DASH}BaseURL") for r in single}
    files = [element.text or "" for element in root.iter(f"{DASH}BaseURL")]
    files = [name for name in files if name not in inside]
    if len(files) != texts or not all((path.parent / name).is_file() for name in files):
        raise DeliveryError(f"{path.name}: subtitles {', '.join(files) or 'are missing'}")
    if len(tracked) != tracks:
        raise DeliveryError(f"{path.name}: {len(tracked)} of {tracks} tracks")
    for representation in tracked:
        if representation in single:
            continue
        template = representation.find(f"{DASH}SegmentTemplate")
        if template is None:
            raise DeliveryError(f"{path.name}: a track has no segments")
        scale = int(template.get("timescale", "1"))
        number = int(template.get("startNumber", "1"))
        end = 0
        for entry in template.iter(f"{DASH}S"):
            if int(entry.get("t", end)) != end:
                raise DeliveryError(f"{path.name}: a gap in the timeline")
            for _ in range(int(entry.get("r", "0")) + 1):
                end += int(entry.get("d", "0"))
                media = template.get("media", "").replace("$Number%05d$", f"{number:05d}")
                if not (path.parent / media).is_file():
                    raise DeliveryError(f"{path.name} names {media}, which does not exist")
                number += 1
        if abs(end / scale - length) > 0.1:
            raise DeliveryError(f"{path.name}: a track of {end / scale:.2f} s, not {length:.2f} s")


def _is_track(representation: ElementTree.Element) -> bool:
    """Pictures or sound, and not subtitles or a storyboard."""
    kinds = ("SegmentTemplate", "SegmentBase")
    cut = any(representation.find(f"{DASH}{kind}") is not None for kind in kinds)
    return cut and representation.get("id") != "storyboard"


def _check_single(path: Path, representation: ElementTree.Element) -> None:
    """A track in one file: its index is where the manifest says (ISO/IEC 14496-12, ``sidx``)."""
    name = representation.findtext(f"{DASH}BaseURL") or ""
    base = representation.find(f"{DASH}SegmentBase")
    try:
        first, _, last = (base.get("indexRange", "") if base is not None else "").partition("-")
        with (path.parent / name).open("rb") as file:
            file.seek(int(first))
            index = file.read(int(last) - int(first) + 1)
    except (OSError, ValueError) as error:
        raise DeliveryError(f"{path.name} names {name}, whose index cannot be read") from error
    if index[4:8] != b"sidx" or int.from_bytes(index[:4], "big") != len(index):
        raise DeliveryError(f"{path.name}: {name} has no index at bytes {first} to {last}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeliveryError(f"{path.name} cannot be read back: {error}") from error
