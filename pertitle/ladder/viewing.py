"""What an audience gets of one side of a comparison, expected and played; Apple's rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pertitle.ladder.abr import RULES, Playback, make_traces, play
from pertitle.ladder.allocation import SOUND_KBPS, Delivery, deliver
from pertitle.ladder.comparison import Side
from pertitle.options import ViewerClass

_SESSIONS, _SECONDS = 400, 600
_NEAR, _FAR = 1.5, 2.0
_CELLULAR_KBPS = 192.0


@dataclass(frozen=True)
class Viewing:
    """A ladder before an audience.

    Attributes:
        name: of the ladder.
        expected: if every player knew its bandwidth.
        played: by the rule of the player, on equal lines for every ladder.
        broken: rules of Apple's specification that its bitrates break, in words.
    """

    name: str
    expected: Delivery
    played: dict[str, Playback]
    broken: tuple[str, ...]


def view(side: Side, audience: Sequence[ViewerClass], seed: int = 0) -> Viewing:
    """Show a ladder to an audience; the same seed gives the same lines.

    Played quality is on the ladder's own scale: a phone's view is in ``expected`` alone.
    """
    points = sorted(side.points, key=lambda p: p.bitrate_kbps)
    kbps = [p.bitrate_kbps for p in points]
    vmaf = [p.vmaf for p in points]
    traces = make_traces(audience, _SESSIONS, _SECONDS, seed)
    return Viewing(
        side.name,
        deliver(audience, np.array(kbps), np.array(vmaf)),
        {rule: play(kbps, vmaf, traces, rule=rule) for rule in RULES},
        apple_breaks(kbps),
    )


def apple_breaks(kbps: Sequence[float]) -> tuple[str, ...]:
    """Rules on bitrates that a ladder breaks, of the "HTTP Live Streaming (HLS) Authoring
    Specification for Apple Devices": neighbours 1.5 to 2 apart, and a variant of at most 192 kbit/s
    for cellular networks. The specification limits that variant's peak; averages are all that is
    known here, so that a ladder that keeps to this may still break it.

    Args:
        kbps: average bitrates of the rungs without sound.
    """
    rates = sorted(rate + SOUND_KBPS for rate in kbps)
    said = []
    for low, high in pairwise(rates):
        if not _NEAR - 0.005 <= high / low <= _FAR + 0.005:
            said.append(
                f"{low:.0f} and {high:.0f} kbit/s with sound are {high / low:.2f} apart,"
                f" not {_NEAR:g} to {_FAR:g}"
            )
    if rates[0] > _CELLULAR_KBPS:
        said.append(
            f"no variant of {_CELLULAR_KBPS:.0f} kbit/s for cellular networks:"
            f" the lowest has {rates[0]:.0f} with sound"
        )
    return tuple(said)
