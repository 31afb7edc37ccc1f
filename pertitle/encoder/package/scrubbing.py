"""Checks of what a player scrubs and fast-forwards with: I-frame playlists and storyboards."""

from __future__ import annotations

import io
import math
import re
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from pathlib import Path

import av
import av.error

from pertitle.encoder.package.dash import DASH
from pertitle.encoder.package.manifests import attributes
from pertitle.encoder.package.packaging import BIF_NAME, STORYBOARD
from pertitle.encoder.package.storyboard import COLUMNS, ROWS, Storyboard, read_bif
from pertitle.encoder.package.subtitles import read_cues
from pertitle.errors import DeliveryError

_TILES = "http://dashif.org/guidelines/thumbnail_tile"


def check_iframes(folder: Path, master: str, variants: int, length: float) -> None:
    """Every variant has an I-frame playlist whose ranges are whole keyframes.

    The first and last range of each is decoded.

    Raises:
        DeliveryError: one of these is not so.
    """
    streams = [
        attributes(line.partition(":")[2])
        for line in master.splitlines()
        if line.startswith("#EXT-X-I-FRAME-STREAM-INF:")
    ]
    if len(streams) != variants:
        raise DeliveryError(f"{len(streams)} I-frame playlists for {variants} variants")
    for stream in streams:
        playlist = folder / stream["URI"]
        lines = _lines(playlist)
        name = f"{playlist.parent.name}/{playlist.name}"
        if "#EXT-X-I-FRAMES-ONLY" not in lines or lines[-1] != "#EXT-X-ENDLIST":
            raise DeliveryError(f"{name} is not a finished I-frame playlist")
        ranges, seconds, init, current = [], 0.0, (0, 0, ""), (0, 0)
        for line in lines:
            tag, _, value = line.partition(":")
            if tag == "#EXT-X-MAP":
                found = attributes(value)
                init = (*_range(found.get("BYTERANGE", "")), found["URI"])
            elif tag == "#EXTINF":
                seconds += float(value.rstrip(","))
            elif tag == "#EXT-X-BYTERANGE":
                current = _range(value)
            elif not line.startswith("#"):
                ranges.append((*current, line))
        if not ranges or abs(seconds - length) > 0.5:
            raise DeliveryError(f"{name} lists {seconds:.2f} s of {length:.2f} s")
        start = _bytes(playlist.parent, *init)
        for place in (ranges[0], ranges[-1]):
            _check_keyframe(name, start + _bytes(playlist.parent, *place))


def _range(text: str) -> tuple[int, int]:
    """Length and offset of an HLS byte range; (0, 0) for none, which is the whole file."""
    size, _, offset = text.partition("@")
    return (int(size), int(offset or 0)) if size else (0, 0)


def _bytes(folder: Path, size: int, offset: int, name: str) -> bytes:
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise DeliveryError(f"{folder.name}/{name} cannot be read back") from error
    if offset + size > len(data):
        raise DeliveryError(f"{folder.name}/{name} is shorter than an I-frame playlist says")
    return data[offset : offset + size] if size else data


def _check_keyframe(name: str, data: bytes) -> None:
    try:
        # A transport packet starts with this byte, and a box with its length.
        kind = "mpegts" if data[:1] == b"\x47" else "mp4"
        with av.open(io.BytesIO(data), "r", format=kind) as container:
            packet = next(container.demux(container.streams.video[0]))
            if packet.size and packet.is_keyframe:
                return
    except (av.error.FFmpegError, IndexError, StopIteration) as error:
        raise DeliveryError(f"{name} names what cannot be decoded") from error
    raise DeliveryError(f"{name} names a picture that is not a keyframe")


def check_storyboard(master: Path, manifest: Path | None, board: Storyboard, *, bif: bool) -> None:
    """HLS image playlist, DASH image set, WebVTT and BIF name the sheets and pictures there are.

    Args:
        manifest: the DASH manifest, None where there is none.

    Raises:
        DeliveryError: one of them does not.
    """
    folder = master.parent / STORYBOARD
    names = [sheet.name for sheet in board.sheets]
    for name in names:
        with av.open(f"file:{folder / name}") as container:
            stream = container.streams.video[0]
            if (stream.width, stream.height) != (board.sheet_size.width, board.sheet_size.height):
                raise DeliveryError(f"sheet {name} is {stream.width}x{stream.height}")
    streams = [line for line in _lines(master) if line.startswith("#EXT-X-IMAGE-STREAM-INF:")]
    if [attributes(line.partition(":")[2])["URI"] for line in streams] != [
        f"{STORYBOARD}/images.m3u8"
    ]:
        raise DeliveryError("the master playlist does not name the image playlist")
    lines = _lines(folder / "images.m3u8")
    listed = [line for line in lines if not line.startswith("#")]
    seconds = sum(float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:"))
    if listed != names or abs(seconds - float(board.duration)) > 0.1:
        raise DeliveryError(f"the image playlist names {len(listed)} of {len(names)} sheets")
    cues = read_cues((folder / "storyboard.vtt").read_text(encoding="utf-8"))
    shown = {cue.text.partition("#")[0] for cue in cues}
    if len(cues) != board.pictures or shown != set(names):
        raise DeliveryError(f"storyboard.vtt has {len(cues)} of {board.pictures} pictures")
    if manifest is not None:
        _check_image_set(manifest, board)
    if bif:
        interval, pictures = read_bif((folder / BIF_NAME).read_bytes())
        if len(pictures) != board.pictures or abs(interval - board.interval) > Fraction(1, 1000):
            raise DeliveryError(f"{BIF_NAME} has {len(pictures)} of {board.pictures} pictures")


def _check_image_set(manifest: Path, board: Storyboard) -> None:
    root = ElementTree.fromstring(manifest.read_text(encoding="utf-8"))
    sets = [s for s in root.iter(f"{DASH}AdaptationSet") if s.get("contentType") == "image"]
    template = sets[0].find(f"{DASH}SegmentTemplate") if len(sets) == 1 else None
    layout = sets[0].find(f".//{DASH}EssentialProperty") if len(sets) == 1 else None
    if template is None or layout is None:
        raise DeliveryError(f"{manifest.name} has no image set")
    if (layout.get("schemeIdUri"), layout.get("value")) != (_TILES, f"{COLUMNS}x{ROWS}"):
        raise DeliveryError(f"{manifest.name}: the image set does not say its layout")
    span = Fraction(template.get("duration", "0")) / int(template.get("timescale", "1"))
    if span <= 0 or math.ceil(board.duration / span) != len(board.sheets):
        raise DeliveryError(f"{manifest.name}: the image set is not {len(board.sheets)} sheets")
    for number in range(1, len(board.sheets) + 1):
        media = re.sub(r"\$Number%05d\$", f"{number:05d}", template.get("media", ""))
        if not (manifest.parent / media).is_file():
            raise DeliveryError(f"{manifest.name} names {media}, which does not exist")


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DeliveryError(f"{path.name} cannot be read back") from error
    return [line.strip() for line in text.splitlines() if line.strip()]
