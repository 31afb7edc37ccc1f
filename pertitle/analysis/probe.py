"""Reading what a file is: container, tracks, geometry, rate, colour, duration."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from pertitle.analysis.timing import Timing, last_time, read_timing
from pertitle.errors import SourceError
from pertitle.records import AudioStream, Size, Source, SourceWarning, SubtitleStream, VideoStream
from pertitle.system.sources import MAX_PIXELS, MAX_SECONDS, MAX_SIDE, open_media

MAX_PROBED_PACKETS = 600
TEXT_SUBTITLES = {"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"}


def probe(path: Path | str, *, sound: bool = True) -> Source:
    """Open a file and describe it without decoding it whole.

    Args:
        sound: look at its sound tracks; without, it is described as if it had none.

    Raises:
        SourceError: the file is missing, empty, not a video, or without a decodable picture.
    """
    path = Path(path).absolute()
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SourceError(f"cannot read {path.name}: {error.strerror}") from error
    if not path.is_file():
        raise SourceError(f"{path.name} is not a file")
    if size == 0:
        raise SourceError(f"{path.name} is empty")
    if not os.access(path, os.R_OK):
        raise SourceError(f"cannot read {path.name}: permission denied")
    try:
        with open_media(path) as container:
            return _describe(container, path, size, sound=sound)
    except av.error.InvalidDataError as error:
        raise SourceError(f"{path.name} is not a video, or is cut off or damaged") from error
    except av.error.ArgumentError as error:
        raise SourceError(f"{path.name} is not in a video container format") from error
    except (av.error.FFmpegError, ValueError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path.name} is not a readable video: {reason}") from error


def _describe(container: Any, path: Path, size: int, *, sound: bool) -> Source:
    pictures = [
        stream
        for stream in container.streams.video
        if not (int(stream.disposition) & _ATTACHED_PIC) and stream.codec_context is not None
    ]
    if not pictures:
        raise SourceError(f"{path.name} has no video track")
    stream = max(pictures, key=lambda s: ((s.width or 0) * (s.height or 0), -s.index))
    if not stream.width or not stream.height:
        raise SourceError(f"{path.name}: the video track has no picture size")
    _check_size(path, stream)
    first, second_field = _first_frame(container, stream, path)
    _check_size(path, first)
    timing = read_timing(container, stream, first.time)
    video = _video_stream(stream, first, timing, second_field)
    origin = _origin(container, stream, first)
    held = _held(container, _presented(container, stream, first), timing.duration) if sound else 0.0
    duration = round(timing.duration + held, 6)
    if duration > MAX_SECONDS:
        raise SourceError(f"{path.name}: a length of {duration / 3600:.0f} hours is not credible")
    return Source(
        path=path,
        bytes=size,
        container=container.format.name,
        duration=duration,
        size=upright(video),
        video=video,
        audio=tuple(
            _audio_stream(s, _lag(container, s, stream, first))
            for s in (container.streams.audio if sound else ())
            if s.codec_context is not None
        ),
        subtitles=tuple(_subtitle_stream(s) for s in container.streams.subtitles),
        origin=origin,
        held=held,
        remarks=(*_remarks(stream, first, timing, held), *_missing(container, origin, duration)),
    )


MIN_HELD = 1.0
"""Seconds that sound must go on after the last picture for that to be held: files end unevenly."""


def _presented(container: Any, stream: Any, frame: Any) -> float:
    """Time of the first picture on the container's own clock, seconds."""
    if frame.pts is None:
        return float(container.start_time or 0) / av.time_base
    return float(frame.pts * (frame.time_base or stream.time_base))


def _held(container: Any, first: float, duration: float) -> float:
    """Seconds that sound goes on after the last picture; 0 if that is next to nothing.

    Args:
        first: time of the first picture, on the container's clock.
    """
    end = first + duration
    declared = (container.duration or 0) + (container.start_time or 0)
    if declared / av.time_base - end < MIN_HELD:
        return 0.0
    over = max((last_time(container, track, end) for track in container.streams.audio), default=0.0)
    return round(over - end, 3) if over - end > MIN_HELD else 0.0


MISSING_SHARE = 0.02


def _missing(container: Any, origin: Fraction, duration: float) -> Iterator[SourceWarning]:
    """A warning for a file that ends long before its header says, as a torn download does.

    Subtitles may go on after everything else, and transport streams have no such header.
    """
    if _clock_of_used(container) or len(container.streams.subtitles):
        return
    declared = (container.duration or 0) / av.time_base - float(origin)
    if declared - duration > max(MIN_HELD, MISSING_SHARE * declared):
        message = f"its header tells {declared:.1f} s, of which {duration:.1f} s can be read"
        yield SourceWarning("ends-early", message)


def _remarks(stream: Any, frame: Any, timing: Timing, held: float) -> Iterator[SourceWarning]:
    if "stereo_mode" in stream.metadata or any(
        side.type.name == "STEREO3D" for side in frame.side_data
    ):
        yield SourceWarning("stereo-3d", "stereo 3D is delivered as the packed picture that it is")
    if timing.lead:
        message = f"it starts between keyframes; its first {timing.lead:.2f} s do not decode"
        yield SourceWarning("starts-mid-gop", message)
    if timing.pulled_down:
        message = "film with repeated fields (soft telecine) is delivered at its own 24000/1001"
        yield SourceWarning("telecine", message)
    if held:
        message = f"the last picture is held for {held:.1f} s, to the end of the sound"
        yield SourceWarning("held", message)


_ATTACHED_PIC = 0x0400


