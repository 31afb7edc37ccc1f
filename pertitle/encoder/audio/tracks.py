"""Sound: every track as AAC-LC or Opus, exactly as long as the picture and in step with it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
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
from pertitle.errors import (
    DeliveryError,
    PertitleError,
    ProcessError,
    ProcessTimeout,
    SourceError,
)
from pertitle.options import AudioOptions
from pertitle.records import Analysis, AudioStream
from pertitle.results import AudioRendition
from pertitle.system.isolation import isolated
from pertitle.system.process import CRASHES
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
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@dataclass(frozen=True)
class Track:
    """One sound rendition to be made: a source track with the channels and rate it gets.

    Attributes:
        levels: loudness to be brought to ``target``, None to leave it alone.
        changes: the source's channels or sample rate change in mid-stream.
    """

    stream: AudioStream
    channels: int
    kbps: int
    coder: Coder = CODERS["aac"]
    remarks: tuple[str, ...] = ()
    mos: float | None = None
    levels: Levels | None = None
    target: float | None = None
    changes: bool = False

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
    on_dropped: Callable[[str], None] = lambda note: None,
) -> tuple[AudioRendition, ...]:
    """Encode all sound tracks of a title into ``folder``.

    Each starts at the title's first picture and ends with its last: what is missing is silence,
    what is over is cut. Gaps in the timestamps become silence, so sound stays in step. A track
    that cannot be kept is left out: sound never takes the picture down.

    Args:
        frames: pictures of the encoded title.
        on_dropped: told which track is left out, and why.

    Raises:
        ProcessError: the encoder was ended from outside, or found no room.
        ToolError: quality is asked for and ViSQOL is not installed.
    """
    title = open_title(analysis)
    duration = Fraction(frames) / title.rate
    tracks: list[Track] = []
    for stream in analysis.source.audio:
        try:
            tracks += _planned(toolbox, analysis, stream, options)
        except (DeliveryError, SourceError, ProcessError) as error:
            _unless_ended(error, folder)
            on_dropped(f"sound track {stream.index} is left out: {error}")
    changing = [track for track in tracks if track.changes]
    steady = [track for track in tracks if not track.changes]
    made: dict[str, AudioRendition] = {}
    for group in ([steady] if steady else []) + [[track] for track in changing]:
        try:
            made |= _encoded(toolbox, title, group, duration, folder, options)
        except (DeliveryError, ProcessError) as error:
            _unless_ended(error, folder)
            for track in group:
                # Alone, and over an intermediate file of one form: what one pass misses, such as
                # a change between the excerpts that were heard, does not count there.
                try:
                    made |= _encoded(
                        toolbox, title, [replace(track, changes=True)], duration, folder, options
                    )
                except (DeliveryError, ProcessError) as reason:
                    _unless_ended(reason, folder)
                    on_dropped(f"sound track {track.stream.index} is left out: {reason}")
    return tuple(made[track.name] for track in tracks if track.name in made)


LEAST_ROOM = 16 << 20
"""Bytes free on the disk; with fewer a failure is not the track's."""


def _unless_ended(error: PertitleError, folder: Path) -> None:
    """Raise an error again that is not the track's fault: a kill, or a full disk."""
    failed = error if isinstance(error, ProcessError) else error.__cause__
    killed = (
        isinstance(failed, ProcessError)
        and not isinstance(failed, ProcessTimeout)
        and failed.returncode < 0
        and -failed.returncode not in CRASHES
    )
    if killed or shutil.disk_usage(folder).free < LEAST_ROOM:
        raise error


def _planned(
    toolbox: Toolbox, analysis: Analysis, stream: AudioStream, options: AudioOptions
) -> list[Track]:
    """The renditions of a track that was listened to.

    Raises:
        DeliveryError, SourceError, ProcessError: nothing of it decodes.
    """
    if stream.channels < 1 or stream.sample_rate < 1:
        raise DeliveryError("its header tells no channels")
    sound = isolated(
        toolbox,
        listen,
        {"source": analysis.source, "stream": stream},
        name=analysis.source.path.name,
        seconds=toolbox.seconds_for(analysis.source.duration),
    )
    tracks = []
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
        tracks.append(replace(track, changes=sound.changes))
    return tracks


