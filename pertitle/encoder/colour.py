"""Colour: what the source's samples mean, and how the filters are told.

Names are ffmpeg's, code points those of ITU-T H.273.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pertitle.records import Size, Source, VideoStream

SD_MAX_LINES = 576
SD_MAX_WIDTH = 1024
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Colour:
    """Primaries, transfer and matrix of YCbCr pictures in limited range.

    Attributes:
        guessed: the source did not say (all of) it.
    """

    primaries: str
    transfer: str
    matrix: str
    guessed: bool = False


BT709 = Colour("bt709", "bt709", "bt709")
_BT601_525 = Colour("smpte170m", "smpte170m", "smpte170m")
_BT601_625 = Colour("bt470bg", "smpte170m", "bt470bg")


def source_colour(video: VideoStream, size: Size) -> Colour:
    """The source's colour; what is not tagged is guessed as players do.

    Untagged pictures of standard definition are BT.601 (625-line primaries at 25 or 50 frames a
    second), all others BT.709. A tag that is present is believed, and its usual companions fill
    the gaps beside it.
    """
    if size.height > SD_MAX_LINES or size.width > SD_MAX_WIDTH:
        guess = BT709
    elif video.frame_rate in (25, 50):
        guess = _BT601_625
    else:
        guess = _BT601_525
    known = {video.primaries, video.transfer, video.matrix}
    if "bt709" in known:
        guess = BT709
    elif known & {"bt2020", "bt2020nc", "bt2020c", "smpte2084", "arib-std-b67"}:
        guess = Colour("bt2020", "bt2020-10", "bt2020nc")
    primaries = guess.primaries if video.primaries == UNKNOWN else video.primaries
    transfer = guess.transfer if video.transfer == UNKNOWN else video.transfer
    matrix = guess.matrix if video.matrix in (UNKNOWN, "gbr", "ycgco") else video.matrix
    return Colour(primaries, transfer, matrix, guessed=UNKNOWN in known)


def tag(video: Any, source: Source) -> Any:
    """State the source's colour on its frames, so that filters and encoders need not guess."""
    colour = source_colour(source.video, source.size)
    stream = source.video
    options = {"color_primaries": colour.primaries, "color_trc": colour.transfer}
    if is_rgb(stream):
        # RGB has no YCbCr matrix before it is converted.
        return video.filter("setparams", **options)
    options["colorspace"] = colour.matrix
    if stream.color_range == UNKNOWN and not stream.pixel_format.startswith("yuvj"):
        options["range"] = "limited"
    return video.filter("setparams", **options)


def is_rgb(video: VideoStream) -> bool:
    """The samples are red, green and blue (or palette indices into such)."""
    name = video.pixel_format
    return video.matrix == "gbr" or name.startswith(("gbr", "rgb", "bgr", "argb", "abgr", "pal8"))


def conversion(source: Source) -> dict[str, str]:
    """Options of the first ``scale``: to limited range, and from RGB to the right matrix."""
    options = {"out_range": "limited"}
    if is_rgb(source.video):
        options["out_color_matrix"] = source_colour(source.video, source.size).matrix
    return options
