"""Defects and peculiarities of a source that a person should know of.

Thresholds are set so that the ordinary web and camera clips the project was calibrated on stay
below them (docs/features.md gives their spread).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from pertitle.analysis.registry import LINES
from pertitle.analysis.scan import Glance, Look
from pertitle.analysis.treatment import constant_rate, find_letterbox, is_interlaced
from pertitle.records import Source, SourceWarning, Treatment, Window

SAME_VMAF = 98.0
SAME_PSNR = 46.0
"""A picture scaled to fewer lines and back that keeps this much carried no more detail."""
UPSCALE_SCORE = 1.8
"""Decades of power from 0.2-0.4 to 0.6-0.9 of the highest frequency, less half of the frequency
below which lie 98 % of the detail: an upscale falls off steeply after little detail, and natural
pictures lose 1 to 2 decades after more of it."""
NEAR_VMAF = 95.0
NEAR_PSNR = 42.0
"""What such an upscale keeps at least when it is scaled to its native lines and back: no kernel
undoes another exactly."""
KEPT_VMAF = 97.0
"""Of the lines that keep that, the fewest that keep this are taken for the native ones; where none
do, the most."""
UPSCALE_RATIO = 0.7
"""Only detail for at most this share of the lines counts as an upscale: ordinary clips of 720 lines
often fit in 540 (docs/features.md has the rates)."""
MIN_GRADIENT = 12.0
"""Spread of the gradient (SI) below which a picture is too plain to tell its resolution by."""
BANDED_SHARE = 0.3
BLOCKED_LOG2 = 0.75
NOISE_LEVELS = 3.5
BLACK_MEAN = 20.0
BLACK_PEAK = 40
MIN_BLACK_SECONDS = 0.5
MIN_FROZEN_SECONDS = 2.0
FROZEN_CHANGE = 0.05
"""Mean change of a thumbnail, luma levels, below which the picture stands still."""


def find_defects(
    source: Source,
    treatment: Treatment,
    looks: Sequence[Look],
    glances: Sequence[Glance],
    features: dict[str, float],
) -> tuple[SourceWarning, ...]:
    """Warnings in a fixed order; each code at most once.

    Args:
        looks: sampled places.
        glances: all frames of a short title; empty for a long one, whose standstills are then
            not looked for.
        features: what was measured on the digest.
    """
    found = [
        *_format_warnings(source, treatment, looks, glances),
        *_picture_warnings(treatment, looks, features),
        *_standstill_warnings(source, looks, glances),
    ]
    return tuple(found)


def _format_warnings(
    source: Source, treatment: Treatment, looks: Sequence[Look], glances: Sequence[Glance]
) -> list[SourceWarning]:
    video = source.video
    found = []
    if video.variable_rate:
        found.append(
            SourceWarning(
                "variable-rate",
                f"frames come at uneven times (mostly {float(video.frame_rate):.2f} a second);"
                f" delivered at a constant {float(constant_rate(source)):.3f}",
            )
        )
    if is_interlaced(source, looks):
        flagged = "" if video.interlaced else " although they are flagged progressive"
        found.append(
            SourceWarning("interlaced", f"frames hold two fields{flagged}; they are deinterlaced")
        )
    bars = find_letterbox(source, looks, glances)
    if bars is not None:
        done = "cut away" if treatment.crop is not None else "kept; crop on request"
        found.append(
            SourceWarning(
                "letterbox", f"black bars around a picture of {bars.size} in {source.size}; {done}"
            )
        )
    if video.dynamic_range != "sdr":
        found.append(SourceWarning("hdr", f"high dynamic range ({video.dynamic_range})"))
    if "unknown" in (video.primaries, video.transfer, video.matrix):
        guess = "BT.709" if source.size.height >= 720 else "BT.601"
        found.append(SourceWarning("untagged-colour", f"colour is not tagged; taken as {guess}"))
    if video.has_alpha:
        found.append(SourceWarning("alpha", "transparency is dropped"))
    return found


def _picture_warnings(
    treatment: Treatment, looks: Sequence[Look], features: dict[str, float]
) -> list[SourceWarning]:
    found = []
    lines = native_lines(treatment.size.height, features)
    if lines is not None:
        found.append(
            SourceWarning(
                "upscaled",
                f"the picture of {treatment.size.height} lines holds the detail of {lines} or"
                " fewer: an upscale, or very soft",
            )
        )
    banding = float(np.median([look.banding for look in looks])) if looks else 0.0
    if banding > BANDED_SHARE:
        found.append(
            SourceWarning(
                "banding", f"smooth areas fall in steps over {banding:.0%} of the picture"
            )
        )
    blocking = features["blockiness_mean"]
    if blocking > BLOCKED_LOG2:
        found.append(
            SourceWarning(
                "blocking", f"steps at 8×8 block edges are {2**blocking:.1f} times those inside"
            )
        )
    noise = 2 ** features["noise_flat_mean"] - 0.05
    if noise > NOISE_LEVELS:
        found.append(
            SourceWarning("noise", f"noise of {noise:.1f} luma levels even in smooth areas")
        )
    return found


def native_lines(height: int, features: dict[str, float]) -> int | None:
    """The lines, of those tried, that hold all the picture's detail; None if it needs its own.

    Plain pictures are never judged: scaling cannot hurt what is not there.
    """
    if 2 ** features["si_mean"] - 1 < MIN_GRADIENT:
        return None
    tried = {int(name): name for name in LINES if int(name) <= UPSCALE_RATIO * height}
    tried[height // 4 * 2] = "half"
    fall = features["spectrum_mid_mean"] - features["spectrum_top_mean"]
    if fall - features["rolloff_mean"] / 2 > UPSCALE_SCORE:
        near = _keeping(tried, features, NEAR_VMAF, NEAR_PSNR)
        return min(_keeping(near, features, KEPT_VMAF, NEAR_PSNR), default=max(near, default=None))
    return min(_keeping(tried, features, SAME_VMAF, SAME_PSNR), default=None)


def _keeping(
    tried: dict[int, str], features: dict[str, float], vmaf: float, psnr: float
) -> dict[int, str]:
    """The numbers of lines that keep this much of the picture."""
    return {
        lines: name
        for lines, name in tried.items()
        if features[f"vmaf_{name}"] >= vmaf and features[f"loss_{name}"] >= psnr
    }


def _standstill_warnings(
    source: Source, looks: Sequence[Look], glances: Sequence[Glance]
) -> list[SourceWarning]:
    found = []
    black = black_stretches(glances, source.duration)
    if black:
        found.append(SourceWarning("black", f"black for {_listed(black)}"))
    elif not glances and looks and sum(is_black(look.glance) for look in looks) > len(looks) / 4:
        count = sum(is_black(look.glance) for look in looks)
        found.append(SourceWarning("black", f"black in {count} of {len(looks)} sampled places"))
    frozen = frozen_stretches(glances, source.duration)
    if frozen:
        found.append(SourceWarning("frozen", f"the picture stands still for {_listed(frozen)}"))
    return found


def is_black(glance: Glance) -> bool:
    """Whether a frame shows nothing."""
    return float(glance.thumb.mean()) < BLACK_MEAN and int(glance.thumb.max()) < BLACK_PEAK


def black_stretches(glances: Sequence[Glance], duration: float) -> list[Window]:
    """Stretches of at least ``MIN_BLACK_SECONDS`` of black frames."""
    return _runs(glances, [is_black(g) for g in glances], duration, MIN_BLACK_SECONDS)


def frozen_stretches(glances: Sequence[Glance], duration: float) -> list[Window]:
    """Stretches of at least ``MIN_FROZEN_SECONDS`` in which a picture that is not black does not
    change."""
    still = [False] * len(glances)
    for i, (a, b) in enumerate(itertools.pairwise(glances)):
        same = a.thumb.shape == b.thumb.shape and not is_black(a)
        if same and np.abs(a.thumb.astype(np.int16) - b.thumb).mean() < FROZEN_CHANGE:
            still[i] = still[i + 1] = True
    return _runs(glances, still, duration, MIN_FROZEN_SECONDS)


def _runs(
    glances: Sequence[Glance], marks: Sequence[bool], duration: float, least: float
) -> list[Window]:
    found = []
    place = 0
    for marked, run in itertools.groupby(marks):
        end = place + len(list(run))
        if marked:
            start = glances[place].time
            stop = glances[end].time if end < len(glances) else duration
            if stop - start >= least - 1e-6:
                found.append(Window(start, stop - start))
        place = end
    return found


def _listed(stretches: Sequence[Window]) -> str:
    total = sum(s.duration for s in stretches)
    first = stretches[0]
    more = f" and {len(stretches) - 1} more" if len(stretches) > 1 else ""
    return f"{total:.1f} s (from {first.start:.1f} s on{more})"