def _encoded(
    toolbox: Toolbox,
    title: Title,
    tracks: Sequence[Track],
    duration: Fraction,
    folder: Path,
    options: AudioOptions,
) -> dict[str, AudioRendition]:
    """Encode tracks in one pass, by name; one that changes goes over an intermediate file.

    Raises:
        ProcessError: a program failed.
        DeliveryError: a track came out with another length.
    """
    limits = toolbox.limits(toolbox.seconds_for(title.source.duration))
    parts = [folder / f"{track.name}.part.mp4" for track in tracks]
    with tempfile.TemporaryDirectory(dir=folder, prefix="form-") as name:
        uniform: Path | None = None
        if tracks[0].changes:
            (track,) = tracks
            uniform = Path(name) / "uniform.nut"
            argv = uniform_command(toolbox.ffmpeg, title, track, uniform)
            toolbox.runner.run(argv, limits=limits)
        leveled = list(tracks)
        if options.loudness is not None:
            leveled = [
                replace(
                    track,
                    target=options.loudness,
                    levels=_levels(toolbox, title, track, duration, uniform),
                )
                for track in tracks
            ]
        targets = list(zip(leveled, parts, strict=True))
        argv = audio_command(toolbox.ffmpeg, title, targets, duration, uniform)
        toolbox.runner.run(argv, limits=limits)
    made = {}
    for track, part in zip(leveled, parts, strict=True):
        measured = _check(part, track, duration)
        path = folder / f"{track.name}.mp4"
        part.replace(path)
        made[track.name] = AudioRendition(
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
    return made


def uniform_command(program: str, title: Title, track: Track, target: Path) -> list[str]:
    """The argv that decodes a track to PCM of one layout and rate, its times kept.

    ffmpeg builds a filter graph anew where a stream changes its form, and what a graph counts
    (silence in front, samples in all) it then counts again; nothing that counts is in this one.
    """
    sound = commands.open_source(title.source)[str(track.stream.index)]
    sound = sound.filter(
        "aformat",
        sample_fmts="s16",
        sample_rates=track.sample_rate,
        channel_layouts=_LAYOUTS[track.channels],
    )
    output = sound.output(commands.url(target), f="nut", **{"c:a": "pcm_s16le"})
    return commands.finish(program, output)


def _opened(title: Title, uniform: Path | None) -> Any:
    """The input that tracks are read from; the intermediate file keeps the clock of the source."""
    if uniform is None:
        return commands.open_source(title.source)
    return commands.open_input(uniform, copyts=None)


def _stream(opened: Any, track: Track, uniform: Path | None) -> Any:
    return opened[str(track.stream.index)] if uniform is None else opened["a:0"]


def _levels(
    toolbox: Toolbox, title: Title, track: Track, duration: Fraction, uniform: Path | None
) -> Levels | None:
    """The loudness of a track as it will be delivered; None if nothing of it is heard."""
    if "silent" in track.remarks:
        return None
    stream = _stream(_opened(title, uniform), track, uniform)
    argv = measuring_command(
        toolbox.ffmpeg, _in_step(stream, title.sound_origin([track.stream]), duration, track)
    )
    limits = toolbox.limits(toolbox.seconds_for(float(duration)))
    return read_levels(toolbox.runner.run(argv, limits=limits).stderr_tail)


def audio_command(
    program: str,
    title: Title,
    targets: Sequence[tuple[Track, Path]],
    duration: Fraction,
    uniform: Path | None = None,
) -> list[str]:
    """The argv that encodes tracks in one pass over the file.

    Args:
        uniform: PCM of the one track that is encoded, which takes the place of the source.
    """
    source = _opened(title, uniform)
    uses: dict[int, int] = {}
    for track, _ in targets:
        uses[track.stream.index] = uses.get(track.stream.index, 0) + 1
    branches: dict[int, list[Any]] = {}
    for index, count in uses.items():
        stream = source["a:0"] if uniform else source[str(index)]
        if count > 1:
            split = stream.filter_multi_output("asplit", count)
            branches[index] = [split[i] for i in range(count)]
        else:
            branches[index] = [stream]
    outputs = []
    origin = title.sound_origin([track.stream for track, _ in targets])
    for track, path in targets:
        sound = branches[track.stream.index].pop()
        outputs.append(
            _in_step(sound, origin, duration, track).output(
                commands.url(path),
                f="mp4",
                map_metadata="-1",
                map_chapters="-1",
                **{"c:a": track.coder.encoder, "b:a": f"{track.kbps}k"},
            )
        )
    return commands.finish(program, ffmpeg.merge_outputs(*outputs))


def _in_step(sound: Any, origin: Fraction, duration: Fraction, track: Track) -> Any:
    layout = _LAYOUTS[track.channels]
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
        with av.open(commands.url(path), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.audio[0]
            total = samples = heard = 0
            for packet in container.demux(stream):
                total += packet.size
                samples += packet.duration or 0
                heard += sum(frame.samples for frame in packet.decode())
            length = samples * Fraction(stream.time_base or 1)
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DeliveryError(f"{path.name} cannot be read back: {error}") from error
    # One packet of 1024 samples before the start, and the last one rounded up.
    slack = Fraction(3 * 1024, track.sample_rate)
    decoded = Fraction(heard, track.sample_rate)
    if total == 0 or max(abs(length - duration), abs(decoded - duration)) > slack:
        raise DeliveryError(
            f"sound track {track.stream.index} is {float(length):.2f} s long,"
            f" the picture {float(duration):.2f} s"
        )
    return total * 8 / float(duration) / 1000
