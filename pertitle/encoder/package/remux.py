"""Packaging with ffmpeg alone, where Shaka Packager is missing or fails.

The same layout as Shaka Packager's: CMAF segments and playlists a track, a master playlist and a
manifest that name them.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from xml.sax.saxutils import quoteattr

import av
import av.error

from pertitle.encoder import commands
from pertitle.encoder.package.manifests import iframe_playlist, read_media_playlist
from pertitle.encoder.package.transport import START_SECONDS
from pertitle.errors import DeliveryError
from pertitle.results import AudioRendition, Rendition
from pertitle.system.tools import Toolbox

PLAYLIST = "playlist.m3u8"
IFRAMES = "iframes.m3u8"
_FMP4 = {
    "hls_segment_type": "fmp4",
    "hls_fmp4_init_filename": "init.mp4",
    "hls_segment_filename": "%05d.m4s",
}
_TS = {
    "hls_segment_type": "mpegts",
    "hls_segment_filename": "%05d.ts",
    "hls_segment_options": "mpegts_copyts=1",
    "output_ts_offset": str(START_SECONDS),
}
_CODE_POINTS = {"sdr": 1, "pq": 16, "hlg": 18}
"""Transfer characteristics (ITU-T H.273)."""


def segment_track(
    toolbox: Toolbox,
    path: Path,
    folder: Path,
    *,
    video: bool,
    segment_seconds: float,
    ts: bool = False,
) -> None:
    """Cut one track into ``init.mp4``, numbered segments and a playlist; pictures get an I-frame
    playlist too. MPEG-TS segments have no ``init.mp4`` and get that playlist elsewhere.

    Raises:
        ProcessError: ffmpeg failed.
        DeliveryError: what it wrote cannot be read back.
    """
    folder.mkdir(parents=True)
    track = commands.open_input(path.absolute())["v:0" if video else "a:0"]
    kind = _TS if ts else _FMP4
    # Sound starts with packets that prime the decoder and lie before 0. Left to itself, the muxer
    # moves all of it until they do not: late by them, and longer than the picture.
    still = {} if video or ts else {"avoid_negative_ts": "disabled"}
    output = track.output(
        PLAYLIST, f="hls", hls_time=f"{segment_seconds:.6f}", hls_playlist_type="vod",
        hls_flags="independent_segments", start_number=1, c="copy", **kind, **still,
    )  # fmt: skip
    # In its own folder and by plain names: the muxer expands what looks like a pattern.
    argv = commands.finish(toolbox.ffmpeg, output)
    toolbox.runner.run(argv, limits=toolbox.limits(), cwd=folder.absolute())
    if video and not ts:
        _write_iframes(folder)
    elif not ts:
        _shorten_first(folder)


def _shorten_first(folder: Path) -> None:
    """Take the time before 0 off the first segment's length: it is not heard."""
    playlist = folder / PLAYLIST
    text = playlist.read_text("utf-8")
    listed = read_media_playlist(text)
    first = listed.segments[0][1]
    data = io.BytesIO(listed.init_bytes(folder) + listed.segment_bytes(folder, 0))
    try:
        with av.open(data, "r", format="mp4") as container:
            packet = next(container.demux(container.streams.audio[0]))
            start = float((packet.pts or 0) * (packet.time_base or 0))
    except (av.error.FFmpegError, StopIteration, IndexError) as error:
        raise DeliveryError(f"{folder.name} cannot be read back: {error}") from error
    if start < 0:
        lines = text.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("#EXTINF:"))
        lines[at] = f"#EXTINF:{first + start:.6f},"
        playlist.write_text("\n".join(lines) + "\n", "utf-8")


def _write_iframes(folder: Path) -> None:
    """Each segment's first picture by its range of bytes."""
    listed = read_media_playlist((folder / PLAYLIST).read_text("utf-8"))
    init = listed.init_bytes(folder)
    spans = []
    for name, _ in listed.segments:
        data = io.BytesIO(init + (folder / name).read_bytes())
        try:
            with av.open(data, "r", format="mp4") as container:
                packet = next(container.demux(container.streams.video[0]))
                end = (packet.pos or 0) + packet.size - len(init)
        except (av.error.FFmpegError, StopIteration, IndexError) as error:
            raise DeliveryError(f"{folder.name}/{name} cannot be read back: {error}") from error
        spans.append((0, end))
    text = iframe_playlist(listed, f'URI="{listed.init}"', spans)
    (folder / IFRAMES).write_text(text, "utf-8")


