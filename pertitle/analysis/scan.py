"""A first look at a title: thumbnails of every frame of a short one, samples of a long one.

The cost is bounded: a title of any length is looked at in at most ``MAX_LOOKS`` places, four
pictures each, up to ``LOOK_REACH`` past a keyframe. What the file spent on its own coding is
read from its index where it has one, at no cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.analysis import motion
from pertitle.analysis.coding import ToyEncoder, code_picture
from pertitle.analysis.fidelity import Fidelity, Reference
from pertitle.analysis.frames import Decoder, Plane, Pyramid, planes_of, thumbnail
from pertitle.records import Source

MAX_SCANNED_PIXELS = 1.2e9
"""Titles of fewer luma samples are read frame by frame: 20 s at 1080p, 45 s at 720p."""
MAX_LOOKS = 40
THUMB_LINES = 72
TOY_LINES = 180
LOOK_CRF = 27
COARSE_CRF = 37
USUAL_MOTION = 2.0
LOOK_REACH = 1.0
"""How far past a keyframe a place is looked at, seconds: keyframes alone are a poor sample, for
encoders put them at cuts and where the picture comes up from black."""
LOOK_SLACK = 0.01
HISTOGRAM_BINS = 16
BAR_LUMA = 30
BAR_SPREAD = 10
"""Lines darker than this luma that vary by no more can be letterbox; a dark picture varies."""


@dataclass(frozen=True)
class Glance:
    """A frame, small: its time, luma thumbnail and colour histogram (sums to 1)."""

    time: float
    thumb: Plane
    histogram: NDArray[np.float32]


@dataclass(frozen=True)
class Look:
    """A sampled place of the title.

    Attributes:
        glance: its first frame.
        keyframe: time of the keyframe it was reached from, seconds.
        key_bits, rate: toy coding at ``TOY_LINES`` lines, log2(kbit) and log2(kbit/s).
        quality: estimated VMAF of a coarse toy coding, seen at ``TOY_LINES`` lines.
        fields: evidence of interlacing, see :func:`field_evidence`.
        bars: black lines at the top, bottom, left and right, shares of height and width; None
            where all is black.
        banding: share of the picture that is visibly stepped, see :func:`banding_share`.
    """

    glance: Glance
    keyframe: float
    key_bits: float
    rate: float
    quality: float
    fields: str
    bars: tuple[float, float, float, float] | None
    banding: float


@dataclass(frozen=True)
class Spending:
    """Bytes that the source's own coding spent: times (seconds, sorted) and sizes of packets."""

    times: NDArray[np.float64]
    sizes: NDArray[np.float64]

    def between(self, start: float, end: float) -> float:
        """Bytes of the pictures in a stretch."""
        first, last = np.searchsorted(self.times, [start, end])
        return float(self.sizes[first:last].sum())


