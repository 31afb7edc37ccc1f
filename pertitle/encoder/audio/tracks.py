"""Sound: every track as AAC-LC or Opus, exactly as long as the picture and in step with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import ffmpeg

from pertitle.encoder import commands
from pertitle.encoder.audio.decoding import Sound, listen
from pertitle.encoder.audio.loudness import Levels, measuring_command, normalised, read_levels
from pertitle.encoder.audio.quality import lowest_rate
from pertitle.encoder.title import Title, open_title
from pertitle.errors import DeliveryError, ProcessError
from pertitle.options import AudioOptions
from pertitle.records import Analysis, AudioStream
from pertitle.results import AudioRendition
from pertitle.system.isolation import isolated
from pertitle.system.tools import Toolbox


@dataclass(frozen=True)
class Coder:
    """A sound codec.

    Attributes:
        encoder: ffmpeg's name.
        codec_string: RFC 6381 name.
        rates: kbit/s to choose from, by channels. The third is hard to tell from its source for
            most content and is the one that is taken unless quality is measured.
        sample_rates: Hz that players take; the last one serves for all others.
    """

    encoder: str
    codec_string: str
    rates: Mapping[int, tuple[int, ...]]
    sample_rates: tuple[int, ...]


CODERS = {
    # AAC-LC: ISO/IEC 14496-3 object type 2.
    "aac": Coder(
        "aac",
        "mp4a.40.2",
        {1: (32, 48, 64, 96), 2: (64, 96, 128, 192), 6: (192, 256, 320, 384)},
        (32000, 44100, 48000),
    ),
    "opus": Coder(
        "libopus",
        "opus",
        {1: (24, 32, 48, 64), 2: (48, 64, 96, 128), 6: (128, 192, 256, 320)},
        (48000,),
    ),
}
USUAL = AudioOptions()


@dataclass(frozen=True)
class Track:
    """One sound rendition to be made: a source track with the channels and rate it gets.

    Attributes:
        levels: loudness to be brought to ``target``, None to leave it alone.
    """

    stream: AudioStream
    channels: int
    kbps: int
    coder: Coder = CODERS["aac"]
    remarks: tuple[str, ...] = ()
    mos: float | None = None
    levels: Levels | None = None
    target: float | None = None

    @property
    def sample_rate(self) -> int:
        """The source's rate if players take it, else another that they take."""
        rate, taken = self.stream.sample_rate, self.coder.sample_rates
        return rate if rate in taken else taken[-1]

    @property
    def name(self) -> str:
        return f"audio-{self.stream.index}-{self.channels}ch"


def tracks_of(stream: AudioStream, sound: Sound, options: AudioOptions = USUAL) -> list[Track]:
    """The renditions of one source track.

    Stereo, or mono if it is that, plays the same in both channels or is silent; 5.1 beside it if
    surround is kept.
    """
    coder = CODERS[options.codec]
    if sound.silent:
        return [Track(stream, 1, coder.rates[1][0], coder, ("silent",))]
    remarks = (f"clipped at {sound.clipped} places",) if sound.is_clipped else ()
    twice = stream.channels == 2 and sound.dual_mono
    if twice:
        remarks = ("one channel twice", *remarks)
    channels = [1 if twice or stream.channels == 1 else 2]
    if options.surround and stream.channels >= 6:
        channels.append(6)
    return [Track(stream, count, coder.rates[count][2], coder, remarks) for count in channels]


def encode_audio(
    toolbox: Toolbox,
    analysis: Analysis,
    *,
    frames: int,
    folder: Path,
    options: AudioOptions = USUAL,
) -> tuple[AudioRendition, ...]:
    """Encode all sound tracks of a title into ``folder``.

    Each starts at the title's first picture and ends with its last: what is missing is silence,
    what is over is cut. Gaps in the timestamps become silence, so sound stays in step.

    Args:
        frames: pictures of the encoded title.

    Raises:
        DeliveryError: a track does not decode or came out with another length.
        ToolError: quality is asked for and ViSQOL is not installed.
    """
    source = analysis.source
    tracks: list[Track] = []
    for stream in analysis.source.audio:
        if stream.channels < 1 or stream.sample_rate < 1:
            continue  # a header without content
        sound = isolated(
            toolbox,
            listen,
            {"source": source, "stream": stream},
            name=source.path.name,
            seconds=toolbox.seconds_for(source.duration),
        )
        for track in tracks_of(stream, sound, options):
            if options.target_mos is not None and not sound.silent:
                kbps, mos = lowest_rate(
                    toolbox,
                    analysis.source,
                    stream,
                    sound.loudest,
                    channels=track.channels,
                    encoder=track.coder.encoder,
                    rates=track.coder.rates[track.channels],
                    target_mos=options.target_mos,
                )
                track = replace(track, kbps=kbps, mos=mos)
            tracks.append(track)
    if not tracks:
        return ()
    title = open_title(analysis)
    duration = Fraction(frames) / title.rate
    try:
        if options.loudness is not None:
            tracks = [
                replace(
                    track, target=options.loudness, levels=_levels(toolbox, title, track, duration)
                )
                for track in tracks
            ]
        parts = [folder / f"{track.name}.part.mp4" for track in tracks]
        argv = audio_command(toolbox.ffmpeg, title, list(zip(tracks, parts, strict=True)), duration)
        limits = toolbox.limits(toolbox.seconds_for(source.duration))
        toolbox.runner.run(argv, limits=limits)
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
                codec_string=track.coder.codec_string,
                channels=track.channels,
                sample_rate=track.sample_rate,
                average_kbps=measured,
                language=track.stream.language,
                title=track.stream.title,
                remarks=track.remarks,
                mos=track.mos,
                loudness=track.levels.integrated if track.levels is not None else None,
            )
        )
    return tuple(made)


def _levels(toolbox: Toolbox, title: Title, track: Track, duration: Fraction) -> Levels | None:
    """The loudness of a track as it will be delivered; None if nothing of it is heard."""
    if "silent" in track.remarks:
        return None
    stream = commands.open_source(title.source)[str(track.stream.index)]
    argv = measuring_command(toolbox.ffmpeg, _in_step(stream, title.origin, duration, track))
    limits = toolbox.limits(toolbox.seconds_for(float(duration)))
    return read_levels(toolbox.runner.run(argv, limits=limits).stderr_tail)


def audio_command(
    program: str, title: Title, targets: Sequence[tuple[Track, Path]], duration: Fraction
) -> list[str]:
    """The argv that encodes tracks in one pass over the file."""
    source = commands.open_source(title.source)
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
                **{"c:a": track.coder.encoder, "b:a": f"{track.kbps}k"},
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
    if track.levels is not None and track.target is not None:
        resampled = (
            normalised(resampled, track.levels, track.target)
            .filter("aresample", track.sample_rate)
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
