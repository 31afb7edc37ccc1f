"""Coded pictures as a container holds them: times, bytes and keyframes, without decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from pertitle.errors import DeliveryError


@dataclass(frozen=True)
class Pictures:
    """The pictures of a video track in order of presentation.

    Attributes:
        pts: presentation time of each, in units of ``base`` seconds; numbers and not fractions, as
            titles have hundreds of thousands of pictures.
        sizes: bytes of each.
        keys: which are random access points.
        codec_string: RFC 6381 name.
        width, height: coded size in pixels.
    """

    pts: NDArray[np.int64]
    base: Fraction
    sizes: NDArray[np.int64]
    keys: NDArray[np.bool_]
    codec_string: str
    width: int
    height: int

    @property
    def frames(self) -> int:
        return len(self.pts)

    @property
    def times(self) -> tuple[Fraction, ...]:
        """The presentation times in seconds."""
        return tuple(int(pts) * self.base for pts in self.pts)

    def average_kbps(self, frame_rate: Fraction) -> float:
        """Picture bytes over the track's length, kbit/s."""
        return float(self.sizes.sum()) * 8 * float(frame_rate) / self.frames / 1000

    def segment_kbps(self, frame_rate: Fraction, starts: Sequence[int]) -> NDArray[np.float64]:
        """The bitrate of each of the segments that start at these frames, kbit/s."""
        lengths = np.diff(np.append(starts, self.frames)) / float(frame_rate)
        return np.asarray(np.add.reduceat(self.sizes, starts) / lengths * 8 / 1000)

    def peak_kbps(self, frame_rate: Fraction, starts: Sequence[int]) -> float:
        """The peak segment bitrate with segments that start at these frames, kbit/s."""
        rates = self.segment_kbps(frame_rate, starts)
        lengths = np.diff(np.append(starts, self.frames)) / float(frame_rate)
        return peak_rate((rates * lengths).tolist(), lengths.tolist())


def peak_rate(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The peak segment rate of RFC 8216, section 4.1, in units of ``sizes`` a second.

    That is the largest rate of any contiguous set of segments whose length is between half and
    one and a half times the longest's, so that a last segment of one keyframe does not count
    alone; never less than the average.
    """
    target = max(seconds)
    peak = sum(sizes) / sum(seconds)
    for first in range(len(sizes)):
        size = length = 0.0
        for last in range(first, len(sizes)):
            size += sizes[last]
            length += seconds[last]
            if length > 1.5 * target:
                break
            if length >= 0.5 * target:
                peak = max(peak, size / length)
    return peak


def read_pictures(path: Path) -> Pictures:
    """Read all packets of the first video track.

    Raises:
        DeliveryError: the file cannot be read or holds no pictures.
    """
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.video[0]
            base = Fraction(stream.time_base or 1)
            rows = [
                (packet.pts or 0, packet.size, packet.is_keyframe)
                for packet in container.demux(stream)
                if packet.size
            ]
            context = stream.codec_context
            name = codec_string(context.name, bytes(context.extradata or b""))
            width, height = context.width, context.height
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise DeliveryError(f"{path.name} cannot be read back: {error}") from error
    if not rows:
        raise DeliveryError(f"{path.name} holds no pictures")
    rows.sort()
    return Pictures(
        pts=np.array([pts for pts, _, _ in rows], dtype=np.int64),
        base=base,
        sizes=np.array([size for _, size, _ in rows], dtype=np.int64),
        keys=np.array([key for _, _, key in rows], dtype=np.bool_),
        codec_string=name,
        width=width,
        height=height,
    )


def codec_string(codec: str, record: bytes) -> str:
    """The RFC 6381 name from the decoder configuration record in the sample description.

    Sources: ISO/IEC 14496-15 (avcC; hvcC and its annex E), AV1 codec ISO media file format
    binding, section 5.

    Raises:
        DeliveryError: the record is missing or too short.
    """
    if codec == "h264" and len(record) >= 4 and record[0] == 1:
        return f"avc1.{record[1]:02x}{record[2]:02x}{record[3]:02x}"
    if codec == "hevc" and len(record) >= 13 and record[0] == 1:
        space = ("", "A", "B", "C")[record[1] >> 6]
        tier = "H" if record[1] & 0x20 else "L"
        flags = int.from_bytes(record[2:6], "big")
        reversed_flags = int(f"{flags:032b}"[::-1], 2)
        constraints = record[6:12].rstrip(b"\0")
        parts = [f"hvc1.{space}{record[1] & 0x1F}", f"{reversed_flags:X}", f"{tier}{record[12]}"]
        return ".".join(parts + [f"{byte:X}" for byte in constraints])
    if "av1" in codec and len(record) >= 4 and record[0] == 0x81:
        profile, level = record[1] >> 5, record[1] & 0x1F
        tier = "H" if record[2] & 0x80 else "M"
        depth = {(0, 0): 8, (1, 0): 10, (1, 1): 12}[(record[2] >> 6 & 1, record[2] >> 5 & 1)]
        return f"av01.{profile}.{level:02d}{tier}.{depth:02d}"
    raise DeliveryError(f"no codec string can be told from the {codec} track")
