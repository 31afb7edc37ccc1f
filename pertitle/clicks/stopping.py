"""When to stop a test over a title's candidates: winner, preferred, or none yet.

Valid however often it is looked at. For two candidates the sum over events of
X = 1{shown i}·r/p_i − 1{shown j}·r/p_j has mean zero increments when they are equally good, even
if the propensities p change with what was learned; a normal mixture over that martingale gives a
boundary that it crosses with probability α at most, ever (Robbins 1970; Howard et al., Annals of
Statistics 49, 2021; with estimated variance it holds asymptotically, Waudby-Smith et al. 2021,
hence the burn-in).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pertitle.errors import UsageError

BURN_IN = 30.0
"""Effective rewards a pair must have before it is compared: (Σr/p)² / Σ(r/p)²."""
TUNED_AT = 300.0
"""Effective rewards of a pair at which the boundary is tightest."""


@dataclass(frozen=True)
class Arm:
    """Sums over a candidate's events: name, Σr/p, Σ(r/p)²."""

    name: str
    total: float
    square: float


@dataclass(frozen=True)
class Verdict:
    """What the test says now.

    Attributes:
        outcome: ``winner`` (beats every other candidate), ``preferred`` (beats the default) or
            ``none``.
        leader: the candidate with the highest estimate, or None without any reward.
        beaten: candidates that the leader surely beats.
        events: events of the test.
        alpha: chance, over the whole test and all looks, of ever naming a wrong winner.
    """

    outcome: str
    leader: str | None
    beaten: tuple[str, ...]
    events: int
    alpha: float


def boundary(variance: NDArray[np.float64], alpha: float, tuned: float) -> NDArray[np.float64]:
    """One-sided normal-mixture boundary for a martingale of that accumulated variance.

    √((V+ρ)·log((V+ρ)/(4ρα²)+1)), Howard et al. (2021), proposition 6 in the closed form of their
    one-sided conjugate mixture; ρ puts its tightest point at V = ``tuned``.
    """
    rho = tuned / (2 * np.log(1 / (2 * alpha)) + np.log(1 + 2 * np.log(1 / (2 * alpha))))
    value: NDArray[np.float64] = np.sqrt(
        (variance + rho) * np.log((variance + rho) / (4 * rho * alpha**2) + 1)
    )
    return value


def decide(
    arms: Sequence[Arm], events: int, *, alpha: float = 0.05, default: str | None = None
) -> Verdict:
    """Judge a test from its sums.

    Args:
        events: events of all arms together.
        alpha: allowed chance of ever naming a wrong winner. Each pair is tested at α/K: naming
            i wrongly takes at least one false rejection among the K that could cause it.
        default: the candidate shown before the test; a leader that beats it is ``preferred``.

    Raises:
        UsageError: alpha is no probability, or there are fewer than two arms.
    """
    if not 0 < alpha < 0.5:
        raise UsageError("alpha must lie between 0 and 0.5")
    if len(arms) < 2:
        raise UsageError("a test needs at least two candidates")
    totals = np.array([arm.total for arm in arms])
    squares = np.array([arm.square for arm in arms])
    if events == 0 or totals.max() <= 0:
        return Verdict("none", None, (), events, alpha)
    lead = int(np.argmax(totals))
    gap = totals[lead] - totals
    both = squares[lead] + squares
    variance = np.maximum(both - gap**2 / events, 1e-12)
    rewards = (totals[lead] + totals) ** 2 / np.maximum(both, 1e-12)
    # In units of the pair's typical squared increment the tuning is the same for every test.
    unit = both / np.maximum(rewards, 1e-12)
    limit = np.sqrt(unit) * boundary(variance / unit, alpha / len(arms), TUNED_AT)
    beats = (gap > limit) & (rewards >= BURN_IN)
    beats[lead] = False
    beaten = tuple(arm.name for arm, hit in zip(arms, beats, strict=True) if hit)
    if len(beaten) == len(arms) - 1:
        outcome = "winner"
    elif default is not None and default in beaten:
        outcome = "preferred"
    else:
        outcome = "none"
    return Verdict(outcome, arms[lead].name, beaten, events, alpha)
