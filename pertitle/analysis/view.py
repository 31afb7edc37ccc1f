"""What ffmpeg makes of a source's picture: the truth that the analysis follows.

Renditions are decoded by ffmpeg, which cuts a picture to the crop window of its container, turns
and mirrors it; the analysis decodes with PyAV, which does not. The first picture of both is laid
over one another, in all eight positions and at every offset: how the one becomes the other is how
every picture is read from then on.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.errors import ProcessError, SourceError
from pertitle.records import Crop, Size, Source, VideoStream
from pertitle.system.process import Limits, SubprocessRunner
from pertitle.system.sources import MAX_PIXELS, PROTOCOLS, demuxer_of

Plane = NDArray[np.uint8]

FLAT = 4.0
"""Standard deviation (grey levels) below which a picture tells nothing of its position."""
SAME = 0.98
"""Correlation of two pictures that are one. Decoders agree to the bit; ranges may differ."""
SECONDS = 120.0


def first_picture(program: str, source: Source) -> Plane:
    """Luma of the first picture as ffmpeg hands it to an encoder, upright, full range or not.

    Raises:
        SourceError: ffmpeg decodes none.
    """
    with tempfile.TemporaryDirectory(prefix="pertitle-") as name:
        target = Path(name, "first.y4m")
        argv = [
            program, "-hide_banner", "-nostdin", "-loglevel", "error", "-y",
            "-protocol_whitelist", PROTOCOLS, "-max_pixels", str(MAX_PIXELS),
            "-f", demuxer_of(source), "-i", f"file:{source.path}",
            "-map", f"0:{source.video.index}", "-frames:v", "1", "-pix_fmt", "gray",
            "-f", "yuv4mpegpipe", "-strict", "-1", f"file:{target}",
        ]  # fmt: skip
        try:
            SubprocessRunner().run(argv, limits=Limits(seconds=SECONDS))
        except ProcessError as error:
            raise SourceError(f"{source.path.name}: no picture can be decoded: {error}") from error
        header, _, rest = target.read_bytes().partition(b"\n")
    fields = {part[:1]: part[1:] for part in header.decode("ascii", "replace").split()[1:]}
    if not rest:
        raise SourceError(f"{source.path.name}: no picture can be decoded")
    width, height = int(fields["W"]), int(fields["H"])
    data = rest.partition(b"\n")[2]
    return np.frombuffer(data, np.uint8, width * height).reshape(height, width)


def as_shown(video: VideoStream, coded: Plane, shown: Plane) -> VideoStream:
    """The stream with the rotation, mirroring and crop window that make ``shown`` of ``coded``.

    Args:
        video: as its headers tell, which is believed of pictures that are flat.
        coded: luma of the first picture as PyAV decodes it.
        shown: luma of the same picture as ffmpeg shows it.

    Raises:
        SourceError: they are not the same picture.
    """
    told = (video.rotation // 90, video.mirrored)
    positions = [(turn, flip) for flip in (False, True) for turn in range(4)]
    blank = min(float(coded.std()), float(shown.std())) < FLAT
    best, found = -1.0, video
    for turn, flip in sorted(positions, key=lambda position: position != told):
        # How the shown picture lies in the coded one.
        part = np.ascontiguousarray(np.rot90(shown[:, ::-1] if flip else shown, turn))
        (height, width), (high, wide) = coded.shape, part.shape
        if high > height or wide > width:
            continue
        if blank:  # nothing tells: headers are believed, and a window is in the middle
            x, y, likeness = (width - wide) // 2, (height - high) // 2, 1.0
        else:
            _, likeness, _, (x, y) = cv2.minMaxLoc(
                cv2.matchTemplate(coded, part, cv2.TM_CCOEFF_NORMED)
            )
        if likeness > best:
            window = None if (wide, high) == (width, height) else Crop(x, y, Size(wide, high))
            best = likeness
            found = replace(
                video, rotation=90 * turn, mirrored=flip, window=window, width=wide, height=high
            )
        if best >= SAME:
            return found
    raise SourceError("two decoders do not agree on its first picture")