def master_playlist(
    video: Sequence[tuple[str, Rendition, Fraction]],
    audio: Sequence[tuple[str, str, str, AudioRendition]],
) -> str:
    """The master playlist without its measured rates.

    Args:
        video: folder, rendition and frame rate of each variant.
        audio: folder, name, language and rendition of each sound track.
    """
    lines = ["#EXTM3U", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for folder, name, language, sound in audio:
        spoken = f'LANGUAGE="{language}",' if language else ""
        lines.append(
            f'#EXT-X-MEDIA:TYPE=AUDIO,URI="{folder}/{PLAYLIST}",GROUP-ID="audio",{spoken}'
            f'NAME="{name}",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="{sound.channels}"'
        )
    sounds = sorted({sound.codec_string for *_, sound in audio})
    group = ',AUDIO="audio"' if audio else ""
    for folder, rendition, rate in video:
        codecs = ",".join([rendition.codec_string, *sounds])
        lines += [
            f'#EXT-X-STREAM-INF:BANDWIDTH=1,AVERAGE-BANDWIDTH=1,CODECS="{codecs}",'
            f"RESOLUTION={rendition.rung.width}x{rendition.rung.height},"
            f"FRAME-RATE={float(rate):.3f},VIDEO-RANGE={rendition.dynamic_range.upper()}{group},"
            "CLOSED-CAPTIONS=NONE",
            f"{folder}/{PLAYLIST}",
        ]
    lines += [
        f"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={rates[1]},AVERAGE-BANDWIDTH={rates[0]},"
        f'CODECS="{rendition.codec_string}",'
        f"RESOLUTION={rendition.rung.width}x{rendition.rung.height},"
        f'VIDEO-RANGE={rendition.dynamic_range.upper()},URI="{folder}/{IFRAMES}"'
        for folder, rendition, _ in video
        for rates in [_iframe_rates(rendition)]
    ]
    return "\n".join(lines) + "\n"


def _iframe_rates(rendition: Rendition) -> tuple[int, int]:
    """Average and peak of an I-frame playlist are at most those of its track."""
    return round(rendition.average_kbps * 1000), round(rendition.peak_kbps * 1000)


def manifest(
    work: Path,
    video: Sequence[tuple[str, Rendition, Fraction]],
    audio: Sequence[tuple[str, str, str, AudioRendition]],
    *,
    seconds: float,
) -> str:
    """The DASH manifest (ISO/IEC 23009-1, live profile), one adaptation set a codec and sound."""
    sets: list[str] = []
    for codec in dict.fromkeys(rendition.codec for _, rendition, _ in video):
        own = [entry for entry in video if entry[1].codec == codec]
        transfer = _CODE_POINTS[own[0][1].dynamic_range]
        head = (
            '<SupplementalProperty schemeIdUri="urn:mpeg:mpegB:cicp:TransferCharacteristics"'
            f' value="{transfer}"/>'
        )
        rows = [
            _representation(
                work, folder, rendition.codec_string, "video/mp4", rate,
                {"width": str(rendition.rung.width), "height": str(rendition.rung.height),
                 "frameRate": str(rate), "sar": "1:1"},
            )
            for folder, rendition, rate in own
        ]  # fmt: skip
        sets.append(_adaptation_set(len(sets), "video", [head, *rows]))
    for i, (folder, _, language, sound) in enumerate(audio):
        role = "main" if i == 0 else "alternate"
        head = f'<Role schemeIdUri="urn:mpeg:dash:role:2011" value="{role}"/>'
        row = _representation(
            work, folder, sound.codec_string, "audio/mp4", Fraction(sound.sample_rate),
            {"audioSamplingRate": str(sound.sample_rate)},
        )  # fmt: skip
        sets.append(_adaptation_set(len(sets), "audio", [head, row], lang=language))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"'
        ' profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT2S" type="static"'
        f' mediaPresentationDuration="PT{seconds:.3f}S">\n'
        '  <Period id="0">\n' + "".join(sets) + "  </Period>\n</MPD>\n"
    )


def _adaptation_set(number: int, kind: str, rows: Sequence[str], lang: str = "") -> str:
    spoken = f" lang={quoteattr(lang)}" if lang else ""
    inner = "".join(f"      {row}\n" for row in rows)
    return (
        f'    <AdaptationSet id="{number}" contentType="{kind}"{spoken} segmentAlignment="true">\n'
        f"{inner}    </AdaptationSet>\n"
    )


def _representation(
    work: Path, folder: str, codecs: str, mime: str, clock: Fraction, more: Mapping[str, str]
) -> str:
    """A track whose segments last whole ticks of ``clock`` (frames or samples a second)."""
    listed = read_media_playlist((work / folder / PLAYLIST).read_text("utf-8"))
    ends, place = [0], Fraction(0)
    for _, seconds in listed.segments:
        place += Fraction(seconds)
        ends.append(round(place * clock))
    entries = "".join(
        f'<S d="{(after - before) * clock.denominator}"/>'
        for before, after in itertools.pairwise(ends)
    )
    named = "".join(f" {key}={quoteattr(value)}" for key, value in more.items())
    identity = folder.rpartition("/")[2]
    return (
        f'<Representation id="{identity}" bandwidth="1" codecs="{codecs}" mimeType="{mime}"{named}>'
        f'<SegmentTemplate timescale="{clock.numerator}" initialization="{folder}/init.mp4"'
        f' media="{folder}/$Number%05d$.m4s" startNumber="1">'
        f"<SegmentTimeline>{entries}</SegmentTimeline></SegmentTemplate></Representation>"
    )
