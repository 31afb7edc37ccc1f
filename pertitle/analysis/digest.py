"""The digest: windows that stand for a title in probe encodes."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from pertitle.analysis.scan import Look, Spending
from pertitle.records import Window

WHOLE_SECONDS = 12.0
"""A title up to this length is its own digest."""
BUDGET_SECONDS = 20.0
WINDOW_SECONDS = 2.0
"""Length of a window, or a segment if that is shorter: many short windows stand for a title of
many shots better than few long ones, and each keyframe costs an encoder no more than its bits."""
FEATURE_SECONDS = (2.0, 10.0)
"""Most seconds of each window, and of all, on which features are measured."""
MAX_CANDIDATES = 400
MAX_ROUNDS = 8
QUALITY_UNIT = 12.0
"""VMAF points that weigh as much as a doubling of the bitrate."""
MEAN_WEIGHT = 10.0
"""Weight of the title's means, which the probes answer for, against likeness of quantiles."""
SPREAD_WEIGHT = 0.02
"""Weight of an even spread in time against likeness of complexity."""


def choose_digest(
    looks: Sequence[Look],
    spending: Spending | None,
    duration: float,
    rate: Fraction,
    segment_seconds: float,
) -> tuple[Window, ...]:
    """Windows of about 2 s, about 20 s in all, whose complexity is distributed like the title's;
    a title of up to 12 s is one window, whole.

    The set is searched for whose mean and spread of every proxy (bytes of the source's own coding,
    toy key size, rate and quality) are nearest the title's.

    Args:
        looks: sampled places.
        spending: packet sizes, if the container lists them.
        duration: seconds of the title.
        rate: constant frame rate.
        segment_seconds: length of a segment; no window is longer.
    """
    size = max(1, round(min(segment_seconds, WINDOW_SECONDS) * rate))
    frames = max(1, round(duration * rate))
    length = float(size / rate)
    count = max(1, round(BUDGET_SECONDS / length))
    if duration <= WHOLE_SECONDS or frames // size <= count:
        return (Window(0.0, float(frames / rate)),)
    chosen = _search(_proxies(looks, spending, frames // size, length), count)
    return tuple(Window(float(i * size / rate), length) for i in sorted(chosen))


def _proxies(
    looks: Sequence[Look], spending: Spending | None, places: int, length: float
) -> NDArray[np.float64]:
    """What is known of every place, shape (places, 4): log2 bytes of the source's own coding,
    toy key and rate in log2, and estimated quality in ``QUALITY_UNIT`` points; 0 if unknown."""
    known = np.zeros((places, 4))
    if spending is not None:
        sizes = [spending.between(i * length, (i + 1) * length) for i in range(places)]
        known[:, 0] = np.log2(np.array(sizes) + 200.0)
    if looks:
        times = np.array([look.glance.time for look in looks])
        values = [(look.key_bits, look.rate, look.quality / QUALITY_UNIT) for look in looks]
        known[:, 1:] = _by_place(times, np.array(values), places, length)
    return known


def _by_place(
    times: NDArray[np.float64], values: NDArray[np.float64], places: int, length: float
) -> NDArray[np.float64]:
    """Mean of the samples in each place, or between those around it if it has none."""
    middles = (np.arange(places) + 0.5) * length
    result = np.stack([np.interp(middles, times, column) for column in values.T], axis=1)
    sampled = (times / length).astype(np.intp)
    for place in np.unique(sampled[sampled < places]):
        result[place] = values[sampled == place].mean(axis=0)
    return result


def _search(proxies: NDArray[np.float64], count: int) -> list[int]:
    """Pick ``count`` places: one from each stratum of overall complexity, then exchanges that
    lower the distance to the title until none does. Deterministic."""
    title = _Title(proxies, count)
    spread = proxies.std(axis=0)
    overall = (proxies / np.where(spread > 1e-6, spread, 1.0)).mean(axis=1)
    order = np.argsort(overall, kind="stable")
    chosen = [int(stratum[len(stratum) // 2]) for stratum in np.array_split(order, count)]
    best = title.distance(np.array([chosen]))[0]
    size = min(len(proxies), MAX_CANDIDATES)
    candidates = np.unique(np.linspace(0, len(proxies) - 1, size).round().astype(np.intp))
    for _ in range(MAX_ROUNDS):
        before = best
        for place in range(count):
            others = candidates[~np.isin(candidates, chosen)]
            trials = np.repeat([chosen], len(others), axis=0)
            trials[:, place] = others
            distances = title.distance(trials)
            if len(others) and distances.min() < best - 1e-9:
                best = distances.min()
                chosen = [int(i) for i in trials[int(np.argmin(distances))]]
        if best == before:
            break
    return chosen


def _means(proxies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over places, axis -2: rates add up as rates, not as their logarithms."""
    rates = np.log2(np.exp2(proxies[..., :3]).mean(axis=-2))
    return np.concatenate([rates, proxies[..., 3:].mean(axis=-2)], axis=-1)


class _Title:
    """The title's complexity, and how unlike it sets of places are."""

    def __init__(self, proxies: NDArray[np.float64], count: int) -> None:
        self._proxies = proxies
        self._marks = (np.arange(count) + 0.5) / count
        self._mean = _means(proxies)
        self._quantiles = np.quantile(proxies, self._marks, axis=0)

    def distance(self, sets: NDArray[np.intp]) -> NDArray[np.float64]:
        """Squared errors of the mean rates and quality, of quantiles and of the spread in time.

        Args:
            sets: indices of places, shape (sets, count).

        Returns:
            One distance a set.
        """
        picked = self._proxies[sets]
        mean = _means(picked) - self._mean
        quantiles = np.sort(picked, axis=1) - self._quantiles
        even = (np.sort(sets, axis=1) + 0.5) / len(self._proxies) - self._marks
        distance: NDArray[np.float64] = (
            MEAN_WEIGHT * (mean**2).sum(axis=1)
            + 0.5 * (quantiles**2).mean(axis=1).sum(axis=1)
            + SPREAD_WEIGHT * (even**2).mean(axis=1)
        )
        return distance


def feature_windows(digest: Sequence[Window]) -> tuple[Window, ...]:
    """The stretches of the digest that features are measured on: the middle of each window; of a
    single long window, 2 s every 4 s."""
    most, total = FEATURE_SECONDS
    if len(digest) == 1 and digest[0].duration > 2 * most:
        whole = digest[0]
        count = min(5, max(1, round(whole.duration / 4)))
        step = whole.duration / count
        digest = [Window(whole.start + i * step, step) for i in range(count)]
    longest = min(most, total / len(digest))
    return tuple(
        Window(w.start + max(0.0, w.duration - longest) / 2, min(w.duration, longest))
        for w in digest
    )
