"""Storyboards: small pictures of a title in sheets, for scrubbing.

One picture a keyframe, so that only keyframes of a small rendition are decoded. The sheets serve
a DASH image adaptation set, an HLS image playlist and a WebVTT file of the kind most web players
read; a BIF file holds the same moments for Roku players.
"""

from __future__ import annotations

import itertools
import math
import struct
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pertitle.encoder import commands
from pertitle.encoder.grid import Grid
from pertitle.encoder.package.dash import element
from pertitle.encoder.package.subtitles import clock
from pertitle.errors import DeliveryError
from pertitle.records import Size
from pertitle.results import Rendition
from pertitle.system.tools import Toolbox

SIDE = 160
"""Longer side of a picture, in pixels."""
COLUMNS = 5
ROWS = 5
BIF_SIDE = 320
"""Longer side of a picture in a BIF file (Roku's HD size)."""
BIF_MAGIC = b"\x89BIF\r\n\x1a\n"
QUALITY = "4"
"""MJPEG quantiser scale, 2 (best) to 31."""


@dataclass(frozen=True)
class Storyboard:
    """Sheets of ``COLUMNS`` × ``ROWS`` pictures, from the top left.

    Attributes:
        sheets: JPEG files in order; the last one may have black places.
        picture: size of one picture.
        pictures: how many there are in all.
        interval: seconds from one to the next.
        duration: seconds of the title.
    """

    sheets: tuple[Path, ...]
    picture: Size
    pictures: int
    interval: Fraction
    duration: Fraction

    @property
    def sheet_seconds(self) -> Fraction:
        """Seconds that a full sheet covers."""
        return self.interval * COLUMNS * ROWS

    @property
    def bandwidth(self) -> int:
        """Bit/s of the largest sheet."""
        bits = max(path.stat().st_size for path in self.sheets) * 8
        return math.ceil(bits / min(self.sheet_seconds, self.duration))

    @property
    def sheet_size(self) -> Size:
        return Size(self.picture.width * COLUMNS, self.picture.height * ROWS)


def make_storyboard(
    toolbox: Toolbox,
    rendition: Rendition,
    *,
    gop: int,
    frame_rate: Fraction,
    folder: Path,
    skipped: int | None = None,
) -> Storyboard:
    """Write sheets of a rendition's keyframes, which stand ``gop`` frames apart.

    Args:
        skipped: the frame of that grid which is no keyframe.

    Raises:
        DeliveryError: there are not as many sheets as keyframes need.
        ProcessError: ffmpeg failed.
    """
    size = _fit(rendition, SIDE)
    pictures = len(Grid(gop, skipped).starts(rendition.frames))
    video = keyframes(rendition, size, gop, frame_rate).filter("tile", f"{COLUMNS}x{ROWS}")
    folder.mkdir(parents=True, exist_ok=True)
    _write_pictures(toolbox, video, folder)
    sheets = tuple(sorted(folder.glob("*.jpg")))
    if len(sheets) != math.ceil(pictures / (COLUMNS * ROWS)):
        raise DeliveryError(f"{len(sheets)} storyboard sheets for {pictures} pictures")
    # A last picture stands for no longer than the others: sheets are all equally long.
    interval, duration = gop / frame_rate, rendition.frames / frame_rate
    return Storyboard(sheets, size, pictures, interval, min(duration, pictures * interval))


def smallest_fit(renditions: Sequence[Rendition]) -> Rendition:
    """The rendition that costs least to take small pictures from."""
    large = [r for r in renditions if max(r.rung.width, r.rung.height) >= BIF_SIDE]
    return min(large or renditions, key=_cost)


def _cost(rendition: Rendition) -> tuple[bool, bool, int]:
    return rendition.dynamic_range != "sdr", rendition.codec != "h264", rendition.rung.width


def keyframes(rendition: Rendition, size: Size, gop: int, frame_rate: Fraction) -> Any:
    """Small pictures of a rendition, one every ``gop`` frames."""
    video = commands.open_input(rendition.path, skip_frame="nokey")["v:0"]
    # Keyframes beyond the grid (there are none in our own encodes) would shift all that follow.
    video = video.filter("setpts", f"round(PTS*TB*{frame_rate})")
    video = commands.scale(video.filter("select", f"not(mod(pts,{gop}))"), size)
    if rendition.dynamic_range != "sdr":
        video = commands.tone_mapped(video)
    return commands.number(video, Fraction(1))


def _fit(rendition: Rendition, side: int) -> Size:
    return Size(rendition.rung.width, rendition.rung.height).fit(Size(side, side))


def _write_pictures(toolbox: Toolbox, video: Any, folder: Path) -> None:
    pattern = str(folder / "%05d.jpg").replace("%", "%%", str(folder).count("%"))
    output = video.output(
        commands.url(pattern), f="image2", start_number=1, fps_mode="passthrough",
        **{"c:v": "mjpeg", "q:v": QUALITY, "pix_fmt": "yuvj420p"},
    )  # fmt: skip
    toolbox.runner.run(commands.finish(toolbox.ffmpeg, output), limits=toolbox.limits())


