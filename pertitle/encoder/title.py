"""Reading a title frame by frame number: the grid that encodes and comparisons share.

The treated title is a row of frames numbered from 0 at the constant rate of its treatment; frame
0 is the first picture that decodes. Whether it is read whole or from the middle, frame *n* is
the same picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg

from pertitle.encoder import commands
from pertitle.encoder.colour import conversion, tag
from pertitle.encoder.quality import count_bits
from pertitle.errors import SourceError
from pertitle.records import Analysis, AudioStream, Source, Treatment
from pertitle.system.tools import Toolbox

SEEK_WORTHWHILE = 20.0
"""Titles up to this many seconds are decoded whole: quicker than seeking, and always exact."""
SEEKABLE = frozenset({"mov", "mp4", "matroska", "webm"})
"""Containers with a time on every picture and an index of keyframes. In the others (AVI, MPEG
program streams, ...) times after a seek are guessed, and a guess may be a frame off."""

SEEK_FRAMES = 150
"""What a seek decodes on average to reach its frame, half the GOP of a usual source and the start
of a decoder. If so much for each place is more than the title has, all of it is decoded once."""
ENDLESS_FRAMES = 3000
"""A title may be twice as long as declared and this much longer. One wrong timestamp asks for
copies of a picture without end."""


@dataclass(frozen=True)
class Span:
    """Neighbouring frames: number of the first, and how many."""

    first: int
    frames: int

    @property
    def end(self) -> int:
        return self.first + self.frames


@dataclass(frozen=True)
class Title:
    """A source with its treatment and the place of its first picture.

    Attributes:
        origin: time of the first picture on the clock of a command that uses the picture.
    """

    source: Source
    treatment: Treatment
    origin: Fraction

    @property
    def rate(self) -> Fraction:
        """Frames per second."""
        return self.treatment.frame_rate

    def sound_origin(self, tracks: Sequence[AudioStream]) -> Fraction:
        """Time of the first picture on the clock of a command that uses these tracks alone."""
        lags = [track.lag for track in tracks if track.lag is not None]
        return max(lags) if lags else self.origin

    @property
    def seeks(self) -> bool:
        """Frames in the middle can be had without decoding all before them, and it pays."""
        names = self.source.container.split(",")
        # What is held behind the last picture is in no file to be found.
        long = self.source.duration > SEEK_WORTHWHILE and not self.treatment.held
        return long and not SEEKABLE.isdisjoint(names)

    @property
    def expected_frames(self) -> int:
        """Frames that the declared duration promises."""
        return max(1, round(self.source.duration * self.rate))

    def video(self, *, pixel_format: str, start: int | None = None) -> Any:
        """The treated pictures, from the first or (seeking) from some keyframe before ``start``.

        The timestamps count frames from the title's first, in units of one frame.
        """
        source = self.source
        shift = -self.origin
        # One graph throughout: where the picture's size changes, one built anew would count anew.
        options: dict[str, Any] = {"reinit_filter:v": "0"}
        if start is not None:
            # One frame early, so that rounding cannot pass over the frame that is wanted.
            seconds = max(Fraction(0), Fraction(start - 1) / self.rate + self.origin)
            micros = int(seconds * 1_000_000)
            options |= {"ss": f"{micros}us", "noaccurate_seek": None, "threads": "1"}
            shift += Fraction(micros, 1_000_000)
        video = commands.open_source(source, **options)[str(source.video.index)]
        video = tag(video, source).filter("setpts", f"PTS+round({shift}/TB)")
        return commands.treat(
            video, self.treatment, pixel_format=pixel_format, conversion=conversion(source)
        )

    def spans(self, spans: Sequence[Span], *, pixel_format: str) -> Any:
        """The frames of several spans (in order, not overlapping), joined; each is sought."""
        parts = [
            self.video(pixel_format=pixel_format, start=span.first)
            .filter("trim", start_pts=span.first, end_pts=span.end)
            .filter("setpts", "PTS-STARTPTS")
            for span in spans
        ]
        video = parts[0] if len(parts) == 1 else ffmpeg.concat(*parts, v=1, a=0)
        return commands.number(video, self.rate)


def open_title(analysis: Analysis) -> Title:
    """The title of an analysed source.

    Raises:
        SourceError: the source can no longer be read.
    """
    source = analysis.source
    try:
        with source.path.open("rb"):
            pass
    except OSError as error:
        raise SourceError(f"cannot read {source.path.name} any more: {error.strerror}") from error
    return Title(source, analysis.treatment, source.origin)


def extract_spans(
    toolbox: Toolbox,
    title: Title,
    targets: Mapping[Path, Sequence[Span]],
    *,
    frames: int,
    bit_depth: int,
) -> None:
    """Write the frames of some spans to lossless files, by seeking where that is quicker.

    Args:
        targets: the spans of each file, in order, so few that one process can open all.
        frames: length of the title.

    Raises:
        SourceError: the title has not got these frames.
        ProcessError: ffmpeg failed.
    """
    places = sum(len(spans) for spans in targets.values())
    missing = dict(targets)
    if title.seeks and SEEK_FRAMES * places < frames:
        for path, spans in targets.items():
            toolbox.runner.run(seek_command(toolbox.ffmpeg, title, spans, path, bit_depth),
                               limits=toolbox.limits())  # fmt: skip
        # A damaged index leads to a point behind the one asked for: then the count is short,
        # and decoding from the start is the way that always works.
        missing = {path: spans for path, spans in missing.items() if _lacks(path, spans)}
    if missing:
        limits = toolbox.limits(toolbox.seconds_for(title.source.duration))
        toolbox.runner.run(pass_command(toolbox.ffmpeg, title, missing, bit_depth), limits=limits)
    for path, spans in missing.items():
        if lacking := _lacks(path, spans):
            wanted = sum(span.frames for span in spans)
            raise SourceError(
                f"{title.source.path.name}: only {wanted - lacking} of {wanted} frames between"
                f" {float(spans[0].first / title.rate):.1f} s and"
                f" {float(spans[-1].end / title.rate):.1f} s can be decoded"
            )


def seek_command(
    program: str, title: Title, spans: Sequence[Span], target: Path, bit_depth: int
) -> list[str]:
    """The argv that seeks some spans and writes them to one lossless file."""
    video = title.spans(spans, pixel_format=commands.pixel_format(bit_depth))
    return commands.finish(program, video.output(commands.url(target), **commands.LOSSLESS))


def pass_command(
    program: str, title: Title, targets: Mapping[Path, Sequence[Span]], bit_depth: int
) -> list[str]:
    """The argv that decodes the title once and writes spans of it to lossless files."""
    video = title.video(pixel_format=commands.pixel_format(bit_depth))
    branches = video.split() if len(targets) > 1 else [video]
    outputs = []
    for i, (path, spans) in enumerate(targets.items()):
        chosen = commands.in_runs([(span.first, span.end) for span in spans])
        branch = (branches[i] if len(targets) > 1 else video).filter("select", chosen)
        branch = branch.filter("trim", end_frame=sum(span.frames for span in spans))
        outputs.append(
            commands.number(branch, title.rate).output(commands.url(path), **commands.LOSSLESS)
        )
    return commands.finish(program, ffmpeg.merge_outputs(*outputs))


def _lacks(path: Path, spans: Sequence[Span]) -> int:
    """Frames that a file of these spans is short of."""
    return sum(span.frames for span in spans) - count_bits(path).frames