def glance_at(time: float, planes: list[Plane]) -> Glance:
    """Shrink a frame to its thumbnail and histogram."""
    counts = [
        np.bincount((plane[:: max(1, len(plane) // 90)] >> 4).ravel(), minlength=HISTOGRAM_BINS)
        for plane in planes
    ]
    histogram = np.concatenate([c / max(1, c.sum()) for c in counts]) / 3
    return Glance(time, thumbnail(planes[0], THUMB_LINES), np.asarray(histogram, np.float32))


def is_short(source: Source) -> bool:
    """Whether every frame is looked at."""
    video = source.video
    frames = source.duration * float(video.frame_rate)
    return frames * video.width * video.height <= MAX_SCANNED_PIXELS


def every_frame(decode: Decoder) -> Iterator[Glance]:
    """Glances at all frames in order."""
    last = -1.0
    for time, frame in decode.frames(0.0):
        if time > last:
            last = time
            yield glance_at(time, planes_of(frame))


def look_around(
    decode: Decoder, source: Source, on_progress: Callable[[float], None]
) -> list[Look]:
    """Look at evenly spread places, each at most ``LOOK_REACH`` past a keyframe; sorted, no place
    twice."""
    wanted = min(MAX_LOOKS, max(1, round(source.duration / 2)))
    rate = float(source.video.frame_rate)
    looks: dict[float, Look] = {}
    for i in range(wanted):
        on_progress(i / wanted)
        look = _look(decode, source.duration * (i + 0.5) / wanted, rate)
        if look is not None:
            looks.setdefault(round(look.glance.time, 3), look)
    return [looks[time] for time in sorted(looks)]


def _look(decode: Decoder, time: float, frame_rate: float) -> Look | None:
    taken: list[tuple[float, list[Plane]]] = []
    place: float | None = None
    passed: tuple[float, Any] | None = None
    for when, frame in decode.frames(time, reach=LOOK_REACH):
        place = when if place is None else place
        passed = (when, frame)
        if when < min(time, place + LOOK_REACH) - LOOK_SLACK:
            continue
        taken.append((when, planes_of(frame)))
        if len(taken) == 4:
            break
    if not taken and passed is not None:  # the last picture begins before the place
        taken.append((passed[0], planes_of(passed[1])))
    if not taken:
        return None
    first = taken[0][1][0]
    small = [Pyramid(thumbnail(planes[0], TOY_LINES)) for _, planes in taken]
    toy = ToyEncoder(frame_rate, scales=("native",), crfs=(LOOK_CRF,))
    tree = toy.add(motion.Group(small[0], small[min(1, len(small) - 1)], small[-1]))
    last = small[-1].luma
    seen = Fidelity()
    coded = code_picture(last, COARSE_CRF, frame_rate, tree)
    seen.add(Reference(last.astype(np.float32)), coded.astype(np.float32))
    evidence = field_evidence(first, taken[1][1][0]) if len(taken) > 1 else "none"
    return Look(
        glance=glance_at(*taken[0]),
        keyframe=taken[0][0] if place is None else place,
        key_bits=toy.key_bits("native", LOOK_CRF),
        rate=toy.rate("native", LOOK_CRF),
        quality=seen.vmaf(USUAL_MOTION),
        fields=evidence,
        bars=black_bars(first),
        banding=banding_share(first),
    )


def field_evidence(previous: Plane, current: Plane) -> str:
    """Whether two neighbouring frames show fields: ``top``, ``bottom``, ``progressive``, ``none``.

    Each line of the earlier frame is compared with its neighbours in the later one: if lines of
    one parity fit better than those of the other, the fields are from different moments (the
    rule of ffmpeg's idet filter).
    """
    if current.shape[0] < 32 or previous.shape != current.shape:
        return "none"
    step = max(1, current.shape[1] // 480)
    now = current[:, ::step].astype(np.int16)
    before = previous[:, ::step].astype(np.int16)
    around = now[:-2] + now[2:]
    misfit = np.abs(around - 2 * before[1:-1]).sum(axis=1, dtype=np.int64)
    own = float(np.abs(around - 2 * now[1:-1]).sum(dtype=np.int64))
    odd, even = float(misfit[0::2].sum()), float(misfit[1::2].sum())
    if abs(odd + even - own) < 0.02 * own + now.size * 0.02:
        return "none"  # nothing moves
    if odd > 1.5 * even:
        return "top"
    if even > 1.5 * odd:
        return "bottom"
    return "progressive" if odd + even > 1.04 * own else "none"


def _empty_lines(luma: Plane, axis: int) -> NDArray[np.bool_]:
    """Which rows (axis 1) or columns (axis 0) are dark and of one tone throughout."""
    low, high = luma.min(axis=axis).astype(np.int16), luma.max(axis=axis).astype(np.int16)
    return np.asarray((high < BAR_LUMA) & (high - low <= BAR_SPREAD))


def black_bars(luma: Plane) -> tuple[float, float, float, float] | None:
    """Black lines at the top, bottom, left and right, as shares of the height or width.

    None for a frame that is black all over and tells nothing.
    """
    height, width = luma.shape
    rows, columns = _empty_lines(luma, 1), _empty_lines(luma, 0)
    if rows.all() or columns.all():
        return None
    top, bottom = int(np.argmin(rows)), int(np.argmin(rows[::-1]))
    left, right = int(np.argmin(columns)), int(np.argmin(columns[::-1]))
    return (top / height, bottom / height, left / width, right / width)


BAND_CELL = 64


def banding_share(luma: Plane) -> float:
    """Share of the picture made of smooth slopes that fall in steps without any noise.

    A cell counts if its luma spans 2 to 8 levels, almost every pixel equals its neighbours, and
    the steps run in one direction: what is left when a fine gradient is coded in few levels.
    """
    rows, columns = luma.shape[0] // BAND_CELL, luma.shape[1] // BAND_CELL
    if not rows or not columns:
        return 0.0
    cut = luma[: rows * BAND_CELL, : columns * BAND_CELL]
    apart = cut.reshape(rows, BAND_CELL, columns, BAND_CELL).transpose(0, 2, 1, 3)
    cells = apart.reshape(-1, BAND_CELL, BAND_CELL).astype(np.int16)
    span = cells.max(axis=(1, 2)) - cells.min(axis=(1, 2))
    likely = cells[(span >= 2) & (span <= 8)]
    if not len(likely):
        return 0.0
    across, down = np.diff(likely, axis=2), np.diff(likely, axis=1)
    still = ((across == 0).mean(axis=(1, 2)) + (down == 0).mean(axis=(1, 2))) / 2
    one_way = (np.abs(across.sum(axis=(1, 2))) + np.abs(down.sum(axis=(1, 2)))) / (
        np.abs(across).sum(axis=(1, 2)) + np.abs(down).sum(axis=(1, 2)) + 1e-9
    )
    return float(((still > 0.93) & (one_way > 0.7)).sum() / (rows * columns))


def spending_of(decode: Decoder) -> Spending | None:
    """Packet sizes from the container's index, None if it does not list every frame."""
    stream = decode.stream
    entries = stream.index_entries
    if entries is None or len(entries) < 2:
        return None
    base = float(stream.time_base)
    times, sizes = [], []
    for entry in entries:
        times.append(entry.timestamp * base - decode.origin)
        sizes.append(entry.size)
    steps = np.diff(times)
    if len(times) < 0.8 * float(steps.sum()) * float(stream.average_rate or 1):
        return None
    order = np.argsort(times, kind="stable")
    return Spending(np.array(times)[order], np.array(sizes, np.float64)[order])


def difference(a: Glance, b: Glance) -> tuple[float, float]:
    """Distance of two frames: of their histograms (0 to 1), and of their structure (0 to 2)."""
    histogram = float(np.abs(a.histogram - b.histogram).sum()) / 2
    if a.thumb.shape != b.thumb.shape:
        return histogram, 2.0
    x = cv2.GaussianBlur(a.thumb, (0, 0), 1.5).astype(np.float32)
    y = cv2.GaussianBlur(b.thumb, (0, 0), 1.5).astype(np.float32)
    x -= x.mean()
    y -= y.mean()
    # A floor under the norm: two flat frames are alike, whatever their noise.
    norm = float(np.sqrt((x * x).mean() * (y * y).mean())) + 4.0
    return histogram, float(1 - (float((x * y).mean()) + 4.0) / norm)
