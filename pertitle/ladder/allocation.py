r"""Which points of the hull become rungs: most expected quality, by dynamic programming.

A player takes the best rung that its bandwidth carries with a margin *a*. Rung *i* of a rising
ladder is seen by the viewers whose bandwidth lies from :math:`a R_i` up to :math:`a R_{i+1}`, so
the mean delivered quality is

.. math:: \sum_i Q_i \, [P(a R_{i+1}) - P(a R_i)], \qquad P(a R_{n+1}) = 1,

with :math:`P` the distribution function of bandwidth, and quality 0 for who is below the lowest
rung. The objective is that of Reznik et al., "Optimal Design of Encoding Profiles for ABR
Streaming", Packet Video 2018 (doi 10.1145/3210424.3210436), who solve it by non-linear
optimisation of bitrates; its text was not at hand to compare formula by formula, and the recursion
here is derived, not quoted. Several classes of viewers add up, each with its own *P* and *Q*; that
they share one set of rungs is the problem of Toni et al., "Optimal Selection of Adaptive Streaming
Representations", TOMM 2015, whose integer programme with several titles this is not.

The sum splits at every rung, so that the best ladder whose top is point *k* needs only the best
ladders below it: :math:`V_n(k) = \max_{j<k} V_{n-1}(j) + Q_j [P(a R_k) - P(a R_j)] - c_k`. That is
exact for the given points, with prices as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pertitle.ladder.audience import below, seen
from pertitle.options import LadderOptions, ViewerClass

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MARGIN = 1 / 0.9
"""Bandwidth a player wants for a bitrate: dash.js' throughput rule uses nine tenths of it."""
SOUND_KBPS = 128.0
"""Stereo sound that goes with every rung."""
_SHORTFALL = 0.02
"""Mean quality that is given up for fewer rungs, relative to a rung at every point."""
_JND = 6.0
"""VMAF points, noticed by three viewers in four: Ozer, "Finding the Just Noticeable Difference with
Netflix VMAF", 2017."""
_GB_PER_HOUR = 3600 / 8e6
"""Gigabytes (10^9) that a kilobit a second is in an hour."""


@dataclass(frozen=True)
class Delivery:
    """What an audience gets of a ladder, if every player knew its bandwidth.

    Attributes:
        quality: mean VMAF, viewers below the lowest rung counting 0.
        kbps: mean bitrate delivered, with sound.
        outage: share of viewers below the lowest rung.
        stored_kbps: sum of the rungs' bitrates without sound: what is stored for a second of title.
        rungs: number of rungs.
    """

    quality: float
    kbps: float
    outage: float
    stored_kbps: float
    rungs: int


def shares(audience: Sequence[ViewerClass]) -> Array:
    """Share of each class, adding up to 1."""
    given = np.array([viewers.share for viewers in audience])
    return np.asarray(given / given.sum(), dtype=np.float64)


def deliver(audience: Sequence[ViewerClass], kbps: Array, vmaf: Array) -> Delivery:
    """Expected delivery of a ladder.

    Args:
        kbps, vmaf: bitrates (without sound) and qualities of the rungs, rising.
    """
    rate = np.asarray(kbps, dtype=np.float64) + SOUND_KBPS
    quality = bits = outage = 0.0
    for share, viewers in zip(shares(audience), audience, strict=True):
        reach = below(viewers, MARGIN * rate)
        mass = np.diff(np.append(reach, 1.0))
        quality += share * float(mass @ seen(viewers, vmaf))
        bits += share * float(mass @ rate)
        outage += share * float(reach[0])
    return Delivery(quality, bits, outage, float(np.sum(kbps)), len(rate))


@dataclass(frozen=True)
class Problem:
    """Gains of every pair of points, rising in bitrate.

    Attributes:
        gain: points × points; ``gain[j, k]`` is what the viewers from ``j`` up to ``k`` are worth.
        top: what the viewers from each point up are worth.
        price: of having each point as a rung.
        allowed: points × points, which may be neighbours.
    """

    gain: Array
    top: Array
    price: Array
    allowed: Mask

    @classmethod
    def of(
        cls,
        audience: Sequence[ViewerClass],
        kbps: Array,
        vmaf: Array,
        *,
        allowed: Mask | None = None,
        egress: float = 0.0,
        price: Array | None = None,
    ) -> Problem:
        """Gains in VMAF points.

        Args:
            kbps, vmaf: of the points, without sound; bitrates rise.
            egress: VMAF points that a delivered kbit/s costs.
            price: VMAF points that each rung costs; None for nothing.
        """
        rate = kbps + SOUND_KBPS
        count = len(rate)
        gain, top = np.zeros((count, count)), np.zeros(count)
        for share, viewers in zip(shares(audience), audience, strict=True):
            reach = below(viewers, MARGIN * rate)
            worth = share * (seen(viewers, vmaf) - egress * rate)
            gain += worth[:, None] * (reach[None, :] - reach[:, None])
            top += worth * (1.0 - reach)
        return cls(
            gain,
            top,
            np.zeros(count) if price is None else price,
            np.ones((count, count), dtype=bool) if allowed is None else allowed,
        )


