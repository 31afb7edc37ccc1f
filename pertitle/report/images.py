"""Thumbnails as data addresses, small enough to travel inside the page."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

QUALITY = 78
MAX_FILE_BYTES = 32 * 1024 * 1024


def embed(path: Path, width: int) -> tuple[str, int, int] | None:
    """A picture file, scaled down to ``width`` pixels, as a ``data:`` address.

    Returns:
        The address, width and height in pixels; None if the file is missing or no picture.
    """
    try:
        if not 0 < path.stat().st_size <= MAX_FILE_BYTES:
            return None
        picture = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        return None
    if picture is None:
        return None
    height, wide = picture.shape[:2]
    if wide > width:
        height, wide = max(1, round(height * width / wide)), width
        picture = cv2.resize(picture, (wide, height), interpolation=cv2.INTER_AREA)
    ok, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not ok:
        return None
    return "data:image/jpeg;base64," + base64.b64encode(coded.tobytes()).decode(), wide, height
