"""How many frames must be looked at to know a title's mean: stratified two-stage sampling.

The title is cut into strata of about equal length, whose borders move to a nearby shot cut. A
*round* draws one window of neighbouring frames from every stratum, at random and without putting
it back. Stage one is two rounds, from which the variance within strata is told; stage two adds as
many rounds as the wanted interval needs (Stein, "A two-sample test for a linear hypothesis whose
power is independent of the variance", 1945; Cochran, *Sampling Techniques*, 1977, chapters 2, 5).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from pertitle.encoder.title import Span

STRATA = 30
MIN_STRATUM_FRAMES = 30
WINDOW_FRAMES = 4
"""One mini-GOP of x264. Neighbouring frames say nearly the same: many short windows in many
strata needed 3 to 4 times fewer frames than 12 strata with windows of 8 (docs/delivery.md)."""
FIRST_ROUNDS = 2
SNAP = 0.3
"""A border moves to a cut at most this share of a stratum's length away."""
CONFIDENCE = 0.95
EXACT_SHARE = 0.6
"""If more of the title than this would be looked at, all of it is."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        return (self.high - self.low) / 2


class Design:
    """Where the windows of every round are; the same seed gives the same places.

    Args:
        frames: length of the title.
        cuts: first frames of its shots.
        seed: of the random places.
    """

    def __init__(self, frames: int, cuts: Sequence[int] = (), *, seed: int = 1) -> None:
        self.frames = frames
        self.borders = strata_borders(frames, cuts)
        rng = np.random.default_rng(seed)
        self._windows: list[tuple[Span, ...]] = []
        for low, high in zip(self.borders, self.borders[1:], strict=False):
            count = max(1, (high - low) // WINDOW_FRAMES)
            length = min(WINDOW_FRAMES, high - low)
            # The frames left over lie before or behind the windows, by chance.
            first = low + int(rng.integers(high - low - count * length + 1))
            order = rng.permutation(count)
            self._windows.append(tuple(Span(first + int(i) * length, length) for i in order))

    @property
    def weights(self) -> NDArray[np.float64]:
        """Share of the title in each stratum."""
        return np.asarray(np.diff(self.borders) / self.frames)

    def round(self, number: int) -> tuple[Span, ...]:
        """The windows of one round, numbered from 0, one a stratum."""
        return tuple(windows[number % len(windows)] for windows in self._windows)

    def exact_is_cheaper(self, rounds: int) -> bool:
        """The rounds would look at most of the title anyway."""
        looked_at = rounds * (len(self.borders) - 1) * (WINDOW_FRAMES + 2)
        return looked_at > EXACT_SHARE * self.frames


def strata_borders(frames: int, cuts: Sequence[int]) -> tuple[int, ...]:
    """Borders of the strata, first 0 and last ``frames``, strictly rising."""
    count = max(1, min(STRATA, frames // MIN_STRATUM_FRAMES))
    length = frames / count
    borders = [0]
    for i in range(1, count):
        ideal = i * length
        near = [cut for cut in cuts if abs(cut - ideal) <= SNAP * length]
        borders.append(min(near, key=lambda cut: abs(cut - ideal)) if near else round(ideal))
    return (*borders, frames)


def estimate(
    design: Design, rounds: Sequence[Sequence[float]], confidence: float = CONFIDENCE
) -> Estimate:
    """The title's mean from window means, one row a round and one column a stratum.

    The variance within each stratum is told from its windows; Satterthwaite's degrees of freedom
    weigh the strata by what they add.

    Raises:
        ValueError: fewer than two rounds.
    """
    values = np.asarray(rounds, dtype=np.float64)
    count = values.shape[0]
    if count < FIRST_ROUNDS:
        raise ValueError("a variance needs two rounds")
    weights = design.weights
    mean = float(weights @ values.mean(axis=0))
    # What is drawn from few without being put back says more (Cochran, section 2.6).
    unseen = np.clip(1 - count * WINDOW_FRAMES / np.diff(design.borders), 0.0, 1.0)
    parts = weights**2 * values.var(axis=0, ddof=1) / count * unseen
    variance = float(parts.sum())
    if variance <= 0:
        return Estimate(mean, mean, mean)
    freedom = variance**2 / float((parts**2).sum() / (count - 1))
    half = float(student.ppf((1 + confidence) / 2, freedom)) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half)


def rounds_needed(so_far: int, half_width: float, wanted: float) -> int:
    """Rounds in all that should make the interval as narrow as wanted."""
    if half_width <= wanted:
        return so_far
    return max(so_far + 1, math.ceil(so_far * (half_width / wanted) ** 2))
