"""Measures of single pictures and of their neighbours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pertitle.thumbnails import measures, saliency, temporal, terms
from pertitle.thumbnails.text import find_lettering
from pertitle.thumbnails.tonemap import tone_map

Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def texture() -> Grey:
    """Noise at several scales, as natural pictures have it."""
    rng = np.random.default_rng(3)
    total = np.zeros((270, 480), dtype=np.float32)
    for side in (6, 12, 24, 48, 96, 270):
        noise = rng.standard_normal((side, side * 16 // 9)).astype(np.float32)
        wide = cv2.resize(noise, (480, 270), interpolation=cv2.INTER_CUBIC).astype(np.float32)
        total += wide / np.float32(side**0.3)
    scaled = 110 + 45 * (total - total.mean()) / total.std()
    grey: Grey = np.clip(scaled, 0, 255).astype(np.uint8)
    return grey


def colour(grey: Grey) -> Grey:
    return np.stack([grey // 2, grey, 255 - grey], axis=-1).astype(np.uint8)


def test_blur_grows_with_defocus_and_with_motion(texture: Grey) -> None:
    values = [measures.blur(texture)]
    values += [measures.blur(cv2.GaussianBlur(texture, (0, 0), s).astype(np.uint8)) for s in (1, 3)]
    assert values == sorted(values)
    smeared = cv2.blur(texture, (25, 1)).astype(np.uint8)
    assert measures.blur(smeared) > values[0] + 0.2
    assert (
        measures.blur(cv2.GaussianBlur(texture, (0, 0), 6).astype(np.uint8)) > terms.UNUSABLE_BLUR
    )


def test_shallow_focus_is_not_blur(texture: Grey) -> None:
    picture = cv2.GaussianBlur(texture, (0, 0), 8).astype(np.uint8)
    picture[80:200, 160:330] = texture[80:200, 160:330]
    assert measures.blur(picture) < measures.blur(texture) + 0.12


def test_exposure_contrast_and_colour_have_their_extremes(texture: Grey) -> None:
    assert measures.exposure(texture) > 0.9
    assert measures.exposure(np.minimum(texture // 8, 25).astype(np.uint8)) < 0.35
    assert measures.exposure(np.full_like(texture, 255)) < 0.05
    assert measures.contrast(np.full_like(texture, 90)) == 0
    grey = np.repeat(texture[..., None], 3, axis=2)
    assert measures.colourfulness(grey) == 0
    assert measures.colourfulness(colour(texture)) > 0.5
    assert measures.harmony(grey) == 1


def test_complementary_hues_harmonise_better_than_all_hues() -> None:
    hsv = np.zeros((96, 96, 3), dtype=np.uint8)
    hsv[..., 1:] = 220
    hsv[:, :48, 0], hsv[:, 48:, 0] = 10, 100
    pair = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR).astype(np.uint8)
    hsv[..., 0] = np.linspace(0, 179, 96).astype(np.uint8)
    rainbow = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR).astype(np.uint8)
    assert measures.harmony(pair) > measures.harmony(rainbow) + 0.2


def test_comb_and_blocks_are_seen(texture: Grey) -> None:
    combed = texture.copy()
    combed[1::2] = np.roll(texture[1::2], 12, axis=1)
    assert measures.combing(combed) > measures.combing(texture) + 0.05
    smooth = cv2.GaussianBlur(texture, (0, 0), 4).astype(np.uint8)
    cells = cv2.resize(smooth, (60, 34), interpolation=cv2.INTER_AREA)
    blocks = np.kron(cells, np.ones((8, 8)))[:270].astype(np.uint8)
    assert measures.blocking(blocks) > 0.5 > 0.1 > measures.blocking(smooth)


def credits_over(picture: Grey, lines: int) -> Grey:
    out = picture.copy()
    for line in range(lines):
        place = (60, 40 + 36 * line)
        cv2.putText(out, "Executive Producer  A. Person", place, 0, 0.7, 240, 2, cv2.LINE_AA)
    return out


def test_credits_are_told_from_pictures(texture: Grey) -> None:
    wide = cv2.resize(texture, (960, 540), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    wide = np.minimum(wide, 170).astype(np.uint8)
    assert find_lettering(credits_over(np.zeros((540, 960), np.uint8), 5)).is_credits
    assert find_lettering(credits_over(wide, 8)).is_credits
    assert not find_lettering(wide).is_credits
    one = find_lettering(credits_over(wide, 1))
    assert not one.is_credits
    assert one.glyphs >= 8


def test_saliency_finds_the_odd_spot_and_faces_hold_half() -> None:
    picture = np.full((180, 320, 3), 120, dtype=np.uint8)
    cv2.circle(picture, (230, 90), 18, (0, 0, 255), -1)
    weights = saliency.saliency(picture)
    x, y = saliency.centroid(weights)
    assert abs(x - 230 / 320) < 0.08
    assert abs(y - 0.5) < 0.1
    assert float(weights.sum()) == pytest.approx(1, abs=1e-3)
    with_face = saliency.saliency(picture, [(20, 20, 40, 40)])
    assert with_face[4:12, 4:12].sum() > 0.5
    flat = saliency.saliency(np.full((180, 320, 3), 120, dtype=np.uint8))
    assert saliency.concentration(weights) > saliency.concentration(flat) + 0.2


def pan(texture: Grey, frames: int, speed: int) -> NDArray[np.float32]:
    return np.stack([temporal.shrink(np.roll(texture, speed * i, axis=1)) for i in range(frames)])


def test_dissolve_fade_and_flash_are_found_and_a_pan_is_not(texture: Grey) -> None:
    times = [i / 24 for i in range(60)]
    other = temporal.shrink(np.ascontiguousarray(texture[::-1, ::-1]) // 2 + 90)
    still = temporal.shrink(texture)
    share = np.clip((np.arange(60) - 18) / 24, 0, 1)[:, None, None].astype(np.float32)
    dissolve = (1 - share) * still + share * other
    found = temporal.widened(temporal.transitions(dissolve, times), times)
    assert found[18:42].all()
    fade = np.repeat(still[None], 60, axis=0) * share
    assert temporal.widened(temporal.transitions(fade, times), times)[19:41].all()
    flash = np.repeat(still[None], 60, axis=0)
    flash[30:33] = 250
    assert list(np.flatnonzero(temporal.flashes(flash, times))) == [30, 31, 32]
    moving = pan(texture, 60, 5)
    assert not temporal.flashes(moving, times).any()
    assert temporal.transitions(moving, times).mean() < 0.1
    assert not temporal.cuts(moving).any()


def test_slow_motion_of_a_soft_picture_is_no_dissolve() -> None:
    """Over 0.2 s each frame of it is nearly its neighbours' mean, over 0.4 s no longer."""
    noise = np.random.default_rng(3).standard_normal((18, 32)).astype(np.float32)
    soft = cv2.resize(noise, (480, 270), interpolation=cv2.INTER_CUBIC)
    drift = pan(np.clip(110 + 60 * soft / soft.std(), 0, 255).astype(np.uint8), 80, 2)
    step, least, ends = 3, temporal.DISSOLVE_STEPS[1], temporal.DISSOLVE_ENDS[1]
    assert least is not None
    assert temporal.is_blend(drift[40], drift[40 - step], drift[40 + step], least, ends)
    assert not temporal.transitions(drift, [i / 16 for i in range(80)])[7:-7].any()


