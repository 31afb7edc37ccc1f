"""HLS playlists: finishing touches, and a strict reader for the checks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from pertitle.errors import DeliveryError

HLS_VERSION = 6
"""EXT-X-MAP in playlists that are not I-frame playlists (RFC 8216, section 7)."""


@dataclass(frozen=True)
class Rates:
    """Measured bitrate of a track's segments, container included, bit/s."""

    average: int
    peak: int


@dataclass(frozen=True)
class TextTrack:
    """Subtitles as manifests name them: address of the file and of its HLS playlist."""

    file: str
    playlist: str
    language: str
    name: str


def tidy_master(
    text: str,
    video: Mapping[str, Rates],
    audio: Mapping[str, Rates],
    *,
    default_audio: str = "",
    subtitles: Sequence[TextTrack] = (),
    further: Sequence[str] = (),
    frame_rates: Mapping[str, Fraction] = MappingProxyType({}),
) -> str:
    """State the version and the measured rates, mark the default sound and name subtitles.

    Args:
        video: rates by address of the variant's playlist.
        audio: rates of the sound renditions, by address; the most expensive one counts into
            every variant (RFC 8216, section 4.3.4.2).
        default_audio: address of the sound that plays unless the viewer chooses.
        further: lines to be added at the end.
        frame_rates: by address of the variant's playlist. A packager that tells them from the
            ticks of MPEG-TS is off in the second decimal.

    Raises:
        DeliveryError: a variant is not among ``video``.
    """
    extra_peak = max((rates.peak for rates in audio.values()), default=0)
    extra_average = max((rates.average for rates in audio.values()), default=0)
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{HLS_VERSION}"]
    for track in subtitles:
        language = f'LANGUAGE="{track.language}",' if track.language else ""
        lines.append(
            f'#EXT-X-MEDIA:TYPE=SUBTITLES,URI="{track.playlist}",GROUP-ID="subtitles",{language}'
            f'NAME="{track.name}",DEFAULT=NO,AUTOSELECT=YES'
        )
    source = _lines(text)
    for line, following in zip(source[1:], [*source[2:], ""], strict=True):
        if line.startswith(("## ", "#EXT-X-VERSION")):
            continue
        if line.startswith("#EXT-X-MEDIA:TYPE=AUDIO"):
            if attributes(line.partition(":")[2]).get("URI") == default_audio:
                line = line.replace("DEFAULT=NO", "DEFAULT=YES")
        elif line.startswith("#EXT-X-STREAM-INF:"):
            if following not in video:
                raise DeliveryError(f"the packager made a variant {following} nobody asked for")
            rates = video[following]
            peak, average = rates.peak + extra_peak, rates.average + extra_average
            line = _with_rates(line, peak, average)
            if following in frame_rates:
                exact = f"FRAME-RATE={float(frame_rates[following]):.3f}"
                line = re.sub(r"FRAME-RATE=[\d.]+", exact, line)
            if subtitles:
                line += ',SUBTITLES="subtitles"'
        elif line.startswith("#EXT-X-I-FRAME-STREAM-INF:"):
            found = attributes(line.partition(":")[2])
            peak, average = int(found["BANDWIDTH"]), int(found["AVERAGE-BANDWIDTH"])
            line = _with_rates(line, max(peak, average), average)
        lines.append(line)
    return "\n".join([*lines, *further]) + "\n"


def _with_rates(line: str, peak: int, average: int) -> str:
    line = re.sub(r"(?<![A-Z-])BANDWIDTH=\d+", f"BANDWIDTH={peak}", line)
    return re.sub(r"AVERAGE-BANDWIDTH=\d+", f"AVERAGE-BANDWIDTH={average}", line)


def subtitle_playlist(file: str, seconds: float) -> str:
    """The HLS playlist of a subtitle file that is one segment."""
    return (
        f"#EXTM3U\n#EXT-X-VERSION:{HLS_VERSION}\n#EXT-X-TARGETDURATION:{math.ceil(seconds)}\n"
        f"#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:{seconds:.3f},\n{file}\n#EXT-X-ENDLIST\n"
    )


def attributes(text: str) -> dict[str, str]:
    """An HLS attribute list (RFC 8216, section 4.2); quotes are taken off.

    Raises:
        DeliveryError: it is not one.
    """
    found: dict[str, str] = {}
    place = 0
    pattern = re.compile(r'([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(?:,|$)')
    while place < len(text):
        match = pattern.match(text, place)
        if match is None or match[1] in found:
            raise DeliveryError(f"damaged HLS attribute list: {text}")
        found[match[1]] = match[2].strip('"')
        place = match.end()
    return found


@dataclass(frozen=True)
class Variant:
    """A rendition as the master playlist declares it."""

    uri: str
    bandwidth: int
    average_bandwidth: int
    codecs: tuple[str, ...]
    width: int
    height: int
    frame_rate: float
    video_range: str


