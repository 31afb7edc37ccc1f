"""Reading single pictures of a title by seeking, at a cost that does not grow with its length.

Pictures come out as a person would see them: upright, in square pixels, without letterbox, in
8-bit BT.709 SDR. A budget of decoded frames bounds the work; where keyframes are rare, a sample
lies as near to the wanted time as the budget reaches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import av
import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.errors import SourceError
from pertitle.records import Analysis, Size, Source
from pertitle.system.sources import open_media, windowed
from pertitle.thumbnails.tonemap import tone_map

Image = NDArray[np.uint8]
"""Height × width × 3, blue-green-red, or height × width for luma alone."""

SCAN_SIDE = 480
"""Long side, in pixels, of the pictures of the cheap pass."""
FULL_HD_BUDGET = 2200
"""Frames of 1920×1080 the cheap pass may decode: five to six seconds on two cores."""
MIN_BUDGET, MAX_BUDGET = 500, 8000
FEWEST_TARGETS = 24
PASSING_SECONDS = 0.9
"""Seconds between frames taken on the way to a target."""
MAX_FRAMES = 130
MAX_DAMAGED_PACKETS = 400

_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
_SWS_COLORSPACES = {"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7}
_SWS_BT2020 = 9


@dataclass(frozen=True)
class Decoded:
    """A decoded frame: seconds into the title, and the decoder's own picture."""

    time: float
    raw: Any


