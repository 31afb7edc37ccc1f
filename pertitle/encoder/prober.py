"""Probe encodes: what one (height, CRF) costs and looks like, measured on the digest."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from pertitle.codecs import Codec
from pertitle.encoder import commands
from pertitle.encoder.grid import segment_grid
from pertitle.encoder.quality import count_bits, measure_vmaf
from pertitle.encoder.title import ENDLESS_FRAMES, Span, Title, extract_spans, open_title
from pertitle.errors import SourceError, UsageError
from pertitle.records import Analysis, Probe, Size
from pertitle.system.tools import Toolbox

SCORED_FRAMES = 40
"""Of a digest, about so many single frames have their VMAF measured; one of few frames is scored
whole. They are an odd number of frames apart, so that every level of the B-pyramid is met."""


def scored_period(frames: int) -> int | None:
    """One frame of so many is scored, or None for all."""
    return None if frames < commands.SCORED * SCORED_FRAMES else frames // SCORED_FRAMES | 1


def digest_spans(analysis: Analysis) -> tuple[Span, ...]:
    """The digest's windows in frames, all equally long; the whole title if that is its digest."""
    rate = analysis.treatment.frame_rate
    total = max(1, round(analysis.source.duration * rate))
    length = max(1, round(analysis.digest[0].duration * rate))
    if len(analysis.digest) * length >= total - 1:
        return (Span(0, total),)
    spans: list[Span] = []
    free = 0
    for window in sorted(analysis.digest, key=lambda w: w.start):
        first = max(free, min(round(window.start * rate), total - length))
        spans.append(Span(first, length))
        free = first + length
    # Windows pushed over the end by their neighbours move back, the last one first.
    limit = total
    for i in range(len(spans) - 1, -1, -1):
        first = min(spans[i].first, limit - length)
        spans[i] = Span(first, length)
        limit = first
    return tuple(spans)


class DigestProber:
    """Encodes a title's digest at any height and CRF and measures it.

    Use as a context manager: entering extracts the digest into ``scratch``. ``measure`` may be
    called from several threads.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        analysis: Analysis,
        *,
        codec: Codec,
        preset: str | None,
        quality_model: str,
        display: Size,
        segment_seconds: float,
        scratch: Path,
    ) -> None:
        self._toolbox = toolbox
        self._analysis = analysis
        self._codec = codec
        self._preset = preset
        self._model = quality_model
        self._display = display
        self._scratch = scratch
        self._digest = scratch / "digest.mkv"
        self._rate = analysis.treatment.frame_rate
        self._grid = segment_grid(analysis.source.duration, self._rate, segment_seconds)
        self._spans = digest_spans(analysis)
        self._bit_depth = codec.bit_depth(analysis.source.video.bit_depth)

    def __enter__(self) -> DigestProber:
        title = open_title(self._analysis)
        if len(self._spans) == 1:
            self._spans = (self._extract_whole(title),)
        else:
            extract_spans(
                self._toolbox,
                title,
                {self._digest: self._spans},
                frames=self._title_frames,
                bit_depth=self._bit_depth,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._digest.unlink(missing_ok=True)

    def _extract_whole(self, title: Title) -> Span:
        """The whole title; its real length may differ a little from the declared one."""
        video = title.video(pixel_format=commands.pixel_format(self._bit_depth))
        most = 2 * title.expected_frames + ENDLESS_FRAMES
        output = video.output(commands.url(self._digest), **commands.LOSSLESS, **{"frames:v": most})
        argv = commands.finish(self._toolbox.ffmpeg, output)
        self._toolbox.runner.run(argv, limits=self._toolbox.limits())
        frames = count_bits(self._digest).frames
        if frames == 0:
            raise SourceError(f"{title.source.path.name}: no picture can be decoded")
        return Span(0, frames)

    @property
    def _title_frames(self) -> int:
        """Frames of the title."""
        whole = len(self._spans) == 1
        return self.frames if whole else round(self._analysis.source.duration * self._rate)

    @property
    def _segments(self) -> int:
        """Segments, and so keyframes, of the title."""
        return len(self._grid.starts(self._title_frames))

    @property
    def frames(self) -> int:
        """Frames of the digest."""
        return sum(span.frames for span in self._spans)

    def measure(self, height: int, crf: float) -> Probe:
        """Encode the digest and measure its bitrate in the title, and its VMAF at the display.

        Every window starts with a keyframe. The bitrate is that of the title's keyframes, one a
        segment, whatever share of keyframes the digest holds.

        Raises:
            UsageError: the height is above the source's.
            ProcessError: ffmpeg failed.
        """
        size = rung_size(self._analysis, height)
        rate = self._analysis.treatment.frame_rate
        started = time.monotonic()
        path = self._scratch / f"probe-{height}-{crf:g}.mkv"
        argv = commands.encode_crfs(
            self._toolbox.ffmpeg,
            self._digest,
            size,
            [(crf, path)],
            self._codec,
            preset=self._preset,
            gop=self._grid.gop if len(self._spans) == 1 else self._spans[0].frames,
            threads=self._toolbox.threads,
        )
        try:
            self._toolbox.runner.run(argv, limits=self._toolbox.limits())
            bits = count_bits(path)
            scores = measure_vmaf(
                self._toolbox,
                path,
                self._digest,
                display=self._display,
                models=[self._model],
                frame_rate=rate,
                singles=scored_period(self.frames),
                threads=self._toolbox.threads,
                bit_depth=self._bit_depth,
            )
        finally:
            path.unlink(missing_ok=True)
        bitrate = bits.bitrate_kbps(rate, self._title_frames / self._segments)
        return Probe(height, crf, bitrate, scores.mean(self._model), time.monotonic() - started)


def rung_size(analysis: Analysis, height: int) -> Size:
    """The picture of that height; the source's own height has the source's own width.

    Raises:
        UsageError: the height is above the source's.
    """
    own = analysis.treatment.size
    if height > own.height:
        raise UsageError(f"a {height}-line rung is above the source's {own.height} lines")
    return own if height == own.height else own.at_height(height)
