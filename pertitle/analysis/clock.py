"""Whether the clock of a transport or program stream runs evenly.

Recordings are joined, and their clock of 33 bits wraps after 26.5 hours: times jump by hours in the
middle of a film. ffmpeg follows such a clock while it reads on, and nothing that seeks can.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import av.error

from pertitle.system.sources import open_media

JUMP = 10.0
"""Seconds between neighbouring packets that no film has: ffmpeg's ``dts_delta_threshold``."""
BACK = -1.0
"""Decoding times rise; so far back is another clock."""


def runs_evenly(path: Path) -> bool:
    """Read all packets of the picture tracks; nothing is decoded.

    Raises:
        SourceError: the file cannot be read.
    """
    last: dict[int, float] = {}
    with contextlib.suppress(av.error.FFmpegError), open_media(path) as container:
        for packet in container.demux(video=0):
            if packet.dts is None:
                continue
            time = float(packet.dts * packet.time_base)
            step = time - last.get(packet.stream_index, time)
            if not BACK <= step <= JUMP or time < 0:  # before the wrap, times are told as negative
                return False
            last[packet.stream_index] = time
    return True
