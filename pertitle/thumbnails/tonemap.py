"""HDR to SDR for still pictures, in numpy."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

REFERENCE_WHITE = 203.0
"""Nits of diffuse white in HDR programmes (ITU-R BT.2408)."""

_BT2020_TO_BT709 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
    dtype=np.float32,
)
"""Linear-light primaries conversion (ITU-R BT.2087)."""


@cache
def _linear_table(transfer: str) -> NDArray[np.float32]:
    """Code value (16 bit) to light relative to diffuse white."""
    signal = np.linspace(0.0, 1.0, 65536)
    if transfer == "pq":  # SMPTE ST 2084
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        power = signal ** (1 / m2)
        nits = 10000 * (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    else:  # HLG of ITU-R BT.2100, with the system gamma 1.2 of a 1000-nit display on each channel
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
        nits = 1000 * scene**1.2
    return (nits / REFERENCE_WHITE).astype(np.float32)


@cache
def _gamma_table() -> NDArray[np.uint8]:
    """Linear light 0…1 in 4096 steps to 8-bit BT.709 as displays show it (gamma 2.2)."""
    return np.round(255 * np.linspace(0, 1, 4096) ** (1 / 2.2)).astype(np.uint8)


def tone_map(rgb48: NDArray[np.uint16], transfer: str) -> NDArray[np.uint8]:
    """16-bit red-green-blue in PQ or HLG to 8-bit blue-green-red SDR.

    The curve is Hable's filmic operator (GDC 2010), the one the delivered renditions use,
    scaled so that diffuse white stays bright.
    """
    light = _linear_table(transfer)[rgb48] @ _BT2020_TO_BT709.T
    mapped = _hable(np.maximum(light, 0) * 2.0) / _hable(np.array(11.2, dtype=np.float32))
    codes = np.clip(mapped * 4095, 0, 4095).astype(np.uint16)
    bgr: NDArray[np.uint8] = _gamma_table()[codes[..., ::-1]]
    return bgr


def _hable(x: NDArray[np.float32]) -> NDArray[np.float32]:
    a, b, c, d, e, f = 0.15, 0.50, 0.10, 0.20, 0.02, 0.30
    curve = (x * (a * x + c * b) + d * e) / (x * (a * x + b) + d * f) - e / f
    return curve.astype(np.float32, copy=False)
