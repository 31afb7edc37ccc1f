"""Argument lists for ffmpeg: pure functions, no process is started here.

Graphs are built with ffmpeg-python. Paths are always passed with the ``file:`` protocol, so that
a name with a leading dash, a colon or a per-cent sign means only itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ffmpeg

from pertitle.codecs import Codec
from pertitle.records import Size, Source, Treatment, Window
from pertitle.system.sources import MAX_PIXELS, PROTOCOLS, demuxer_of

GLOBAL_OPTIONS = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")
INPUT_OPTIONS = {"protocol_whitelist": PROTOCOLS, "max_pixels": str(MAX_PIXELS)}
"""The decoder too refuses large pictures: a header in mid-stream can ask for them."""
MAX_RUNS = 400
"""Runs of frames in one expression, 10 kB of text: what grows with a title is cut into batches."""
SCORED = 3
"""Frames that the score of one takes: itself and, for the motion feature, its neighbours."""
SCALER = "bicubic"
"""Up- and downscaling kernel; what players do and what VMAF was trained with."""

LOSSLESS = {"f": "matroska", "c:v": "libx264", "preset": "ultrafast", "qp": "0", "g": "12"}
"""Intermediate files: exact, and faster to decode than most sources."""


def finish(program: str, stream: Any, *, progress: bool = False) -> list[str]:
    """The argv of a graph; ``progress`` adds machine-readable progress on stdout."""
    extra = ["-progress", "pipe:1", "-stats_period", "0.5"] if progress else []
    given = (part.translate(_TOLD) for part in ffmpeg.get_args(stream))
    return [program, *GLOBAL_OPTIONS, *extra, *given]


_HELD = {code: 0x10FF00 + code - 0xDC00 for code in range(0xDC80, 0xDD00)}
_TOLD = {held: code for code, held in _HELD.items()}


def url(path: Path | str) -> str:
    """A file as an input or output of a graph; only :func:`finish` makes a name of it again.

    Bytes of a name that are not UTF-8 (lone surrogates, PEP 383) stand as private characters
    until then: ffmpeg-python takes texts alone that can be encoded.
    """
    return f"file:{path}".translate(_HELD)


def open_input(path: Path, window: Window | None = None, **options: str | None) -> Any:
    """An ffmpeg input, limited to a window if one is given."""
    if window is not None:
        options = {**options, "ss": f"{window.start:.6f}", "t": f"{window.duration:.6f}"}
    return ffmpeg.input(url(path), **INPUT_OPTIONS, **options)


def open_source(source: Source, window: Window | None = None, **options: str | None) -> Any:
    """An ffmpeg input of an untrusted file, limited to a window if one is given."""
    return open_input(source.path, window, f=demuxer_of(source), **options)


def steady_copy(program: str, source: Path, target: Path, *, subtitles: bool = True) -> list[str]:
    """The argv that copies the packets of a transport or program stream, its clock evened out."""
    bounds = [*_flags(INPUT_OPTIONS), "-format_whitelist", "mpegts,mpeg"]
    kinds = ["0:v", "0:a?", *(["0:s?"] if subtitles else [])]
    maps = [part for kind in kinds for part in ("-map", kind)]
    return [
        program, *GLOBAL_OPTIONS, *bounds, "-fflags", "+genpts", "-i", f"file:{source}", *maps,
        "-c", "copy", "-bitexact", "-f", "matroska", f"file:{target}",
    ]  # fmt: skip


def _flags(options: Mapping[str, str]) -> list[str]:
    return [part for name, value in options.items() for part in (f"-{name}", value)]


def treat(
    video: Any,
    treatment: Treatment,
    *,
    pixel_format: str,
    conversion: Mapping[str, str] = MappingProxyType({}),
) -> Any:
    """Apply the treatment: what comes out is what every encode and comparison starts from.

    Args:
        conversion: options of the last ``scale``, for sources in full range or RGB.
    """
    # A packed stereo picture stays as it is; said of it, muxers refuse it or players unpack it.
    video = video.filter("sidedata", mode="delete", type="STEREO3D")
    if treatment.deinterlace:
        video = video.filter("bwdif", mode="send_frame", deint="all")
    video = video.filter("fps", fps=str(treatment.frame_rate))
    if treatment.held:
        video = video.filter("tpad", stop_mode="clone", stop_duration=f"{treatment.held:.3f}")
    if treatment.crop is not None:
        crop = treatment.crop
        full = Size(crop.size.width + 2 * crop.x, crop.size.height + 2 * crop.y)
        video = scale(video, full).filter("crop", crop.size.width, crop.size.height, crop.x, crop.y)
    if treatment.tone_map:
        video = tone_mapped(video)
    return scale(video, treatment.size, **conversion).filter("format", pixel_format)


def tone_mapped(video: Any) -> Any:
    """HDR pictures as BT.709 SDR ones."""
    return (
        video.filter("zscale", transfer="linear", npl=100)
        .filter("format", "gbrpf32le")
        .filter("zscale", primaries="bt709")
        .filter("tonemap", tonemap="hable", desat=0)
        .filter("zscale", transfer="bt709", matrix="bt709", range="tv")
        # What described the HDR mastering no longer holds.
        .filter("sidedata", mode="delete", type="MASTERING_DISPLAY_METADATA")
        .filter("sidedata", mode="delete", type="CONTENT_LIGHT_LEVEL")
    )


def number(video: Any, frame_rate: Fraction) -> Any:
    """Give frame *n* the time *n* in units of one frame.

    ``N/rate/TB`` would not do: ``setpts`` cuts the product down to a whole number, and a rounding
    error of 1e-16 then moves a frame by a tick, which makes VMAF compare it with its neighbour.
    """
    base = f"{frame_rate.denominator}/{frame_rate.numerator}"
    return video.filter("settb", base).filter("setpts", "N")


def scale(video: Any, size: Size, **options: str) -> Any:
    """Scale to ``size`` in square pixels; a no-op in ffmpeg when the size is the same."""
    scaled = video.filter("scale", size.width, size.height, flags=SCALER, **options)
    return scaled.filter("setsar", 1)


def pixel_format(bit_depth: int) -> str:
    """The 4:2:0 format of that depth."""
    return "yuv420p10le" if bit_depth > 8 else "yuv420p"


def join_windows(
    source: Source,
    windows: Sequence[Window],
    treatment: Treatment,
    *,
    frames: int,
    bit_depth: int = 8,
) -> Any:
    """One video stream of the treated windows, ``frames`` frames each."""
    chosen = pixel_format(bit_depth)
    parts = []
    for window in windows:
        # A little more is read than needed, then counted: a window is an exact frame number.
        padded = Window(window.start, window.duration + 0.5)
        video = treat(open_source(source, padded).video, treatment, pixel_format=chosen)
        parts.append(video.filter("trim", end_frame=frames).filter("setpts", "PTS-STARTPTS"))
    return parts[0] if len(parts) == 1 else ffmpeg.concat(*parts, v=1, a=0)


def encode_crfs(
    program: str,
    source: Path,
    size: Size,
    targets: Sequence[tuple[float, Path]],
    codec: Codec,
    *,
    preset: str | None,
    gop: int,
    threads: int,
) -> list[str]:
    """Encode a prepared file at one size and several CRFs from a single decode and scale."""
    scaled = scale(open_input(source).video, size)
    branches = scaled.split() if len(targets) > 1 else [scaled]
    outputs = [
        (branches[i] if len(targets) > 1 else scaled).output(
            url(path),
            f="matroska",
            **codec.encoder_options(preset=preset, crf=crf, gop=gop, threads=threads),
        )
        for i, (crf, path) in enumerate(targets)
    ]
    return finish(program, ffmpeg.merge_outputs(*outputs))


def compare(
    program: str,
    distorted: Any,
    reference: Any,
    log_name: str,
    *,
    display: Size,
    models: Sequence[str],
    frame_rate: Fraction,
    burst: tuple[int, int] | None = None,
    singles: int | None = None,
    threads: int = 1,
    bit_depth: int = 8,
    extra: ExtraMetrics | None = None,
) -> list[str]:
    """VMAF of two video streams at the display size, one CSV log in the working directory.

    Args:
        distorted, reference: ffmpeg-python video streams with equal frame counts.
        log_name: a plain file name, so that nothing in it needs escaping in a filter graph.
        burst: measure only the first ``burst[0]`` of every ``burst[1]`` frames. Runs of
            neighbouring frames keep VMAF's motion feature right, which takes the smaller
            difference to the two neighbours; libvmaf's own ``n_subsample`` meets the period of
            B-frames and of pulled-down frames.
        singles: measure only the second of every so many frames, 3 or more, each with its motion
            from its neighbours. The log begins with a row of padding.
        extra: what else is measured, on some of the frames.
    """
    sides = [number(video, frame_rate) for video in (distorted, reference)]
    if burst is not None:
        sides = [video.filter("select", in_bursts(burst)) for video in sides]
    if singles is not None and singles > SCORED:
        sides = [_chosen(video, f"lt(mod(n,{singles}),{SCORED})", frame_rate) for video in sides]

    def shown(video: Any) -> Any:
        return scale(video, display).filter("format", pixel_format(bit_depth))

    def scored(pair: Sequence[Any], models: Sequence[str], log_name: str) -> Any:
        if singles is None:
            return _libvmaf(pair, display, models, log_name, threads)
        # With n_subsample libvmaf scores frames 0, 3, 6 ... but takes motion from all of them.
        # Two frames before the first group bring the middle ones to these places. Motion is told
        # from the reference alone: on the other side the neighbours are the frame itself.
        led = [_led_in(pair[0], 1, frame_rate), _led_in(pair[1], SCORED - 1, frame_rate)]
        led[0] = number(led[0].filter("fps", fps=str(SCORED * frame_rate)), frame_rate)
        return _libvmaf(led, display, models, log_name, threads, n_subsample=SCORED)

    middle = "" if singles is None else f"eq(mod(n,{SCORED}),1)"
    if extra is None:
        if middle:
            sides[0] = _chosen(sides[0], middle, frame_rate)
        graph = scored([shown(video) for video in sides], models, log_name)
        return finish(program, graph.output("pipe:", f="null"))
    first, second = (video.filter_multi_output("split", 3) for video in sides)
    main = [first[0], second[0]]
    parts = [[first[i], second[i]] for i in (1, 2)]
    if extra.chosen:
        parts = [[_chosen(side, extra.chosen, frame_rate) for side in pair] for pair in parts]
    if middle:
        main[0] = _chosen(main[0], middle, frame_rate)
        parts[0][0] = _chosen(parts[0][0], middle, frame_rate)
        # XPSNR looks at the frame before.
        parts[1] = [_chosen(side, f"lt(mod(n,{SCORED}),2)", frame_rate) for side in parts[1]]
    vmaf = scored([shown(video) for video in main], models, log_name)
    more = scored([shown(video) for video in parts[0]], extra.models, extra.vmaf_log)
    # xpsnr takes the activity of the picture from its first input: that is the reference.
    pair = [shown(video) for video in reversed(parts[1])]
    xpsnr = ffmpeg.filter(pair, "xpsnr", stats_file=extra.xpsnr_log, shortest=1)
    return finish(program, ffmpeg.output(vmaf, more, xpsnr, "pipe:", f="null"))


@dataclass(frozen=True)
class ExtraMetrics:
    """More measures than the main VMAF, on a part of the compared frames.

    Attributes:
        models: libvmaf models.
        vmaf_log, xpsnr_log: plain file names.
        chosen: expression of the frames, counted in the compared streams; empty for all.
    """

    models: tuple[str, ...]
    vmaf_log: str
    xpsnr_log: str
    chosen: str = ""


def _chosen(video: Any, expression: str, frame_rate: Fraction) -> Any:
    """The frames that an expression tells, numbered anew."""
    return number(video.filter("select", expression), frame_rate)


def _led_in(video: Any, frames: int, frame_rate: Fraction) -> Any:
    """The first frame so many times more."""
    return number(video.filter("loop", loop=frames, size=1, start=0), frame_rate)


def in_bursts(burst: tuple[int, int]) -> str:
    """The expression of the first ``burst[0]`` of every ``burst[1]`` frames, of any length."""
    return f"lt(mod(n,{burst[1]}),{burst[0]})"


def in_runs(runs: Sequence[tuple[int, int]]) -> str:
    """The expression of some runs of frames, first and end (exclusive) of each.

    It is a balanced tree: ffmpeg 9.0.2 refuses a plain sum of more than 100 terms, out of memory as
    it says, because it nests them.

    Raises:
        ValueError: more runs than one expression should hold.
    """
    if len(runs) > MAX_RUNS:
        raise ValueError(f"{len(runs)} runs of frames in one expression")
    if len(runs) == 1:
        first, end = runs[0]
        return f"between(n,{first},{end - 1})"
    middle = len(runs) // 2
    return f"({in_runs(runs[:middle])}+{in_runs(runs[middle:])})"


def measurable(display: Size, models: Sequence[str]) -> tuple[Size, Size]:
    """What of the display the models can look at, and the size they see it in.

    That is all of it in its own size, but for what stops or crashes libvmaf 3: fewer than 18
    lines or columns, and with v1 fewer than 160 (SpEED), fewer than 216 on the longer side, or
    many more columns than lines (CAMBI's windows then have more rows than its smallest picture).
    Smaller displays are scaled up; of longer ones the middle counts.
    """
    v1 = any(model.startswith("vmaf_v1") for model in models)
    shorter, longer = (160, 216) if v1 else (18, 18)
    part = display
    if v1:
        part = Size(min(part.width, 8 * part.height), min(part.height, 8 * part.width))
    sides = sorted((part.width, part.height))
    factor = max(Fraction(1), Fraction(shorter, sides[0]), Fraction(longer, sides[1]))
    width, height = (2 * math.ceil(factor * side / 2) for side in (part.width, part.height))
    return part, Size(width, height)


def _libvmaf(
    sides: Sequence[Any],
    display: Size,
    models: Sequence[str],
    log_name: str,
    threads: int,
    **options: int,
) -> Any:
    part, size = measurable(display, models)
    if part != display:
        sides = [side.filter("crop", part.width, part.height) for side in sides]
    if size != part:
        sides = [scale(side, size) for side in sides]
    named = "|".join(f"version={model}:name=m{i}" for i, model in enumerate(models))
    return ffmpeg.filter(
        sides,
        "libvmaf",
        model=named,
        n_threads=threads,
        log_fmt="csv",
        log_path=log_name,
        shortest=1,
        **options,
    )
