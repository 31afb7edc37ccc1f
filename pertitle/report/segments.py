"""Bitrate over time, read from the package beside the report."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from pertitle.results import Package

MAX_PLAYLIST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Segment:
    """One media segment: start and end in seconds, and its bitrate in kbit/s."""

    start: float
    end: float
    kbps: float


def read_segments(folder: Path, package: Package) -> list[list[Segment]]:
    """Segments of every video variant of a package, in the order of the HLS master playlist.

    Returns:
        One list a variant, best first as the packager writes them; empty where the package is
        not there or cannot be read: a report does not fail for want of a picture.
    """
    variants = []
    lines = _lines(folder, package.hls_master)
    for line, following in pairwise(lines):
        if line.startswith("#EXT-X-STREAM-INF:") and not following.startswith("#"):
            variants.append(_media(folder, following))
    return variants if all(variants) else []


def _media(folder: Path, address: str) -> list[Segment]:
    found: list[Segment] = []
    start, length, part = 0.0, 0.0, None
    for line in _lines(folder, address):
        if line.startswith("#EXTINF:"):
            try:
                length = float(line[8:].split(",")[0])
            except ValueError:
                return []
        elif line.startswith("#EXT-X-BYTERANGE:"):
            size = line[17:].partition("@")[0]
            part = int(size) if size.isdigit() else None
        elif line and not line.startswith("#") and length > 0:
            path = _inside(folder, f"{address.rpartition('/')[0]}/{line}")
            if path is None or not path.is_file():
                return []
            kbps = (path.stat().st_size if part is None else part) * 8 / length / 1000
            found.append(Segment(start, start + length, kbps))
            start += length
    return found


def _lines(folder: Path, address: str) -> list[str]:
    path = _inside(folder, address)
    try:
        if path is None or path.stat().st_size > MAX_PLAYLIST_BYTES:
            return []
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _inside(folder: Path, address: str) -> Path | None:
    """The file of a relative address, unless it leaves the folder."""
    base = folder.resolve()
    path = (base / address.lstrip("/")).resolve()
    return path if path.is_relative_to(base) else None
