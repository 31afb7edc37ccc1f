"""MPEG-TS segments: the clock they run on, and where their first picture lies.

For players that know no fragmented MP4. They hold H.264 and AAC: Apple's players take HEVC in
fragmented MP4 alone ("HLS authoring specification for Apple devices", 1.5), which is what the old
ones lack, and there is no AV1 in them.
"""

from __future__ import annotations

from pathlib import Path

from pertitle.encoder.package.manifests import iframe_playlist, read_media_playlist
from pertitle.errors import DeliveryError

START_SECONDS = 10
"""Time of frame 0. Decoding starts earlier by the delay of B-frames, and there is no negative
time; Apple's tools start at 10 s too."""
TICKS = 90_000
"""Of the clock, a second (ISO/IEC 13818-1, 2.4.3.7)."""
TIMESTAMP_MAP = f"X-TIMESTAMP-MAP=MPEGTS:{START_SECONDS * TICKS},LOCAL:00:00:00.000"
"""What WebVTT files say of it (RFC 8216, section 3.5)."""
PACKET = 188
_SYNC = 0x47
_PAT = 0


def first_picture(data: bytes) -> tuple[int, int]:
    """Where the first picture of a segment starts and ends; before it are the tables (PAT, PMT).

    Raises:
        DeliveryError: the data is not a transport stream that starts with its tables.
    """
    if len(data) % PACKET or any(byte != _SYNC for byte in data[::PACKET]):
        raise DeliveryError("a segment is not made of whole transport packets")
    starts = [
        place
        for place in range(0, len(data), PACKET)
        if data[place + 1] & 0x40 and _payload(data, place).startswith(b"\0\0\1\xe0")
    ]
    if not starts or not starts[0] or _pid(data, 0) not in (_PAT, 17):
        raise DeliveryError("a segment does not start with its tables")
    return starts[0], starts[1] if len(starts) > 1 else len(data)


def _pid(data: bytes, place: int) -> int:
    return (data[place + 1] & 0x1F) << 8 | data[place + 2]


def _payload(data: bytes, place: int) -> bytes:
    """What a packet carries behind its header and adaptation field."""
    skip = 5 + data[place + 4] if data[place + 3] & 0x20 else 4
    return data[place + skip : place + PACKET]


def write_iframes(folder: Path, playlist: str, target: str) -> None:
    """Each segment's first picture by its range of bytes, the tables as its initialisation.

    (RFC 8216, section 4.3.2.5: without tables before it a picture cannot be read.)

    Raises:
        DeliveryError: a segment is damaged.
    """
    listed = read_media_playlist((folder / playlist).read_text("utf-8"))
    names = [name for name, _ in listed.segments]
    spans = [first_picture((folder / name).read_bytes()) for name in names]
    init = f'URI="{names[0]}",BYTERANGE="{spans[0][0]}@0"'
    (folder / target).write_text(iframe_playlist(listed, init, spans), "utf-8")
