"""The named terms of the content score, each from 0 (bad) to 1 (good), and their weights.

======================  =======================================================================
``sharp``               absence of blur in the detailed parts (Crété's blur effect), 0.25 → 1
``exposure``            mean near middle grey, little clipped
``contrast``            5th to 95th percentile of luma
``colour``              Hasler and Süsstrunk's colourfulness
``harmony``             hues near a harmonic template (Cohen-Or et al.)
``subject``             the best face's quality, or how far something salient stands out
``eyes``                faces only: both eyes visible and frontal
``composition``         subject near a power point, headroom, nothing cut by the border
``space``               an empty side that a title can stand on
``plain``               absence of lettering
``steady``              little motion to the neighbouring frames
``clean``               no interlace comb, no coding blocks
``typical``             share of the title that looks alike
======================  =======================================================================
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pertitle.thumbnails import measures, saliency
from pertitle.thumbnails.decoding import Image
from pertitle.thumbnails.faces import Face
from pertitle.thumbnails.text import Lettering

CRISP_BLUR, SOFT_BLUR, UNUSABLE_BLUR = 0.25, 0.62, 0.66
"""Blur effect, in a picture of 480 pixels, at which ``sharp`` is 1, is 0, and is a fault."""

WEIGHTS = {
    "sharp": 3.0,
    "exposure": 1.5,
    "contrast": 1.5,
    "colour": 1.0,
    "harmony": 0.5,
    "subject": 3.0,
    "eyes": 1.0,
    "composition": 1.0,
    "space": 0.5,
    "plain": 1.0,
    "steady": 1.0,
    "clean": 1.0,
    "typical": 1.5,
}
NEUTRAL = 0.5
"""Value of a term that could not be measured (no neighbours, no faces)."""


def total(values: dict[str, float]) -> float:
    """Weighted mean of the terms, scaled down by the weakest of those no picture can do without.

    A fine subject does not make up for a blurred or lettered picture.
    """
    mean = sum(w * values.get(name, NEUTRAL) for name, w in WEIGHTS.items()) / sum(WEIGHTS.values())
    vital = min(values.get(name, NEUTRAL) for name in ("sharp", "plain", "clean"))
    return float(mean * min(1.0, 0.4 + 1.5 * vital))


def of_picture(
    image: Image,
    small: Image,
    grey: Image,
    faces: tuple[Face, ...],
    lettering: Lettering,
) -> dict[str, float]:
    """Terms of a single picture.

    Args:
        image: as large as there is one; faces are in its pixels.
        small, grey: the same at ``SCAN_SIDE``, in colour and luma.
    """
    factor = small.shape[1] / image.shape[1]
    boxes = [face.scaled(factor).box for face in faces]
    weights = saliency.saliency(small, boxes)
    blur = measures.blur(grey)
    values = {
        "sharp": _ramp(blur, SOFT_BLUR, CRISP_BLUR),
        "exposure": measures.exposure(grey),
        "contrast": measures.contrast(grey),
        "colour": measures.colourfulness(small),
        "harmony": measures.harmony(small),
        "space": saliency.title_space(weights),
        "plain": float(np.clip(1 - 4 * lettering.coverage * min(1, lettering.glyphs / 20), 0, 1)),
    }
    if faces:
        values["subject"] = 0.5 + 0.5 * max(face_quality(image, face) for face in faces)
        values["eyes"] = max(eyes(image, face) for face in faces[:3])
        values["composition"] = face_composition(image, faces)
    else:
        values["subject"] = 0.65 * saliency.concentration(weights)
        values["composition"] = saliency.thirds(*saliency.centroid(weights))
    return values


def _ramp(value: float, zero: float, one: float) -> float:
    return float(np.clip((value - zero) / (one - zero), 0, 1))


def steadiness(step: float) -> float:
    """1 for no motion, 0.5 at a mean luma step of 8 to the nearer neighbour."""
    return float(1 / (1 + (step / 8) ** 2))


def cleanness(grey: Image) -> float:
    """1 without comb and blocks; ``grey`` at source resolution."""
    comb = _ramp(measures.combing(grey), 0.12, 0.05)
    blocks = _ramp(measures.blocking(grey), 0.8, 0.3)
    return comb * blocks


def frontality(face: Face) -> float:
    """1 with the nose midway between the eyes, 0 in profile."""
    left, right, nose = (np.array(face.landmarks[i]) for i in range(3))
    across = right - left
    length = float(np.hypot(*across))
    if length < 1e-6:
        return 0.0
    offset = float((nose - (left + right) / 2) @ across) / length**2
    apart = min(1.0, length / (0.35 * face.width))
    return float(np.clip(1 - 1.6 * abs(offset), 0, 1)) * apart


def eye_openness(image: Image, face: Face) -> float:
    """Local contrast of the weaker eye against that of the whole face, 0 to 1.

    An open eye holds the face's darkest and some of its brightest pixels; a closed lid is skin.
    """
    left, right = np.array(face.landmarks[0]), np.array(face.landmarks[1])
    reach = max(2.0, 0.22 * float(np.hypot(*(right - left))))
    grey = measures.luma(_patch(image, face.x, face.y, face.x + face.width, face.y + face.height))
    if grey.size < 64:
        return NEUTRAL
    low, high = np.percentile(grey, (10, 90))
    if high - low < 8:
        return NEUTRAL
    found = []
    for x, y in (left, right):
        eye = measures.luma(_patch(image, x - reach, y - 0.6 * reach, x + reach, y + 0.6 * reach))
        if eye.size < 12:
            return 0.3
        dark, bright = np.percentile(eye, (5, 95))
        found.append(float(bright - dark) / float(high - low))
    return float(np.clip((min(found) - 0.35) / 0.5, 0, 1))


def eyes(image: Image, face: Face) -> float:
    """Frontal and open."""
    return 0.5 * frontality(face) + 0.5 * eye_openness(image, face)


def _patch(image: Image, left: float, top: float, right: float, bottom: float) -> Image:
    height, width = image.shape[:2]
    x0, y0 = int(np.clip(left, 0, width)), int(np.clip(top, 0, height))
    x1, y1 = int(np.clip(right, x0, width)), int(np.clip(bottom, y0, height))
    if x1 - x0 < 1 or y1 - y0 < 1:
        return np.zeros((1, 1, 3), dtype=np.uint8)
    return image[y0:y1, x0:x1]


def face_sharpness(image: Image, face: Face) -> float:
    """``sharp`` of the face alone, in a face of at most 128 pixels."""
    patch = _patch(image, face.x, face.y, face.x + face.width, face.y + face.height)
    scale = min(1.0, 128 / max(patch.shape[:2]))
    if scale < 1:
        patch = cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(
            np.uint8
        )
    return _ramp(measures.blur(measures.luma(patch)), 0.70, 0.35)


def is_cut(image: Image, face: Face) -> bool:
    """Whether the face touches the border of the picture."""
    height, width = image.shape[:2]
    gap = 0.02 * min(height, width)
    return bool(
        face.x < gap
        or face.y < gap
        or face.x + face.width > width - gap
        or face.y + face.height > height - gap
    )


def face_quality(image: Image, face: Face) -> float:
    """Size (best at a quarter to a half of the height), sharpness, eyes, and not cut."""
    share = face.height / image.shape[0]
    size = _ramp(share, 0.04, 0.22) * _ramp(share, 1.05, 0.6)
    value = 0.35 * size + 0.3 * face_sharpness(image, face) + 0.35 * eyes(image, face)
    return value * (0.5 if is_cut(image, face) else 1.0)


def face_composition(image: Image, faces: Sequence[Face]) -> float:
    """The largest face near a power point, some air above it, no face cut by the border."""
    height, width = image.shape[:2]
    main = faces[0]
    place = saliency.thirds((main.x + main.width / 2) / width, (main.y + main.height / 2) / height)
    air = main.y / height
    headroom = _ramp(air, 0.0, 0.08) * _ramp(air, 0.75, 0.5)
    whole = 1 - sum(is_cut(image, face) for face in faces) / len(faces)
    return 0.4 * place + 0.3 * headroom + 0.3 * whole