def best_ladders(problem: Problem, most: int) -> list[tuple[float, tuple[int, ...]]]:
    """The best ladder of every number of rungs.

    Returns:
        (value, points, rising) for 1, 2, … rungs; shorter where no longer one is allowed.
    """
    count = len(problem.top)
    rising = np.triu(np.ones((count, count), dtype=bool), 1) & problem.allowed
    step = np.where(rising, problem.gain - problem.price[None, :], -np.inf)
    value = -problem.price
    back: list[NDArray[np.int64]] = []
    found = []
    for rungs in range(1, min(most, count) + 1):
        if rungs > 1:
            reached = value[:, None] + step
            came = np.argmax(reached, axis=0)
            value = reached[came, np.arange(count)]
            back.append(came)
        total = value + problem.top
        end = int(np.argmax(total))
        if not np.isfinite(total[end]):
            break
        path = [end]
        for came in reversed(back):
            path.append(int(came[path[-1]]))
        found.append((float(total[end]), tuple(reversed(path))))
    return found


def neighbours(kbps: Array, vmaf: Array, options: LadderOptions, distance: float = 0.0) -> Mask:
    """Which points may be neighbours under the bitrate ratios and a least VMAF distance."""
    ratio = kbps[None, :] / kbps[:, None]
    apart = vmaf[None, :] - vmaf[:, None]
    inside = (ratio >= options.min_ratio - 1e-9) & (ratio <= options.max_ratio + 1e-9)
    return np.asarray(inside & (apart >= distance - 1e-9))


def choose_points(kbps: Array, vmaf: Array, options: LadderOptions) -> tuple[int, ...]:
    """The points of a hull that become rungs for the options' audience.

    With a price of quality (``point_value``) the ladder of most net value. Otherwise the fewest
    rungs that lose no more than 2 % of what a rung at every point would deliver, a just noticeable
    difference apart unless only closer ones reach that; among these, one of little storage.

    Args:
        kbps, vmaf: points, both rising.

    Returns:
        Chosen points, rising.
    """
    audience = options.audience
    if options.point_value > 0:
        return _most_value(kbps, vmaf, options)
    free = neighbours(kbps, vmaf, options)
    limit = deliver(audience, kbps, vmaf).quality
    enough = (1 - _SHORTFALL) * limit
    for allowed in (neighbours(kbps, vmaf, options, _JND), free):
        problem = Problem.of(audience, kbps, vmaf, allowed=allowed)
        ladders = best_ladders(problem, options.max_rungs)
        for value, path in ladders[options.min_rungs - 1 :]:
            if value >= enough:
                return _less_storage(kbps, problem, len(path), enough) or path
    # Not to be had with so few rungs: as good as they can be, or as many as there may be.
    return max(ladders[options.min_rungs - 1 :] or ladders[-1:])[1]


def _less_storage(
    kbps: Array, problem: Problem, rungs: int, enough: float
) -> tuple[int, ...] | None:
    """A ladder of so many rungs that delivers enough and stores less: a price on storage, raised
    until it would not."""
    low, high = 0.0, 100.0 / float(kbps.max())
    best = None
    for _ in range(12):
        weight = (low + high) / 2
        priced = Problem(problem.gain, problem.top, weight * kbps, problem.allowed)
        ladders = best_ladders(priced, rungs)
        path = ladders[-1][1]
        value = ladders[-1][0] + weight * float(kbps[list(path)].sum())
        if len(path) == rungs and value >= enough:
            best, low = path, weight
        else:
            high = weight
    return best


def _most_value(kbps: Array, vmaf: Array, options: LadderOptions) -> tuple[int, ...]:
    point = options.point_value
    problem = Problem.of(
        options.audience,
        kbps,
        vmaf,
        allowed=neighbours(kbps, vmaf, options),
        egress=options.egress_cost * _GB_PER_HOUR / point,
        price=options.storage_cost * _GB_PER_HOUR * kbps / options.hours / point,
    )
    ladders = best_ladders(problem, options.max_rungs)
    return max(ladders[options.min_rungs - 1 :] or ladders[-1:])[1]
