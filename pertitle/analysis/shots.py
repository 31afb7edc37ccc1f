"""Shots: the stretches between hard cuts."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pertitle.analysis.scan import Glance, Look, difference
from pertitle.records import Shot

MIN_SHOT_SECONDS = 0.35
CUT_SCORE = 0.32
"""Least score of a cut; see :func:`scores`."""
CUT_CONTRAST = 2.5
"""How much a cut's score exceeds those of the frames around it."""
NEIGHBOURS = 8
SAME_SCENE = 0.25
"""Two sampled places of a long title with a lower score are one shot."""


def score(a: Glance, b: Glance) -> float:
    """How unlike two frames are: the geometric mean of colour and structure change, 0 to 1.

    A cut changes both. Motion changes structure but hardly colour; a flash, a fade or a lamp
    changes colour but not structure.
    """
    histogram, structure = difference(a, b)
    return float(np.sqrt(max(0.0, histogram) * min(1.0, max(0.0, structure))))


def find_shots(glances: Sequence[Glance], duration: float) -> tuple[Shot, ...]:
    """Shots of a title all of whose frames were seen.

    A cut is a score over ``CUT_SCORE`` that is also ``CUT_CONTRAST`` times the largest of its
    neighbours' median-like level, so that fast motion does not count; frames on both sides of a
    flash are alike and make no cut.
    """
    if len(glances) < 3:
        return (Shot(0.0, duration),)
    scores = np.array([score(a, b) for a, b in itertools.pairwise(glances)])
    cuts: list[float] = []
    for i in np.flatnonzero(scores > CUT_SCORE).tolist():
        if scores[i] < CUT_CONTRAST * _level(scores, i) or _is_flash(glances, i):
            continue
        time = glances[i + 1].time
        if time - (cuts[-1] if cuts else 0.0) >= MIN_SHOT_SECONDS:
            cuts.append(time)
    return _between([t for t in cuts if duration - t >= MIN_SHOT_SECONDS / 2], duration)


def _level(scores: NDArray[np.float64], at: int) -> float:
    """The usual score around a frame: the upper quartile of its neighbours, itself excluded."""
    around = np.concatenate(
        [scores[max(0, at - NEIGHBOURS) : at], scores[at + 1 : at + 1 + NEIGHBOURS]]
    )
    return float(np.percentile(around, 75)) if around.size else 0.0


def _is_flash(glances: Sequence[Glance], at: int) -> bool:
    """Whether the change after frame ``at`` begins or ends a flash of at most three frames."""
    before, after = glances[at], glances[at + 1]
    begins = any(score(before, later) < CUT_SCORE / 2 for later in glances[at + 2 : at + 5])
    earlier = glances[max(0, at - 3) : at]
    return begins or any(score(one, after) < CUT_SCORE / 2 for one in earlier)


def coarse_shots(looks: Sequence[Look], duration: float) -> tuple[Shot, ...]:
    """Shots of a long title seen only in places.

    Neighbouring places that look alike count as one shot. The boundary is put at the keyframe
    of the later place: encoders start one at a cut, but cuts between two places that look alike
    are missed, a long camera move can be split, and a boundary can be late by up to the distance
    of two places.
    """
    times = [
        b.keyframe if b.keyframe > a.glance.time else b.glance.time
        for a, b in itertools.pairwise(looks)
        if score(a.glance, b.glance) > SAME_SCENE
    ]
    return _between([t for t in times if 0 < t < duration], duration)


def _between(cuts: Sequence[float], duration: float) -> tuple[Shot, ...]:
    edges = [0.0, *cuts, duration]
    return tuple(Shot(start, end) for start, end in itertools.pairwise(edges))
