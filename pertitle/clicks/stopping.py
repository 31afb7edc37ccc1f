"""When to stop a test over a title's candidates: winner, preferred, or none yet.

Valid for any logged propensities, however they were adapted to what was seen, and however often
it is looked at. For candidates i and j, let X = 1{shown i}·r/p_i − 1{shown j}·r/p_j be the
difference of their inverse-propensity rewards at one event. If j is at least as good as i, E[X] ≤ 0
given the past, and X ≥ −r/p_j; so for a bet λ chosen before the event, 1 + λX with λ ≤ p_j is not
negative and of mean 1 at most. The wealth ∏(1 + λX) is then a non-negative supermartingale, which
ever exceeds 1/α with probability α at most (Ville). This is the betting test of Waudby-Smith and
Ramdas (JRSS B 86, 2024, section 4) with the importance-weighted increments of Waudby-Smith, Wu,
Ramdas, Karampatziakis and Mineiro, "Anytime-valid off-policy inference for contextual bandits"
(ACM/IMS Journal of Data Science 1(3), 2024, section 2; arXiv 2210.10768). The argument and
the rule below are worked out here; neither was compared with the papers' text. Nothing is estimated
and nothing is asymptotic: no burn-in is needed, and rare events cannot look like certainty.

A log holds the propensity of the candidate shown only, so the bet cannot lean on j's present one:
λ = share × the smallest propensity with which j was shown before, for several shares whose wealths
are averaged (a mixture of supermartingales is one). Where j then turns up with a propensity below
2λ, half of that wealth is given up, click or no click. That keeps the mean at 1 at most as long as
p_j ≥ 2λ·E[r_i]: no candidate's propensity may fall, between two times it is shown, to less than
half its expected reward (10 % of clicks: a twentieth) of the smallest before. Rewards are taken as
shares of the largest there is, and at least of 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pertitle.errors import UsageError

SHARES = 0.25 / 2.0 ** np.arange(8)
"""Bets as shares of the smallest propensity seen. The best one for a lift d of equally shown
candidates is d / (2 + d); where i is shown far less than j, less by their ratio."""
MOST_LOST = np.log(0.5)
"""What one event can take of a wealth, as a logarithm."""


@dataclass(frozen=True)
class Log:
    """Events of a test in the order in which they happened; arrays of one length.

    Attributes:
        arm: index of the candidate that was shown.
        reward: not below 0.
        propensity: with which it was shown, above 0.
    """

    arm: NDArray[np.int64]
    reward: NDArray[np.float64]
    propensity: NDArray[np.float64]


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


def decide(
    names: Sequence[str], log: Log, *, alpha: float = 0.05, default: str | None = None
) -> Verdict:
    """Judge a test from its events.

    Args:
        names: of the candidates, by index.
        alpha: allowed chance of ever naming a wrong winner. Each pair is tested at α/K: naming
            i wrongly takes at least one false rejection among the K that could cause it.
        default: the candidate shown before the test; a leader that beats it is ``preferred``.

    Raises:
        UsageError: alpha is no probability, or there are fewer than two candidates.
    """
    if not 0 < alpha < 0.5:
        raise UsageError("alpha must lie between 0 and 0.5")
    if len(names) < 2:
        raise UsageError("a test needs at least two candidates")
    events = len(log.arm)
    totals = np.bincount(log.arm, log.reward / log.propensity, len(names))
    if totals.max() <= 0:
        return Verdict("none", None, (), events, alpha)
    lead = int(np.argmax(totals))
    needed = np.log(len(names) / alpha)
    beaten = tuple(
        name
        for other, name in enumerate(names)
        if other != lead and log_wealth(log, lead, other) >= needed
    )
    if len(beaten) == len(names) - 1:
        outcome = "winner"
    elif default is not None and default in beaten:
        outcome = "preferred"
    else:
        outcome = "none"
    return Verdict(outcome, names[lead], beaten, events, alpha)


def log_wealth(log: Log, better: int, other: int) -> float:
    """Logarithm of what betting on one candidate against another has made of 1.

    At or above log(1/α), the hypothesis that ``other`` is at least as good is rejected at level α.
    """
    chosen = (log.arm == better) | (log.arm == other)
    mine = log.arm[chosen] == better
    reward = log.reward[chosen] / max(1.0, float(log.reward.max(initial=0.0)))
    propensity = log.propensity[chosen]
    # The smallest propensity of the other in the events before; infinite before its first.
    least = np.minimum.accumulate(np.where(mine, np.inf, propensity))
    before = np.concatenate(([np.inf], least[:-1]))
    before[np.isinf(before)] = 0.0  # no bet on what was never seen
    gain = before / propensity
    given_up = ~mine & (2 * SHARES[0] * gain > 1)  # for the largest share, so for any
    counts = (reward > 0) | given_up  # most events hold no click and change nothing
    mine, gain, reward = mine[counts], gain[counts], reward[counts]
    bet = SHARES[:, None] * gain
    step = np.log1p(np.where(mine, bet, -np.minimum(bet, 0.5)) * reward)
    step[~mine & (2 * bet > 1)] = MOST_LOST
    return float(np.logaddexp.reduce(step.sum(axis=1)) - np.log(len(SHARES)))