def make_bif(
    toolbox: Toolbox,
    rendition: Rendition,
    *,
    gop: int,
    frame_rate: Fraction,
    target: Path,
    skipped: int | None = None,
) -> None:
    """Write a rendition's keyframes, which stand ``gop`` frames apart, as a BIF file.

    Raises:
        DeliveryError: there are not as many pictures as keyframes.
        ProcessError: ffmpeg failed.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".bif-") as name:
        folder = Path(name)
        size = _fit(rendition, BIF_SIDE)
        _write_pictures(toolbox, keyframes(rendition, size, gop, frame_rate), folder)
        pictures = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    if len(pictures) != len(Grid(gop, skipped).starts(rendition.frames)):
        raise DeliveryError(f"{len(pictures)} BIF pictures of {rendition.frames} frames")
    target.write_bytes(bif(pictures, gop / frame_rate))


def bif(pictures: Sequence[bytes], interval: Fraction) -> bytes:
    """A BIF file, version 0 (Roku, "BIF file specification"): header, index, JPEG pictures."""
    header = BIF_MAGIC + struct.pack("<III", 0, len(pictures), round(interval * 1000)) + bytes(44)
    place = len(header) + 8 * (len(pictures) + 1)
    index = b""
    for number, picture in enumerate(pictures):
        index += struct.pack("<II", number, place)
        place += len(picture)
    return header + index + struct.pack("<II", 0xFFFFFFFF, place) + b"".join(pictures)


def read_bif(data: bytes) -> tuple[Fraction, tuple[bytes, ...]]:
    """Interval in seconds and the JPEG pictures of a BIF file.

    Raises:
        DeliveryError: it is not one.
    """
    try:
        version, count, millis = struct.unpack_from("<III", data, 8)
        entries = [struct.unpack_from("<II", data, 64 + 8 * i) for i in range(count + 1)]
    except struct.error as error:
        raise DeliveryError("the BIF file is cut off") from error
    places = [place for _, place in entries]
    numbers = [number for number, _ in entries]
    if (
        not data.startswith(BIF_MAGIC)
        or version
        or numbers != [*range(count), 0xFFFFFFFF]
        or places != sorted(places)
        or places[-1] != len(data)
    ):
        raise DeliveryError("the BIF file is damaged")
    pictures = tuple(data[a:b] for a, b in itertools.pairwise(places))
    return Fraction(millis, 1000), pictures


def storyboard_playlist(board: Storyboard) -> str:
    """The HLS image playlist (Roku, "Image media playlist specification", 0.4)."""
    width, height = board.picture.width, board.picture.height
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        f"#EXT-X-TARGETDURATION:{math.ceil(min(board.sheet_seconds, board.duration))}",
        "#EXT-X-MEDIA-SEQUENCE:1",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-IMAGES-ONLY",
    ]
    for i, sheet in enumerate(board.sheets):
        length = min(board.sheet_seconds, board.duration - i * board.sheet_seconds)
        lines += [
            f"#EXTINF:{float(length):.3f},",
            f"#EXT-X-TILES:RESOLUTION={width}x{height},LAYOUT={COLUMNS}x{ROWS},"
            f"DURATION={float(board.interval):.3f}",
            sheet.name,
        ]
    return "\n".join([*lines, "#EXT-X-ENDLIST"]) + "\n"


def storyboard_stream(board: Storyboard, folder: str) -> str:
    """The line of the HLS master playlist that names the image playlist."""
    width, height = board.picture.width, board.picture.height
    return (
        f"#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={board.bandwidth},RESOLUTION={width}x{height},"
        f'CODECS="jpeg",URI="{folder}/images.m3u8"'
    )


def storyboard_vtt(board: Storyboard) -> str:
    """A WebVTT file whose cues are places in the sheets (media fragments, ``#xywh=``)."""
    blocks = ["WEBVTT"]
    for i in range(board.pictures):
        sheet, place = divmod(i, COLUMNS * ROWS)
        row, column = divmod(place, COLUMNS)
        width, height = board.picture.width, board.picture.height
        end = min(board.duration, (i + 1) * board.interval)
        blocks.append(
            f"{clock(float(i * board.interval))} --> {clock(float(end))}\n"
            f"{board.sheets[sheet].name}#xywh={column * width},{row * height},{width},{height}"
        )
    return "\n\n".join(blocks) + "\n"


def storyboard_set(board: Storyboard, folder: str) -> ElementTree.Element:
    """The DASH adaptation set (DASH-IF IOP 4.3, section 6.2.6)."""
    span = board.sheet_seconds
    return element(
        "AdaptationSet",
        element(
            "SegmentTemplate",
            media=f"{folder}/$Number%05d$.jpg",
            timescale=span.denominator,
            duration=span.numerator,
            startNumber=1,
        ),
        element(
            "Representation",
            element(
                "EssentialProperty",
                schemeIdUri="http://dashif.org/guidelines/thumbnail_tile",
                value=f"{COLUMNS}x{ROWS}",
            ),
            id="storyboard",
            bandwidth=board.bandwidth,
            width=board.sheet_size.width,
            height=board.sheet_size.height,
        ),
        id=2000,
        contentType="image",
        mimeType="image/jpeg",
    )
