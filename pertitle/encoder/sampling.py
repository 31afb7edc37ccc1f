"""How many frames must be looked at to know a title's mean: stratified sampling in looks.

The title is cut into strata of equal length, and one unit (a frame, or a few neighbouring ones) is
drawn at random from each. Every further look cuts the strata in two and draws from the halves that
had no unit yet, so that all looks are stratified samples of one unit a stratum, each part of the
next. The variance is told from pairs of neighbouring strata as if both units had been drawn from
all of the pair, which says too much of it rather than too little (collapsed strata: Cochran,
*Sampling Techniques*, 1977, section 5A.12).

Looking ends when the interval is narrow enough, or when it says what was asked: whether the mean
lies within a tolerance of a target. As the interval may be looked at several times, each look gets
a part of its error (repeated confidence intervals: Jennison & Turnbull, *Group Sequential Methods
with Applications to Clinical Trials*, 2000, chapter 9; alpha spending: Lan & DeMets, "Discrete
sequential boundaries for clinical trials", 1983).

Renditions of one title are looked at in the same places. Where one was looked at in more of them
than the next, the next one's mean is drawn along by its regression on the first (double sampling;
Cochran, section 12.6).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from pertitle.encoder.title import Span

Array = NDArray[np.float64]

FIRST_UNITS = (32, 24, 16)
"""Strata of the first look, or fewer in short titles."""
MAX_LOOKS = 8
MOST_GROWTH = 0.75
"""Share of the difference between neighbouring strata that may be put down to their distance."""
GUARD = 1
"""Frames read on both sides of a unit and not counted: VMAF's motion feature looks at the
neighbours of a frame (Li et al., "VMAF: the journey continues", 2018)."""
ERRORS = (0.03, 0.018, 0.008)
"""How often the interval that is told first, second ... may miss the mean, halved from there on.
All together make 5 % where each is correlated with the next by 0.6, the root of how much of its
variance the next one keeps: they are not independent, and their sum would be too strict."""
SINGLE_PRICE = 1.5
"""A frame that is scored by itself, in frames of a comparison of all: its neighbours are decoded
and scaled too (62 against 47 ms at a 1080p display, and the way to it)."""
EXACT_SHARE = 0.8
"""If sampling would cost more than this of comparing all frames, all are compared."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Question:
    """What the sampling has to answer.

    Attributes:
        half_width: an interval this narrow is narrow enough.
        target, tolerance: sampling also ends when it is sure whether the mean lies within the
            tolerance of the target; None where nobody asks that.
    """

    half_width: float
    target: float | None = None
    tolerance: float = 0.0

    def wanted(self, mean: float) -> float:
        """The half width that answers it if this is the mean."""
        if self.target is None:
            return self.half_width
        return max(self.half_width, abs(abs(mean - self.target) - self.tolerance))

    def answered(self, found: Estimate) -> bool:
        """This interval says enough."""
        return found.half_width <= self.wanted(found.mean)

    def next_look(self, look: int, found: Estimate) -> int:
        """The look that should answer it after this one.

        Units twice as many narrow the interval to 0.6 of it: strata become more alike as they
        become shorter.
        """
        ratio = found.half_width / self.wanted(found.mean)
        return look + max(1, round(math.log(ratio) / -math.log(0.6)))


