"""Decoded pictures of a window, as the treatment would hand them to the encoder.

Pictures are streamed: nothing here holds more than a handful of frames, whatever the title.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from typing import Any

import av
import av.error
import cv2
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray

from pertitle.errors import SourceError
from pertitle.records import Size, Source, Treatment, Window
from pertitle.system.sources import open_media, windowed

Plane = NDArray[np.uint8]


class Picture:
    """One treated frame; its planes are made when they are first asked for.

    Attributes:
        time: seconds from the start of the title.
    """

    def __init__(self, time: float, frame: Any, source: Source, treatment: Treatment) -> None:
        self.time = time
        self._frame = frame
        self._source = source
        self._treatment = treatment

    @cached_property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """8-bit limited-range luma (16 to 235), shape (height, width) of the treatment, and the
        colour differences (128 is grey), about half that size."""
        return prepare(self._frame, self._source, self._treatment)

    def thumbnail(self, lines: int) -> Plane:
        """The untreated luma, quickly reduced to that many lines."""
        plane, depth, full = _raw_luma(self._frame)
        return _to_eight_bits(thumbnail(plane, lines), depth, full)


def resize(plane: Plane, size: Size) -> Plane:
    """Scale with swscale's bicubic kernel, the one that makes the renditions."""
    height, width = plane.shape
    if (width, height) == (size.width, size.height):
        return plane
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(plane), format="gray")
    # One thread: starting a pool for every picture costs more than the scaling.
    scaled = frame.reformat(size.width, size.height, interpolation=Interpolation.BICUBIC, threads=1)
    return _raw_plane(scaled, 0, 8)


class Pyramid:
    """A picture and its reductions, each made once and shared by the measurements."""

    def __init__(self, luma: Plane) -> None:
        self.luma = luma
        self._scaled: dict[Size, Plane] = {}

    def at(self, size: Size) -> Plane:
        """The picture at exactly that size, as a rendition would have it."""
        if size not in self._scaled:
            self._scaled[size] = resize(self.luma, size)
        return self._scaled[size]

    def lines(self, lines: int) -> Plane:
        """The picture with at most that many lines."""
        height, width = self.luma.shape
        if height <= lines:
            return self.luma
        return self.at(Size(max(2, round(width * lines / height)), lines))


def thumbnail(plane: NDArray[Any], lines: int) -> NDArray[Any]:
    """A quick reduction by averaging, for what only needs the broad picture."""
    height, width = plane.shape
    if height <= lines:
        return plane
    size = (max(2, round(width * lines / height)), lines)
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), plane.dtype)


@contextmanager
def decoder(source: Source) -> Iterator[Decoder]:
    """Keep a file open for several windows.

    Raises:
        SourceError: the file cannot be opened.
    """
    try:
        container = open_media(source.path)
    except (av.error.FFmpegError, OSError) as error:
        raise SourceError(f"cannot read {source.path.name}: {error}") from error
    with container:
        stream = container.streams[source.video.index]
        stream.thread_type = "AUTO"
        yield Decoder(container, stream, source)


LEAD_SECONDS = 0.4
"""Stretch before a wanted place in which every picture is decoded: more than a group of B-frames
at 24 frames a second."""


class Decoder:
    """Random access to the pictures of one open file.

    Attributes:
        sizes: of the decoder's pictures so far.
    """

    def __init__(self, container: Any, stream: Any, source: Source) -> None:
        self._container = container
        self.stream = stream
        self._source = source
        start = container.start_time
        self.origin = start / av.time_base if start is not None else 0.0
        self.bytes_read = 0
        self.packets_read = 0
        self._shown = windowed(source.video)
        self.sizes: set[tuple[int, int]] = set()

    def first(self) -> Any:
        """The first picture that decodes, as the decoder gives it; the file is not sought in.

        Raises:
            SourceError: there is none.
        """
        with contextlib.suppress(av.error.FFmpegError):
            for packet in self._container.demux(self.stream):
                with contextlib.suppress(av.error.InvalidDataError):
                    for frame in packet.decode():
                        return frame
        raise SourceError(f"{self._source.path.name}: no picture can be decoded")

    def frames(self, start: float, reach: float | None = None) -> Iterator[tuple[float, Any]]:
        """Raw decoded frames, with their times, that lead to ``start`` and all that follow.

        On the way from the keyframe at or before ``start``, pictures that no other needs are left
        out, all but those of the last ``LEAD_SECONDS``.

        Args:
            start: seconds into the title.
            reach: go no further than this many seconds past the keyframe, at whatever cost in
                place; None for no bound.
        """
        found = False
        for pair in self._from(start, reach):
            found = True
            yield pair
        if not found:
            # Without an index (MPEG-TS) a seek may land behind the last keyframe.
            yield from self._from(start, None, rewind=True)

    def _from(
        self, start: float, reach: float | None, *, rewind: bool = False
    ) -> Iterator[tuple[float, Any]]:
        base = float(self.stream.time_base)
        target = 0 if rewind else int((start + self.origin) / base)
        try:
            self._container.seek(max(target, 0), stream=self.stream, backward=True)
        except av.error.FFmpegError:
            self._container.seek(0)
        try:
            packets = self._container.demux(self.stream)
            for packet in packets:
                self.bytes_read += packet.size or 0
                self.packets_read += 1 if packet.size else 0
                if packet.pts is not None:
                    when = float(packet.pts) * base - self.origin
                    if reach is not None:
                        start, reach = min(start, when + reach), None
                    needed = when >= start - LEAD_SECONDS
                    self.stream.codec_context.skip_frame = "DEFAULT" if needed else "NONREF"
                try:
                    decoded = packet.decode()
                except av.error.InvalidDataError:
                    continue  # a damaged stretch: go on at the next readable picture
                for frame in decoded:
                    if frame.pts is not None:
                        self.sizes.add((frame.width, frame.height))
                        yield float(frame.pts) * base - self.origin, self._shown(frame)
        except av.error.FFmpegError:
            return  # a torn tail ends the title

    def read(self, window: Window, treatment: Treatment) -> Iterator[Picture]:
        """The frames of a window at the treatment's constant rate, in order.

        A window that reaches past the last frame yields fewer frames; one that lies wholly past
        it yields none.
        """
        rate = float(treatment.frame_rate)
        wanted = max(1, round(window.duration * rate))
        done = 0
        held: tuple[float, Any] | None = None
        for time, frame in self.frames(window.start):
            index = round((time - window.start) * rate)
            if index > done and held is not None:
                yield from self._emit(held, done, min(index, wanted), window, treatment)
                done = min(index, wanted)
            if done >= wanted:
                return
            if held is None or time >= held[0]:  # pictures before an open GOP can come late
                held = (time, frame)
        if held is not None and held[0] + treatment.held >= window.start - 1.5 / rate:
            left = round((held[0] + treatment.held - window.start) * rate) + 1
            yield from self._emit(held, done, min(max(done + 1, left), wanted), window, treatment)

    def _emit(
        self, held: tuple[float, Any], first: int, end: int, window: Window, treatment: Treatment
    ) -> Iterator[Picture]:
        if end <= first:
            return
        rate = float(treatment.frame_rate)
        for index in range(first, end):
            yield Picture(window.start + index / rate, held[1], self._source, treatment)


