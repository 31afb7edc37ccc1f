"""The fixed ladder that savings are told against.

The rungs are those of Apple's "HTTP Live Streaming (HLS) Authoring Specification for Apple
Devices", its table of average bitrates for 16:9 and standard dynamic range. It is what many
services ship when they do not look at the content. The H.264 column was compared with two public
copies of the table (of 2019 and 2022); of the HEVC column none was found to compare it with.
"""

from __future__ import annotations

APPLE: dict[str, tuple[tuple[int, int], ...]] = {
    "h264": (
        (1080, 7800), (1080, 6000), (720, 4500), (720, 3000), (540, 2000), (432, 1100),
        (432, 730), (360, 365), (234, 145),
    ),
    "hevc": (
        (2160, 16800), (2160, 11600), (1440, 8100), (1080, 5800), (1080, 4500), (720, 3400),
        (720, 2400), (540, 1600), (540, 900), (540, 600), (432, 300), (360, 145),
    ),
}  # fmt: skip
"""(lines, kbit/s) by codec, best first; AV1 has no column."""
HEIGHT_TOLERANCE = 0.05
"""A curve of nearly the same height stands for a fixed rung (240 lines for 234)."""