def _origin(container: Any, stream: Any, frame: Any) -> Fraction:
    if frame.pts is None:  # a bare stream without a clock
        return Fraction(0)
    clock = Fraction(container.start_time or 0, av.time_base)
    if _clock_of_used(container):
        clock = Fraction((stream.start_time or 0) * stream.time_base)
    return Fraction(frame.pts * (frame.time_base or stream.time_base)) - clock


def _clock_of_used(container: Any) -> bool:
    """ffmpeg's clock starts at the earliest track that a command uses and not at that of the file.

    So it is seen to be in ffmpeg 9.0.2 of formats with the flag ``AVFMT_TS_DISCONT``.
    """
    return bool(container.format.flags & av.format.Flags.ts_discont.value)


def _lag(container: Any, track: Any, stream: Any, frame: Any) -> Fraction | None:
    if not _clock_of_used(container) or frame.pts is None or track.start_time is None:
        return None
    first = Fraction(frame.pts * (frame.time_base or stream.time_base))
    return first - Fraction(track.start_time * track.time_base)


def _check_size(path: Path, picture: Any) -> None:
    width, height = picture.width, picture.height
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise SourceError(f"{path.name}: a picture of {width}x{height} pixels is too large")


def _first_frame(container: Any, stream: Any, path: Path) -> tuple[Any, bool]:
    """Decode the first picture: proves that the track decodes, and tells colour and rotation."""
    stream.thread_type = "AUTO"
    for count, packet in enumerate(container.demux(stream)):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            frames = []
        for frame in frames:
            return frame, bool(getattr(frame, "interlaced_frame", False))
        if count > MAX_PROBED_PACKETS:
            break
    raise SourceError(f"{path.name}: no picture of the video track can be decoded")


def _video_stream(stream: Any, frame: Any, timing: Timing, interlaced: bool) -> VideoStream:
    context = stream.codec_context
    pixel_format = frame.format
    aspect = stream.sample_aspect_ratio or context.sample_aspect_ratio
    rotation, mirrored = _position(frame)
    color: dict[str, Any] = {
        "primaries": _color_name(_PRIMARIES, getattr(frame, "color_primaries", None)),
        "transfer": _color_name(_TRANSFERS, getattr(frame, "color_trc", None)),
        "matrix": _color_name(_MATRICES, getattr(frame, "colorspace", None)),
        "color_range": {1: "tv", 2: "pc"}.get(int(getattr(frame, "color_range", 0)), "unknown"),
    }
    return VideoStream(
        index=stream.index,
        codec=context.name,
        width=frame.width,
        height=frame.height,
        sample_aspect=Fraction(aspect) if aspect and aspect > 0 else Fraction(1),
        rotation=rotation,
        mirrored=mirrored,
        frame_rate=timing.rate,
        variable_rate=timing.variable,
        frames=timing.frames,
        pixel_format=pixel_format.name,
        bit_depth=max((c.bits for c in pixel_format.components), default=8),
        interlaced=interlaced,
        has_alpha=any(getattr(c, "is_alpha", False) for c in pixel_format.components),
        **color,
    )


# Code points of ITU-T H.273 as ffmpeg names them.
_PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film",
    9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "jedec-p22",
}  # fmt: skip
_TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear",
    9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1",
    14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
}  # fmt: skip
_MATRICES = {
    0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
    9: "bt2020nc", 10: "bt2020c",
}  # fmt: skip


def _color_name(names: dict[int, str], code: object) -> str:
    return names.get(int(code), "unknown") if code is not None else "unknown"  # type: ignore[call-overload]


def _position(frame: Any) -> tuple[int, bool]:
    """Clockwise degrees that a player turns the picture, and whether it mirrors it after that.

    From the display matrix (ISO/IEC 14496-12, 6.2.2): ``x' = ax + cy``, ``y' = bx + dy``.
    """
    for side in frame.side_data:
        if side.type.name == "DISPLAYMATRIX":
            a, b, _, c, d = struct.unpack("<5i", bytes(side)[:20])
            mirrored = a * d - b * c < 0
            angle = math.degrees(math.atan2(b, -a if mirrored else a))
            return round(angle / 90) * 90 % 360, mirrored
    return 0, False


def upright(video: VideoStream) -> Size:
    """Square pixels: the side that the pixel aspect stretches grows, as players do it."""
    width, height = Fraction(video.width), Fraction(video.height)
    if video.sample_aspect > 1:
        width *= video.sample_aspect
    else:
        height /= video.sample_aspect
    if video.rotation in (90, 270):
        width, height = height, width
    return Size(_down_to_even(width), _down_to_even(height))


def _down_to_even(value: Fraction) -> int:
    # Within a percent of a pixel counts as whole: 4:3 aspects multiply to 1023.99.
    return max(2, 2 * int((value + Fraction(1, 100)) / 2))


_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}
"""By the number of channels: PyAV 18.1 frees the layout of unlabelled channels twice."""


def _audio_stream(stream: Any, lag: Fraction | None) -> AudioStream:
    context = stream.codec_context
    return AudioStream(
        index=stream.index,
        codec=context.name,
        channels=context.channels,
        layout=_LAYOUTS.get(context.channels, f"{context.channels} channels"),
        sample_rate=context.sample_rate,
        language=stream.language or "und",
        title=stream.metadata.get("title", ""),
        default=bool(int(stream.disposition) & 1),
        lag=lag,
    )


def _subtitle_stream(stream: Any) -> SubtitleStream:
    name = stream.codec_context.name if stream.codec_context is not None else "unknown"
    return SubtitleStream(
        index=stream.index,
        codec=name,
        language=stream.language or "und",
        title=stream.metadata.get("title", ""),
        is_text=name in TEXT_SUBTITLES,
    )
