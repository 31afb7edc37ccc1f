"""Storyboards: small pictures of a title in sheets, for scrubbing.

One picture a keyframe, so that only keyframes of a small rendition are decoded. The sheets serve
a DASH image adaptation set and a WebVTT file of the kind most web players read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from pertitle.encoder import commands
from pertitle.encoder.subtitles import clock
from pertitle.errors import DeliveryError
from pertitle.records import Rendition, Size
from pertitle.tools import Toolbox

SIDE = 160
"""Longer side of a picture, in pixels."""
COLUMNS = 5
ROWS = 5
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
    def sheet_size(self) -> Size:
        return Size(self.picture.width * COLUMNS, self.picture.height * ROWS)


def make_storyboard(
    toolbox: Toolbox, rendition: Rendition, *, gop: int, frame_rate: Fraction, folder: Path
) -> Storyboard:
    """Write sheets of a rendition's keyframes, which stand ``gop`` frames apart.

    Raises:
        DeliveryError: there are not as many sheets as keyframes need.
        ProcessError: ffmpeg failed.
    """
    size = Size(rendition.rung.width, rendition.rung.height).fit(Size(SIDE, SIDE))
    pictures = math.ceil(rendition.frames / gop)
    video = commands.open_input(rendition.path, skip_frame="nokey")["v:0"]
    # Keyframes beyond the grid (there are none in our own encodes) would shift all that follow.
    video = video.filter("setpts", f"round(PTS*TB*{frame_rate})")
    video = video.filter("select", f"not(mod(pts,{gop}))")
    video = commands.scale(video, size).filter("tile", f"{COLUMNS}x{ROWS}")
    folder.mkdir(parents=True, exist_ok=True)
    pattern = str(folder / "%05d.jpg").replace("%", "%%", str(folder).count("%"))
    output = video.output(
        f"file:{pattern}", f="image2", start_number=1, fps_mode="passthrough",
        **{"c:v": "mjpeg", "q:v": QUALITY, "pix_fmt": "yuvj420p"},
    )  # fmt: skip
    toolbox.runner.run(commands.finish(toolbox.ffmpeg, output), limits=toolbox.limits())
    sheets = tuple(sorted(folder.glob("*.jpg")))
    if len(sheets) != math.ceil(pictures / (COLUMNS * ROWS)):
        raise DeliveryError(f"{len(sheets)} storyboard sheets for {pictures} pictures")
    return Storyboard(sheets, size, pictures, gop / frame_rate, rendition.frames / frame_rate)


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


def storyboard_set(board: Storyboard, folder: str) -> str:
    """The DASH adaptation set (DASH-IF IOP 4.3, section 6.2.6)."""
    span = board.interval * COLUMNS * ROWS
    bits = max(path.stat().st_size for path in board.sheets) * 8
    return f"""    <AdaptationSet id="2000" contentType="image" mimeType="image/jpeg">
      <SegmentTemplate media="{folder}/$Number%05d$.jpg" timescale="{span.denominator}" \
duration="{span.numerator}" startNumber="1"/>
      <Representation id="storyboard" bandwidth="{math.ceil(bits / span)}" \
width="{board.sheet_size.width}" height="{board.sheet_size.height}">
        <EssentialProperty schemeIdUri="http://dashif.org/guidelines/thumbnail_tile" \
value="{COLUMNS}x{ROWS}"/>
      </Representation>
    </AdaptationSet>
"""
