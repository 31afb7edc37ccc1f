"""How a source may be opened, whoever opens it: sources are untrusted."""

from __future__ import annotations

from pertitle.records import Source

MAX_PIXELS = 8192 * 8192
"""Most pixels of a picture: two 8K ones, one over the other. A header of a few bytes can ask a
decoder for a gigabyte a frame."""
PROTOCOLS = "file"
"""Nothing is fetched, and no other file is reached through a name inside the source."""


def demuxer_of(source: Source) -> str:
    """The demuxer that analysis took, for all who open the file after it.

    Another build of ffmpeg could take the same bytes for a playlist that names other files.
    """
    return source.container.split(",")[0]
