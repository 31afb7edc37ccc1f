"""Faces: the detector, what is thought of a face, and crops that keep it whole."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pertitle.thumbnails import renditions, terms
from pertitle.thumbnails.faces import Face, FaceDetector, suppress
from pertitle.thumbnails.renditions import SHAPES
from tests.thumbnails import media

Picture = NDArray[np.uint8]


def frames_of(name: str, *numbers: int) -> list[Picture]:
    found = []
    with av.open(str(media.shipped_clip(name))) as container:
        for index, raw in enumerate(container.decode(video=0)):
            if index in numbers:
                found.append(raw.to_ndarray(format="bgr24").astype(np.uint8))
            if index >= max(numbers):
                break
    return found


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


@pytest.fixture(scope="module")
def man_in_car() -> Picture:
    return frames_of("carphone_pristine.mp4", 20)[0]


def test_the_driver_is_found_and_nothing_else(detector: FaceDetector, man_in_car: Picture) -> None:
    faces = detector.find(man_in_car)
    assert len(faces) == 1
    face = faces[0]
    centre = (face.x + face.width / 2) / man_in_car.shape[1]
    assert 0.3 < centre < 0.75
    left, right, nose, mouth_left, mouth_right = face.landmarks
    assert left[0] < right[0]
    assert max(left[1], right[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


def test_no_face_in_noise_or_in_a_sliver(detector: FaceDetector) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (180, 320, 3)).astype(np.uint8)
    assert detector.find(noise) == ()
    assert detector.find(noise[:20]) == ()


def test_faces_found_in_a_larger_picture_lie_at_the_same_place(
    detector: FaceDetector, man_in_car: Picture
) -> None:
    small = detector.find(man_in_car)[0]
    double = cv2.resize(man_in_car, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    large = detector.find(double.astype(np.uint8))[0]
    for a, b in zip(small.scaled(2).box, large.box, strict=True):
        assert abs(a - b) < 0.3 * large.width


def test_blurred_and_cut_faces_are_worth_less(man_in_car: Picture, detector: FaceDetector) -> None:
    face = detector.find(man_in_car)[0]
    sharp = terms.face_quality(man_in_car, face)
    soft = cv2.GaussianBlur(man_in_car, (0, 0), 5).astype(np.uint8)
    assert terms.face_quality(soft, face) < sharp - 0.1
    cut = man_in_car[:, face.x + face.width // 3 :]
    moved = Face(
        0, face.y, face.width, face.height, 1.0,
        tuple((x - face.x - face.width // 3, y) for x, y in face.landmarks),
    )  # fmt: skip
    assert terms.face_quality(np.ascontiguousarray(cut), moved) < sharp - 0.1


def face_at(x: int, y: int, side: int, turn: float = 0.0) -> Face:
    """A drawn face; ``turn`` moves the nose sideways, in eye distances."""
    eye = 0.4 * side
    marks = (
        (x + 0.3 * side, y + 0.4 * side), (x + 0.7 * side, y + 0.4 * side),
        (x + 0.5 * side + turn * eye, y + 0.6 * side),
        (x + 0.35 * side, y + 0.8 * side), (x + 0.65 * side, y + 0.8 * side),
    )  # fmt: skip
    return Face(x, y, side, side, 1.0, marks)


def test_frontal_faces_beat_profiles() -> None:
    values = [terms.frontality(face_at(0, 0, 100, turn)) for turn in (0.0, 0.25, 0.6)]
    assert values[0] == pytest.approx(1)
    assert values == sorted(values, reverse=True)
    assert values[2] < 0.1


def test_open_eyes_beat_closed_ones() -> None:
    skin = np.full((120, 120, 3), 150, dtype=np.uint8)
    skin[90:, :] = 90
    face = face_at(10, 10, 100)
    opened = skin.copy()
    for x, y in face.landmarks[:2]:
        cv2.ellipse(opened, (int(x), int(y)), (9, 5), 0, 0, 360, (235, 235, 235), -1)
        cv2.circle(opened, (int(x), int(y)), 4, (20, 20, 20), -1)
    assert terms.eye_openness(opened, face) > 0.8
    assert terms.eye_openness(skin, face) < 0.1


@pytest.mark.parametrize("shape", SHAPES.values(), ids=lambda s: s.name)
@pytest.mark.parametrize("x", [10, 300, 530])
def test_crops_keep_the_face_whole(shape: renditions.Shape, x: int) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (360, 640, 3)).astype(np.uint8)
    face = face_at(x, 120, 90)
    left, top, width, height = renditions.crop_box(picture, [face], shape)
    assert width / height == pytest.approx(shape.width / shape.height, rel=0.02)
    assert left <= face.x
    assert face.x + face.width <= left + width
    assert top <= face.y
    assert face.y + face.height <= top + height


def test_when_not_all_faces_fit_the_largest_does() -> None:
    picture = np.zeros((360, 640, 3), dtype=np.uint8)
    large, small = face_at(20, 100, 120), face_at(560, 100, 60)
    left, _, width, _ = renditions.crop_box(picture, [small, large], SHAPES["2x3"])
    assert left <= large.x
    assert large.x + large.width <= left + width


def test_suppression_keeps_the_surest_of_overlapping_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [30, 30, 40, 40]], dtype=np.float64)
    kept = suppress(boxes, np.array([0.8, 0.9, 0.7]), 0.5)
    assert list(kept) == [1, 2]
