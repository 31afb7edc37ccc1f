"""What only neighbouring frames can tell: fades, dissolves, flashes, cuts and motion."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pertitle.thumbnails.decoding import Image

SMALL = (64, 36)
LAGS = (0.08, 0.2, 0.4, 0.65)
"""Seconds between the frames compared."""
DISSOLVE_STEPS = (None, 12.0, 20.0, 28.0)
"""Luma steps by which the two sides of a dissolve differ at least at each lag, on average."""
DISSOLVE_RESIDUAL = 0.5
"""Largest distance from a weighted mean of the two sides, relative to their difference; in
dissolves with motion on both sides it is 0.04 to 0.5, in motion alone mostly above 0.4."""
DISSOLVE_HINT = 0.2
"""Lag at which slow motion of soft pictures looks like a dissolve too: what is seen there counts
only within ``DISSOLVE_REACH`` seconds of a frame that is a blend at a longer lag as well, or where
the frames for a longer lag are lacking."""
DISSOLVE_REACH = 0.65
DISSOLVE_ENDS = (0.0, 0.1, 0.15, 0.2)
"""Shares of either side nearer than which a frame counts as that side; shorter lags see them."""
FADE_GAINS = (0.05, 0.1, 0.16, None)
"""Relative change of contrast in a fade at each lag."""
FADE_CORRELATION = 0.97
FLASH_STEP = 20.0
"""Luma steps a flash stands above the frames on both sides."""
FLASH_SIDE = 0.4
"""Seconds on each side of a flash in which its surroundings are sought."""
CUT_STEP = 22.0
MARGIN = 0.17


def shrink(grey: Image) -> NDArray[np.float32]:
    """A picture small enough that noise and small motion do not matter."""
    small: NDArray[np.float32] = cv2.resize(grey, SMALL, interpolation=cv2.INTER_AREA).astype(
        np.float32
    )
    return small


def flashes(frames: NDArray[np.float32], times: Sequence[float]) -> NDArray[np.bool_]:
    """Frames brighter (or darker) than what comes before *and* after.

    Args:
        frames: n × rows × columns luma, consecutive frames.
        times: their times in seconds.
    """
    level = frames.mean(axis=(1, 2))
    seconds = np.asarray(times)
    found = np.zeros(len(level), dtype=bool)
    for i in range(len(level)):
        before = level[(seconds < seconds[i] - 1e-6) & (seconds >= seconds[i] - FLASH_SIDE)]
        after = level[(seconds > seconds[i] + 1e-6) & (seconds <= seconds[i] + FLASH_SIDE)]
        if len(before) == 0 or len(after) == 0:
            continue
        bright = level[i] - max(before.min(), after.min())
        dark = min(before.max(), after.max()) - level[i]
        found[i] = max(bright, dark) > FLASH_STEP
    return found


def cuts(frames: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Entry i tells whether a hard cut lies between frame i - 1 and frame i."""
    found = np.zeros(len(frames), dtype=bool)
    if len(frames) < 3:
        return found
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2))
    for i, step in enumerate(steps):
        around = np.concatenate([steps[max(0, i - 3) : i], steps[i + 1 : i + 4]])
        found[i + 1] = step > CUT_STEP and step > 3 * float(np.median(around)) + 2
    return found


def transitions(frames: NDArray[np.float32], times: Sequence[float]) -> NDArray[np.bool_]:
    """Frames inside a dissolve, a fade or a decaying flash.

    A frame of a dissolve is a weighted mean of the frames on its two sides, which motion never
    makes (Lienhart, "Comparison of automatic shot boundary detection algorithms", SPIE 1999);
    a frame of a fade is a neighbour with another gain and offset.
    """
    rate = (len(times) - 1) / max(1e-6, times[-1] - times[0]) if len(times) > 1 else 1.0
    breaks = np.cumsum(cuts(frames))
    found, hints, blends, judged = np.zeros((4, len(frames)), dtype=bool)
    rules = zip(LAGS, DISSOLVE_STEPS, DISSOLVE_ENDS, FADE_GAINS, strict=True)
    for lag, least, ends, gain in rules:
        step = max(1, round(lag * rate))
        for i in range(len(frames)):
            before = i - step if i >= step else None
            after = i + step if i + step < len(frames) else None
            # Frames of two sides of a hard cut say nothing of a gradual change.
            if before is not None and breaks[before] != breaks[i]:
                before = None
            if after is not None and breaks[after] != breaks[i]:
                after = None
            if before is not None and after is not None and least is not None:
                blend = is_blend(frames[i], frames[before], frames[after], least, ends)
                (hints if lag <= DISSOLVE_HINT else blends)[i] |= blend
                judged[i] |= lag > DISSOLVE_HINT
            for other in (before, after):
                if other is not None and gain is not None:
                    found[i] |= is_gain_change(frames[i], frames[other], gain)
    sure = widened(blends, times, DISSOLVE_REACH) | ~judged
    return found | blends | (hints & sure)


def widened(
    found: NDArray[np.bool_], times: Sequence[float], margin: float = MARGIN
) -> NDArray[np.bool_]:
    """Also the frames within some seconds of a find, as its faint ends escape notice."""
    seconds = np.asarray(times)
    hits = seconds[found]
    if len(hits) == 0:
        return found
    near: NDArray[np.bool_] = np.abs(seconds[:, None] - hits[None]).min(axis=1) <= margin
    return near


def is_blend(
    here: NDArray[np.float32],
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    least: float,
    ends: float,
) -> bool:
    """Whether a picture is a weighted mean of two others that differ by ``least`` luma steps."""
    change = after - before
    if float(np.abs(change).mean()) < least:
        return False
    energy = float((change * change).sum())
    share = float(((here - before) * change).sum()) / energy
    rest = here - before - share * change
    residual = float(np.sqrt((rest * rest).sum() / energy))
    return ends < share < 1 - ends and residual < DISSOLVE_RESIDUAL


def is_gain_change(here: NDArray[np.float32], other: NDArray[np.float32], gain: float) -> bool:
    """Whether a picture is another one, darkened or bleached by a share of ``gain`` or more."""
    spread, reference = float(here.std()), float(other.std())
    if max(spread, reference) < 6 or min(spread, reference) < 0.5:
        return False
    match = float(((here - here.mean()) * (other - other.mean())).mean()) / (spread * reference)
    moved = abs(float(here.mean() - other.mean()))
    return match > FADE_CORRELATION and abs(spread / reference - 1) > gain and moved > 2.0


def motion(frames: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean luma step to the nearer of the two neighbours, for each frame."""
    if len(frames) < 2:
        return np.zeros(len(frames))
    steps = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2)).astype(np.float64)
    left = np.concatenate([[np.inf], steps])
    right = np.concatenate([steps, [np.inf]])
    nearer: NDArray[np.float64] = np.minimum(left, right)
    return nearer
