"""The clip "motion": fast, textured, shaken, with short shots."""

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
    ramp,
    soften,
    warp,
)

FPS = 25


def shake(t: float, amount: float, seed: int) -> tuple[float, float, float]:
    """A hand-held camera: offsets in pixels and a roll in degrees."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6.28, (3, 4))
    pace = rng.uniform(1.5, 9.0, (3, 4))
    x, y, roll = (amount * np.sin(pace * 2 * t + phase) / np.sqrt(pace)).sum(axis=1)
    return float(x), float(y), float(roll) * 0.06


class Flight:
    """Low over meadows, rocks and a river at great speed."""

    seconds = 1.64

    def __init__(self) -> None:
        x, y = grid()
        self._x, self._y = x, y
        broad = fractal(2048, 2048, seed=5, beta=1.9)
        fine = fractal(2048, 2048, seed=6, beta=0.85)
        ground = ramp(broad, (0.2, color(52, 92, 120)), (0.27, color(196, 184, 140)),
                      (0.36, color(92, 124, 52)), (0.6, color(66, 96, 44)),
                      (0.8, color(122, 106, 84)))  # fmt: skip
        self._ground = (ground * (0.62 + 0.76 * fine)[..., None]).astype(np.float32)
        sky = ramp(y / HEIGHT, (0.0, color(88, 140, 206)), (0.36, color(214, 226, 234)))
        cloud = fractal(1024, 2048, seed=8, beta=1.5)[:HEIGHT, :WIDTH]
        self._sky = blend(sky, color(250, 250, 250), np.clip((cloud - 0.5) * 2.4, 0, 0.9))
        hills = fractal(4, 4096, seed=9, beta=1.3)[0]
        self._hills = (255 - 150 * (hills - 0.4)).astype(np.float32)

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for step in range(3):  # three instants within the shutter: motion blur
            total += self._instant(t + step * 0.45 / FPS / 3)
        return total / np.float32(3)

    def _instant(self, t: float) -> Picture:
        dx, dy, roll = shake(t, 9, seed=1)
        horizon = 262 + dy
        depth = np.maximum(self._y - horizon, 1.0)
        far = 26000 / depth
        turn = 0.32 * np.sin(1.7 * t)
        across = (self._x - 640) * far / 560
        u = across * np.cos(turn) - far * np.sin(turn) + 300 + dx
        v = across * np.sin(turn) + far * np.cos(turn) - 1150 * t
        ground = warp(self._ground, u * 2.4, -v * 2.4)
        air = np.exp(-far / 900)
        ground = blend(
            np.broadcast_to(color(196, 208, 214), ground.shape).astype(np.float32), ground, air
        )
        places = ((self._x[0] + 1600 * turn + 1400) % 4095).astype(np.int64)
        line = self._hills[places] + np.float32(dy)
        picture = blend(
            self._sky,
            color(120, 140, 156) * np.ones_like(self._sky),
            np.clip(self._y - line[None, :], 0, 1),
        )
        picture = blend(picture, ground, np.clip(self._y - horizon, 0, 1))
        return camera(picture, 0, 0, zoom=1.06, roll=roll * 4 + 7 * turn)


class Foliage:
    """Leaves in the wind, and a whip pan across them."""

    seconds = 1.28

    def __init__(self) -> None:
        self._x, self._y = grid()
        self._layers = []
        rng = np.random.default_rng(31)
        for layer, (count, size) in enumerate(((900, 26), (700, 40), (320, 66))):
            picture = np.zeros((1024, 2560, 3), np.float32)
            mask = np.zeros((1024, 2560), np.float32)
            for _ in range(count):
                at = (int(rng.integers(0, 2560)), int(rng.integers(0, 1024)))
                long = int(size * rng.uniform(0.6, 1.3))
                angle = float(rng.uniform(0, 360))
                shade = rng.uniform(0.35, 1.1) * (0.5 + 0.25 * layer)
                warm = rng.uniform(0, 1)
                tone = color(70 + int(100 * warm), 130 + int(30 * warm), 40) * np.float32(shade)
                blue, green, red = (float(c) for c in tone[0, 0])
                half = (long, max(3, long // 3))
                cv2.ellipse(picture, at, half, angle, 0, 360, (blue, green, red), -1, cv2.LINE_AA)
                cv2.ellipse(mask, at, half, angle, 0, 360, 1.0, -1, cv2.LINE_AA)
                tip = (at[0] + int(long * 0.9 * np.cos(np.radians(angle))),
                       at[1] + int(long * 0.9 * np.sin(np.radians(angle))))  # fmt: skip
                cv2.line(picture, at, tip, (blue * 1.5, green * 1.4, red * 1.5), 2, cv2.LINE_AA)
            speckle = fractal(1024, 2560, seed=33 + layer, beta=0.8)
            self._layers.append((picture * (0.75 + 0.5 * speckle)[..., None], mask))
        self._back = ramp(fractal(1024, 2560, seed=36, beta=1.4), (0.2, color(20, 40, 24)),
                          (0.6, color(70, 110, 60)), (0.9, color(226, 232, 180)))  # fmt: skip
        self._gust = fractal(1024, 2560, seed=37, beta=1.6)

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        whip = 1150 * ease((t - 0.55) / 0.35)
        speed = 0.0 if not 0.55 < t < 0.9 else 60.0
        picture = warp(self._back, self._x + whip * 0.5, self._y)
        for layer, (leaves, mask) in enumerate(self._layers):
            gust = warp(self._gust, self._x + 380 * t + whip, self._y + 50 * layer) - np.float32(
                0.5
            )
            sway = gust * (30 + 26 * layer)
            u = self._x + sway + whip * (0.7 + 0.25 * layer) + 8 * np.sin(9 * t + layer)
            v = self._y + sway * 0.6 + 6 * np.cos(11 * t + 2 * layer) + 100
            top, hole = warp(leaves, u, v), warp(mask, u, v)
            picture = blend(picture, top, hole)
        if speed:
            width = round(speed) | 1
            picture = np.asarray(cv2.blur(picture, (width, 1)), dtype=np.float32)
        dx, dy, roll = shake(t, 7, seed=2)
        return camera(picture, dx, dy, zoom=1.07, roll=roll * 3)


class Stadium:
    """Confetti under floodlights, a crowd behind."""

    seconds = 1.6

    def __init__(self) -> None:
        self._x, self._y = grid()
        rng = np.random.default_rng(51)
        crowd = np.zeros((900, 1600, 3), np.float32)
        for row in range(40):
            for seat in range(100):
                at = (
                    seat * 16 + int(rng.integers(-5, 6)),
                    250 + row * 16 + int(rng.integers(-4, 5)),
                )
                hue = color(*(int(v) for v in rng.integers(30, 200, 3))) * np.float32(
                    0.35 + row / 70
                )
                cv2.circle(crowd, at, 8, tuple(float(c) for c in hue[0, 0]), -1, cv2.LINE_AA)
                cv2.circle(crowd, (at[0], at[1] - 9), 4, (0.35, 0.45, 0.62), -1, cv2.LINE_AA)
        self._crowd = (
            soften(crowd, 2.2)
            * np.float32(0.8)
            * (0.5 + fractal(900, 1600, seed=52, beta=1.2))[..., None]
        )
        self._count = 750
        self._start = rng.uniform((-200, -900, 0.4), (1480, 720, 1.6), (self._count, 3))
        self._spin = rng.uniform(-14, 14, (self._count, 2))
        self._tone = rng.integers(0, 5, self._count)
        self._drift = rng.uniform(-90, 90, self._count)
        self._tones = [color(236, 62, 78), color(250, 204, 60), color(64, 160, 240),
                       color(80, 210, 130), color(244, 244, 250)]  # fmt: skip

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        dx, dy, roll = shake(t, 6, seed=3)
        bob = 5 * np.sin(7 * t + self._x / 90)
        crowd = warp(self._crowd, self._x + 120 + 70 * t, self._y + 120 + bob)
        picture = crowd + color(18, 24, 46)
        for lamp in range(5):
            light = glow(self._x, self._y, 140 + 250 * lamp - 30 * t, 66, 26) * 1.2
            light = light + 0.34 * glow(self._x, self._y, 140 + 250 * lamp - 30 * t, 66, 170)
            picture = picture + light[..., None] * color(226, 236, 255)
        picture = picture.astype(np.float32)
        for i in range(self._count):
            x0, y0, near = self._start[i]
            x = x0 + self._drift[i] * t + 18 * near * np.sin(5 * t + i)
            y = y0 + 460 * near * t
            if not (-40 < x < WIDTH + 40 and -40 < y < HEIGHT + 40):
                continue
            angle, tilt = self._spin[i, 0] * t + i, np.cos(self._spin[i, 1] * t + i)
            length, width = 13 * near, 8 * near * abs(tilt) + 0.6
            axis = np.array([np.cos(angle), np.sin(angle)])
            side = np.array([-axis[1], axis[0]])
            corners = [np.array([x, y]) + a * axis * length + b * side * width
                       for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1))]  # fmt: skip
            tone = self._tones[self._tone[i]][0, 0] * (0.45 + 0.6 * abs(tilt))
            points = (np.array(corners) * 16).round().astype(np.int32)
            cv2.fillConvexPoly(picture, points, tuple(float(c) for c in tone), cv2.LINE_AA, 4)
        return camera(picture, dx, dy, zoom=1.05, roll=roll * 2)


class Rapids:
    """White water, and a painted ball tumbling across it."""

    seconds = 1.48

    def __init__(self) -> None:
        self._x, self._y = grid()
        self._flow = fractal(1024, 2048, seed=61, beta=1.35)
        self._foam = fractal(1024, 2048, seed=62, beta=1.2)
        self._paint = ramp(fractal(512, 1024, seed=63, beta=1.6), (0.3, color(200, 40, 44)),
                           (0.48, color(246, 226, 190)), (0.55, color(246, 200, 60)),
                           (0.7, color(38, 66, 140)))  # fmt: skip

    def frame(self, t: float, rng: np.random.Generator) -> Picture:
        bend = warp(self._flow, self._x * 0.7 + 240 * t, self._y * 0.9) - np.float32(0.5)
        u = self._x * 0.9 + 620 * t + 190 * bend
        v = self._y * 1.7 + 150 * bend + 40 * np.sin(3 * t)
        body, foam = warp(self._flow, u, v), warp(self._foam, u * 1.4, v * 1.1)
        water = ramp(body, (0.15, color(10, 44, 58)), (0.5, color(30, 96, 110)),
                     (0.8, color(120, 178, 176)))  # fmt: skip
        white = np.clip((foam * 0.55 + body * 0.75 - 0.7) * 3, 0, 1)
        picture = blend(water, color(236, 244, 246) * (0.75 + 0.25 * foam)[..., None], white)
        picture = self._ball(picture.astype(np.float32), t)
        dx, dy, roll = shake(t, 8, seed=4)
        return camera(picture, dx, dy, zoom=1.07, roll=roll * 3)

    def _ball(self, picture: Picture, t: float) -> Picture:
        cx, cy, radius = 1180 - 760 * t, 380 + 60 * np.sin(6 * t), 120.0
        dx, dy = (self._x - cx) / radius, (self._y - cy) / radius
        inside = np.clip((1 - np.hypot(dx, dy)) * radius, 0, 1)
        dz = np.sqrt(np.clip(1 - dx * dx - dy * dy, 0, 1))
        spin = -7 * t
        across, away = dx * np.cos(spin) + dz * np.sin(spin), dz * np.cos(spin) - dx * np.sin(spin)
        longitude, latitude = np.arctan2(across, away), np.arcsin(np.clip(dy, -1, 1))
        skin = warp(self._paint, longitude * 163 + 512, latitude * 163 + 256)
        light = np.clip(0.3 + 0.8 * (-0.45 * dx - 0.6 * dy + 0.66 * dz), 0.1, 1.2)
        shadow = glow(self._x, self._y, cx + 30, cy + 120, 80) * np.float32(0.5)
        picture = picture * (1 - shadow)[..., None]
        return blend(picture, skin * light[..., None].astype(np.float32), inside.astype(np.float32))
