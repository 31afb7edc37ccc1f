"""The clip "titles": still gradients, lettering, slow pans."""

from __future__ import annotations

import cv2
import numpy as np
from textures import (
    HEIGHT,
    WIDTH,
    Picture,
    blend,
    camera,
    color,
    ease,
    fractal,
    glow,
    grid,
    lettering,
    ramp,
    soften,
    warp,
)

DAWN_HIGH, DAWN_MID, DAWN_LOW = color(38, 62, 110), color(196, 142, 138), color(252, 214, 160)


class Mountains:
    """A slow pan over hazy ridges at dawn; a title fades in."""

    seconds = 2.4

    def __init__(self) -> None:
        x, y = grid()
        cloud = fractal(HEIGHT, 2048, seed=11, beta=1.5, stretch=0.35)
        self._cloud = cloud
        self._x, self._y = x, y
        self._sky = ramp(y / HEIGHT, (0.0, DAWN_HIGH), (0.42, DAWN_MID), (0.66, DAWN_LOW))
        self._sun = glow(x, y, 860, 395, 150)
        self._ridges = []
        for layer in range(5):
            profile = fractal(4, 4096, seed=20 + layer, beta=1.15)[0]
            rock = fractal(1024, 2048, seed=40 + layer, beta=1.1)
            self._ridges.append((profile, rock))
        self._title = lettering("T H E   L O N G   V A L L E Y", 640, 200, 40)
        self._subtitle = lettering("a walk in six parts", 640, 268, 17, weight=1)

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        clouds = warp(self._cloud, self._x + 14 * t, self._y * 1.6)
        veil = np.clip((clouds - 0.5) * 1.8, 0, 0.55) * np.clip(1.2 - self._y / 420, 0, 1)
        picture = blend(self._sky, DAWN_LOW * np.float32(1.02), veil)
        picture = picture + self._sun[..., None] * color(255, 190, 110) * np.float32(0.35)
        for layer, (profile, rock) in enumerate(self._ridges):
            near = layer / 4
            shift = (8 + 46 * near * near) * t
            base = 370 + 78 * layer
            reach = 250 - 20 * layer
            places = (np.arange(WIDTH) * (1.0 - 0.5 * near) + shift + 900 * layer) % 4095
            line = base - reach * (np.interp(places, np.arange(4096), profile) - 0.35)
            body = np.clip(self._y - line[None, :].astype(np.float32) + 0.5, 0, 1)
            texture = warp(rock, self._x * 1.2 + shift, self._y * 1.2)
            depth = np.clip((self._y - line[None, :]) / 260, 0, 1)
            tone = DAWN_MID * np.float32(1 - near) + color(24, 34, 44) * np.float32(near)
            shade = tone * (0.86 + 0.34 * near * (texture - 0.5) + 0.22 * depth)[..., None]
            picture = blend(picture, shade.astype(np.float32), body)
        fade = np.float32(ease((t - 0.35) / 0.8))
        shadow = soften(self._title, 9.0) * np.float32(0.5) * fade
        picture = blend(picture, color(20, 24, 40), shadow)
        return blend(
            picture, color(255, 248, 232), (self._title + self._subtitle).clip(0, 1) * fade
        )


