"""Writing the chosen pictures: crops for each shape, file formats, the contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from pertitle.errors import DeliveryError, UsageError
from pertitle.records import PICTURE_FORMATS, PICTURE_SHAPES
from pertitle.thumbnails import saliency
from pertitle.thumbnails.decoding import Image
from pertitle.thumbnails.faces import Face


@dataclass(frozen=True)
class Shape:
    """A thumbnail shape: its name in file names and its size in pixels."""

    name: str
    width: int
    height: int


_SIZES = {"16x9": (1280, 720), "2x3": (720, 1080), "1x1": (720, 720)}
SHAPES = {name: Shape(name, *_SIZES[name]) for name in PICTURE_SHAPES}
_QUALITY = {
    "jpg": [cv2.IMWRITE_JPEG_QUALITY, 88, cv2.IMWRITE_JPEG_OPTIMIZE, 1],
    "webp": [cv2.IMWRITE_WEBP_QUALITY, 82],
    "avif": [cv2.IMWRITE_AVIF_QUALITY, 60, cv2.IMWRITE_AVIF_SPEED, 8],
}

Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


def crop_box(image: Image, faces: Sequence[Face], shape: Shape) -> Box:
    """The largest window of the shape's aspect that holds most saliency and cuts no face.

    Faces that cannot all be held are kept in order of size. The window moves along one axis only,
    as it is as large as the picture allows.
    """
    height, width = image.shape[:2]
    aspect = shape.width / shape.height
    if width / height > aspect:
        size = (max(1, min(width, round(height * aspect))), height)
    else:
        size = (width, max(1, min(height, round(width / aspect))))
    weights = saliency.saliency(image, [face.box for face in faces])
    along_x = size[0] < width
    room = width - size[0] if along_x else height - size[1]
    if room <= 0:
        return (0, 0, *size)
    profile = weights.sum(axis=0 if along_x else 1).astype(np.float64)
    full = width if along_x else height
    extent = size[0] if along_x else size[1]
    cumulative = np.concatenate([[0.0], np.cumsum(profile)])
    grid = np.linspace(0, full, len(cumulative))
    starts = np.arange(0, room + 1, max(1, room // 200), dtype=np.float64)
    held = np.interp(starts + extent, grid, cumulative) - np.interp(starts, grid, cumulative)
    # Among equals the centre wins; a bias of a hundredth settles it.
    held -= 0.01 * np.abs(starts - room / 2) / max(1.0, room / 2)
    for rank, face in enumerate(sorted(faces, key=lambda f: -f.width * f.height)):
        start, length = (face.x, face.width) if along_x else (face.y, face.height)
        pad = 0.15 * length
        whole = (starts <= max(0, start - pad)) & (
            starts + extent >= min(full, start + length + pad)
        )
        held += np.where(whole, 4.0 / 2**rank, 0.0)
    best = round(float(starts[int(np.argmax(held))]))
    return (best, 0, *size) if along_x else (0, best, *size)


def render(image: Image, box: Box, shape: Shape) -> Image:
    """The cropped picture at the shape's size, or smaller where the source is: never enlarged."""
    x, y, width, height = box
    part = image[y : y + height, x : x + width]
    scale = min(1.0, shape.width / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(part, size, interpolation=interpolation).astype(np.uint8)


def check_formats(formats: Sequence[str]) -> None:
    """Raises: UsageError: a format is unknown or this OpenCV build cannot write it."""
    for name in formats:
        if name not in PICTURE_FORMATS:
            raise UsageError(
                f"unknown picture format {name!r}; known: {', '.join(PICTURE_FORMATS)}"
            )
        if not cv2.haveImageWriter(f".{name}"):
            raise UsageError(f"this OpenCV build cannot write {name.upper()}")


def write(path: Path, image: Image) -> None:
    """Encode, write under a temporary name, and rename.

    Raises:
        DeliveryError: the picture cannot be encoded or written.
    """
    extension = path.suffix.lstrip(".")
    try:
        ok, data = cv2.imencode(path.suffix, image, _QUALITY[extension])
    except cv2.error as error:
        raise DeliveryError(f"cannot encode {path.name}: {error.err}") from error
    if not ok:
        raise DeliveryError(f"cannot encode {path.name}")
    partial = path.with_name(f".{path.name}.part")
    try:
        partial.write_bytes(data.tobytes())
        partial.replace(path)
    except OSError as error:
        raise DeliveryError(f"cannot write {path.name}: {error.strerror}") from error


CELL = (384, 216)


def contact_sheet(images: Sequence[Image], labels: Sequence[str], *, columns: int = 3) -> Image:
    """All candidates on one sheet, each fitted into a cell with a caption under it."""
    columns = min(columns, max(1, len(images)))
    rows = -(-len(images) // columns)
    caption = 26
    sheet = np.full((rows * (CELL[1] + caption), columns * CELL[0], 3), 24, dtype=np.uint8)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        height, width = image.shape[:2]
        scale = min(CELL[0] / width, CELL[1] / height)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        cell = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        top = index // columns * (CELL[1] + caption)
        left = index % columns * CELL[0]
        y, x = top + (CELL[1] - size[1]) // 2, left + (CELL[0] - size[0]) // 2
        sheet[y : y + size[1], x : x + size[0]] = cell
        cv2.putText(
            sheet,
            label,
            (left + 6, top + CELL[1] + 18),
            cv2.FONT_HERSHEY_SIMPLEX,
            0.45,
            (220, 220, 220),
            1,
            cv2.LINE_AA,
        )
    return sheet