@dataclass(frozen=True)
class MediaPlaylist:
    """A media playlist: initialisation segment, and segments with their lengths in seconds.

    Attributes:
        init: empty for MPEG-TS segments, which need none.
        ranges: (bytes, offset) of each segment in its file, None for the whole file.
        init_range: the same of the initialisation segment.
    """

    init: str
    segments: tuple[tuple[str, float], ...]
    target_duration: int
    ranges: tuple[tuple[int, int] | None, ...]
    init_range: tuple[int, int] | None = None

    @property
    def transport_stream(self) -> bool:
        """The segments are MPEG-TS."""
        return all(uri.endswith(".ts") for uri, _ in self.segments)

    def init_bytes(self, folder: Path) -> bytes:
        """The initialisation segment; raises OSError where it is missing."""
        if self.transport_stream:
            return b""
        return _part(folder / self.init, self.init_range)

    def segment_bytes(self, folder: Path, number: int) -> bytes:
        """A segment, counted from 0; raises OSError where there is none."""
        return _part(folder / self.segments[number][0], self.ranges[number])

    def segment_sizes(self, folder: Path) -> list[int]:
        """Bytes of each segment; raises OSError where one is missing."""
        return [
            (folder / uri).stat().st_size if span is None else span[0]
            for (uri, _), span in zip(self.segments, self.ranges, strict=True)
        ]


def _part(path: Path, span: tuple[int, int] | None) -> bytes:
    with path.open("rb") as file:
        if span is None:
            return file.read()
        file.seek(span[1])
        return file.read(span[0])


def _span(text: str, before: int) -> tuple[int, int]:
    """An HLS byte range (RFC 8216, section 4.3.2.2); without an offset it follows the last one."""
    size, _, offset = text.partition("@")
    return int(size), int(offset) if offset else before


def read_master(text: str) -> tuple[tuple[Variant, ...], tuple[dict[str, str], ...]]:
    """Variants and EXT-X-MEDIA entries of a master playlist.

    Raises:
        DeliveryError: it is not a master playlist.
    """
    lines = _lines(text)
    variants: list[Variant] = []
    media: list[dict[str, str]] = []
    for i, line in enumerate(lines):
        if line.startswith("#EXT-X-MEDIA:"):
            media.append(attributes(line.partition(":")[2]))
        if not line.startswith("#EXT-X-STREAM-INF:"):
            continue
        found = attributes(line.partition(":")[2])
        if i + 1 >= len(lines) or lines[i + 1].startswith("#"):
            raise DeliveryError("a variant of the master playlist has no address")
        try:
            width, height = found["RESOLUTION"].split("x")
            variants.append(
                Variant(
                    uri=lines[i + 1],
                    bandwidth=int(found["BANDWIDTH"]),
                    average_bandwidth=int(found["AVERAGE-BANDWIDTH"]),
                    codecs=tuple(found["CODECS"].split(",")),
                    width=int(width),
                    height=int(height),
                    frame_rate=float(found["FRAME-RATE"]),
                    video_range=found.get("VIDEO-RANGE", "SDR"),
                )
            )
        except (KeyError, ValueError) as error:
            raise DeliveryError(f"a variant of the master playlist lacks {error}") from error
    if not variants:
        raise DeliveryError("the master playlist has no variants")
    return tuple(variants), tuple(media)


def read_media_playlist(text: str) -> MediaPlaylist:
    """A finished (VOD) media playlist.

    Raises:
        DeliveryError: it is not one.
    """
    lines = _lines(text)
    init = ""
    target = 0
    segments: list[tuple[str, float]] = []
    ranges: list[tuple[int, int] | None] = []
    init_range: tuple[int, int] | None = None
    span: tuple[int, int] | None = None
    length: float | None = None
    try:
        for line in lines:
            tag, _, value = line.partition(":")
            if tag == "#EXT-X-MAP":
                found = attributes(value)
                init = found["URI"]
                if "BYTERANGE" in found:
                    init_range = _span(found["BYTERANGE"], 0)
            elif tag == "#EXT-X-BYTERANGE":
                last = ranges[-1] if ranges else None
                span = _span(value, sum(last) if last else 0)
            elif tag == "#EXT-X-TARGETDURATION":
                target = int(value)
            elif tag == "#EXTINF":
                length = float(value.split(",")[0])
            elif not line.startswith("#"):
                if length is None:
                    raise DeliveryError(f"segment {line} has no length")
                segments.append((line, length))
                ranges.append(span)
                length = span = None
    except (KeyError, ValueError) as error:
        raise DeliveryError(f"damaged media playlist: {error}") from error
    listed = MediaPlaylist(init, tuple(segments), target, tuple(ranges), init_range)
    if not segments or listed.transport_stream == bool(init) or "#EXT-X-ENDLIST" not in lines:
        raise DeliveryError("a media playlist is not complete")
    if any(round(seconds) > target for _, seconds in segments):
        raise DeliveryError("a segment is longer than the playlist's target duration")
    return listed


def iframe_playlist(listed: MediaPlaylist, init: str, spans: Sequence[tuple[int, int]]) -> str:
    """The I-frame playlist of a media playlist (RFC 8216, section 4.3.3.6).

    Args:
        init: attributes of its ``EXT-X-MAP``.
        spans: first and end byte of the picture each segment begins with.
    """
    lines = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{HLS_VERSION}",
        f"#EXT-X-TARGETDURATION:{listed.target_duration}",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-I-FRAMES-ONLY",
        f"#EXT-X-MAP:{init}",
    ]
    for (name, seconds), (start, end) in zip(listed.segments, spans, strict=True):
        lines += [f"#EXTINF:{seconds:.6f},", f"#EXT-X-BYTERANGE:{end - start}@{start}", name]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def _lines(text: str) -> list[str]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines or lines[0] != "#EXTM3U":
        raise DeliveryError("a playlist does not start with #EXTM3U")
    return lines
