"""Sound: every track as AAC-LC, exactly as long as the picture and in step with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import ffmpeg

from pertitle.encoder import commands
from pertitle.encoder.audio_quality import lowest_rate
from pertitle.encoder.sound import Sound, listen
from pertitle.encoder.title import Title, open_title
from pertitle.errors import DeliveryError, ProcessError
from pertitle.records import Analysis, AudioRendition, AudioStream
from pertitle.tools import Toolbox

CODEC_STRING = "mp4a.40.2"
"""AAC-LC (RFC 6381, ISO/IEC 14496-3 object type 2)."""
KBPS = {1: (32, 48, 64, 96), 2: (64, 96, 128, 192), 6: (192, 256, 320, 384)}
"""Rates to choose from, by channels. The third is hard to tell from its source for most content
and is the one that is taken unless quality is measured."""
KEPT_RATES = (32000, 44100, 48000)
OTHER_RATE = 48000


@dataclass(frozen=True)
class Track:
    """One sound rendition to be made: a source track with the channels it gets."""

    stream: AudioStream
    channels: int
    kbps: int

    @property
    def sample_rate(self) -> int:
        """The source's rate if players take it, else 48 kHz."""
        rate = self.stream.sample_rate
        return rate if rate in KEPT_RATES else OTHER_RATE

    @property
    def name(self) -> str:
        return f"audio-{self.stream.index}-{self.channels}ch"


def tracks_of(stream: AudioStream, sound: Sound, *, keep_surround: bool = False) -> list[Track]:
    """The renditions of one source track.

    Stereo, or mono if it is that, plays the same in both channels or is silent; with
    ``keep_surround`` 5.1 beside it.
    """
    if sound.silent:
        return [Track(stream, 1, KBPS[1][0])]
    mono = stream.channels == 1 or (stream.channels == 2 and sound.dual_mono)
    channels = [1 if mono else 2]
    if keep_surround and stream.channels >= 6:
        channels.append(6)
    return [Track(stream, count, KBPS[count][2]) for count in channels]


def encode_audio(
    toolbox: Toolbox,
    analysis: Analysis,
    *,
    frames: int,
    folder: Path,
    keep_surround: bool = False,
    target_mos: float | None = None,
) -> tuple[AudioRendition, ...]:
    """Encode all sound tracks of a title into ``folder``.

    Each starts at the title's first picture and ends with its last: what is missing is silence,
    what is over is cut. Gaps in the timestamps become silence, so sound stays in step.

    Args:
        frames: pictures of the encoded title.
        keep_surround: make a 5.1 rendition of tracks that have it, beside the stereo one.
        target_mos: take the lowest rate that reaches this quality (ViSQOL's MOS-LQO, 1 to 5,
            measured on the loudest seconds); None for the usual rates.

    Raises:
        DeliveryError: a track does not decode or came out with another length.
        ToolError: quality is asked for and ViSQOL is not installed.
    """
    tracks: list[Track] = []
    for stream in analysis.source.audio:
        if stream.channels < 1 or stream.sample_rate < 1:
            continue  # a header without content
        sound = listen(analysis.source.path, stream, analysis.source.duration)
        for track in tracks_of(stream, sound, keep_surround=keep_surround):
            if target_mos is not None and not sound.silent:
                kbps = lowest_rate(
                    toolbox,
                    analysis.source,
                    stream,
                    sound.loudest,
                    channels=track.channels,
                    rates=KBPS[track.channels],
                    target_mos=target_mos,
                )
                track = replace(track, kbps=kbps)
            tracks.append(track)
    if not tracks:
        return ()
    title = open_title(analysis)
    duration = Fraction(frames) / title.rate
    parts = [folder / f"{track.name}.part.mp4" for track in tracks]
    argv = audio_command(toolbox.ffmpeg, title, list(zip(tracks, parts, strict=True)), duration)
    try:
        toolbox.runner.run(argv, limits=toolbox.limits())
    except ProcessError as error:
        raise DeliveryError(f"the sound of {title.source.path.name} fails: {error}") from error
    made = []
    for track, part in zip(tracks, parts, strict=True):
        measured = _check(part, track, duration)
        path = folder / f"{track.name}.mp4"
        part.replace(path)
        made.append(
            AudioRendition(
                path=path,
                source_index=track.stream.index,
                codec_string=CODEC_STRING,
                channels=track.channels,
                sample_rate=track.sample_rate,
                average_kbps=measured,
                language=track.stream.language,
                title=track.stream.title,
            )
        )
    return tuple(made)


def audio_command(
    program: str, title: Title, targets: Sequence[tuple[Track, Path]], duration: Fraction
) -> list[str]:
    """The argv that encodes tracks in one pass over the file."""
    source = commands.open_input(title.source.path)
    uses: dict[int, int] = {}
    for track, _ in targets:
        uses[track.stream.index] = uses.get(track.stream.index, 0) + 1
    branches: dict[int, list[Any]] = {}
    for index, count in uses.items():
        stream = source[str(index)]
        if count > 1:
            split = stream.filter_multi_output("asplit", count)
            branches[index] = [split[i] for i in range(count)]
        else:
            branches[index] = [stream]
    outputs = []
    for track, path in targets:
        sound = branches[track.stream.index].pop()
        outputs.append(
            _in_step(sound, title.origin, duration, track).output(
                f"file:{path}",
                f="mp4",
                map_metadata="-1",
                map_chapters="-1",
                **{"c:a": "aac", "b:a": f"{track.kbps}k"},
            )
        )
    return commands.finish(program, ffmpeg.merge_outputs(*outputs))


def _in_step(sound: Any, origin: Fraction, duration: Fraction, track: Track) -> Any:
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[track.channels]
    samples = round(duration * track.sample_rate)
    resampled = (
        sound.filter("asetpts", f"PTS-round({origin}/TB)")
        # async=1 fills gaps with silence and drops overlaps; first_pts does so at the start.
        .filter("aresample", track.sample_rate, **{"async": 1, "first_pts": 0})
        .filter("aformat", sample_fmts="fltp", channel_layouts=layout)
    )
    return resampled.filter("apad", whole_len=samples).filter("atrim", end_sample=samples)


def _check(path: Path, track: Track, duration: Fraction) -> float:
    """Bitrate of a finished track, kbit/s, after a look at its length.

    Raises:
        DeliveryError: it is not as long as the picture.
    """
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.audio[0]
            total = samples = 0
            for packet in container.demux(stream):
                total += packet.size
                samples += packet.duration or 0
            length = samples * Fraction(stream.time_base or 1)
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DeliveryError(f"{path.name} cannot be read back: {error}") from error
    # One packet of 1024 samples before the start, and the last one rounded up.
    slack = Fraction(3 * 1024, track.sample_rate)
    if total == 0 or abs(length - duration) > slack:
        raise DeliveryError(
            f"sound track {track.stream.index} is {float(length):.2f} s long,"
            f" the picture {float(duration):.2f} s"
        )
    return total * 8 / float(duration) / 1000