class Design:
    """Where the units of every look are; the same seed gives the same places.

    Units are drawn from all places of their strata and not from a grid: repeated and pulled-down
    frames, and those between reference frames, recur every few frames, and so do their scores.

    Args:
        frames: length of the title.
        seed: of the random places.
        length: frames of a unit.

    Attributes:
        looks: how many there are before all frames are compared.
    """

    def __init__(self, frames: int, *, seed: int = 1, length: int = 1) -> None:
        self.frames = frames
        self.length = length
        self._rng = np.random.default_rng(seed)
        self._unit = length + 2 * GUARD
        self._room = max(0, frames - self._unit + 1)
        price = SINGLE_PRICE if length == 1 else self._unit
        # In a stratum of this length there is always a place that no neighbour overlaps.
        most = min(self._room // (2 * self._unit - 1), int(EXACT_SHARE * frames / price))
        self._first = next((units for units in FIRST_UNITS if units <= most), 0)
        self.looks = 0
        if self._first:
            self.looks = min(MAX_LOOKS, 1 + int(math.log2(most / self._first)))
        self._places: list[NDArray[np.int64]] = []

    def look(self, number: int) -> tuple[Span, ...]:
        """All units of a look, numbered from 0, one a stratum in the order of the title."""
        while len(self._places) <= number:
            self._draw()
        return tuple(Span(GUARD + int(place), self.length) for place in self._places[number])

    def weights(self, strata: int) -> Array:
        """Share of the title in each of so many strata."""
        return np.asarray(np.diff(self._borders(strata)) / self._room)

    def _borders(self, strata: int) -> NDArray[np.int64]:
        return np.asarray(np.arange(strata + 1) * self._room // strata, dtype=np.int64)

    def _draw(self) -> None:
        strata = self._first * 2 ** len(self._places)
        borders = self._borders(strata)
        known = np.full(strata + 1, self._room + self._unit, dtype=np.int64)
        if self._places:
            before = self._places[-1]
            known[np.searchsorted(borders, before, side="right") - 1] = before
        drawn = np.empty(strata, dtype=np.int64)
        end = 0  # where the unit before this one leaves room
        for i, (low, high) in enumerate(pairwise(borders)):
            if known[i] < high:
                drawn[i] = known[i]
            else:
                last = min(int(high), int(known[i + 1]) - self._unit + 1)
                drawn[i] = self._rng.integers(max(int(low), end), last)
            end = int(drawn[i]) + self._unit
        self._places.append(drawn)


def error_of(interval: int) -> float:
    """How often the interval that is told first (0), second (1) ... may miss the mean."""
    last = len(ERRORS) - 1
    return ERRORS[min(interval, last)] * 0.5 ** max(0, interval - last)


def estimate(
    design: Design, values: Array, error: float, other: tuple[Array, Array] | None = None
) -> Estimate:
    """The title's mean from the units of a look.

    Args:
        values: mean of each unit, in the order of the strata.
        error: how often the interval may miss the mean.
        other: those of another rendition in the same units, and in those of a later look.
    """
    weights = design.weights(len(values))
    mean = float(weights @ values)
    if other is None:
        parts = [_variance(design, values)]
    else:
        common, more = other
        spread = np.diff(common)
        squares = max(float(spread @ spread), 1e-12)
        slope = float(np.diff(values) @ spread) / squares
        apart = float(design.weights(len(more)) @ more - weights @ common)
        mean += slope * apart
        rest, freedom = _variance(design, values - slope * common)
        rest *= freedom / max(1.0, freedom - 1)  # the slope took one degree of freedom
        # It is in doubt by what it leaves, and moves the mean by how far the samples lie apart.
        doubt = 2 * rest * len(values) * apart**2 / squares
        parts = [(rest + doubt, max(1.0, freedom - 1)), _variance(design, slope * more)]
    variance = sum(part for part, _ in parts)
    if variance <= 1e-12:
        return Estimate(mean, mean, mean)
    degrees = variance**2 / sum(part**2 / freedom for part, freedom in parts)
    half = float(student.ppf(1 - error / 2, degrees)) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half)


def _variance(design: Design, values: Array) -> tuple[float, float]:
    """The variance of the mean of one unit a stratum, and its degrees of freedom.

    Units of neighbouring strata, a stratum apart on average, differ by more than two units of one
    stratum do. By how much is told by how differences grow with distance: taken to be linear
    beyond what any two frames differ by, it follows from units two strata apart. The variance
    within a stratum is the mean of that variogram over all pairs of its places, where the growth
    counts a third (Matheron, "Principles of geostatistics", 1963). Steady change grows faster and
    would deceive, so no more than three quarters of the difference between neighbours is taken to
    be growth.

    What is drawn from few without being put back says more (Cochran, section 2.6). The freedom is
    Satterthwaite's of squares with one degree each (their fourth moment is three times their
    variance squared), divided by how much overlapping differences say the same: neighbours'
    correlation is -1/2.
    """
    weights = design.weights(len(values))
    squares = np.diff(values) ** 2
    fourth = float((squares**2).sum())
    if fourth <= 0:
        return 0.0, 1.0
    near, far = float(squares.mean()) / 2, float(((values[2:] - values[:-2]) ** 2).mean()) / 2
    growth = min(MOST_GROWTH * near, max(0.0, far - near))
    within = near - 2 / 3 * growth
    seen = len(values) * design.length / design.frames
    freedom = (3 * float(squares.sum()) ** 2 / fourth) / (1 + 2 * 0.5**2) - 2
    return within * float(weights @ weights) * (1 - seen), max(1.0, freedom)
