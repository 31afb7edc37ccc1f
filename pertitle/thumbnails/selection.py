"""From judged frames to a set: the best first, each next one good *and* different."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pertitle.thumbnails.candidates import Candidate, is_apart

DUPLICATE_BITS = 10
"""Perceptual hashes (63 bits) that differ in no more bits show the same picture …"""
DUPLICATE_DISTANCE = 0.10
"""… and so do signatures no farther apart."""
SIMILAR_DISTANCE = 0.22
SAME_DISTANCE = 0.012
"""Signatures closer than this are of one picture, noise and compression aside."""
DIVERSITY = 0.25
"""How much score a twin of something already chosen loses."""

NEARBY = 0.7
"""Seconds from an earlier look within which another one finds much the same frames."""

SOFT_FAULTS = frozenset({"blur", "text", "empty"})
"""Faults that a title may have throughout; the others are never needed to represent it."""


def distance(a: Candidate, b: Candidate) -> float:
    """Euclidean distance of the signatures."""
    return float(np.linalg.norm(a.signature - b.signature))


def are_duplicates(a: Candidate, b: Candidate) -> bool:
    """Whether a viewer would take the two for the same picture."""
    bits = int(np.count_nonzero(a.bits != b.bits))
    apart = distance(a, b)
    alike = bits <= DUPLICATE_BITS and apart <= SIMILAR_DISTANCE
    return alike or apart <= DUPLICATE_DISTANCE


def likeness(a: Candidate, b: Candidate) -> float:
    """0 for unrelated pictures, 1 for the same; the same shot counts as half alike, its
    neighbouring moments as more."""
    look = float(np.exp(-((distance(a, b) / 0.2) ** 2)))
    if a.shot != b.shot:
        return look
    return max(look, 0.5 + 0.5 * float(np.exp(-((abs(a.time - b.time) / NEARBY) ** 2))))


def choose(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """Greedy choice by score less likeness to what is chosen (maximal marginal relevance,
    Carbonell and Goldstein, SIGIR 1998); near-duplicates are left out altogether.
    """
    left = list(candidates)
    chosen: list[Candidate] = []
    while left and len(chosen) < count:
        best = max(left, key=lambda c: c.score - DIVERSITY * _closest(c, chosen))
        chosen.append(best)
        left = [c for c in left if c is not best and not are_duplicates(c, best)]
    return chosen


def top_up(
    chosen: Sequence[Candidate], candidates: Sequence[Candidate], count: int
) -> list[Candidate]:
    """Fill a small set with moments of the shots it has, the most different first.

    A short title of one shot has a single distinct picture by the measure of :func:`choose`; a
    person who picks still wants moments to pick from. Pictures nobody can tell apart stay out.
    """
    full = list(chosen)
    left = _apart(candidates, full)
    while left and len(full) < count:
        gap, best = max(
            ((min((distance(c, other) for other in full), default=1.0), c) for c in left),
            key=lambda pair: pair[0],
        )
        if gap < SAME_DISTANCE:
            break
        full.append(best)
        left = _apart(left, [best])
    return sorted(full, key=lambda c: -c.score)


def _apart(candidates: Sequence[Candidate], chosen: Sequence[Candidate]) -> list[Candidate]:
    times = [c.time for c in chosen]
    return [c for c in candidates if is_apart(c.time, times)]


def _closest(candidate: Candidate, chosen: Sequence[Candidate]) -> float:
    return max((likeness(candidate, other) for other in chosen), default=0.0)


def next_look(
    samples: Sequence[Candidate], good: Sequence[Candidate], failed: Sequence[Candidate]
) -> Candidate | None:
    """The sample most worth a second look: good, unlike what is already found, and not next to
    one that failed. Samples with faults come last; None if there are no samples.

    Args:
        samples: those not yet looked at.
        good: found so far.
        failed: samples whose surroundings held no sound frame.
    """
    sound = [c for c in samples if not c.faults]
    if not sound:
        soft = [c for c in samples if set(c.faults) <= SOFT_FAULTS]
        return min(soft, key=lambda c: (len(c.faults), -c.score), default=None)

    def worth(candidate: Candidate) -> float:
        near = any(abs(candidate.time - other.time) < NEARBY for other in failed)
        twin = any(are_duplicates(candidate, other) for other in good)
        # Where all samples look alike, time alone tells a new moment from one already seen.
        gap = min((abs(candidate.time - other.time) for other in good), default=NEARBY)
        return (
            candidate.score
            - DIVERSITY * _closest(candidate, good)
            - (DIVERSITY if near else 0.0)
            - (DIVERSITY if twin else 0.0)
            - DIVERSITY * max(0.0, 1 - gap / NEARBY)
        )

    return max(sound, key=worth)


_PRAISE = {
    "sharp": "sharp",
    "exposure": "well exposed",
    "contrast": "good contrast",
    "colour": "colourful",
    "composition": "well composed",
    "space": "room for a title",
    "steady": "still",
    "typical": "typical of the title",
}
_BLAME = {
    "sharp": "a little soft",
    "exposure": "dark or bright",
    "contrast": "low contrast",
    "plain": "holds some lettering",
    "clean": "shows coding artefacts",
    "steady": "in motion",
}


def reason(candidate: Candidate) -> str:
    """Why the frame was chosen, in words: its subject, its strongest terms, its weakest."""
    values = candidate.terms
    faces = len(candidate.faces)
    if faces:
        subject = "one face" if faces == 1 else f"{faces} faces"
        if values.get("eyes", 0) > 0.65:
            subject += ", eyes open" if faces == 1 else ", eyes open in the best"
    elif values["subject"] > 0.3:
        subject = "a subject that stands out"
    else:
        subject = "a wide view"
    good = sorted((n for n in _PRAISE if values.get(n, 0) >= 0.7), key=lambda n: -values[n])[:3]
    weak = sorted((n for n in _BLAME if values.get(n, 1) < 0.35), key=lambda n: values[n])[:2]
    words = ", ".join([subject, *(_PRAISE[name] for name in good)])
    if weak:
        words += "; " + " and ".join(_BLAME[name] for name in weak)
    if candidate.faults:
        words += f"; the best there is ({', '.join(candidate.faults)})"
    return words