def test_cut_is_one_frame_and_no_dissolve(texture: Grey) -> None:
    a, b = temporal.shrink(texture), temporal.shrink(255 - texture)
    frames = np.stack([a] * 20 + [b] * 20)
    assert list(np.flatnonzero(temporal.cuts(frames))) == [20]
    assert not temporal.transitions(frames, [i / 24 for i in range(40)]).any()


def test_steadiness_prefers_the_still_moment() -> None:
    frames = np.zeros((3, 36, 64), dtype=np.float32)
    frames[2] = 16
    movement = temporal.motion(frames)
    assert terms.steadiness(float(movement[0])) == 1
    assert terms.steadiness(float(movement[2])) == pytest.approx(0.2)


@pytest.mark.parametrize("transfer", ["pq", "hlg"])
def test_tone_mapping_keeps_order_and_leaves_room_above_white(transfer: str) -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    grey = np.repeat(ramp[None, :, None], 3, axis=2)
    out = tone_map(grey, transfer)[0, :, 1].astype(int)
    assert out[0] <= 2
    assert (np.diff(out) >= 0).all()
    # Diffuse white: 203 cd/m², code 0.58 in PQ and 0.75 in HLG (ITU-R BT.2408).
    white = 0.58 if transfer == "pq" else 0.75
    shown = int(np.interp(white * 65535, ramp, out))
    assert 150 < shown < 240
