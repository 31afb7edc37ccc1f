"""Measuring bits and VMAF of an encode."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from pertitle.encoder import commands
from pertitle.errors import DeliveryError, ToolError
from pertitle.records import Size
from pertitle.system.scratch import scratch_folder
from pertitle.system.tools import Toolbox


@dataclass(frozen=True)
class Bits:
    """Where the bytes of a video track went.

    Attributes:
        frames: coded pictures.
        keyframes: of these, random access points.
        bytes: all picture bytes, container overhead not counted.
        key_bytes: bytes of the keyframes.
    """

    frames: int
    keyframes: int
    bytes: int
    key_bytes: int

    def bitrate_kbps(self, frame_rate: Fraction, gop: float) -> float:
        """Bitrate of the same pictures with one keyframe every ``gop`` frames on average, kbit/s.

        A digest of short windows holds more keyframes a second than the title will; weighing
        the two kinds of picture separately takes that bias out.
        """
        others = self.frames - self.keyframes
        per_key = self.key_bytes / max(1, self.keyframes)
        per_other = (self.bytes - self.key_bytes) / max(1, others)
        per_frame = (per_key + per_other * (gop - 1)) / gop
        return per_frame * 8 * float(frame_rate) / 1000


def count_bits(path: Path) -> Bits:
    """Read the packets of the first video track (nothing is decoded)."""
    frames = keyframes = total = key_bytes = 0
    with av.open(f"file:{path}") as container:
        for packet in container.demux(container.streams.video[0]):
            if packet.size == 0:
                continue
            frames += 1
            total += packet.size
            if packet.is_keyframe:
                keyframes += 1
                key_bytes += packet.size
    return Bits(frames, keyframes, total, key_bytes)


@dataclass(frozen=True)
class Scores:
    """VMAF of the measured frames, one array a model, in the order of ``models``."""

    models: tuple[str, ...]
    frames: tuple[NDArray[np.float64], ...]

    def mean(self, model: str) -> float:
        """Arithmetic mean over the measured frames (VMAF's default pooling)."""
        return float(self.frames[self.models.index(model)].mean())


def read_scores(log: Path, models: Sequence[str], columns: Sequence[str] = ()) -> Scores:
    """Scores from libvmaf's CSV log, read row by row: titles may be hours long.

    Args:
        models: in the log they are named ``m0``, ``m1``, ...
        columns: beginnings of the names of further columns, which become further arrays.

    Raises:
        ToolError: there is no log.
        DeliveryError: the log holds no frames, or not these columns.
    """
    try:
        file = log.open(encoding="utf-8", newline="")
    except FileNotFoundError:
        raise ToolError("libvmaf wrote no log") from None
    with file:
        rows = csv.reader(file)
        names = next(rows, [])
        places = [names.index(f"m{i}") if f"m{i}" in names else -1 for i in range(len(models))]
        places += [
            next((i for i, name in enumerate(names) if name.startswith(column)), -1)
            for column in columns
        ]
        if -1 in places:
            raise DeliveryError(f"libvmaf's log has the columns {', '.join(names)} alone")
        values = np.fromiter(
            (float(row[place]) for row in rows if row for place in places), dtype=np.float64
        ).reshape(-1, len(places))
    if not len(values):
        raise DeliveryError("VMAF compared no frames")
    return Scores((*models, *columns), tuple(values.T))


def measure_vmaf(
    toolbox: Toolbox,
    distorted: Path,
    reference: Path,
    *,
    display: Size,
    models: Sequence[str],
    frame_rate: Fraction,
    burst: tuple[int, int] | None = None,
    singles: int | None = None,
    threads: int = 1,
    bit_depth: int = 8,
) -> Scores:
    """VMAF of one file against another with as many frames, both scaled to the display.

    Args:
        burst, singles: of which frames (see :func:`commands.compare`).

    Raises:
        ProcessError: ffmpeg failed, e.g. for an unknown model.
    """
    with scratch_folder() as scratch:
        argv = commands.compare(
            toolbox.ffmpeg,
            commands.open_input(distorted.absolute()).video,
            commands.open_input(reference.absolute()).video,
            "vmaf.csv",
            display=display,
            models=models,
            frame_rate=frame_rate,
            burst=burst,
            singles=singles,
            threads=threads,
            bit_depth=bit_depth,
        )
        toolbox.runner.run(argv, limits=toolbox.limits(), cwd=Path(scratch))
        scores = read_scores(Path(scratch, "vmaf.csv"), models)
    if singles is None:
        return scores
    return Scores(scores.models, tuple(frames[1:] for frames in scores.frames))
