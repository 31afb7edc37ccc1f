"""The clip "night": dark scenes under film grain, flickering lights, a slow dolly."""

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
    fractal,
    glow,
    grain,
    grid,
    lettering,
    ramp,
    soften,
    warp,
)

GRAIN = 0.02


def flicker(t: float, seed: int, depth: float) -> float:
    """A light that does not burn evenly: about 1, at worst 1 - depth."""
    rng = np.random.default_rng(seed)
    pace, phase = rng.uniform(5, 31, 5), rng.uniform(0, 6.28, 5)
    return 1.0 - depth * (0.5 + 0.5 * float(np.sin(pace * t + phase).mean() * 1.6))


class Street:
    """A wet street at night; the camera creeps forward, a neon sign stutters."""

    seconds = 2.2

    def __init__(self) -> None:
        self._x, self._y = grid()
        rng = np.random.default_rng(81)
        wall = fractal(HEIGHT, 2048, seed=82, beta=1.1)[:, :WIDTH]
        picture = ramp(wall, (0.2, color(8, 9, 14)), (0.8, color(30, 30, 40)))
        for block in range(9):
            left, top = block * 150 - 20 + int(rng.integers(0, 30)), int(rng.integers(70, 230))
            shade = float(rng.uniform(0.4, 1.0))
            picture[top:430, max(0, left) : left + 140] *= np.float32(0.55 + shade)
            for row in range(top + 16, 400, 34):
                for column in range(max(0, left) + 12, left + 120, 27):
                    if rng.random() < 0.22:
                        warm = color(255, int(rng.integers(170, 220)), 110) * np.float32(
                            rng.uniform(0.2, 0.6)
                        )
                        tone = tuple(float(c) for c in warm[0, 0])
                        cv2.rectangle(picture, (column, row), (column + 14, row + 20), tone, -1)
        picture[:60] *= np.float32(0.7)
        self._city = soften(picture, 1.4)
        self._ripple = fractal(1024, 2048, seed=83, beta=1.3, stretch=0.4)
        self._asphalt = fractal(1024, 2048, seed=84, beta=0.8)
        self._sign = lettering("HOTEL", 905, 200, 46, weight=4)
        self._halo = soften(self._sign, 26.0) * np.float32(2.4)
        self._cars = rng.uniform((500, 330, 6), (1180, 425, 20), (24, 3))
        self._car_tones = [color(255, 80, 60), color(255, 220, 170), color(120, 200, 255)]

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        on = flicker(t, 5, 0.5) * (0.25 if 0.85 < t < 0.93 or 1.1 < t < 1.14 else 1.0)
        picture = self._city.copy()
        picture += self._halo[..., None] * color(255, 40, 90) * np.float32(0.5 * on)
        picture = blend(picture, color(255, 150, 170), self._sign * np.float32(0.9 * on))
        for index, (x, y, size) in enumerate(self._cars):
            tone = self._car_tones[index % 3] * np.float32(0.55 * flicker(t, index, 0.3))
            x += (12 if index % 2 else -18) * t
            disk = np.clip(
                size + 0.5 - np.hypot(self._x - np.float32(x), self._y - np.float32(y)), 0, 1
            )
            picture += (0.55 * disk)[..., None] * tone
        depth = np.clip((self._y - 430) / 290, 0.001, 1)
        ripple = warp(
            self._ripple, (self._x - 640) / (depth + 0.3) + 700, 120 / (depth + 0.05) - 20 * t
        )
        bent_y = np.clip(430 - (self._y - 430) * 1.25 + (ripple - 0.5) * 260 * depth, 0, 429)
        mirror = warp(picture, self._x + (ripple - 0.5) * 60, bent_y)
        rough = warp(self._asphalt, (self._x - 640) / (depth + 0.2) * 1.4, 500 / (depth + 0.1))
        road = mirror * (0.25 + 0.75 * ripple)[..., None] + (rough * 0.06)[..., None]
        picture = blend(picture, road.astype(np.float32), np.clip(self._y - 430, 0, 1))
        return grain(camera(picture, 30, -10, zoom=1.04 + 0.05 * t), rng, GRAIN)


