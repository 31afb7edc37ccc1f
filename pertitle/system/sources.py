"""How a source may be opened, whoever opens it: sources are untrusted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pertitle.errors import SourceError
from pertitle.records import Source, VideoStream

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


def open_media(path: Path, source: Source | None = None) -> Any:
    """Open a media file with PyAV so that it can reach no other one.

    The name is taken literally, only local files may be read, and playlist formats (HLS, DASH,
    concat, image sequences) are refused: a crafted list could name any file of this machine.

    Args:
        source: what the file was found to be, so that it is taken for nothing else.

    Raises:
        av.error.FFmpegError: it is not a media file of a known container format.
        SourceError: the record names a demuxer that is not for sources.
    """
    import av

    return av.open(
        f"file:{path}",
        format=None if source is None else demuxer_of(source),
        options={"protocol_whitelist": PROTOCOLS, "format_whitelist": ",".join(CONTAINERS)},
        metadata_errors="replace",
    )


def windowed(video: VideoStream) -> Callable[[Any], Any]:
    """What cuts the decoder's pictures to the stream's crop window, if it has one."""
    if video.window is None:
        return lambda frame: frame
    import av.filter

    window, graphs = video.window, dict[tuple[int, int, str], Any]()

    def cut(frame: Any) -> Any:
        form = frame.width, frame.height, frame.format.name
        if form not in graphs:
            graph = av.filter.Graph()
            size, place = window.size, f"{window.x}:{window.y}"
            # exact: an odd place in subsampled colour is not moved to an even one
            graph.link_nodes(
                graph.add_buffer(
                    width=frame.width, height=frame.height, format=frame.format.name,
                    time_base=frame.time_base,
                ),
                graph.add("crop", f"{size.width}:{size.height}:{place}:exact=1"),
                graph.add("buffersink"),
            ).configure()  # fmt: skip
            graphs[form] = graph
        pts, base = frame.pts, frame.time_base
        graphs[form].push(frame)
        made = graphs[form].pull()
        made.pts, made.time_base = pts, base
        return made

    return cut