def prepare(frame: Any, source: Source, treatment: Treatment) -> tuple[Plane, Plane, Plane]:
    """Luma and colour planes of a decoded frame: 8 bits, limited range, upright, treated."""
    planes = planes_of(frame)
    if treatment.deinterlace:
        planes = [_one_field(plane) for plane in planes]
    turns = -source.video.rotation // 90
    upright = [np.rot90(plane, turns) for plane in planes] if turns else planes
    if source.video.mirrored:
        upright = [plane[:, ::-1] for plane in upright]
    if treatment.crop is not None:
        upright = [_cut(plane, source.size, treatment.crop) for plane in upright]
    luma = resize(upright[0], treatment.size)
    return luma, np.ascontiguousarray(upright[1]), np.ascontiguousarray(upright[2])


def planes_of(frame: Any) -> list[Plane]:
    """Y, U and V of a frame as 8-bit limited-range arrays in the coded orientation."""
    frame, depth, full = _planar(frame)
    planes = [_to_eight_bits(_raw_plane(frame, i, depth), depth) for i in range(len(frame.planes))]
    if len(planes) < 3:
        grey = np.full((2, 2), 128, np.uint8)
        planes = [planes[0], grey, grey]
    return [_to_eight_bits(planes[0], 8, full), *planes[1:3]]


def _raw_luma(frame: Any) -> tuple[NDArray[Any], int, bool]:
    frame, depth, full = _planar(frame)
    return _raw_plane(frame, 0, depth), depth, full


def _planar(frame: Any) -> tuple[Any, int, bool]:
    """The frame as planes that numpy can read, its bit depth, and whether it is full range."""
    form = frame.format
    readable = form.name.startswith(("yuv", "gray")) and not form.is_big_endian
    if not readable or not (form.is_planar or form.name.startswith("gray")):
        frame = frame.reformat(format="yuv420p", threads=1)
        form = frame.format
    full = form.name.startswith("yuvj") or int(getattr(frame, "color_range", 0) or 0) == 2
    return frame, form.components[0].bits, full


def _raw_plane(frame: Any, index: int, depth: int) -> NDArray[Any]:
    plane = frame.planes[index]
    if depth <= 8:
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    else:
        rows = np.frombuffer(plane, np.uint16).reshape(-1, plane.line_size // 2)  # type: ignore[assignment]
    return rows[: plane.height, : plane.width]


_FULL_TO_LIMITED = np.round(16 + np.arange(256) * 219 / 255).astype(np.uint8)


def _to_eight_bits(plane: NDArray[Any], depth: int, full: bool = False) -> Plane:
    if depth > 8:
        half = np.uint16(1 << (depth - 9))
        # Rounding would carry the largest codes over the end of their type.
        kept = np.minimum(plane, np.uint16((1 << depth) - 1) - half)
        plane = ((kept + half) >> (depth - 8)).astype(np.uint8)
    if full:
        plane = np.asarray(cv2.LUT(plane, _FULL_TO_LIMITED), np.uint8)
    return plane


def _one_field(plane: Plane) -> Plane:
    """The top field at full height: what bwdif keeps of it, without the interpolation."""
    height, width = plane.shape
    if height < 4:
        return plane
    field = np.ascontiguousarray(plane[0::2])
    return np.asarray(cv2.resize(field, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _cut(plane: Plane, full: Size, crop: Any) -> Plane:
    height, width = plane.shape
    fx, fy = Fraction(width, full.width), Fraction(height, full.height)
    top, left = round(crop.y * fy), round(crop.x * fx)
    rows, columns = max(1, round(crop.size.height * fy)), max(1, round(crop.size.width * fx))
    return plane[top : top + rows, left : left + columns]
