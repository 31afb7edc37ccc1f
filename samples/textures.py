"""Building blocks of the sample clips: natural-looking noise, text, grain, camera moves.

Pictures are floating-point arrays of shape (height, width, 3), blue-green-red, 0 to 1; planes
have no third axis.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[Any]
Plane = NDArray[Any]

WIDTH, HEIGHT = 1280, 720


def fractal(height: int, width: int, seed: int, beta: float = 1.0, stretch: float = 1.0) -> Plane:
    """Random texture whose amplitude falls with frequency as 1/f**beta, as in natural images.

    It tiles in both directions. ``stretch`` above 1 draws it out horizontally. Values are
    scaled so that two standard deviations span 0 to 1.
    """
    rng = np.random.default_rng(seed)
    fy = np.fft.fftfreq(height)[:, None] * height
    fx = np.fft.rfftfreq(width)[None, :] * width * stretch
    radius = np.sqrt(fy * fy + fx * fx)
    radius[0, 0] = 1.0
    spectrum = np.exp(2j * np.pi * rng.random(radius.shape)) / radius**beta
    spectrum[0, 0] = 0.0
    noise = np.fft.irfft2(spectrum, s=(height, width))
    noise /= noise.std()
    return np.clip(noise / 4 + 0.5, 0.0, 1.0).astype(np.float32)


def color(red: int, green: int, blue: int) -> Picture:
    """One colour, as an array that broadcasts over a picture."""
    return np.array([blue, green, red], dtype=np.float32).reshape(1, 1, 3) / np.float32(255)


def ramp(values: Plane, *stops: tuple[float, Picture]) -> Picture:
    """Map values to colours through stops (position, colour)."""
    places = [place for place, _ in stops]
    channels = [
        np.interp(values, places, [float(tone[0, 0, c]) for _, tone in stops]) for c in range(3)
    ]
    return np.stack(channels, axis=-1).astype(np.float32)


def grid() -> tuple[Plane, Plane]:
    """x and y of every pixel, in pixels."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return x, y


def blend(base: Picture, top: Picture, mask: Plane) -> Picture:
    """``top`` over ``base`` where ``mask`` is 1."""
    return np.asarray(base + (top - base) * mask[..., None], dtype=np.float32)


def warp(picture: Picture, x: Plane, y: Plane) -> Picture:
    """Look a tiling picture up at (x, y)."""
    height, width = picture.shape[:2]
    x = np.mod(x, width).astype(np.float32)
    y = np.mod(y, height).astype(np.float32)
    return np.asarray(
        cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), dtype=np.float32
    )


def camera(picture: Picture, dx: float, dy: float, zoom: float = 1.0, roll: float = 0.0) -> Picture:
    """A frame-sized view of a larger picture, centred (dx, dy) pixels off its middle."""
    height, width = picture.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2 + dx, height / 2 + dy), roll, zoom)
    matrix[0, 2] += WIDTH / 2 - width / 2 - dx
    matrix[1, 2] += HEIGHT / 2 - height / 2 - dy
    moved = cv2.warpAffine(
        picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(moved, dtype=np.float32)


def glow(x: Plane, y: Plane, cx: float, cy: float, radius: float) -> Plane:
    """A soft round light: 1 in the middle, falling like a Gaussian."""
    return np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * radius * radius)).astype(np.float32)


def soften(picture: Picture, sigma: float) -> Picture:
    """Gaussian blur."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.float32)


def lettering(
    text: str,
    x: float,
    y: float,
    size: float,
    *,
    weight: int = 2,
    font: int = cv2.FONT_HERSHEY_DUPLEX,
) -> Plane:
    """A mask of one line of text, centred on (x, y); ``size`` is its cap height in pixels.

    Drawn at three times the size and averaged down: smooth at sub-pixel positions.
    """
    fine = 3
    scale = size * fine / 21.0
    (wide, _), _ = cv2.getTextSize(text, font, scale, weight * fine)
    mask = np.zeros((HEIGHT * fine, WIDTH * fine), np.uint8)
    origin = (round(x * fine - wide / 2), round(y * fine + size * fine / 2))
    cv2.putText(mask, text, origin, font, scale, 255, weight * fine, cv2.LINE_AA)
    small = cv2.resize(mask, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32) / np.float32(255)


def grain(picture: Picture, rng: np.random.Generator, amount: float) -> Picture:
    """Film grain: fresh every frame, a little soft, strongest in the lower mid-tones."""
    noise = rng.standard_normal(picture.shape[:2]).astype(np.float32)
    noise = soften(noise, 1.2)
    noise /= noise.std()
    luma = picture.mean(axis=2)
    strength = amount * (0.35 + 2.2 * np.sqrt(np.clip(luma, 0, 1)) * (1 - np.clip(luma, 0, 1)))
    return np.asarray(picture + (noise * strength)[..., None], dtype=np.float32)


def ease(t: float) -> float:
    """A smooth step from 0 to 1."""
    t = min(1.0, max(0.0, t))
    return t * t * (3 - 2 * t)
