"""Made-up titles with known surfaces: complexity and sharpness decide everything."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from pertitle.ladder.coordinates import TitleContext, rate_from_kbps, vmaf_from_quality
from pertitle.ladder.surface import TitleTable
from pertitle.records import FULL_HD, LADDER_HEIGHTS, Size

CRFS = (17.0, 22.0, 27.0, 32.0, 37.0, 42.0, 47.0)


def title_context(size: Size, features: dict[str, float] | None = None) -> TitleContext:
    """A 30 fps H.264 title on a full-HD screen."""
    return TitleContext(features or {}, size, Fraction(30), size.fit(FULL_HD), "h264")


def make_title(
    name: str,
    size: Size,
    complexity: float,
    sharpness: float,
    blur: tuple[float, float] = (0.0, 0.0),
) -> TitleTable:
    """The full grid of a title whose bits follow complexity and whose lines matter as it is sharp.

    Near the native size a soft picture loses nothing by scaling; a sharp one loses much. The
    features tell both with the errors in ``blur``.
    """
    features = {
        "complexity": complexity + blur[0],
        "sharpness": sharpness + blur[1],
        "irrelevant": float(len(name)),
    }
    context = title_context(size, features)
    heights = (size.height, *(h for h in LADDER_HEIGHTS if h < size.height))
    rows = [(h, c) for h in heights for c in CRFS]
    height = np.array([r[0] for r in rows])
    crf = np.array([r[1] for r in rows])
    octaves = -np.minimum(0.0, np.log2(height / size.height))
    log_bits = -2.0 + complexity - (crf - 27) / 5.5 + 0.3 * octaves * (1 + 0.5 * sharpness)
    quality = 3.6 - 0.11 * (crf - 17) - 0.3 * complexity - 0.004 * (crf - 17) ** 1.5
    quality = quality - (0.9 + 1.1 * sharpness) * octaves**1.2
    unit = rate_from_kbps(context, height, np.ones(len(height)))
    return TitleTable(
        name, name, context, height, crf, 2 ** (log_bits - unit), vmaf_from_quality(quality)
    )


def make_titles(count: int, seed: int = 0) -> list[TitleTable]:
    """Titles of several sizes and kinds."""
    rng = np.random.default_rng(seed)
    sizes = [Size(1920, 1080), Size(1280, 720), Size(854, 480), Size(720, 1280)]
    titles = []
    for i in range(count):
        complexity, sharpness = float(rng.normal()), float(rng.uniform(0, 1))
        blur = (float(rng.normal(0, 0.3)), float(rng.normal(0, 0.15)))
        size = sizes[i % len(sizes)]
        titles.append(make_title(f"t{i:03d}", size, complexity, sharpness, blur))
    return titles
