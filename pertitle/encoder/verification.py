"""Verification: VMAF of finished renditions against the treated source, at the display.

Renditions of one title are looked at in the same windows, so the source's windows are read once.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from pertitle.codecs import Codec
from pertitle.encoder import commands
from pertitle.encoder.further import (
    BURST,
    VMAF_V1,
    FurtherMeans,
    FurtherScores,
    bursts,
    counted,
    read_further,
    runs,
    title_means,
)
from pertitle.encoder.pictures import read_pictures
from pertitle.encoder.quality import read_scores
from pertitle.encoder.sampling import FIRST_ROUNDS, Design, Estimate, estimate, rounds_needed
from pertitle.encoder.series import frame_series, window_series
from pertitle.encoder.title import SEEK_WORTHWHILE, Span, Title, extract_spans, open_title
from pertitle.errors import DeliveryError, ToolError
from pertitle.options import VerifyOptions
from pertitle.records import Analysis, Size, Window
from pertitle.results import Series, Verification
from pertitle.system.scratch import scratch_folder
from pertitle.system.tools import Toolbox

GUARD = 1
"""Frames read on both sides of a window and not counted: VMAF's motion feature looks at the
neighbours of a frame (Li et al., "VMAF: the journey continues", 2018)."""
EXACT_SECONDS = 15.0
"""Titles up to this length are compared whole."""
WORST_SECONDS = 1.0
USUAL = VerifyOptions()
SPANS_PER_PROCESS = 10
"""Windows read by one ffmpeg: each is an open file and a decoder with its pictures."""


class Verifier:
    """Measures renditions of one title; a context manager that owns the reference windows.

    Args:
        scratch: an existing folder for temporary files.
    """

    def __init__(
        self,
        toolbox: Toolbox,
        analysis: Analysis,
        *,
        codec: Codec,
        quality_model: str,
        display: Size,
        scratch: Path,
    ) -> None:
        self._toolbox = toolbox
        self._analysis = analysis
        self._model = quality_model
        self._display = display
        self._scratch = scratch.absolute()
        self._bit_depth = codec.bit_depth(analysis.source.video.bit_depth)
        self._title: Title | None = None
        self._references: dict[tuple[Span, ...], Path] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Verifier:
        self._title = open_title(self._analysis)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for path in self._references.values():
            path.unlink(missing_ok=True)
        self._references.clear()

    def verify(self, path: Path, options: VerifyOptions = USUAL) -> Verification:
        """Measure one rendition.

        Raises:
            DeliveryError: the rendition and the source do not line up.
            ProcessError: ffmpeg failed.
        """
        frames = read_pictures(path).frames
        if options.all_frames or frames <= EXACT_SECONDS * self._opened.rate:
            return self._exact(path, frames, options)
        design = Design(frames, self._cuts())
        if design.exact_is_cheaper(FIRST_ROUNDS):
            return self._exact(path, frames, options)
        rows = [self._round(path, design, i, options) for i in range(FIRST_ROUNDS)]
        found = self._estimate(design, rows)
        needed = rounds_needed(FIRST_ROUNDS, found.half_width, options.half_width)
        if design.exact_is_cheaper(needed):
            return self._exact(path, frames, options)
        rows += [self._round(path, design, i, options) for i in range(FIRST_ROUNDS, needed)]
        found = self._estimate(design, rows)
        spans = [span for i in range(len(rows)) for span in design.round(i)]
        windows = [window for row in rows for window in row]
        means = [window.mean for window in windows]
        worst = int(np.argmin(means))
        further = title_means(
            [(window.scores, window.further) for window in windows if window.further is not None],
            found.mean,
        )
        series = window_series(spans, means, self._opened.rate)
        frames = sum(span.frames for span in spans)
        return self._verification(found, frames, means[worst], spans[worst], further, series)

    @property
    def _opened(self) -> Title:
        if self._title is None:
            raise RuntimeError("a Verifier is used inside its with block")
        return self._title

    def _cuts(self) -> list[int]:
        return [round(shot.start * self._opened.rate) for shot in self._analysis.shots]

    def _estimate(self, design: Design, rows: Sequence[Sequence[_Window]]) -> Estimate:
        return estimate(design, [[window.mean for window in row] for row in rows])

    def _verification(
        self,
        found: Estimate,
        frames: int,
        worst: float,
        span: Span,
        further: FurtherMeans,
        series: Series,
    ) -> Verification:
        return Verification(
            vmaf=found.mean,
            low=max(0.0, found.low),
            high=min(100.0, found.high),
            frames=frames,
            worst=worst,
            worst_window=_window(span, self._opened.rate),
            vmaf_v1=found.mean if self._model == VMAF_V1 else further.v1,
            xpsnr=further.xpsnr,
            cambi=further.cambi,
            vmaf_series=series,
        )

    def frame_scores(self, path: Path) -> NDArray[np.float64]:
        """VMAF of every frame of a rendition."""
        return self._compare_whole(path, None)[0]

    def _compare_whole(
        self, path: Path, measured: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.float64], FurtherScores | None]:
        return self._compare(
            commands.open_input(path.absolute())["v:0"],
            self._opened.video(pixel_format=commands.pixel_format(self._bit_depth)),
            measured,
            # A title has more bursts than an expression has room for.
            "1" if measured is None or measured.all() else commands.in_bursts(BURST),
        )

    def _exact(self, path: Path, frames: int, options: VerifyOptions) -> Verification:
        title = self._opened
        measured = bursts(frames, all_frames=options.full_quality)
        scores, further = self._compare_whole(path, measured)
        if len(scores) != frames or further is None:
            raise DeliveryError(f"{path.name}: VMAF compared {len(scores)} of {frames} frames")
        mean = float(scores.mean())
        length = max(1, min(frames, round(WORST_SECONDS * title.rate)))
        moving = np.convolve(scores, np.full(length, 1 / length), "valid")
        worst = int(moving.argmin())
        means = title_means(
            [
                (scores[first:end], further.part(first, end))
                for first, end in runs(counted(measured))
            ],
            mean,
        )
        return self._verification(
            Estimate(mean, mean, mean),
            frames,
            float(moving[worst]),
            Span(worst, length),
            means,
            frame_series(scores, title.rate),
        )

    def _round(
        self, path: Path, design: Design, number: int, options: VerifyOptions
    ) -> list[_Window]:
        """Frame scores of one round, window by window."""
        spans = design.round(number)
        path = path.absolute()  # ffmpeg runs in a folder of its own
        read = merged([_guarded(span, design.frames) for span in spans])
        numbers = np.concatenate([np.arange(span.first, span.end) for span in read])
        looked_at = _further_windows(len(spans), number, options)
        measured = np.zeros(len(numbers), dtype=np.bool_)
        for i in looked_at:
            span = _guarded(spans[i], design.frames)
            measured |= (numbers >= span.first) & (numbers < span.end)
        long = design.frames > SEEK_WORTHWHILE * self._opened.rate
        step = SPANS_PER_PROCESS if long else len(read)
        parts, further_parts, place = [], [], 0
        for i in range(0, len(read), step):
            spans_now = read[i : i + step]
            count = sum(span.frames for span in spans_now)
            reference = commands.open_input(self._reference(spans_now))["v:0"]
            rendition = rendition_spans(path, spans_now, self._opened.rate, seek=long)
            chosen = measured[place : place + count]
            scores, further = self._compare(
                rendition, reference, chosen, commands.in_runs(runs(chosen))
            )
            if len(scores) != count:
                raise DeliveryError(f"{path.name}: VMAF compared {len(scores)} of {count} frames")
            parts.append(scores)
            further_parts.append(further or FurtherScores.unknown(count))
            place += count
        scores, further = np.concatenate(parts), FurtherScores.join(further_parts)
        starts = np.searchsorted(numbers, [span.first for span in spans])
        return [
            _Window(
                scores[start : start + span.frames],
                further.part(start, start + span.frames) if i in looked_at else None,
            )
            for i, (start, span) in enumerate(zip(starts, spans, strict=True))
        ]

    def _reference(self, spans: tuple[Span, ...]) -> Path:
        with self._lock:  # rungs are measured side by side; the second waits for the windows
            if spans not in self._references:
                path = self._scratch / f"reference-{len(self._references)}.mkv"
                extract_spans(self._toolbox, self._opened, spans, path, bit_depth=self._bit_depth)
                self._references[spans] = path
            return self._references[spans]

    def _compare(
        self, distorted: Any, reference: Any, measured: NDArray[np.bool_] | None, chosen: str
    ) -> tuple[NDArray[np.float64], FurtherScores | None]:
        """VMAF by frame, and further scores of the measured ones if there are any.

        Args:
            chosen: ffmpeg's expression of the measured frames.
        """
        further = None
        if measured is not None and measured.any():
            further = commands.Further(chosen, (VMAF_V1,), "further.json", "xpsnr.txt")
        argv = commands.compare(
            self._toolbox.ffmpeg,
            distorted,
            reference,
            "vmaf.json",
            display=self._display,
            models=[self._model],
            frame_rate=self._opened.rate,
            threads=self._toolbox.threads,
            bit_depth=self._bit_depth,
            further=further,
        )
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            folder = Path(name)
            self._toolbox.runner.run(argv, limits=self._toolbox.limits(), cwd=folder)
            log = folder / "vmaf.json"
            if not log.exists():
                raise ToolError("libvmaf wrote no log")
            scores = read_scores(log.read_text(encoding="utf-8"), [self._model]).frames[0]
            if further is None or measured is None:
                return scores, None
            if len(scores) != len(measured):
                return scores, None  # the caller knows what should have been
            return scores, read_further(
                (folder / further.vmaf_log).read_text(encoding="utf-8"),
                (folder / further.xpsnr_log).read_text(encoding="utf-8"),
                measured,
            )


@dataclass(frozen=True)
class _Window:
    """Frame scores of one window; ``further`` where it was measured."""

    scores: NDArray[np.float64]
    further: FurtherScores | None

    @property
    def mean(self) -> float:
        return float(self.scores.mean())


def _further_windows(windows: int, number: int, options: VerifyOptions) -> range:
    """The windows of a round that are measured further: half of the first, or all of all."""
    if options.full_quality:
        return range(windows)
    return range(0, windows, 2) if number == 0 else range(0)


def verify_rendition(
    toolbox: Toolbox,
    analysis: Analysis,
    path: Path,
    *,
    codec: Codec,
    quality_model: str,
    display: Size,
    options: VerifyOptions = USUAL,
) -> Verification:
    """Measure one rendition; for several of a title a :class:`Verifier` saves work."""
    with (
        scratch_folder() as scratch,
        Verifier(
            toolbox,
            analysis,
            codec=codec,
            quality_model=quality_model,
            display=display,
            scratch=Path(scratch),
        ) as verifier,
    ):
        return verifier.verify(path, options)


def rendition_spans(path: Path, spans: Sequence[Span], rate: Fraction, *, seek: bool) -> Any:
    """The frames of some spans of a rendition, joined."""
    if not seek:
        chosen = commands.in_runs([(span.first, span.end) for span in spans])
        video = commands.open_input(path)["v:0"].filter("select", chosen)
        return video.filter("trim", end_frame=sum(span.frames for span in spans))
    parts = []
    for span in spans:
        micros = int(max(Fraction(0), Fraction(span.first - 1) / rate) * 1_000_000)
        video = commands.open_input(path, ss=f"{micros}us", noaccurate_seek=None, threads="1")
        numbered = video["v:0"].filter("setpts", f"PTS+round({Fraction(micros, 1_000_000)}/TB)")
        parts.append(
            numbered.filter("fps", fps=str(rate))
            .filter("trim", start_pts=span.first, end_pts=span.end)
            .filter("setpts", "PTS-STARTPTS")
        )
    return parts[0] if len(parts) == 1 else ffmpeg.concat(*parts, v=1, a=0)


def _guarded(span: Span, frames: int) -> Span:
    first = max(0, span.first - GUARD)
    return Span(first, min(frames, span.end + GUARD) - first)


def merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Spans in order of their first frames, with those that touch or overlap joined."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.first <= joined[-1].end:
            last = joined.pop()
            span = Span(last.first, max(last.end, span.end) - last.first)
        joined.append(span)
    return tuple(joined)


def _window(span: Span, rate: Fraction) -> Window:
    return Window(float(span.first / rate), float(span.frames / rate))
