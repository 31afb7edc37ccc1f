"""Verification: VMAF of finished renditions against the treated source, at the display.

Renditions of one title are looked at in the same places, so the source's frames are read once.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import ffmpeg
import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from pertitle.codecs import Codec
from pertitle.encoder import commands, extra_metrics
from pertitle.encoder.extra_metrics import VMAF_V1, ExtraMeans, ExtraScores
from pertitle.encoder.pictures import read_pictures
from pertitle.encoder.quality import read_scores
from pertitle.encoder.sampling import GUARD, Design, Estimate, Question, error_of, estimate
from pertitle.encoder.series import frame_series, window_series
from pertitle.encoder.title import Span, Title, extract_spans, open_title
from pertitle.errors import DeliveryError
from pertitle.options import VerifyOptions
from pertitle.records import Analysis, Size, Window
from pertitle.results import Series, Verification
from pertitle.system.scratch import scratch_folder
from pertitle.system.tools import Toolbox

HALF_WIDTH = 0.6
"""An interval this narrow is narrow enough, unless another width is asked for."""
WORST_SECONDS = 1.0
FLOOR_FRAMES = 4
"""Frames of a unit where the worst one decides: one mini-GOP of x264, as single frames of it are
better and worse by turns."""
USUAL = VerifyOptions()
SPANS_PER_PROCESS = 10
"""Places read by one ffmpeg that seeks: each is an open file and a decoder with its pictures."""
SEEK_FRAMES = 60
"""What a seek decodes on average to reach its frame, half a GOP and the start of a decoder. Where
so much for each place is more than the title has, it is decoded from the start instead."""


@dataclass(frozen=True)
class Measured:
    """A rendition's verification with the scores it was told from.

    Attributes:
        look: the last look at it, and with it its units; None if all frames were compared.
        frames, scores: first frame and mean of each unit. Other renditions of the title are
            estimated with their help.
        seconds: wall time it took.
    """

    verification: Verification
    seconds: float = 0.0
    look: int | None = None
    frames: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()


class Verifier:
    """Measures renditions of one title; a context manager that owns the reference frames.

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
        self._references: dict[tuple[Span, ...], list[Path]] = {}
        self._locks: dict[tuple[Span, ...], threading.Lock] = {}
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
        for paths in self._references.values():
            for path in paths:
                path.unlink(missing_ok=True)
        self._references.clear()

    def verify(
        self,
        path: Path,
        options: VerifyOptions = USUAL,
        *,
        target: float | None = None,
        tolerance: float = 0.0,
        others: Sequence[Measured] = (),
        threads: int = 1,
    ) -> Measured:
        """Measure one rendition.

        Args:
            target, tolerance: VMAF the rendition should have; unless the options name a half
                width, sampling ends as soon as it is sure whether it has it.
            others: earlier renditions of this title, whose scores help.
            threads: processes that may compare parts of it side by side; VMAF of one stream
                scales badly over threads.

        Raises:
            DeliveryError: the rendition and the source do not line up.
            ProcessError: ffmpeg failed.
        """
        started = time.monotonic()
        frames = read_pictures(path).frames
        path = path.absolute()  # ffmpeg runs in a folder of its own
        asked = Question(HALF_WIDTH, target, tolerance)
        if options.half_width is not None:
            asked = Question(options.half_width)
        length = 1 if options.min_window_vmaf is None else FLOOR_FRAMES
        design = Design(frames, length=length)
        units: dict[Span, _Unit] = {}
        look = intervals = 0
        while look < design.looks and not options.all_frames:
            spans = design.look(look)
            missing = [span for span in spans if span not in units]
            units |= self._look(path, frames, missing, options, threads, first=not units)
            values = np.array([units[span].mean for span in spans])
            found = estimate(
                design, values, error_of(intervals), _beside(design, look, values, others)
            )
            if asked.answered(found):
                made = [units[span] for span in spans]
                return Measured(
                    self._sampled(found, made),
                    time.monotonic() - started,
                    look,
                    tuple(span.first for span in spans),
                    tuple(values.tolist()),
                )
            intervals += 1
            after = asked.next_look(look, found)
            look = after if look == design.looks - 1 else min(after, design.looks - 1)
        exact = self._exact(path, frames, options, threads)
        return Measured(exact, time.monotonic() - started)

    @property
    def _opened(self) -> Title:
        if self._title is None:
            raise RuntimeError("a Verifier is used inside its with block")
        return self._title

    def _sampled(self, found: Estimate, units: Sequence[_Unit]) -> Verification:
        worst = min(units, key=lambda unit: unit.mean)
        extra = extra_metrics.title_means(
            [(unit.scores, unit.extra) for unit in units if unit.extra is not None], found.mean
        )
        spans = [unit.span for unit in units]
        series = window_series(spans, [unit.mean for unit in units], self._opened.rate)
        compared = sum(span.frames for span in spans)
        return self._verification(found, compared, worst.mean, worst.span, extra, series)

    def _verification(
        self,
        found: Estimate,
        frames: int,
        worst: float,
        span: Span,
        extra: ExtraMeans,
        series: Series,
    ) -> Verification:
        mean = min(100.0, max(0.0, found.mean))
        return Verification(
            vmaf=mean,
            low=max(0.0, found.low),
            high=min(100.0, found.high),
            frames=frames,
            worst=worst,
            worst_window=_window(span, self._opened.rate),
            vmaf_v1=mean if self._model == VMAF_V1 else extra.v1,
            xpsnr=extra.xpsnr,
            cambi=extra.cambi,
            vmaf_series=series,
        )

    def frame_scores(self, path: Path) -> NDArray[np.float64]:
        """VMAF of every frame of a rendition."""
        return self._compare_whole(path.absolute(), None, self._toolbox.threads)[0]

    def _compare_whole(
        self, path: Path, measured: NDArray[np.bool_] | None, threads: int
    ) -> tuple[NDArray[np.float64], ExtraScores | None]:
        burst = None
        if measured is not None and not measured.all():
            burst = extra_metrics.burst(len(measured))
        return self._compare(
            commands.open_input(path)["v:0"],
            self._opened.video(pixel_format=commands.pixel_format(self._bit_depth)),
            measured,
            burst=burst,
            threads=threads,
        )

    def _exact(self, path: Path, frames: int, options: VerifyOptions, threads: int) -> Verification:
        title = self._opened
        measured = extra_metrics.bursts(frames, all_frames=options.full_quality)
        scores, extra = self._compare_whole(path, measured, threads)
        if len(scores) != frames or extra is None:
            raise DeliveryError(f"{path.name}: VMAF compared {len(scores)} of {frames} frames")
        mean = float(scores.mean())
        length = max(1, min(frames, round(WORST_SECONDS * title.rate)))
        moving = np.convolve(scores, np.full(length, 1 / length), "valid")
        worst = int(moving.argmin())
        means = extra_metrics.title_means(
            [
                (scores[first:end], extra.part(first, end))
                for first, end in extra_metrics.runs(extra_metrics.counted(measured))
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

    def _look(
        self,
        path: Path,
        frames: int,
        spans: Sequence[Span],
        options: VerifyOptions,
        threads: int,
        *,
        first: bool,
    ) -> dict[Span, _Unit]:
        """Some units of a rendition, which has so many frames."""
        extra = frozenset(_extra_units(spans, options) if first or options.full_quality else ())
        seek = SEEK_FRAMES * len(spans) < frames
        step = SPANS_PER_PROCESS if seek else commands.MAX_RUNS
        batches = [spans[i : i + step] for i in range(0, len(spans), step)]
        references = self._references_of(batches, frames)

        def measure(batch: Sequence[Span], reference: Path) -> list[_Unit]:
            return self._batch(path, batch, reference, [span in extra for span in batch], seek)

        made = Parallel(n_jobs=min(threads, len(batches)), backend="threading")(
            delayed(measure)(*pair) for pair in zip(batches, references, strict=True)
        )
        return {unit.span: unit for batch in made for unit in batch}

    def _batch(
        self,
        path: Path,
        spans: Sequence[Span],
        reference: Path,
        extra: Sequence[bool],
        seek: bool,
    ) -> list[_Unit]:
        """Some units of a rendition, compared by one process."""
        read = [_guarded(span) for span in spans]
        length, whole = spans[0].frames, read[0].frames
        single = length == 1
        measured = np.repeat(np.array(extra, dtype=np.bool_), 1 if single else whole)
        scores, more = self._compare(
            rendition_spans(path, read, self._opened.rate, seek=seek),
            commands.open_input(reference)["v:0"],
            measured,
            single=single,
        )
        if len(scores) != len(measured):
            raise DeliveryError(
                f"{path.name}: VMAF compared {len(scores)} of {len(measured)} frames"
            )
        units = []
        for i, span in enumerate(spans):
            first = i if single else i * whole + GUARD
            part = more.part(first, first + length) if more is not None and extra[i] else None
            units.append(_Unit(span, scores[first : first + length], part))
        return units

    def _references_of(self, batches: Sequence[Sequence[Span]], frames: int) -> list[Path]:
        """The source's frames of each batch, one lossless file each."""
        key = tuple(span for batch in batches for span in batch)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
            number = len(self._locks)
        with lock:  # rungs are measured side by side; the second waits for the frames
            if key not in self._references:
                targets = {
                    self._scratch / f"reference-{number}-{i}.mkv": [_guarded(s) for s in batch]
                    for i, batch in enumerate(batches)
                }
                extract_spans(
                    self._toolbox, self._opened, targets, frames=frames, bit_depth=self._bit_depth
                )
                self._references[key] = list(targets)
            return self._references[key]

    def _compare(
        self,
        distorted: Any,
        reference: Any,
        measured: NDArray[np.bool_] | None,
        *,
        single: bool = False,
        burst: tuple[int, int] | None = None,
        threads: int = 1,
    ) -> tuple[NDArray[np.float64], ExtraScores | None]:
        """VMAF by frame, and extra scores of the measured ones if there are any.

        Args:
            single: the streams are groups of three frames, of which the middle ones are scored.
            burst: how the measured frames recur; None if their runs are few, or they are all.
        """
        extra = None
        if measured is not None and measured.any():
            chosen = commands.in_bursts(burst) if burst else ""
            if not burst and not measured.all():
                size = commands.SCORED if single else 1
                runs = [(size * i, size * end) for i, end in extra_metrics.runs(measured)]
                chosen = commands.in_runs(runs)
            extra = commands.ExtraMetrics((VMAF_V1,), "extra.csv", "xpsnr.txt", chosen)
        argv = commands.compare(
            self._toolbox.ffmpeg,
            distorted,
            reference,
            "vmaf.csv",
            display=self._display,
            models=[self._model],
            frame_rate=self._opened.rate,
            threads=threads,
            bit_depth=self._bit_depth,
            singles=commands.SCORED if single else None,
            extra=extra,
        )
        with tempfile.TemporaryDirectory(dir=self._scratch) as name:
            folder = Path(name)
            limits = self._toolbox.limits(self._toolbox.seconds_for(self._opened.source.duration))
            self._toolbox.runner.run(argv, limits=limits, cwd=folder)
            scores = read_scores(folder / "vmaf.csv", [self._model]).frames[0]
            scores = scores[1:] if single else scores
            if extra is None or measured is None or len(scores) != len(measured):
                return scores, None  # the caller knows how many there should have been
            return scores, extra_metrics.read_extra(
                folder / extra.vmaf_log, folder / extra.xpsnr_log, measured, singles=single
            )


@dataclass(frozen=True)
class _Unit:
    """Frame scores of one unit; ``extra`` where they were measured."""

    span: Span
    scores: NDArray[np.float64]
    extra: ExtraScores | None

    @property
    def mean(self) -> float:
        return float(self.scores.mean())


def _beside(
    design: Design, look: int, values: NDArray[np.float64], others: Sequence[Measured]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """The scores of the rendition most like this one, in its units and in those of a later look."""
    spans = design.look(look)
    known = [
        (other, dict(zip(other.frames, other.scores, strict=True)))
        for other in others
        if other.look is not None and other.look > look
    ]
    # Others may have been looked at by another design, as for a floor.
    known = [(o, scores) for o, scores in known if all(span.first in scores for span in spans)]
    if not known:
        return None
    mean = float(values.mean())
    nearest, scores = min(known, key=lambda pair: abs(pair[0].verification.vmaf - mean))
    return np.array([scores[span.first] for span in spans]), np.array(nearest.scores)


def _extra_units(spans: Sequence[Span], options: VerifyOptions) -> Sequence[Span]:
    """The units that the extra metrics are taken of: a few over all of the title, or all."""
    if options.full_quality:
        return spans
    count = min(len(spans), extra_metrics.FRAMES)
    return [spans[i * len(spans) // count] for i in range(count)]


def _guarded(span: Span) -> Span:
    return Span(span.first - GUARD, span.frames + 2 * GUARD)


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
        return verifier.verify(path, options, threads=toolbox.threads).verification


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


def _window(span: Span, rate: Fraction) -> Window:
    return Window(float(span.first / rate), float(span.frames / rate))
