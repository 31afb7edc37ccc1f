"""Checks of finished files: what does not pass is not delivered."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from pertitle.encoder import commands
from pertitle.encoder.grid import Grid
from pertitle.encoder.pictures import Pictures, read_pictures
from pertitle.errors import DeliveryError, ProcessError
from pertitle.records import Size
from pertitle.system.tools import Toolbox


def check_rendition(
    toolbox: Toolbox,
    path: Path,
    *,
    size: Size,
    frame_rate: Fraction,
    gop: int,
    skipped: int | None = None,
    frames: int | None = None,
) -> Pictures:
    """Check one encoded rung.

    Its pictures are evenly spaced from 0, keyframes stand at every multiple of ``gop`` but
    ``skipped``, all pictures decode, and there are ``frames`` of them (None: not known before).

    Raises:
        DeliveryError: one of these is not so.
    """
    pictures = read_pictures(path)
    name = path.name
    if (pictures.width, pictures.height) != (size.width, size.height):
        raise DeliveryError(f"{name} is {pictures.width}x{pictures.height}, not {size}")
    if frames is not None and pictures.frames != frames:
        raise DeliveryError(f"{name} has {pictures.frames} frames, not {frames}")
    check_times(name, pictures.times, frame_rate)
    check_keyframes(name, pictures, Grid(gop, skipped))
    decoded = count_decoded(toolbox, path, float(pictures.frames / frame_rate))
    if decoded != pictures.frames:
        raise DeliveryError(f"{name}: {decoded} of {pictures.frames} frames decode")
    return pictures


def check_times(name: str, times: Sequence[Fraction], frame_rate: Fraction) -> None:
    """Picture *n* is shown at *n* frame durations, to within a tenth of one.

    Raises:
        DeliveryError: one is not.
    """
    for n, time in enumerate(times):
        if abs(time * frame_rate - n) > Fraction(1, 10):
            raise DeliveryError(
                f"{name}: frame {n} is shown at {float(time):.4f} s,"
                f" not at {float(n / frame_rate):.4f} s"
            )


def check_keyframes(name: str, pictures: Pictures, grid: Grid) -> None:
    """Keyframes stand at every start of a segment, and not at the one that is left out.

    Raises:
        DeliveryError: one is missing, or a segment would be cut in two.
    """
    wanted = np.array(grid.starts(pictures.frames))
    missing = wanted[~pictures.keys[wanted]]
    if len(missing):
        raise DeliveryError(f"{name}: no keyframe at frame {missing[0]}")
    skipped = grid.skipped
    if skipped is not None and skipped < pictures.frames and pictures.keys[skipped]:
        raise DeliveryError(f"{name}: a keyframe at frame {skipped}, where there should be none")


def count_decoded(toolbox: Toolbox, path: Path, seconds: float) -> int:
    """Decode the first video track and count its frames.

    Args:
        seconds: its length.

    Raises:
        DeliveryError: something in it does not decode.
    """
    counts = [0]

    def on_line(line: str) -> None:
        key, _, value = line.partition("=")
        if key == "frame":
            counts[0] = int(value)

    # Whether it decodes is told by its syntax: the deblocking after that would only cost time.
    stream = commands.open_input(path, err_detect="explode", skip_loop_filter="all")["v:0"]
    output = stream.output("pipe:", f="null", fps_mode="passthrough")
    argv = commands.finish(toolbox.ffmpeg, output.global_args("-xerror"), progress=True)
    try:
        limits = toolbox.limits(toolbox.seconds_for(seconds))
        toolbox.runner.run(argv, limits=limits, on_line=on_line)
    except ProcessError as error:
        raise DeliveryError(f"{path.name} does not decode: {error}") from error
    return counts[0]