class FrameReader:
    """Opens the picture track of a title for random access; use it as a context manager.

    Raises:
        SourceError: the file cannot be opened (on construction).
    """

    def __init__(self, analysis: Analysis, *, threads: int = 0) -> None:
        source = analysis.source
        self._video = source.video
        self._shown = windowed(source.video)
        self._crop = analysis.treatment.crop
        self._deinterlace = analysis.treatment.deinterlace
        self._upright = source.size
        self._range = self._video.dynamic_range
        self.rate = max(1.0, float(self._video.frame_rate))
        self._container = _open(source)
        # A second handle looks for keyframes without disturbing the decoder's position.
        self._scout = _open(source)
        index = self._video.index
        self._stream = self._container.streams[index]
        self._scout_stream = self._scout.streams[index]
        self._stream.thread_type = "AUTO"
        self._stream.codec_context.thread_count = threads
        self._base = float(self._stream.time_base)
        # Times are counted as ffmpeg's own seeking counts them: from the container's start.
        self._origin = (self._container.start_time or 0) / av.time_base
        self._packets: Iterator[Any] = iter(())
        self._pending: list[Decoded] = []
        self._position = -1.0
        self.decoded = 0

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._container.close()
        self._scout.close()

    @property
    def budget(self) -> int:
        """Frames the cheap pass may decode, by picture size."""
        pixels = self._video.width * self._video.height
        frames = FULL_HD_BUDGET * 1920 * 1080 // max(1, pixels)
        return int(min(MAX_BUDGET, max(MIN_BUDGET, frames)))

    def scan(self, targets: Sequence[float]) -> Iterator[Decoded]:
        """Frames near the wanted times (ascending), and some that lie on the way to them.

        Where the way from keyframe to target is long, fewer targets are sought, each of them
        truly reached: always looking right behind keyframes would see only how shots begin.
        """
        targets = self._affordable(targets)
        spacing = max(PASSING_SECONDS, (targets[-1] - targets[0]) / MAX_FRAMES) if targets else 0.0
        left = self.budget
        last = -1.0
        for done, target in enumerate(targets):
            allowance = max(1, 2 * left // (len(targets) - done))
            before = self.decoded
            entered: float | None = None
            for frame in self._towards(target):
                entered = frame.time if entered is None else entered
                spent = self.decoded - before >= allowance
                there = frame.time >= target or spent
                passing = frame.time - max(last, entered) >= spacing
                if (there or passing) and frame.time > last + 0.5 / self.rate:
                    last = frame.time
                    yield frame
                if there:
                    break
            left = max(0, left - (self.decoded - before))

    def _affordable(self, targets: Sequence[float]) -> Sequence[float]:
        """Every k-th target, with the least k that the budget can pay, but some all the same."""
        keys = [self._keyframe_before(target) for target in targets]
        for step in range(1, max(2, len(targets) // FEWEST_TARGETS + 1)):
            chosen = range(step // 2, len(targets), step)
            cost, position = 0.0, -1.0
            for i in chosen:
                # About half of the frames on the way are left out by the decoder.
                start = position if keys[i] <= position else keys[i]
                cost += 1 + 0.6 * (targets[i] - start) * self.rate
                position = targets[i]
            if cost <= self.budget:
                break
        return [targets[i] for i in chosen]

    def window(self, start: float, end: float, *, limit: int) -> list[Decoded]:
        """All frames from ``start`` to ``end`` seconds, thinned evenly to at most ``limit``."""
        step = max(1, -(-round((end - start) * self.rate) // limit))
        frames: list[Decoded] = []
        seen = 0
        for frame in self._towards(start):
            if frame.time > end + 0.5 / self.rate:
                break
            if frame.time >= start - 0.5 / self.rate:
                if seen % step == 0:
                    frames.append(frame)
                seen += 1
        return frames

    def _towards(self, target: float) -> Iterator[Decoded]:
        """Frames in display order from the nearest point before ``target`` that decodes."""
        key = self._keyframe_before(target)
        if not (key <= self._position <= target):
            self._seek(target)
        damaged = 0
        context = self._stream.codec_context
        while True:
            while self._pending:
                frame = self._pending.pop(0)
                self._position = frame.time
                yield frame
            packet = next(self._packets, None)
            if packet is None:
                return
            # Frames nobody refers to can be left out on the way to the target.
            near = packet.pts is None or self._seconds(packet.pts) >= target - 2 / self.rate
            context.skip_frame = "DEFAULT" if near else "NONREF"
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                damaged += 1
                if damaged > MAX_DAMAGED_PACKETS:
                    return
                continue
            for raw in frames:
                if raw.pts is not None:
                    self.decoded += 1
                    self._pending.append(Decoded(self._seconds(raw.pts), self._shown(raw)))

    def _seconds(self, pts: int) -> float:
        return pts * self._base - self._origin

    def _offset(self, target: float) -> int:
        return int((max(0.0, target) + self._origin) / self._base)

    def _keyframe_before(self, target: float) -> float:
        with contextlib.suppress(av.error.FFmpegError):
            self._scout.seek(self._offset(target), stream=self._scout_stream)
            for packet in self._scout.demux(self._scout_stream):
                if packet.pts is not None:
                    return self._seconds(packet.pts)
        return 0.0

    def _seek(self, target: float) -> None:
        self._pending.clear()
        self._position = -1.0
        # Where seeking fails (a raw or damaged stream) only what follows can be read.
        with contextlib.suppress(av.error.FFmpegError):
            self._container.seek(self._offset(target), stream=self._stream)
        self._packets = iter(self._container.demux(self._stream))

    @property
    def size(self) -> Size:
        """The picture as it is shown: upright, square pixels, letterbox cut away."""
        return self._crop.size if self._crop is not None else self._upright

    def picture(self, frame: Decoded, long_side: int | None = None) -> Image:
        """The frame as blue-green-red picture, its long side at most ``long_side`` pixels."""
        scale = 1.0
        if long_side is not None:
            scale = min(1.0, long_side / max(self.size.width, self.size.height))
        width = max(2, round(self._upright.width * scale))
        height = max(2, round(self._upright.height * scale))
        turned = self._video.rotation in (90, 270)
        asked = (height, width) if turned else (width, height)
        image = self._convert(frame.raw, *asked)
        if self._video.rotation in _ROTATIONS:
            image = cv2.rotate(image, _ROTATIONS[self._video.rotation]).astype(np.uint8)
        if self._video.mirrored:
            image = image[:, ::-1]
        if self._crop is not None:
            x, y = round(self._crop.x * scale), round(self._crop.y * scale)
            w, h = round(self._crop.size.width * scale), round(self._crop.size.height * scale)
            image = image[y : y + max(2, h), x : x + max(2, w)]
        return np.ascontiguousarray(image)

    def grey(self, frame: Decoded, long_side: int) -> Image:
        """Luma as it is coded: cheap, but neither upright nor cropped nor tone mapped.

        Enough to compare neighbouring frames with one another and to look for lettering.
        """
        raw = frame.raw
        scale = min(1.0, long_side / max(raw.width, raw.height))
        grey: Image = raw.reformat(
            width=max(2, round(raw.width * scale)),
            height=max(2, round(raw.height * scale)),
            format="gray",
            interpolation="AREA",
            threads=1,
        ).to_ndarray()
        return grey

    def _convert(self, raw: Any, width: int, height: int) -> Image:
        matrix = _SWS_COLORSPACES.get(self._video.matrix)
        if self._video.matrix.startswith("bt2020"):
            matrix = _SWS_BT2020
        elif matrix is None:  # untagged: HD is BT.709, as players assume
            matrix = 1 if self._upright.height >= 720 else 5
        target = "rgb48le" if self._range != "sdr" else "bgr24"
        shrinks = width < raw.width
        out = raw.reformat(
            width=width,
            height=height,
            format=target,
            src_colorspace=matrix,
            interpolation="AREA" if shrinks else "BICUBIC",
            threads=1,
        ).to_ndarray()
        if self._range != "sdr":
            return tone_map(out, self._range)
        image: Image = out
        if self._deinterlace and not shrinks:
            image = one_field(image)
        return image


def _open(source: Source) -> Any:
    path = source.path
    try:
        return open_media(path, source)
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot read {path.name}: {reason}") from error


def one_field(image: Image) -> Image:
    """Replace the second field by interpolation of the first, so that no comb is left."""
    height, width = image.shape[:2]
    return cv2.resize(image[::2], (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
