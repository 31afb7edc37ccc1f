"""Estimating what a policy would have earned from a log that another policy wrote.

All estimators take arrays over the logged rounds:

- ``reward`` r: what the shown item earned,
- ``logged`` p: probability with which the log's policy chose the shown item,
- ``target`` π: probability with which the policy in question would have chosen it,
- for the doubly robust estimate, ``predicted`` q(x, a) of the shown item and ``expected``
  Σ_a π(a|x)·q(x, a), from a reward model not fitted on that round.

Li et al. (WSDM 2011) for replay; Horvitz and Thompson (1952) for IPS; Swaminathan and Joachims
(NIPS 2015) for SNIPS; Dudík, Langford and Li (ICML 2011) for DR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pertitle.errors import UsageError

Floats = NDArray[np.float64]
MIN_EFFECTIVE = 30.0
"""Fewer effective rounds than this support no estimate."""


@dataclass(frozen=True)
class Estimate:
    """A value and its bootstrap percentile interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimates:
    """A policy's estimated reward per impression.

    Attributes:
        policy: its name.
        replay, ips, snips, dr: by estimator; ``dr`` is None without a reward model.
        effective: effective number of rounds, (Σπ/p)² / Σ(π/p)².
    """

    policy: str
    replay: Estimate
    ips: Estimate
    snips: Estimate
    dr: Estimate | None
    effective: float


def replay(reward: Floats, matched: Floats) -> float:
    """Mean reward where log and policy agree; ``matched`` is 1 there (or the policy's chance)."""
    total = float(matched.sum())
    return float((reward * matched).sum()) / total if total > 0 else 0.0


def ips(reward: Floats, logged: Floats, target: Floats) -> float:
    """Inverse propensity score: unbiased if the propensities are true and have support."""
    return float((reward * target / logged).mean())


def snips(reward: Floats, logged: Floats, target: Floats) -> float:
    """Self-normalised: a little bias for less variance."""
    weight = target / logged
    total = float(weight.sum())
    return float((reward * weight).sum()) / total if total > 0 else 0.0


def effective_rounds(logged: Floats, target: Floats) -> float:
    """Kish's effective sample size of the importance weights."""
    weight = target / logged
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares > 0 else 0.0


def check_support(logged: Floats, target: Floats, outside: Floats, policy: str) -> None:
    """Refuse what the log cannot tell.

    Args:
        outside: for each round, the probability that the policy would have chosen an item the
            log never shows.

    Raises:
        UsageError: propensities are missing or impossible, the policy leaves the log's support,
            the weights do not average to 1, or too few rounds carry the estimate.
    """
    if len(logged) == 0:
        raise UsageError("the log holds no rounds that can be evaluated")
    if not (np.isfinite(logged).all() and (logged > 0).all() and (logged <= 1).all()):
        raise UsageError(
            "off-policy evaluation needs the propensity of every shown thumbnail (0 < p ≤ 1)"
        )
    missed = float(outside.mean())
    if missed > 0.01:
        raise UsageError(
            f"no support: {100 * missed:.0f} % of what the policy {policy!r} would show was"
            " never shown in the log"
        )
    weight = target / logged
    error = float(weight.std()) / np.sqrt(len(weight))
    if abs(float(weight.mean()) - (1 - missed)) > 5 * error + 0.02:
        raise UsageError(
            f"the propensities are not those the log was written with: for the policy {policy!r}"
            f" the weights average {float(weight.mean()):.2f} instead of 1"
        )
    effective = effective_rounds(logged, target)
    if effective < MIN_EFFECTIVE:
        raise UsageError(
            f"no support: the policy {policy!r} and the log agree on only {effective:.0f}"
            f" effective rounds; {MIN_EFFECTIVE:.0f} are needed"
        )


def estimate(
    policy: str,
    reward: Floats,
    logged: Floats,
    target: Floats,
    *,
    predicted: Floats | None = None,
    expected: Floats | None = None,
    matched: Floats | None = None,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimates:
    """All estimators with percentile bootstrap intervals over rounds.

    Args:
        matched: for replay: 1 where the policy's own draw agrees with the log; ``target`` if
            left out, which averages over its draws (valid for a uniform log only).
    """
    agreed = target if matched is None else matched
    weight = target / logged
    columns = [reward * agreed, agreed, reward * weight, weight]
    if predicted is not None and expected is not None:
        columns.append(expected + (reward - predicted) * weight)
    table = np.column_stack(columns)
    point = _ratios(table.mean(axis=0)[None])[0]
    resampled = _ratios(_bootstrap_means(table, rounds, seed))
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(resampled, (tail, 100 - tail), axis=0)
    effective = effective_rounds(logged, target)
    if not (reward * weight).any() and effective > 0:
        # No reward was seen, so resampling knows no spread; the exact binomial bound does.
        bound = (1 - ((1 - level) / 2) ** (1 / effective)) * max(1.0, float(reward.max()))
        high[:3] = np.maximum(high[:3], bound)
    found = [
        Estimate(float(v), float(a), float(b)) for v, a, b in zip(point, low, high, strict=True)
    ]
    return Estimates(
        policy,
        found[0],
        found[1],
        found[2],
        found[3] if len(found) > 3 else None,
        effective,
    )


def _ratios(means: Floats) -> Floats:
    """Columns replay, IPS, SNIPS and, if there is one, DR from the means of the table."""
    safe = np.maximum(means, 1e-300)
    parts = [means[:, 0] / safe[:, 1], means[:, 2], means[:, 2] / safe[:, 3]]
    if means.shape[1] > 4:
        parts.append(means[:, 4])
    return np.column_stack(parts)


def _bootstrap_means(table: Floats, rounds: int, seed: int) -> Floats:
    """Column means of resampled tables, in chunks of bounded memory."""
    rng = np.random.default_rng(seed)
    count = len(table)
    means = np.empty((rounds, table.shape[1]))
    chunk = max(1, 4_000_000 // count)
    for start in range(0, rounds, chunk):
        size = min(chunk, rounds - start)
        if count <= 20_000:
            counts = rng.multinomial(count, np.full(count, 1 / count), size=size)
        else:  # Poisson weights are the limit of the multinomial ones, and faster
            counts = rng.poisson(1.0, size=(size, count))
        total = counts.sum(axis=1, keepdims=True)
        means[start : start + size] = counts @ table / total
    return means
