"""Bringing ladders under a size, and leaving out rungs that nobody would be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pertitle.codecs import CODECS
from pertitle.encoder.prober import rung_size
from pertitle.errors import UsageError
from pertitle.records import Analysis, LadderPlan, Rung
from pertitle.results import Rendition

CONTAINER_SHARE = 0.03
"""Of a package, what is neither picture nor sound: boxes, playlists."""
SOUND_KBPS = 128.0
"""A stereo track, and more than a mono one takes."""
SLACK = 1.02
"""An average bitrate counts as held up to this."""


def fit_size(
    analysis: Analysis, ladders: Sequence[LadderPlan], limit: int, *, min_vmaf: float
) -> tuple[LadderPlan, ...]:
    """Ladders whose renditions take at most ``limit`` bytes together, sound included.

    All bitrates shrink by one factor, so the steps between rungs stay; each rung then takes the
    height that its curves believe best at the new bitrate. Rungs that fall below ``min_vmaf``
    are left out, and the others share what they would have taken. Ladders that are small enough
    stay as they are.

    Raises:
        UsageError: not even one rung a codec fits.
    """
    seconds = analysis.source.duration
    sound = SOUND_KBPS * len(analysis.source.audio)
    kbps = limit * (1 - CONTAINER_SHARE) * 8 / 1000 / seconds - sound
    if kbps <= 0:
        raise UsageError(f"{limit} bytes do not hold {seconds:.1f} s of sound alone")
    kept = [list(ladder.rungs) for ladder in ladders]
    while True:
        total = sum(rung.bitrate_kbps for rungs in kept for rung in rungs)
        factor = min(1.0, kbps / total)
        if factor == 1.0 and all(
            len(rungs) == len(ladder.rungs) for rungs, ladder in zip(kept, ladders, strict=True)
        ):
            return tuple(ladders)
        fitted = [
            [_moved(analysis, ladder, rung, factor) for rung in rungs]
            for rungs, ladder in zip(kept, ladders, strict=True)
        ]
        worst = [
            i for i, rungs in enumerate(fitted) if len(rungs) > 1 and rungs[-1].vmaf < min_vmaf
        ]
        if not worst:
            break
        for i in worst:
            kept[i].pop()
    note = f"bitrates are {factor:.2f} of what was wished for, to fit {limit} bytes"
    return tuple(
        replace(ladder, rungs=tuple(rungs), notes=(*ladder.notes, note))
        for ladder, rungs in zip(ladders, fitted, strict=True)
    )


def _moved(analysis: Analysis, ladder: LadderPlan, rung: Rung, factor: float) -> Rung:
    """The rung at another bitrate, at the height and CRF that are believed best there."""
    wanted, step = rung.bitrate_kbps * factor, CODECS[ladder.codec].crf_step
    best = rung.height, rung.crf, 0.0
    for height in {point.height for point in ladder.curves}:
        points = sorted(
            (p for p in ladder.curves if p.height == height), key=lambda p: p.bitrate_kbps
        )
        rates = np.log([p.bitrate_kbps for p in points])
        if wanted < points[0].bitrate_kbps:
            continue  # the encoder does not go as low at this height
        vmaf = float(np.interp(np.log(wanted), rates, [p.vmaf for p in points]))
        if vmaf > best[2] and height <= rung.height:
            crf = float(np.interp(np.log(wanted), rates, [p.crf for p in points]))
            best = height, round(crf / step) * step, vmaf
    size = rung_size(analysis, best[0])
    return replace(
        rung,
        width=size.width,
        height=size.height,
        crf=round(best[1], 4),
        bitrate_kbps=wanted,
        vmaf=best[2],
        vmaf_low=max(0.0, best[2] - (rung.vmaf - rung.vmaf_low)),
        vmaf_high=min(100.0, best[2] + (rung.vmaf_high - rung.vmaf)),
        bitrate_low_kbps=rung.bitrate_low_kbps * factor,
        bitrate_high_kbps=rung.bitrate_high_kbps * factor,
    )


def undominated(renditions: Sequence[Rendition]) -> tuple[Rendition, ...]:
    """The renditions without those that no player should choose.

    A device that decodes HEVC or AV1 decodes H.264 too, and there are devices that decode
    H.264 alone. So no H.264 rung is ever useless, and between HEVC and AV1, of which devices
    have either, nothing can be said; but a rung of theirs is useless where an H.264 rung of the
    same dynamic range looks at least as good for no more bits. Many players stay in one codec
    once they have chosen: a codec keeps its lowest rung, to fall back on, unless all its rungs
    are useless.
    """
    reach = min((r.codec for r in renditions), key=list(CODECS).index)
    if reach != next(iter(CODECS)):
        return tuple(renditions)
    wide = [r for r in renditions if r.codec == reach]

    def useless(one: Rendition) -> bool:
        return one.codec != reach and any(
            other.average_kbps <= one.average_kbps
            and other.verification.vmaf >= one.verification.vmaf
            and other.dynamic_range == one.dynamic_range
            for other in wide
        )

    kept = []
    for codec in dict.fromkeys(r.codec for r in renditions):
        own = [r for r in renditions if r.codec == codec]
        good = [r for r in own if not useless(r)]
        lowest = min(own, key=lambda r: r.average_kbps)
        kept += [r for r in own if r in good or (good and r is lowest)]
    return tuple(kept)