class Corridor:
    """A brick corridor under one swinging lamp; the camera walks in."""

    seconds = 1.9

    def __init__(self) -> None:
        self._x, self._y = grid()
        brick = fractal(1024, 1024, seed=91, beta=1.0)
        rows, columns = np.mgrid[0:1024, 0:1024]
        line = rows // 32
        joint = (rows % 32 < 3) | ((columns + 32 * (line % 2)) % 64 < 3)
        each = np.random.default_rng(92).uniform(0.6, 1.15, (32, 33))
        tint = each[line, ((columns + 32 * (line % 2)) // 64)]
        wall = ramp(brick, (0.2, color(92, 52, 40)), (0.8, color(176, 108, 82))) * tint[..., None]
        wall[joint] = wall[joint] * 0.25 + 0.16
        self._wall = soften(wall.astype(np.float32), 0.8)
        concrete = fractal(1024, 1024, seed=93, beta=1.2)
        self._floor = ramp(concrete, (0.2, color(52, 54, 56)), (0.8, color(120, 118, 110)))

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        px, py = (self._x - 650) / 640, (self._y - 350) / 640
        wide, tall = 0.62, 0.44
        side, level = np.abs(px) / wide, np.abs(py) / tall
        far = 1 / np.maximum(np.maximum(side, level), 0.05)
        walls = side > level
        along = far * 260 + 150 * t
        wall = warp(self._wall, along, py * far * 420 + 512)
        floor = warp(self._floor, px * far * 420 + 512, along)
        picture = np.where(walls[..., None], wall, floor)
        swing = 0.34 * np.sin(2.4 * t + 0.4)
        lamp_far, lamp_x, lamp_y = 3.4 - 0.5 * t, swing, -0.30
        spread = (far - lamp_far) ** 2 * 0.45 + (px * far - lamp_x) ** 2 + (py * far - lamp_y) ** 2
        light = flicker(t, 17, 0.35) * (0.62 / (0.25 + spread) + 0.02)
        light *= np.exp(-far / 9)
        picture = picture * light[..., None] * color(255, 214, 160)
        cx, cy = 650 + 640 * lamp_x / lamp_far, 350 + 640 * lamp_y / lamp_far
        picture += glow(self._x, self._y, cx, cy, 9)[..., None] * color(255, 236, 200) * 1.4
        picture += glow(self._x, self._y, cx, cy, 60)[..., None] * color(255, 200, 130) * 0.22
        bob = 3 * np.sin(7 * t)
        return grain(camera(picture.astype(np.float32), 0, bob, zoom=1.03), rng, GRAIN)


class Candle:
    """A candle beside a glazed jug; the flame breathes."""

    seconds = 1.875

    def __init__(self) -> None:
        self._x, self._y = grid()
        self._glaze = fractal(1024, 1024, seed=95, beta=1.3)
        self._wood = fractal(1024, 2048, seed=96, beta=1.0, stretch=0.08)
        self._cloth = fractal(HEIGHT, 2048, seed=97, beta=1.3)[:, :WIDTH]

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        burn = flicker(t, 23, 0.45)
        lean = 6 * np.sin(5 * t) + 4 * np.sin(13 * t)
        fx, fy = 470.0, 270.0
        fall = burn / (1 + ((self._x - fx) ** 2 + (self._y - fy) ** 2) / 330.0**2)
        picture = (
            (0.10 + 0.5 * self._cloth)[..., None] * color(96, 70, 66) * (0.9 * fall)[..., None]
        )
        plank = warp(self._wood, self._x + 300, (self._y - 520) * 2.2)
        wood = ramp(plank, (0.2, color(58, 34, 22)), (0.8, color(150, 96, 58)))
        table = np.clip(self._y - 525, 0, 1)
        picture = blend(
            picture.astype(np.float32), (wood * (1.1 * fall)[..., None]).astype(np.float32), table
        )
        picture = self._jug(picture, burn)
        body = (
            np.clip(28 - np.abs(self._x - fx), 0, 1)
            * np.clip(self._y - 330, 0, 1)
            * np.clip(560 - self._y, 0, 1)
        )
        wax = (
            np.exp(-(self._y - 330) / 130)[..., None]
            * color(255, 206, 140)
            * np.float32(0.9 * burn)
            + 0.03
        )
        picture = blend(picture, wax.astype(np.float32), body)
        height = 62 * (0.8 + 0.3 * burn)
        rise = np.clip((325 - self._y) / height, 0, 1.2)
        middle = fx + lean * rise**2
        width = 17 * np.sqrt(np.clip(rise * 3, 0, 1)) * np.clip(1 - rise, 0, 1) ** 0.8
        flame = np.clip((width - np.abs(self._x - middle)) / 5, 0, 1) * (rise > 0)
        picture = picture + glow(self._x, self._y, fx, fy + 10, 90)[..., None] * color(
            255, 150, 60
        ) * np.float32(0.4 * burn)
        picture = blend(
            picture.astype(np.float32),
            color(255, 226, 150) * np.float32(1.1),
            soften(flame.astype(np.float32), 1.6),
        )
        view = camera(picture, 26 - 24 * t, 10 - 8 * t, zoom=1.06 + 0.02 * t)
        return grain(view, rng, GRAIN * 1.1)

    def _jug(self, picture: Picture, burn: float) -> Picture:
        cx, cy, rx, ry = 800.0, 430.0, 128.0, 140.0
        dx, dy = (self._x - cx) / rx, (self._y - cy) / ry
        neck = (np.abs(dx) < 0.46) & (self._y > 262) & (self._y < 330)
        inside = np.clip((1 - np.hypot(dx, dy)) * rx, 0, 1)
        inside = np.maximum(inside, neck.astype(np.float32))
        dx = np.where(neck, dx / 0.47, dx)
        dz = np.sqrt(np.clip(1 - dx * dx - np.where(neck, 0, dy * dy), 0, 1))
        pattern = warp(self._glaze, np.arctan2(dx, dz + 1e-3) * 220 + 400, self._y * 1.2)
        skin = ramp(
            pattern,
            (0.3, color(24, 54, 78)),
            (0.52, color(60, 110, 124)),
            (0.7, color(176, 166, 140)),
        )
        rise = np.where(neck, -0.3, dy)
        facing = np.clip(-0.86 * dx - 0.32 * rise + 0.3 * dz, 0, 1)
        shine = np.clip(-0.70 * dx - 0.30 * rise + 0.62 * dz, 0, 1) ** 40
        lit = skin * (0.02 + 0.85 * burn * facing)[..., None] + (0.7 * burn * shine)[..., None]
        return blend(picture, lit.astype(np.float32), inside.astype(np.float32))
