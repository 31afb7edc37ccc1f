"""How a source may be opened, whoever opens it: sources are untrusted."""

from __future__ import annotations

from pertitle.errors import SourceError
from pertitle.records import Source

CONTAINERS = (
    "mov", "mp4", "matroska", "webm", "avi", "mpegts", "mpeg", "mpegvideo", "mxf", "flv", "ogg",
    "asf", "gxf", "ivf", "nut", "rm", "dv", "wtv", "h264", "hevc", "obu", "av1", "m4v", "h263",
    "mjpeg", "yuv4mpegpipe", "gif", "apng", "swf", "vc1", "vvc", "cavsvideo", "dirac", "lmlm4",
)  # fmt: skip
"""Container formats (ffmpeg demuxers) that hold their pictures themselves."""
MAX_SIDE = 16384
"""Largest picture side accepted; larger headers are damage or an attack."""
MAX_SECONDS = 48 * 3600.0
"""Longest title accepted. Two pictures a century apart would be filled with copies to encode."""
MAX_PIXELS = 8192 * 8192
"""Most pixels of a picture: two 8K ones, one over the other. A header of a few bytes can ask a
decoder for a gigabyte a frame."""
PROTOCOLS = "file"
"""Nothing is fetched, and no other file is reached through a name inside the source."""


def demuxer_of(source: Source) -> str:
    """The demuxer that analysis took, for all who open the file after it.

    Another build of ffmpeg could take the same bytes for a playlist that names other files.

    Raises:
        SourceError: the record names a demuxer that is not for sources: it was forged.
    """
    name = source.container.split(",")[0]
    if name not in CONTAINERS:
        raise SourceError(f"{source.path.name}: {name} is not a video container format")
    return name
