"""From judged frames to a set: the best first, each next one good *and* different."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pertitle.encoder.thumbnails.candidates import Candidate

DUPLICATE_BITS = 10
"""Perceptual hashes (63 bits) that differ in no more bits show the same picture …"""
DUPLICATE_DISTANCE = 0.10
"""… and so do signatures no farther apart."""
SIMILAR_DISTANCE = 0.22
DIVERSITY = 0.25
"""How much score a twin of something already chosen loses."""

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
    """0 for unrelated pictures, 1 for the same; the same shot counts as half alike."""
    look = float(np.exp(-((distance(a, b) / 0.2) ** 2)))
    return max(look, 0.5 if a.shot == b.shot else 0.0)


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


def _closest(candidate: Candidate, chosen: Sequence[Candidate]) -> float:
    return max((likeness(candidate, other) for other in chosen), default=0.0)


def shortlist(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """Samples worth a second look, in the order in which to look.

    Near-duplicates are put off rather than left out: when a frame fails its second look, its
    twin in another second may not.
    """
    sound = [c for c in candidates if not c.faults]
    first = choose(sound, count)
    names = {id(c) for c in first}
    rest = sorted((c for c in sound if id(c) not in names), key=lambda c: -c.score)
    soft = [c for c in candidates if c.faults and set(c.faults) <= SOFT_FAULTS]
    return [*first, *rest, *sorted(soft, key=lambda c: (len(c.faults), -c.score))]


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