class Infographic:
    """A flat graphic: numbers, growing bars, thin lines, on a soft gradient."""

    seconds = 1.8
    _values = (0.34, 0.52, 0.47, 0.71, 0.88, 0.63, 0.95)

    def __init__(self) -> None:
        x, y = grid()
        radius = np.hypot(x - 420, y - 260) / 1100
        self._paper = ramp(radius, (0.0, color(250, 246, 236)), (1.0, color(214, 222, 224)))
        self._mask = lettering("Days of clear sky", 360, 92, 30)
        self._small = lettering("by month, station 4", 290, 146, 15, weight=1)
        for index, label in enumerate(("MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP")):
            self._small += lettering(label, 250 + 130 * index, 652, 14, weight=1)
        for line in range(5):
            cv2.line(self._small, (180, 230 + 97 * line), (1110, 230 + 97 * line), 0.25, 1)

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        picture = self._paper.copy()
        ink = color(34, 44, 58)
        picture = blend(picture, ink, self._small.clip(0, 1) * np.float32(0.75))
        picture = blend(picture, ink, self._mask)
        fine = 4
        bars = np.zeros((HEIGHT * fine, WIDTH), np.uint8)
        best = np.zeros_like(bars)
        for index, value in enumerate(self._values):
            grown = value * ease((t - 0.06 * index) / 1.1)
            top = round((620 - 390 * grown) * fine)
            plane = best if index == 4 else bars
            cv2.rectangle(plane, (212 + 130 * index, top), (288 + 130 * index, 620 * fine), 255, -1)
        for plane, tone in ((bars, color(70, 122, 138)), (best, color(224, 122, 62))):
            small = cv2.resize(plane, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
            picture = blend(picture, tone, small.astype(np.float32) / np.float32(255))
        return picture


class Shore:
    """Sunrise over calm water; credits rise slowly."""

    seconds = 1.8

    def __init__(self) -> None:
        self._x, self._y = grid()
        self._waves = fractal(1024, 2048, seed=71, beta=1.2, stretch=0.22)
        sky = ramp(self._y / 330, (0.0, color(70, 98, 150)), (0.7, color(226, 160, 150)),
                   (1.0, color(255, 206, 138)))  # fmt: skip
        haze = fractal(HEIGHT, 2048, seed=72, beta=1.6, stretch=0.25)[:, :WIDTH]
        self._sky = blend(sky, color(255, 224, 190), np.clip((haze - 0.45) * 1.2, 0, 0.5))
        disk = np.clip(47 - np.hypot(self._x - 470, self._y - 290), 0, 1).astype(np.float32)
        self._sky = self._sky + glow(self._x, self._y, 470, 290, 130)[..., None] * color(90, 60, 20)
        self._sky = blend(self._sky, color(255, 244, 206), disk)
        lines = ("directed by the weather", "photography  M. Ray", "sound  Karplus & Strong",
                   "gradients  Lambert & Sons")  # fmt: skip
        self._credits = np.zeros((HEIGHT, WIDTH), np.float32)
        for row, line in enumerate(lines):
            self._credits += lettering(line, 900, 470 + 46 * row, 19, weight=1)

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        depth = np.clip((self._y - 330) / 390, 0.004, 1)
        ripple = warp(
            self._waves, (self._x - 640) * (0.3 / (depth + 0.25)) + 900, 210 / depth + 34 * t
        )
        ripple2 = warp(self._waves, self._x * (0.4 / (depth + 0.3)) - 24 * t, 170 / depth + 300)
        surface = (ripple + ripple2) / 2
        mirror_y = np.clip(330 - (self._y - 330) * 0.8 + (surface - 0.5) * 190 * depth, 0, 329)
        mirror_x = np.clip(self._x + (surface - 0.5) * 90, 0, WIDTH - 1)
        mirrored = warp(self._sky, mirror_x, mirror_y) * np.float32(0.74)
        water = mirrored * (0.72 + 0.75 * (surface - 0.25))[..., None]
        path = np.exp(-(((self._x - 470) / (40 + 150 * depth)) ** 2)) * np.clip(
            surface * 4 - 2.3, 0, 1
        )
        water = blend(water.astype(np.float32), color(255, 232, 180), path.astype(np.float32))
        below = np.clip(self._y - 330, 0, 1)
        picture = blend(self._sky, water, below)
        picture = camera(picture, 0, 0, zoom=1.02 + 0.012 * t)
        rows = np.clip(self._y + 26 * t, 0, HEIGHT - 1).astype(np.float32)
        text = cv2.remap(self._credits, self._x, rows, cv2.INTER_LINEAR)
        text = np.asarray(text, dtype=np.float32).clip(0, 1) * np.float32(ease(t / 0.5))
        return blend(picture, color(252, 250, 240), text)
